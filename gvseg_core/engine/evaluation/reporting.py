"""The HTML page of an evaluation: every video by itself, and a look at the worst of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gvseg_core import __version__
from gvseg_core.engine.benchmarks import Bench
from gvseg_core.engine.evaluation.outcome import Evaluated
from gvseg_core.engine.evaluation.scoring import Kept, total
from gvseg_core.sinks.report import ReportPage, Scene, write_report
from gvseg_core.types import Footage, Frame, FrameResult, Metric, Results, Truth, Vocabulary

NUM_SCENES = 6  # of the worst videos

Look = tuple[str, FrameResult, FrameResult]
"""The name of a frame, what is true of it, and what was found."""


def write_page(
    folder: Path,
    evaluated: Evaluated,
    vocabulary: Vocabulary,
    per_video: Mapping[str, Mapping[str, float]],
    look: Callable[[str], Look | None],
    *,
    overwrite: bool,
) -> Path:
    """Write the page.

    Args:
        folder: is made where it is missing.
        evaluated: with scores.
        vocabulary: of the truth.
        per_video: from `by_video`.
        look: a frame of a video, with its picture where there is one.
        overwrite: whether a page that is there may be replaced.

    Raises:
        OutputError: it exists and may not be replaced, or cannot be written.
    """
    assert evaluated.scores is not None, "there is nothing to report"
    bench = evaluated.bench
    return write_report(
        folder,
        ReportPage(
            bench.benchmark.title,
            evaluated.scores,
            vocabulary,
            bench.benchmark.task,
            headline=[key for key in bench.scoring.headline if key in evaluated.scores.metrics],
            percent=[key for key in evaluated.scores.metrics if bench.in_percent(key)],
            published=evaluated.published,
            published_by="GvSEG R-50, published",
            per_video=per_video,
            scenes=list(_worst(per_video, look)),
            facts={"gvseg": __version__, **{key: str(value) for key, value in evaluated.info.items()}},
            notes=evaluated.notes,
        ),
        overwrite=overwrite,
    )


def by_video(bench: Bench, metrics: Sequence[Metric], kept: Sequence[tuple[str, Kept]]) -> dict[str, dict[str, float]]:
    """The headline of each video by itself: name of the metric → share of 1; those that are undefined are left out."""
    found: dict[str, dict[str, float]] = {}
    for video, partials in kept:
        values = total(metrics, [(video, partials)]).metrics
        shares = {
            key: values[key] / (100 if bench.in_percent(key) else 1) for key in bench.scoring.headline if key in values
        }
        found[video] = {key: share for key, share in shares.items() if share >= 0}
    return found


def _worst(per_video: Mapping[str, Mapping[str, float]], look: Callable[[str], Look | None]) -> Iterator[Scene]:
    """A frame of each of the videos that score least by their first number."""
    first = {video: next(iter(scores.values())) for video, scores in per_video.items() if scores}
    for video in sorted(first, key=lambda video: first[video])[:NUM_SCENES]:
        seen = look(video)
        if seen is not None:
            yield Scene(video, seen[0], first[video], seen[1], seen[2])


def look_into_files(truth: Truth, results: Results) -> Callable[[str], Look | None]:
    """The middle frame of a video; there is no picture of it."""

    def look(video: str) -> Look | None:
        pairs = list(zip(truth.answer(video).frames, results.answer(video).frames, strict=True))
        if not pairs:
            return None
        wanted, found = pairs[len(pairs) // 2]
        return str(found.frame.index), wanted, found

    return look


def look_at_footage(footage: Footage, middles: Mapping[str, FrameResult]) -> Callable[[str], Look | None]:
    """The middle frame of a video, of which the result is known, with its picture."""
    truth = footage.truth
    assert truth is not None, "truth is known"

    def look(video: str) -> Look | None:
        found = middles.get(video)
        wanted = list(truth.answer(video).frames)
        if found is None or not wanted:
            return None
        frame = _frame(footage, video, found.frame.index)
        true = replace(wanted[len(wanted) // 2], frame=frame)
        return footage.frame_name(video, frame), true, replace(found, frame=frame)

    return look


def _frame(footage: Footage, video: str, index: int) -> Frame:
    with closing(footage.open(video)) as source:
        return next(frame for frame in source if frame.index == index)
