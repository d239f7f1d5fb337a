"""What one `eval` run was asked for: checked as a whole before anything is opened, written or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from gvseg_core.config import Settings
from gvseg_core.data.benchmark import Benchmark
from gvseg_core.errors import UsageError
from gvseg_core.registry import choose
from gvseg_core.types import TaskName

ExemplarKind = Literal["mask", "box", "point"]

GUIDED: frozenset[TaskName] = frozenset({"evs"})
"""Tasks in which objects are pointed at, and have no class."""


class EvalSettings(Settings):
    """One run: files are scored (`gt`, `results`), or a model runs on the videos of a split (`data`, `model`)."""

    bench: str
    task: TaskName | None = None  # of a benchmark that has several

    gt: Path | None = None  # the official ground truth
    results: Path | None = None  # in the official layout
    workers: PositiveInt = 1  # processes that score files

    data: Path | None = None  # the official folder; of synth its settings
    split: str | None = None  # None is the benchmark's usual one
    model: str | None = None  # None is the one that comes with gvseg
    exemplar_kind: ExemplarKind = "mask"  # how objects are pointed at, where the task is guided by exemplars
    vocabulary: str | None = None  # the known set the classes are of, where the model does not tell; or which head
    conf: float | None = Field(default=None, ge=0, le=1)  # None is what suits the metric
    size: PositiveInt | None = None  # px, short side of the network's input; None is the benchmark's
    device: str = "auto"
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: bool = False  # through torch.compile
    seed: int = Field(default=0, ge=0)
    overrides: dict[str, Any] = Field(default_factory=dict)  # of `engine.settings.Overridable`, nested
    offline: bool = False
    save_results: Path | None = None  # folder; what was done in it is not done again
    submission: Path | None = None  # .zip

    videos: tuple[str, ...] = ()  # these alone; () is all
    json_file: Path | None = None  # "-" is stdout
    report: Path | None = None  # folder
    overwrite: bool = False

    @property
    def scores_files(self) -> bool:
        """Whether there are results already."""
        return self.gt is not None or self.results is not None


RUN_OPTIONS = {
    "data": "data",
    "split": "split",
    "model": "model",
    "exemplar_kind": "exemplar-kind",
    "vocabulary": "vocabulary",
    "conf": "conf",
    "size": "size",
    "device": "device",
    "dtype": "dtype",
    "compile": "compile",
    "seed": "seed",
    "overrides": "set",
    "offline": "offline",
    "save_results": "save-results",
    "submission": "submission",
}
"""The settings that only a run of a model looks at, with their options."""


def check_together(settings: EvalSettings, benchmark: Benchmark) -> None:
    """Refuse options that contradict each other, are missing, or would have no effect.

    Raises:
        UsageError: the first of them.
    """
    if settings.scores_files:
        _check_files(settings)
    else:
        _check_run(settings, benchmark)
    if settings.submission is not None and settings.submission.suffix.lower() != ".zip":
        raise UsageError(f"--submission {settings.submission}: servers take a .zip; give it that suffix")


def _check_files(settings: EvalSettings) -> None:
    for name, option in RUN_OPTIONS.items():
        if getattr(settings, name) != EvalSettings.model_fields[name].get_default(call_default_factory=True):
            raise UsageError(f"--{option} is for running a model; --gt and --results score files that are there")
    if settings.results is None:
        raise UsageError("--gt is compared with results: add --results FILE or FOLDER")
    if settings.gt is None:
        raise UsageError("--results are compared with ground truth: add --gt FILE or FOLDER")


def _check_run(settings: EvalSettings, benchmark: Benchmark) -> None:
    if settings.data is None and benchmark.name != "synth":
        files = "; or, to score files, --gt GT --results RESULTS" if settings.model is None else ""
        raise UsageError(
            f"--bench {benchmark.name} needs --data ROOT, the folder of {benchmark.title} as downloaded{files}"
        )
    if settings.workers != 1:
        raise UsageError("--workers is for scoring files; to run a model in several processes start it with torchrun")
    if settings.exemplar_kind != "mask" and benchmark.task not in GUIDED:
        raise UsageError(f"--exemplar-kind is for objects that are pointed at; {benchmark.name} is {benchmark.task}")
    if settings.split is not None:
        choose("split", dict.fromkeys(benchmark.splits), settings.split)
