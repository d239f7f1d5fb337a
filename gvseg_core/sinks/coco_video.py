"""YouTube-VIS and COCO video JSON: one record per object, with its mask on every frame.

The layout of youtubevos/cocoapi (`videos`, `categories`, `annotations` with `segmentations`, `bboxes`, `areas`, null
where the object is absent), to which we add `score`, `scores` by frame, the frames' numbers and times, and an `info`
that says where the file comes from. In a semantic result each class is one object. An annotation's id is the track id.

A record needs all frames of its object, but frames come with all their objects. So masks are spooled to an unnamed
file beside the target, each with the place of the one before it of the same object; at the end the chains are walked
one by one. Memory holds one chain of places, whatever the length of the video.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from gvseg_core.files import writing
from gvseg_core.ops import rle
from gvseg_core.sinks.base import FileSink, Target
from gvseg_core.sinks.content import frame_size, to_json
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Outcome, Rle, Segment, Track, VideoInfo

_HEAD = struct.Struct("<qqdqqqqqqqq")  # place of the last one, row, score, area, x, y, w, h, H, W, bytes of counts


@dataclass(frozen=True, slots=True)
class _Spooled:
    """One object on one frame, as it comes back from the spool."""

    row: int
    score: float
    area: int
    box: tuple[int, int, int, int]
    mask: Rle


class _Chains:
    """Masks of many objects in one file, to be read back object by object."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = 0
        self.last: dict[int, int] = {}  # track id → place of its latest mask
        self.sums: dict[int, tuple[int, float]] = {}  # track id → masks, sum of scores
        self.latest: dict[int, tuple[int, bool]] = {}  # track id → class and ignore, as last seen

    def add(self, row: int, segment: Segment) -> None:
        mask = segment.mask
        head = _HEAD.pack(
            self.last.get(segment.track_id, -1),
            row,
            segment.score,
            rle.area(mask),
            *rle.box_xywh(mask),
            *mask.size,
            len(mask.counts),
        )
        self._file.write(head + mask.counts)
        self.last[segment.track_id] = self._end
        self._end += len(head) + len(mask.counts)
        count, total = self.sums.get(segment.track_id, (0, 0.0))
        self.sums[segment.track_id] = count + 1, total + segment.score
        self.latest[segment.track_id] = segment.class_id, segment.ignore

    def places(self, track_id: int) -> array[int]:
        """Of an object's masks, from the first on; none of one that was never seen."""
        found = array("q")
        place = self.last.get(track_id, -1)
        while place >= 0:
            found.append(place)
            self._file.seek(place)
            place = struct.unpack("<q", self._file.read(8))[0]
        found.reverse()
        return found

    def read(self, place: int) -> _Spooled:
        self._file.seek(place)
        _, row, score, area, x, y, w, h, height, width, length = _HEAD.unpack(self._file.read(_HEAD.size))
        return _Spooled(row, score, area, (x, y, w, h), Rle((height, width), self._file.read(length)))


# What an annotation lists per frame.
_COLUMNS: dict[str, Callable[[_Spooled], Any]] = {
    "segmentations": lambda found: rle.to_coco(found.mask),
    "bboxes": lambda found: found.box,
    "areas": lambda found: found.area,
    "scores": lambda found: found.score,
}


