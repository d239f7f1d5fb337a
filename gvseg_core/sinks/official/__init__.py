"""Results as the official evaluators and servers read them, and the archives that servers take: one layout a file."""

from __future__ import annotations

from gvseg_core.sinks.official.burst import BurstJson
from gvseg_core.sinks.official.coco import StillResultsJson
from gvseg_core.sinks.official.kitti_step import KittiStepPng
from gvseg_core.sinks.official.layout import WORK_FOLDER, Layout, VideoFacts
from gvseg_core.sinks.official.objects import DavisPng, YouTubeVosPng
from gvseg_core.sinks.official.vipseg import VipsegPng
from gvseg_core.sinks.official.vspw import VspwPng
from gvseg_core.sinks.official.youtube_vis import ResultsJson

LAYOUTS: dict[str, Layout] = {
    "ytvis19": ResultsJson(),
    "ytvis21": ResultsJson(),
    "ovis": ResultsJson(),
    "coco": StillResultsJson(),
    "vspw": VspwPng(),
    "vipseg": VipsegPng(),
    "kitti_step": KittiStepPng(),
    "davis17": DavisPng(),
    "ytvos18": YouTubeVosPng(),
    "burst": BurstJson(),
    "burst_class_guided": BurstJson(),
    "burst_open_world": BurstJson(),
    "synth_vis": ResultsJson(),
    "synth_vss": VspwPng(),
    "synth_vps": VipsegPng(),
    "synth_evs": DavisPng(),
}
"""By the names of `--bench`; `synth` has one for each task."""

__all__ = ["LAYOUTS", "WORK_FOLDER", "Layout", "VideoFacts"]
