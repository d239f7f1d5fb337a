"""A contact sheet: a few evenly spaced frames with their overlays, in one PNG."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
from PIL import Image, PngImagePlugin

from gvseg_core.sinks.base import FileSink, Target
from gvseg_core.sinks.content import frame_size, to_json
from gvseg_core.sinks.drawing import Painter
from gvseg_core.sinks.lettering import Picture
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Outcome, Size, VideoInfo

_GAP = 6  # pixels between pictures
_GROUND = 24  # gray of the sheet


class ContactSheet(FileSink):
    """At most `num_frames` frames, four in a row.

    How long the video is, nobody knows before its end. So every frame is kept at first; whenever twice as many are
    there as are wanted, every other one goes, and from then on only every second, fourth, … frame is kept. Only frames
    that are kept are drawn, at the size that they have on the sheet.

    Raises:
        OutputError: OpenCV cannot be loaded.
    """

    def __init__(self, target: Target, settings: SinkSettings, num_frames: int = 12, width: int = 480) -> None:
        super().__init__(target, settings)
        self._painter = Painter(settings)
        self._most = num_frames
        self._width = width

    def begin(self, video: VideoInfo) -> None:
        """Open the output."""
        super().begin(video)
        self._pictures: list[Picture] = []
        self._stride = 1
        self._count = 0

    def write(self, result: FrameResult) -> None:
        """Draw the frame if it may come onto the sheet."""
        wanted = self._count % self._stride == 0
        self._count += 1
        if not wanted:
            return
        if len(self._pictures) == 2 * self._most:
            self._pictures = self._pictures[::2]
            self._stride *= 2
        size = self._cell_size(frame_size(result))
        self._pictures.append(self._painter.draw(result, size, note=clock(result.frame.time)))

    def end(self, outcome: Outcome) -> None:
        """Lay out the sheet and let it appear."""
        about = PngImagePlugin.PngInfo()
        about.add_text("gvseg", to_json(self.settings.info(outcome)).decode())
        packed = io.BytesIO()
        Image.fromarray(self._sheet()).save(packed, "PNG", pnginfo=about)
        self.output.write(packed.getvalue())
        super().end(outcome)

    def _cell_size(self, size: Size) -> Size:
        """Of one picture: never larger than the frame, and never taller than wide."""
        scale = min(1.0, self._width / max(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    def _sheet(self) -> Picture:
        kept = self._pictures
        if len(kept) > self._most:
            kept = [kept[i] for i in np.linspace(0, len(kept) - 1, self._most).round().astype(int)]
        h, w = kept[0].shape[:2] if kept else self._cell_size(self.video.size)
        columns = min(4, max(1, len(kept)))
        rows = max(1, -(-len(kept) // columns))
        sheet = np.full((rows * (h + _GAP) + _GAP, columns * (w + _GAP) + _GAP, 3), _GROUND, np.uint8)
        for i, picture in enumerate(kept):
            y, x = _GAP + i // columns * (h + _GAP), _GAP + i % columns * (w + _GAP)
            sheet[y : y + h, x : x + w] = picture[:h, :w]
        return sheet


def clock(time: Fraction) -> str:
    """A time in a video as people write it: 0:07.5, 12:03.0, 1:02:03.0."""
    tenths = int(time * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"
