"""gvseg: video instance, semantic, panoptic and exemplar-guided segmentation, one network for all (GvSEG, ECCV 2024).

The front door. Everything else is reached by module path. Names are looked up when first used, so that importing the
package costs nothing: torch arrives with `load_segmenter`, PyAV with `open_video`.

    from gvseg_core import load_segmenter, open_video

    segmenter = load_segmenter("nano", task="vis")  # or any weights that --model takes
    with open_video("clip.mp4") as video:
        for result in segmenter.run(video, segmenter.task.tracker()):
            print(result.frame.time, [segment.track_id for segment in result.segments])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gvseg_core.engine.build import load_segmenter
    from gvseg_core.engine.inputs import open_video
    from gvseg_core.errors import GvsegError
    from gvseg_core.segmenter import Segmenter
    from gvseg_core.types import Frame, FrameResult, Segment, Track, VideoInfo

__version__ = "0.1.0"

_HOMES = {
    "load_segmenter": "gvseg_core.engine.build",
    "open_video": "gvseg_core.engine.inputs",
    "GvsegError": "gvseg_core.errors",
    "Segmenter": "gvseg_core.segmenter",
    "Frame": "gvseg_core.types",
    "FrameResult": "gvseg_core.types",
    "Segment": "gvseg_core.types",
    "Track": "gvseg_core.types",
    "VideoInfo": "gvseg_core.types",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gvseg_core' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


__all__ = [
    "Frame",
    "FrameResult",
    "GvsegError",
    "Segment",
    "Segmenter",
    "Track",
    "VideoInfo",
    "__version__",
    "load_segmenter",
    "open_video",
]
