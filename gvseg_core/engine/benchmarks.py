"""A benchmark as a whole: its data, the metrics it is ranked by, the layout of its results, what was published.

Importing this module loads no metric and no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.benchmarks import BENCHMARKS, choose_benchmark
from gvseg_core.errors import UsageError
from gvseg_core.registry import choose
from gvseg_core.types import Metric, TaskName, Truth

Metrics = tuple[Metric, ...]

Says = Literal["pairs", "classes", "objects"]
"""What results are: pairs of an object and a class, ranked by score; regions of one class each; objects of none."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What is measured, and what stands beside it.

    GvSEG's numbers are those of its ResNet-50: Table S1 of the paper's supplement for YouTube-VIS 2019, the main paper
    for the others.
    """

    metrics: Callable[[Truth], Metrics]
    headline: tuple[str, ...]  # keys that people look for; by the first one methods are ranked
    says: Says = "classes"
    unit: str = "fraction"  # in words, as the official programs give the numbers
    percent: tuple[str, ...] = ()  # how the keys begin that are per cent; the others are shares of 1
    published: Mapping[str, float] = field(default_factory=dict)  # GvSEG R-50: key → number, in its unit


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark and its scoring."""

    benchmark: Benchmark
    scoring: Scoring
    layout: str  # of `sinks.official.LAYOUTS`

    def metrics(self, truth: Truth) -> Metrics:
        """The metrics for this ground truth, which may have classes of its own."""
        return self.scoring.metrics(truth)

    def in_percent(self, key: str) -> bool:
        """Whether a metric is per cent, and not a share of 1."""
        return key.startswith(self.scoring.percent)


def choose_bench(name: str, task: TaskName | None = None) -> Bench:
    """The benchmark called `name`.

    Args:
        task: of `synth`, which has all four; "vps" by default. For any other it is the benchmark's own.

    Raises:
        UsageError: there is no such benchmark, or it is of another task.
    """
    choose("benchmark", {**BENCHMARKS, "synth": ""}, name)
    if name == "synth":
        from gvseg_core.data.synth import VOCABULARIES, synth

        own = choose("task", {known: known for known in VOCABULARIES}, task or "vps")
        return Bench(synth(own), SCORINGS[f"synth_{own}"], f"synth_{own}")
    benchmark = choose_benchmark(name)
    if task not in {None, benchmark.task}:
        raise UsageError(f"--bench {name} is {benchmark.task}, not {task}; --task is for synth, which has all four")
    return Bench(benchmark, SCORINGS[name], name)


def _ytvis(truth: Truth) -> Metrics:
    from gvseg_core.metrics.tube_ap import TubeAp

    return (TubeAp(truth.vocabulary),)


def _ovis(truth: Truth) -> Metrics:
    from gvseg_core.metrics.tube_ap import TubeAp

    return (TubeAp(truth.vocabulary, occlusion=True),)


def _coco(truth: Truth) -> Metrics:
    from gvseg_core.metrics.tube_ap import TubeAp

    return (TubeAp(truth.vocabulary, stills=True),)


def _vspw(truth: Truth) -> Metrics:
    from gvseg_core.metrics.miou import MeanIou
    from gvseg_core.metrics.mvc import VideoConsistency

    return MeanIou(truth.vocabulary), VideoConsistency()


def _vipseg(truth: Truth) -> Metrics:
    from gvseg_core.metrics.stq import Stq
    from gvseg_core.metrics.vpq import Vpq

    return Vpq(truth.vocabulary), Stq(truth.vocabulary, "vipseg")


def _kitti_step(truth: Truth) -> Metrics:
    from gvseg_core.metrics.stq import Stq
    from gvseg_core.metrics.vpq import StepVpq

    return Stq(truth.vocabulary, "kitti_step"), StepVpq(truth.vocabulary)


def _davis(truth: Truth) -> Metrics:  # noqa: ARG001 - all objects are one class
    from gvseg_core.metrics.davis import Davis

    return (Davis(),)


def _youtube_vos(truth: Truth) -> Metrics:  # noqa: ARG001
    from gvseg_core.metrics.youtube_vos import YoutubeVos

    return (YoutubeVos(),)


def _burst(truth: Truth) -> Metrics:
    from gvseg_core.metrics.burst import Burst

    return (Burst(truth.vocabulary, "exemplar_guided"),)


def _burst_class_guided(truth: Truth) -> Metrics:
    from gvseg_core.metrics.burst import Burst

    return (Burst(truth.vocabulary, "class_guided"),)


def _burst_open_world(truth: Truth) -> Metrics:
    from gvseg_core.metrics.burst import Burst

    return (Burst(truth.vocabulary, "open_world"),)


_AP = ("AP", "AP50", "AP75", "AR1", "AR10")
_AP_UNIT = "fraction; -1 = no ground truth in that range"
_VIS = Scoring(_ytvis, _AP, "pairs", _AP_UNIT)
_VSS = Scoring(_vspw, ("mIoU", "mVC8", "mVC16"), unit="fraction; null = undefined (no window)")
_VPS = Scoring(
    _vipseg,
    ("VPQ", "VPQ_Th", "VPQ_St", "STQ", "SQ", "AQ"),
    unit="VPQ* percent; STQ, AQ, SQ fraction",
    percent=("VPQ",),
)
_EVS = Scoring(_davis, ("J&F-Mean", "J-Mean", "F-Mean"), "objects", "fraction; null = NaN")
_HOTA = ("HOTA_all", "HOTA_common", "HOTA_uncommon", "AP_all")
_OWTA = ("OWTA_all", "OWTA_common", "OWTA_uncommon")

SCORINGS: dict[str, Scoring] = {
    "ytvis19": replace(_VIS, published={"AP": 0.549, "AP50": 0.766, "AP75": 0.601, "AR1": 0.506, "AR10": 0.630}),
    "ytvis21": replace(_VIS, published={"AP": 0.496}),
    "ovis": Scoring(_ovis, _AP, "pairs", _AP_UNIT, published={"AP": 0.359}),
    "coco": Scoring(_coco, (*_AP, "AR100"), "pairs", _AP_UNIT),
    "vspw": replace(_VSS, published={"mIoU": 0.445}),
    "vipseg": replace(_VPS, published={"VPQ": 44.0, "STQ": 0.449}),
    "kitti_step": Scoring(_kitti_step, ("STQ", "SQ", "AQ"), unit="STQ, AQ, SQ fraction; VPQ percent"),
    "davis17": _EVS,
    "ytvos18": Scoring(
        _youtube_vos,
        ("G", "J_seen", "F_seen", "J_unseen", "F_unseen"),
        "objects",
        "fraction; vos_benchmark percent",
        published={"G": 0.815},
    ),
    "burst": Scoring(_burst, _HOTA, "objects", "percent", percent=("",), published={"HOTA_all": 35.9}),
    "burst_class_guided": Scoring(_burst_class_guided, _HOTA, "classes", "percent", percent=("",)),
    "burst_open_world": Scoring(_burst_open_world, _OWTA, "objects", "percent", percent=("",)),
    "synth_vis": _VIS,
    "synth_vss": _VSS,
    "synth_vps": _VPS,
    "synth_evs": _EVS,
}
"""By the names of layouts, which are those of benchmarks; `synth` is scored as the benchmark of the task is."""
