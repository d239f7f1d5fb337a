"""DAVIS 2017 and YouTube-VOS: palette PNG, each pixel the id of its object, 0 background.

DAVIS takes `<sequence>/<frame>.png` (davis2017-evaluation, davis2017/results.py), YouTube-VOS's server
`Annotations/<video>/<frame>.png` of the frames that `meta.json` lists. Ids are those of the objects that were given; an
id above their number ends DAVIS's program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.sinks.base import Target
from gvseg_core.sinks.official.layout import VideoFacts
from gvseg_core.sinks.official.png_layout import PngLayout, distinct
from gvseg_core.sinks.png import ObjectPng
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Sink, Vocabulary

_MAX_ID = 254  # 255 is void


class DavisPng(PngLayout):
    """Palette PNG of object ids."""

    task = "evs"

    def sink(self, target: Path, settings: SinkSettings, video: VideoFacts) -> Sink:
        """Writes the video's folder."""
        return _GivenObjects(target, settings, video)

    def fault(self, pixels: NDArray[Any], video: VideoFacts, vocabulary: Vocabulary) -> str:  # noqa: ARG002
        """An object that was not given."""
        return _stranger(distinct(pixels), video)


class YouTubeVosPng(DavisPng):
    """The same, below `Annotations`."""

    root = "Annotations"


class _GivenObjects(ObjectPng):
    """Object maps with the ids that were given.

    Raises:
        DataError: from `draft` and `write`, for any other.
    """

    def __init__(self, target: Target, settings: SinkSettings, facts: VideoFacts) -> None:
        super().__init__(target, settings)
        self._facts = facts

    def draft(self, result: FrameResult) -> bytes:
        """One frame's PNG."""
        if fault := _stranger([segment.track_id for segment in result.segments], self._facts):
            name = f"{self._facts.name}/{self.settings.frame_name(result.frame)}"
            raise DataError(f"{printable(name)}: {fault}")
        return super().draft(result)


def _stranger(ids: list[int], video: VideoFacts) -> str:
    given = range(1, _MAX_ID + 1) if video.object_ids is None else video.object_ids
    strange = [i for i in ids if i and i not in given]
    if not strange:
        return ""
    wanted = f"1 to {_MAX_ID}" if video.object_ids is None else ", ".join(map(str, sorted(given))) or "none"
    return f"object {strange[0]} was not given; wanted {wanted}"
