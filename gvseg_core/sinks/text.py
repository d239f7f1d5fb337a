"""Results as lines of text: CSV, MOTS and JSON Lines."""

from __future__ import annotations

import csv
import io

from gvseg_core.errors import OutputError
from gvseg_core.files import printable
from gvseg_core.ops import rle
from gvseg_core.sinks.base import FileSink, Target
from gvseg_core.sinks.content import frame_size, to_json, without_overlap
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Outcome, VideoInfo

CSV_HEAD = b"frame,time_s,track_id,class_id,class,score,x,y,w,h,area_px,area_frac,cx,cy\r\n"
_MOTS_OBJECTS = 1000  # of one class


class CsvTable(FileSink):
    """One line per object and frame (RFC 4180, UTF-8).

    x, y, w, h is the box in pixels; area_frac the share of the picture; cx, cy the mean of the mask's pixels, where the
    first pixel's centre is 0.5, 0.5. A class name that looks like a formula to a spreadsheet gets an apostrophe.
    """

    def begin(self, video: VideoInfo) -> None:
        """Write the head of the table."""
        super().begin(video)
        self.output.write(CSV_HEAD)

    def write(self, result: FrameResult) -> None:
        """Write one frame's lines."""
        h, w = frame_size(result)
        rows = []
        for segment in result.segments:
            area = rle.area(segment.mask)
            cx, cy = rle.centroid(segment.mask)
            rows.append(
                [
                    result.frame.index,
                    f"{float(result.frame.time):.6f}",
                    segment.track_id,
                    segment.class_id,
                    plain_cell(self.settings.vocabulary.classes[segment.class_id].name),
                    f"{segment.score:.6f}",
                    *rle.box_xywh(segment.mask),
                    area,
                    f"{area / (h * w):.6f}",
                    f"{cx:.2f}",
                    f"{cy:.2f}",
                ]
            )
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self.output.write(text.getvalue().encode())


def plain_cell(text: str) -> str:
    """`text` as a cell that no spreadsheet runs: what begins like a formula gets an apostrophe before it."""
    text = printable(text)
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@"} else text


class MotsText(FileSink):
    """The lines of KITTI MOTS: `frame id class height width rle`, with frames from 0 and id = class · 1000 + n.

    A pixel belongs to one object, the one with the higher score. Only countable objects are written. class is the
    number in the data set's files, by the frame on which the object first appears; n counts the objects of a class,
    from 0 to 999.

    Raises:
        OutputError: from `write`, for the 1001st object of a class.
    """

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        super().__init__(target, settings)
        self._ids: dict[int, tuple[int, int]] = {}  # track id → class number, id
        self._counts: dict[int, int] = {}

    def write(self, result: FrameResult) -> None:
        """Write one frame's lines."""
        objects = [s for s in result.segments if s.class_id in self.settings.objects]
        for segment, mask in without_overlap(objects):
            number, name = self._name(segment.track_id, self.settings.category_ids[segment.class_id])
            h, w = mask.size
            self.output.write(f"{result.frame.index} {name} {number} {h} {w} {mask.counts.decode()}\n".encode())

    def _name(self, track_id: int, number: int) -> tuple[int, int]:
        if track_id not in self._ids:
            count = self._counts.get(number, 0)
            if count == _MOTS_OBJECTS:
                raise OutputError(
                    f"{self.target}: more than {count} objects of class {number}; MOTS has ids for no more"
                )
            self._counts[number] = count + 1
            self._ids[track_id] = number, number * _MOTS_OBJECTS + count
        return self._ids[track_id]


class JsonLines(FileSink):
    """One line of JSON per frame, handed on at once; after a video that was cut short, one more that says so."""

    def write(self, result: FrameResult) -> None:
        """Write one frame's line."""
        h, w = frame_size(result)
        segments = [
            {
                "track_id": s.track_id,
                "class_id": s.class_id,
                "category_id": self.settings.category_ids[s.class_id],
                "class": self.settings.vocabulary.classes[s.class_id].name,
                "score": s.score,
                "bbox": rle.box_xywh(s.mask),
                "area": rle.area(s.mask),
                "segmentation": rle.to_coco(s.mask),
            }
            for s in result.segments
        ]
        line = {"video": self.video.name, "frame": result.frame.index, "time_s": float(result.frame.time)}
        self._hand_on({**line, "height": h, "width": w, "segments": segments})

    def end(self, outcome: Outcome) -> None:
        """Close the stream's part of this video."""
        if not outcome.complete:
            told = {"complete": False, "num_frames": outcome.num_frames, "reason": outcome.reason}
            self._hand_on({"video": self.video.name, **told})
        super().end(outcome)

    def _hand_on(self, line: dict[str, object]) -> None:
        self.output.write(to_json(line) + b"\n")
        self.output.flush()
