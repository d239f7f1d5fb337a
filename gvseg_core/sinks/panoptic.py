"""VIPSeg's panoptic format: PNGs whose colours are segment ids, and one JSON that says what they are.

As the writer of DVIS does it (dvis/data_video/vps_eval.py, with panopticapi's IdGenerator): id = R + 256 G + 65536 B,
black is void; stuff and the first object of a class have the class's own colour, further objects a near one; a segment
is listed on the frames where it has a pixel; `bbox` is x, y, x max - x, y max - y (no + 1). How we differ:

- Near colours are taken in a fixed order instead of by chance, so that PNG and JSON, and every rerun, agree.
- Two classes of one colour do not share an id.
- `videos`, `categories` and `info` stand beside `annotations`, as in the ground truth's file; a segment has a `score`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from gvseg_core.files import writing
from gvseg_core.ops import rle
from gvseg_core.sinks.base import FileSink, FolderSink, Target
from gvseg_core.sinks.content import frame_size, to_json, without_overlap
from gvseg_core.sinks.palette import Rgb
from gvseg_core.sinks.png import encode_png, save_png
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Outcome, Segment, VideoInfo


class PanopticIds:
    """The colour, and so the id, of each segment of one video, in the order in which they come."""

    def __init__(self, settings: SinkSettings) -> None:
        self._walks = [_walk(c.color) for c in settings.vocabulary.classes]
        self._objects = settings.objects
        self._taken: set[Rgb] = {(0, 0, 0)}
        self._known: dict[tuple[bool, int], Rgb] = {}
        for class_id in range(len(self._walks)):  # stuff first: objects must not take its colours
            if class_id not in self._objects:
                self._known[False, class_id] = self._next(class_id)

    def color(self, segment: Segment) -> Rgb:
        """RGB of a segment."""
        is_object = segment.class_id in self._objects
        key = is_object, segment.track_id if is_object else segment.class_id
        if key not in self._known:
            self._known[key] = self._next(segment.class_id)
        return self._known[key]

    def _next(self, class_id: int) -> Rgb:
        """The first free colour of a class's walk."""
        color = next(color for color in self._walks[class_id] if color not in self._taken)
        self._taken.add(color)
        return color


def _walk(color: Rgb) -> Iterator[Rgb]:
    """A colour, then colours near it, evenly spread (Roberts's R3 sequence) in a cube that slowly grows."""
    yield color
    for step in itertools.count(1):
        reach = 30 + step // 64
        shares = step * 0.8191725134 % 1, step * 0.6710436067 % 1, step * 0.5497004779 % 1
        r, g, b = (min(max(round(c + reach * (2 * s - 1)), 0), 255) for c, s in zip(color, shares, strict=True))
        yield r, g, b


class PanopticPng(FolderSink):
    """A folder with one RGB PNG per frame."""

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        super().__init__(target, settings)
        self._ids = PanopticIds(settings)

    def write(self, result: FrameResult) -> None:
        """Write one frame's PNG."""
        seen = without_overlap(result.segments)
        colors = np.array([(0, 0, 0), *(self._ids.color(segment) for segment, _ in seen)], np.uint8)
        labels = rle.paint([mask for _, mask in seen], range(1, len(colors)), frame_size(result), np.uint16)
        save_png(self, result.frame, encode_png(np.take(colors, np.ascontiguousarray(labels), axis=0)))


class PanopticJson(FileSink):
    """One JSON file per video; the ids are those of `PanopticPng` for the same results."""

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        super().__init__(target, settings)
        self._ids = PanopticIds(settings)

    def begin(self, video: VideoInfo) -> None:
        """Open the output."""
        super().begin(video)
        self._images = self.output.spool()
        self._length = 0
        self.output.write(b'{"annotations":[{"video_id":' + to_json(video.name) + b',"annotations":[')

    def write(self, result: FrameResult) -> None:
        """Write one frame's record."""
        h, w = frame_size(result)
        name = self.settings.frame_name(result.frame)
        segments = [
            {
                "id": r + 256 * g + 65536 * b,
                "category_id": self.settings.category_ids[segment.class_id],
                "iscrowd": int(segment.ignore),
                "area": rle.area(mask),
                "bbox": (x, y, width - 1, height - 1),
                "score": segment.score,
            }
            for segment, mask in without_overlap(result.segments)
            for r, g, b in [self._ids.color(segment)]
            for x, y, width, height in [rle.box_xywh(mask)]
        ]
        comma = b",\n" if self._length else b"\n"
        self.output.write(comma + to_json({"file_name": name + ".jpg", "segments_info": segments}))
        image = {"id": name, "file_name": name + ".jpg", "width": w, "height": h}
        image |= {"frame_index": result.frame.index, "time_s": float(result.frame.time)}
        with writing(self.output.name):
            self._images.write(comma + to_json(image))
        self._length += 1

    def end(self, outcome: Outcome) -> None:
        """Add what stands around the frames' records, and let the file appear."""
        for piece in self._rest(outcome):
            self.output.write(piece)
        super().end(outcome)

    def _rest(self, outcome: Outcome) -> Iterator[bytes]:
        yield b']}],\n"videos":[{"video_id":' + to_json(self.video.name) + b',"images":['
        self._images.seek(0)
        yield from self._images
        yield b']}],\n"categories":' + to_json(self.settings.categories())
        yield b',\n"info":' + to_json(self.settings.info(outcome)) + b"}\n"
