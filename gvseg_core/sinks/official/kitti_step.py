"""KITTI-STEP: `<sequence>/<frame>.png`, RGB: R the class, 256 G + B the track id.

As the ground truth has it (google-research/deeplab2, g3doc/setup/kitti_step.md). Void is class 255. A track id is given
to things only and is never 0, which in the ground truth is a crowd.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.errors import OutputError
from gvseg_core.files import printable
from gvseg_core.sinks.base import FolderSink
from gvseg_core.sinks.content import frame_size, label_map
from gvseg_core.sinks.official.layout import VideoFacts
from gvseg_core.sinks.official.png_layout import PngLayout, distinct
from gvseg_core.sinks.png import encode_png, save_png
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Sink, Vocabulary

VOID_CLASS = 255
_MAX_ID = 65535


class KittiStepPng(PngLayout):
    """RGB PNG of classes and tracks."""

    task = "vps"
    modes = ("RGB",)

    def sink(self, target: Path, settings: SinkSettings, video: VideoFacts) -> Sink:  # noqa: ARG002
        """Writes the video's folder."""
        return _StepPng(target, settings)

    def fault(self, pixels: NDArray[Any], video: VideoFacts, vocabulary: Vocabulary) -> str:  # noqa: ARG002
        """A class that there is not."""
        known = {info.dataset_id for info in vocabulary.classes} | {VOID_CLASS}
        strange = sorted(set(distinct(pixels[..., 0])) - known)
        return f"class {strange[0]} in the red channel; wanted one of the set's, or {VOID_CLASS}" if strange else ""


class _StepPng(FolderSink):
    """One RGB PNG per frame.

    Raises:
        OutputError: from `write`, for a track id above 65535.
    """

    def write(self, result: FrameResult) -> None:
        """Write one frame's PNG."""
        table = np.zeros((len(result.segments) + 1, 3), np.uint8)
        table[0, 0] = VOID_CLASS
        for row, segment in enumerate(result.segments, start=1):
            number = segment.track_id if segment.class_id in self.settings.objects else 0
            if number > _MAX_ID:
                raise OutputError(
                    f"{printable(self.target)}: track id {number}; KITTI-STEP's PNG hold ids to {_MAX_ID}"
                )
            table[row] = self.settings.category_ids[segment.class_id], number >> 8, number & 255
        rows = label_map(result.segments, range(1, len(table)), frame_size(result), "uint16")
        save_png(self, result.frame, encode_png(np.take(table, np.ascontiguousarray(rows), axis=0)))
