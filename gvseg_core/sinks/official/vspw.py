"""VSPW: `<video>/<frame>.png`, each pixel the number of its class from 0, which is the set's own less 1.

As VSPW's scripts read them (VSPW-dataset/VSPW_code, evaluator_test.py and VC_perclip.py). They know no void in results:
255 would be counted as another class, or end the program. So a pixel without a class is refused here instead of being
given one that nobody found.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.sinks.official.layout import VideoFacts
from gvseg_core.sinks.official.png_layout import PngLayout
from gvseg_core.sinks.png import ClassPng
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Sink, Vocabulary


class VspwPng(PngLayout):
    """Palette PNG of class ids in the colours of the classes."""

    task = "vss"

    def settings(self, video: VideoFacts, vocabulary: Vocabulary, overwrite: bool) -> SinkSettings:
        """The numbers in files are class ids, whatever numbers the ground truth has."""
        classes = tuple(replace(info, dataset_id=i) for i, info in enumerate(vocabulary.classes))
        return super().settings(video, Vocabulary(vocabulary.name, classes), overwrite)

    def sink(self, target: Path, settings: SinkSettings, video: VideoFacts) -> Sink:  # noqa: ARG002
        """Writes the video's folder."""
        return _WithoutVoid(target, settings)

    def fault(self, pixels: NDArray[Any], video: VideoFacts, vocabulary: Vocabulary) -> str:  # noqa: ARG002
        """A class that there is not."""
        highest = int(pixels.max(initial=0))
        return f"class {highest}; wanted 0 to {len(vocabulary) - 1}" if highest >= len(vocabulary) else ""


class _WithoutVoid(ClassPng):
    """Class maps in which every pixel has a class.

    Raises:
        DataError: from `draft` and `write`, where one has none.
    """

    def pixels(self, result: FrameResult) -> NDArray[Any]:
        """(H, W) class ids."""
        numbers = super().pixels(result)
        bare = np.count_nonzero(numbers == self.void)
        if bare:
            frame = f"{self.video.name}/{self.settings.frame_name(result.frame)}"
            raise DataError(
                f"{printable(frame)}: {bare} pixels have no class, and VSPW's results have no void; "
                "wanted a class for every pixel"
            )
        return numbers