class CocoVideoJson(FileSink):
    """One JSON file per video.

    Args:
        form: "annotations" is the whole file; "results" only the list that evaluation servers take: video_id,
            category_id, score, segmentations. It has a record for each track, in their order, as several tracks may
            share the masks of one object under different classes; then one for each object that has no track.
        video_id: the number of the video in the file.
    """

    def __init__(
        self,
        target: Target,
        settings: SinkSettings,
        form: Literal["annotations", "results"] = "annotations",
        video_id: int = 1,
    ) -> None:
        super().__init__(target, settings)
        self.video_id = video_id
        self._assemble = {"annotations": self._annotations, "results": self._results}[form]

    def begin(self, video: VideoInfo) -> None:
        """Open the output and its spools."""
        super().begin(video)
        self._size = video.size
        self._length = 0
        self._frame_spool = self.output.spool()
        self._chains = _Chains(self.output.spool())

    def write(self, result: FrameResult) -> None:
        """Spool one frame."""
        frame = result.frame
        self._size = frame_size(result)
        with writing(self.output.name):
            for segment in result.segments:
                self._chains.add(self._length, segment)
            row = self.settings.frame_name(frame) + ".jpg", frame.index, float(frame.time)
            self._frame_spool.write(b"\0".join(map(to_json, row)) + b"\n")
        self._length += 1

    def end(self, outcome: Outcome) -> None:
        """Put the file together from the spools and let it appear."""
        with writing(self.output.name):
            for piece in self._assemble(outcome):
                self.output.write(piece)
        super().end(outcome)

    def _annotations(self, outcome: Outcome) -> Iterator[bytes]:
        h, w = self._size
        tracks = {track.track_id: track for track in outcome.tracks}
        common = {"width": w, "height": h, "length": self._length}
        yield b'{"info":' + to_json(self.settings.info(outcome))
        yield b',\n"videos":[' + to_json({"id": self.video_id, "name": self.video.name, **common})[:-1]
        for column, name in enumerate(("file_names", "frame_indices", "times_s")):
            yield f',"{name}":['.encode()
            yield from self._frames(column)
            yield b"]"
        yield b'}],\n"categories":' + to_json(self.settings.categories())
        yield b',\n"annotations":['
        for number, track_id in enumerate(sorted(self._chains.last)):
            crowd = int(self._chains.latest[track_id][1])
            verdict = self._verdict(tracks[track_id]) if track_id in tracks else self._own_verdict(track_id)
            head = {"id": track_id, **verdict, "iscrowd": crowd, **common}
            yield (b",\n" if number else b"\n") + to_json(head)[:-1]
            places = self._chains.places(track_id)
            for name in _COLUMNS:
                yield f',"{name}":['.encode()
                yield from self._column(name, places)
                yield b"]"
            yield b"}"
        yield b"]}\n"

    def _results(self, outcome: Outcome) -> Iterator[bytes]:
        named = {track.track_id for track in outcome.tracks}
        verdicts = [(track.track_id, self._verdict(track)) for track in outcome.tracks]
        verdicts += [(i, self._own_verdict(i)) for i in sorted(self._chains.last) if i not in named]
        yield b"["
        for number, (track_id, verdict) in enumerate(verdicts):
            yield (b",\n" if number else b"") + to_json(verdict)[:-1] + b',"segmentations":['
            yield from self._column("segmentations", self._chains.places(track_id))
            yield b"]}"
        yield b"]\n"

    def _verdict(self, track: Track) -> dict[str, Any]:
        """Class and score, as the tracker has them."""
        category = self.settings.category_ids[track.class_id]
        return {"video_id": self.video_id, "category_id": category, "score": track.score}

    def _own_verdict(self, track_id: int) -> dict[str, Any]:
        """The same of an object that the tracker does not list: its latest class and its mean score."""
        count, total = self._chains.sums[track_id]
        category = self.settings.category_ids[self._chains.latest[track_id][0]]
        return {"video_id": self.video_id, "category_id": category, "score": total / count}

    def _frames(self, column: int) -> Iterator[bytes]:
        """One value per frame."""
        self._frame_spool.seek(0)
        for row, line in enumerate(self._frame_spool):
            yield (b"," if row else b"") + line.rstrip(b"\n").split(b"\0")[column]

    def _column(self, name: str, places: array[int]) -> Iterator[bytes]:
        """One value of an object per frame, null where it is absent."""
        row = 0
        for place in places:
            found = self._chains.read(place)
            yield (b"," if row else b"") + b"null," * (found.row - row) + to_json(_COLUMNS[name](found))
            row = found.row + 1
        absent = b",".join([b"null"] * (self._length - row))
        yield (b"," if row and absent else b"") + absent
