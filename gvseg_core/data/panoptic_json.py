"""Which segments every frame of a video has, as VIPSeg's JSON says: the set's own, and that of results.

`annotations` is a list of videos, each a list of frames, each a list of segments: an id, which is a colour of the
frame's PNG, a category and, in ground truth, crowd or not and an area. Both files say the same as their PNG, or are
refused: VIPSeg's programs end where ids differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gvseg_core.data.classes import things_first
from gvseg_core.data.json_records import Record, claim, refuse_undeclared
from gvseg_core.data.names import pair_names, stem_of
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import Known
from gvseg_core.types import ClassInfo, Track, Vocabulary

MAX_ID = 2**24 - 1  # R + 256 G + 65536 B


@dataclass(frozen=True, slots=True)
class Listed:
    """The segments of one frame."""

    where: str  # file and place in it
    known: Known  # id → id, class id, crowd; in the file's order
    areas: Mapping[int, int]  # id → pixels, where the file says

    def check(self, occurring: Sequence[int], file: Path) -> Known:
        """`known`, once the ids of the frame's PNG are held against it.

        Raises:
            DataError: an id is in only one of the two.
        """
        seen = set(occurring) - {0}
        if odd := sorted(seen ^ self.known.keys()):
            here, there = ("PNG", "JSON") if odd[0] in seen else ("JSON", "PNG")
            raise DataError(
                f"{self.where}: segment {odd[0]} is in the {here} but not in the {there}, {printable(file)}"
            )
        return self.known


class PanopticList:
    """The videos of one file, frame by frame.

    Args:
        record: of the file.
        vocabulary: what its categories are.

    Raises:
        DataError: a video stands twice, or is not made as it should be.
    """

    def __init__(self, record: Record, vocabulary: Vocabulary) -> None:
        self._class_of = {info.dataset_id: class_id for class_id, info in enumerate(vocabulary.classes)}
        self._vocabulary = vocabulary
        taken: dict[str, str] = {}
        self._videos: dict[str, Record] = {}
        for video in record.records("annotations"):
            name = video.text("video_id")
            claim(taken, "video_id", name, video)
            self._videos[name] = video
        self.videos: Sequence[str] = tuple(self._videos)
        self._last: tuple[str, list[Listed]] | None = None

    def frames(self, video: str, stems: Sequence[str] | None) -> list[Listed]:
        """The frames of a video; the last one asked for is kept.

        Args:
            stems: what its frames are called, in order; they are taken as they come where there are no names.

        Raises:
            DataError: a frame is missing or strange, or a segment is not made as it should be.
        """
        if self._last is None or self._last[0] != video:
            records = self._in_order(self._videos[video], stems)
            self._last = video, [self._listed(frame) for frame in records]
        return self._last[1]

    def tracks(self, video: str, stems: Sequence[str]) -> list[Track]:
        """The segments of a video, in the order in which they are first listed, with their areas on every frame."""
        frames = self.frames(video, stems)
        firsts = {label: told for frame in reversed(frames) for label, told in frame.known.items()}
        order = dict.fromkeys(label for frame in frames for label in frame.known)
        tracks = []
        for label in order:
            on = [place for place, frame in enumerate(frames) if label in frame.known]
            areas = [frame.areas.get(label) for frame in frames]
            _, class_id, crowd = firsts[label]
            details = {} if any(areas[place] is None for place in on) else {"areas": areas}
            tracks.append(Track(label, class_id, 1.0, on[0], on[-1], len(on), ignore=crowd, details=details))
        return tracks

    def _in_order(self, video: Record, stems: Sequence[str] | None) -> list[Record]:
        """By name, where every frame has one; else as they come, which is how VIPSeg's programs pair them."""
        frames = video.records("annotations")
        if stems is None or not all("file_name" in frame for frame in frames):
            if stems is not None and len(frames) != len(stems):
                raise DataError(f"{video.where}: has {len(frames)} frames, wanted {len(stems)}")
            return frames
        by_stem: dict[str, Record] = {}
        taken: dict[str, str] = {}
        for frame in frames:
            stem = stem_of(frame.text("file_name"))
            claim(taken, "frame", stem, frame)
            by_stem[stem] = frame
        pairs = pair_names(stems, by_stem, video.where)
        refuse_undeclared(video.where, "frames", by_stem.keys() - pairs.values(), "frames of the video")
        if missing := [stem for stem in stems if stem not in pairs]:
            first = printable(missing[0])
            raise DataError(f"{video.where}: {len(missing)} of {len(stems)} frames are missing, the first is {first}")
        return [by_stem[pairs[stem]] for stem in stems]

    def _listed(self, frame: Record) -> Listed:
        known: dict[int, tuple[int, int, bool]] = {}
        areas = {}
        for segment in frame.records("segments_info"):
            label = segment.integer("id", 1)
            if label in known or label > MAX_ID:
                fault = "stands twice in the frame" if label in known else f"is more than a colour holds, {MAX_ID}"
                raise DataError(f"{segment.path('id')}: {label} {fault}")
            category = segment.integer("category_id")
            if category not in self._class_of:
                refuse_undeclared(segment.path("category_id"), "category", [category], "set's categories")
            known[label] = label, self._class_of[category], segment.flag("iscrowd")
            if "area" in segment:
                areas[label] = segment.integer("area", 1)
        return Listed(frame.where, known, areas)


def read_categories(records: Sequence[Record], usual: Vocabulary) -> Vocabulary:
    """The classes of `categories`: things, then stuff; `usual` where they are the same numbers and kinds.

    Raises:
        DataError: none, one that stands twice, or one that is not made as it should be.
    """
    taken: dict[int, str] = {}
    classes = []
    for record in records:
        number = record.integer("id", 0)
        claim(taken, "category", number, record)
        color = record.items("color", 3) if "color" in record else [0, 0, 0]
        if not all(type(value) is int and 0 <= value <= 255 for value in color):
            raise DataError(f"{record.path('color')}: wanted red, green and blue, each 0 to 255")
        red, green, blue = color
        classes.append(ClassInfo(record.text("name"), (red, green, blue), record.flag("isthing"), number))
    if not classes:
        raise DataError("no category in it; wanted the list categories")
    if {(c.dataset_id, c.is_thing) for c in classes} == {(c.dataset_id, c.is_thing) for c in usual.classes}:
        return usual
    return Vocabulary("classes", things_first(sorted(classes, key=lambda info: info.dataset_id)))
