"""The evaluation of a model from its settings to its files: results, a submission, scores, a page."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gvseg_core import __version__
from gvseg_core.engine.benchmarks import Bench
from gvseg_core.engine.evaluation.ledger import Entry, Ledger
from gvseg_core.engine.evaluation.model import Runner, load_for
from gvseg_core.engine.evaluation.outcome import Evaluated, chosen, comparable
from gvseg_core.engine.evaluation.reporting import by_video, look_at_footage, write_page
from gvseg_core.engine.evaluation.run import Work
from gvseg_core.engine.evaluation.scoring import total
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Watcher
from gvseg_core.errors import UsageError
from gvseg_core.files import printable, writing
from gvseg_core.recipes import BUNDLED_NOTE
from gvseg_core.segmenter import Segmenter
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.sinks.official.submission import make_submission
from gvseg_core.types import Footage

SHAPING = {"bench", "task", "exemplar_kind", "conf", "size", "seed", "overrides"}
"""The settings on which results depend, beside the data and what the segmenter says of itself."""


def evaluate_model(
    settings: EvalSettings,
    bench: Bench,
    team: Team,
    watcher: Watcher,
    stopped: Callable[[], bool],
    keeps: Callable[[], None],
) -> Evaluated:
    """Run the model that `settings` names on its videos; arguments and errors as `gvseg_core.engine.evaluate` has them.

    Every process of `team` takes its share; the first one alone writes what is common, and knows the scores.
    """
    split = settings.split or bench.benchmark.splits[0]
    footage = team.agree(lambda: bench.benchmark.open(settings.data or Path(), split))
    videos = chosen(footage.videos, settings.videos)
    _check_with_footage(settings, footage)
    if settings.model is None:
        watcher.note(BUNDLED_NOTE)
    segmenter = team.agree(lambda: load_for(bench, settings, team, watcher, footage.vocabulary))
    runner = team.agree(
        lambda: Runner(segmenter, bench, footage, exemplar_kind=settings.exemplar_kind, seed=settings.seed)
    )
    for note in runner.notes:
        watcher.note(note)
    with _results_folder(settings, team) as folder:
        ledger = None
        if settings.save_results is not None:
            ledger = Ledger(settings.save_results, fingerprint(settings, split, segmenter, footage))
            team.agree(lambda: _open(ledger, settings, team, watcher))
            keeps()
        work = Work(bench, footage, runner, folder, ledger, look=settings.report is not None)
        shares = team.everyone(team.agree(lambda: work.do(team.share(videos), watcher, stopped)))
        entries = {video: entry for share in shares for video, entry in share.items()}
        info = {"split": split, **segmenter.provenance, "settings": _said(settings)}
        evaluated = Evaluated(
            bench,
            None,
            num_videos=len(videos),
            num_done=len(entries),
            hidden=footage.hidden,
            published=comparable(bench, footage.vocabulary, settings),
            info=info,
        )
        if not evaluated.is_whole or not team.is_first:
            return evaluated
        return _finished(evaluated, settings, footage, {video: entries[video] for video in videos}, folder, runner)


def _check_with_footage(settings: EvalSettings, footage: Footage) -> None:
    if footage.truth is None and settings.save_results is None and settings.submission is None:
        raise UsageError(
            f"there is nothing to score with: {footage.hidden}; add --submission FILE.zip or --save-results DIR"
        )
    if footage.truth is None and settings.report is not None:
        raise UsageError(f"--report shows scores, and there are none: {footage.hidden}")
    if settings.submission is not None and settings.videos:
        raise UsageError("--submission holds all videos of a split; leave --videos out")


def _open(ledger: Ledger, settings: EvalSettings, team: Team, watcher: Watcher) -> None:
    """By the first process; the others look into what it has opened."""
    if team.is_first:
        moved = ledger.open(settings.overwrite)
        if moved is not None:
            watcher.note(f"{printable(ledger.folder)} held other results; they are in {printable(moved)} now")


def _finished(
    evaluated: Evaluated,
    settings: EvalSettings,
    footage: Footage,
    entries: Mapping[str, Entry],
    folder: Path | None,
    runner: Runner,
) -> Evaluated:
    """With all videos done: the files of all videos, the scores, the page."""
    bench = evaluated.bench
    facts = [entry.facts for entry in entries.values()]
    notes: list[str] = [*runner.notes]
    outputs: list[Path] = []
    if folder is not None:
        LAYOUTS[bench.layout].assemble(folder, facts, footage.vocabulary, overwrite=True)
    if settings.save_results is not None:
        outputs.append(settings.save_results)
    if settings.submission is not None:
        assert folder is not None, "a submission is made of results"
        limit = bench.benchmark.per_video
        notes += make_submission(
            bench.layout,
            folder,
            settings.submission,
            facts,
            footage.vocabulary,
            limit=limit,
            overwrite=settings.overwrite,
        )
        outputs.append(settings.submission)
    truth = footage.truth
    if truth is None:
        return replace(evaluated, notes=notes, outputs=outputs)
    metrics = bench.metrics(truth)
    kept = [(video, entry.kept) for video, entry in entries.items()]
    evaluated = replace(evaluated, scores=total(metrics, kept), notes=[*notes, *truth.notes], outputs=outputs)
    if settings.report is not None:
        middles = {video: entry.middle for video, entry in entries.items() if entry.middle is not None}
        page = write_page(
            settings.report,
            evaluated,
            truth.vocabulary,
            by_video(bench, metrics, kept),
            look_at_footage(footage, middles),
            overwrite=settings.overwrite,
        )
        evaluated = replace(evaluated, outputs=[*outputs, page])
    return evaluated


@contextmanager
def _results_folder(settings: EvalSettings, team: Team) -> Iterator[Path | None]:
    """Where results are written: as asked for, or, for a submission alone, where they come and go with this context.

    Several processes need a file system that all of them see.
    """
    if settings.save_results is not None or settings.submission is None:
        yield settings.save_results
        return
    with writing(settings.submission):
        temporary = tempfile.TemporaryDirectory(
            prefix=f".{settings.submission.stem}.", suffix=".gvseg-part", dir=settings.submission.parent
        )
    with temporary as own:
        yield Path(team.everyone(own)[0])  # that of the first process is everyone's
        team.everyone(None)  # not one of them is at work there any more


def fingerprint(settings: EvalSettings, split: str, segmenter: Segmenter, footage: Footage) -> dict[str, Any]:
    """All that the entry of a video depends on; `Ledger` compares it."""
    return {
        "gvseg": __version__,
        "data": "" if settings.data is None else str(settings.data.resolve()),
        "split": split,
        "truth": footage.truth is not None,
        **settings.model_dump(mode="json", include=SHAPING),
        **{key: value for key, value in segmenter.provenance.items() if key != "notes"},
    }


def _said(settings: EvalSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", include=SHAPING - {"bench", "task"}, exclude_defaults=True)
