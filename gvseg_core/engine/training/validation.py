"""How good the weights are by now: `gvseg eval` on the file that has just been written, so that both say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.evaluate import evaluate
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Nobody
from gvseg_core.engine.training.processes import Processes
from gvseg_core.engine.training.settings import TrainRequest
from gvseg_core.recipes import SourceSettings
from gvseg_core.types import TaskName


def validate(
    model: Path, source: SourceSettings, task: TaskName | None, request: TrainRequest, processes: Processes
) -> tuple[Mapping[str, float], str]:
    """The metrics of a model on a set with known truth, every process with its share of the videos.

    Args:
        model: a file of weights.
        source: the set and its split.
        task: of the run, where the set does not say.

    Returns:
        Metrics by the names of the official program, in the first process; and the one that models are ranked by.

    Raises:
        GvsegError: as `evaluate`.
    """
    name = source.benchmark
    bench = choose_bench(name, (source.task or task) if name == "synth" else None)
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
    done = evaluate(settings, Nobody(), team=Team(processes.rank, processes.size, processes.local_rank))
    metrics = dict(done.scores.metrics) if done.scores is not None else {}
    return {key: value for key, value in metrics.items() if math.isfinite(value)}, bench.scoring.headline[0]
