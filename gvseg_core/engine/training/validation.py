"""How good the weights are by now: `gvseg eval` on the file that has just been written, so that both say the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from gvseg_core.engine.benchmarks import Bench, choose_bench
from gvseg_core.engine.evaluate import evaluate
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Nobody
from gvseg_core.engine.training.processes import Processes
from gvseg_core.engine.training.settings import TrainRequest
from gvseg_core.recipes import SourceSettings, TrainSettings
from gvseg_core.types import TaskName


def headline_of(source: SourceSettings, task: TaskName | None) -> str:
    """The metric that models are ranked by on a set; of the run's `task`, where the set does not say."""
    return _bench(source, task).scoring.headline[0]


def is_due(step: int, settings: TrainSettings) -> bool:
    """Whether the weights are looked at after `step` steps."""
    every = settings.validate_every
    wanted = step == settings.steps or (every is not None and step > 0 and step % every == 0)
    return settings.validation is not None and wanted


def validate(
    model: Path,
    source: SourceSettings,
    task: TaskName | None,
    request: TrainRequest,
    processes: Processes,
    stopped: Callable[[], bool] = lambda: False,
) -> Mapping[str, float] | None:
    """The metrics of a model on a set with known truth, every process with its share of the videos.

    Args:
        model: a file of weights.
        source: the set and its split.
        task: of the run, where the set does not say.
        stopped: asked before each video.

    Returns:
        Metrics by the names of the official program, in the first process; none in others. None: it was stopped.

    Raises:
        GvsegError: as `evaluate`.
    """
    name = source.benchmark
    bench = _bench(source, task)
    path = source.path if source.path is not None else name if (request.data / name).exists() else "."
    settings = EvalSettings(
        bench=name,
        task=bench.benchmark.task if name == "synth" else None,
        data=Path(source.path or "") if name == "synth" else request.data / path,
        split=source.split,
        model=str(model),
        vocabulary=source.vocabulary,
        device=request.device,
        dtype="fp32",
    )
    done = evaluate(
        settings, Nobody(), team=Team(processes.rank, processes.size, processes.local_rank), stopped=stopped
    )
    if processes.agree(not done.is_whole):
        return None
    metrics = dict(done.scores.metrics) if done.scores is not None else {}
    return {key: value for key, value in metrics.items() if math.isfinite(value)}


def _bench(source: SourceSettings, task: TaskName | None) -> Bench:
    return choose_bench(source.benchmark, (source.task or task) if source.benchmark == "synth" else None)
