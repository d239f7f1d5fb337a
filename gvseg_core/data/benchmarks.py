"""All benchmarks, by the names of `--bench`; the file of each is read when it is asked for, so that help is instant."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gvseg_core.registry import choose

if TYPE_CHECKING:
    from gvseg_core.data.benchmark import Benchmark

BENCHMARKS: dict[str, str] = {  # name → the module whose BENCHMARK it is, or module:NAME
    "ytvis19": "gvseg_core.data.ytvis19",
    "ytvis21": "gvseg_core.data.ytvis21",
    "ovis": "gvseg_core.data.ovis",
    "coco": "gvseg_core.data.coco_instances",
    "vspw": "gvseg_core.data.vspw",
    "vipseg": "gvseg_core.data.vipseg",
    "kitti_step": "gvseg_core.data.kitti_step",
    "burst": "gvseg_core.data.burst:BURST",
    "burst_class_guided": "gvseg_core.data.burst:BURST_CLASS_GUIDED",
    "burst_open_world": "gvseg_core.data.burst:BURST_OPEN_WORLD",
    "ytvos18": "gvseg_core.data.ytvos18",
    "davis17": "gvseg_core.data.davis17",
}


def choose_benchmark(name: str) -> Benchmark:
    """The benchmark called `name`.

    Raises:
        UsageError: no such benchmark; the nearest one is named.
    """
    module, _, attribute = choose("benchmark", BENCHMARKS, name).partition(":")
    found: Benchmark = getattr(import_module(module), attribute or "BENCHMARK")
    return found
