"""Evaluate: a benchmark's numbers for files of results, or for a model on its videos.

Both ways meet in `score_video`: truth and results are two streams of frames, walked once. What a video leaves behind is
a few arrays, so that memory holds one video; the metrics add them up in the benchmark's order, whoever made them, so
that the numbers are the same to the last bit for one process and for many.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.evaluation.files import evaluate_files
from gvseg_core.engine.evaluation.outcome import Evaluated
from gvseg_core.engine.evaluation.settings import EvalSettings, check_together
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Watcher
from gvseg_core.files import check_target

STDOUT = Path("-")


def evaluate(
    settings: EvalSettings,
    watcher: Watcher,
    *,
    team: Team | None = None,
    stopped: Callable[[], bool] = lambda: False,
    keeps: Callable[[], None] = lambda: None,
) -> Evaluated:
    """Evaluate what `settings` says.

    Args:
        settings: what was asked for.
        watcher: is told of everything.
        team: the processes that share the work; this one alone by default.
        stopped: asked before each video that a model is shown; once it says yes, what was done is kept.
        keeps: called when from now on each video that is done is kept, so that an orderly stop is worth waiting for.

    Returns:
        The scores, in the first process of `team`.

    Raises:
        UsageError: options that contradict each other, or name what is not there.
        GvsegError: whatever ends the evaluation.
    """
    team = team or Team()
    bench = choose_bench(settings.bench, settings.task)
    check_together(settings, bench.benchmark)
    for path in (settings.json_file, settings.submission):
        if path is not None and path != STDOUT:
            check_target(path, settings.overwrite)
    if settings.report is not None:
        check_target(settings.report / "index.html", settings.overwrite)
    if settings.save_results is not None:  # where results may be that this run goes on with
        check_target(settings.save_results, overwrite=True, folder=True)
    if settings.scores_files:
        evaluated = evaluate_files(settings, bench, team, watcher)
    else:
        from gvseg_core.engine.evaluation.whole import evaluate_model  # torch arrives here

        evaluated = evaluate_model(settings, bench, team, watcher, stopped, keeps)
    if settings.json_file is not None and settings.json_file != STDOUT and evaluated.is_whole and team.is_first:
        evaluated = evaluated.with_json(settings.json_file, settings.overwrite)
    return evaluated
