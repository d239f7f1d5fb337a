"""What a record of a video JSON says, checked: a video, a class, an object's masks on all frames of its video."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gvseg_core.data.classes import color_of
from gvseg_core.data.json_files import iterate
from gvseg_core.data.json_records import Record, kind_of
from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.polygons import from_polygons
from gvseg_core.types import ClassInfo, Rle, Size, Vocabulary

Masks = tuple[bytes | None, ...]
"""One object on all frames of its video: compressed run lengths, or None where it is not."""


@dataclass(frozen=True, slots=True)
class Video:
    """One video of a file."""

    number: int  # its id
    name: str  # the folder of its frames, or its number
    size: Size
    file_names: tuple[str, ...]  # of its frames, at least one; with / between folders


@dataclass(slots=True)
class Tally:
    """What was left out, to be told."""

    polygons: int = 0  # that enclose nothing
    categories: dict[int, int] = field(default_factory=dict)  # number → predictions of a class that is not known

    @property
    def notes(self) -> list[str]:
        """One line each."""
        notes = []
        if self.categories:
            num, which = sum(self.categories.values()), ", ".join(map(str, sorted(self.categories)[:5]))
            notes.append(f"{num} predictions of classes that the ground truth does not have drop out (ids {which})")
        if self.polygons:
            notes.append(f"{self.polygons} polygons of fewer than three points were left out")
        return notes


def videos_first(path: Path) -> Iterator[tuple[str, Record]]:
    """The elements of `videos`, `categories` and `annotations`, which come last.

    Raises:
        DataError: see `iterate`.
    """
    yield from declared_first(path, {"videos", "categories"})


def declared_first(path: Path, first: Set[str]) -> Iterator[tuple[str, Record]]:
    """The elements of the lists `first`, then those of `annotations`, which speak of them.

    Where `annotations` stand before what they speak of, the file is read twice.

    Raises:
        DataError: see `iterate`.
    """
    found: set[str] = set()
    with contextlib.closing(iterate(path, first | {"annotations"})) as records:
        for key, record in records:
            if key == "annotations" and not found >= first:
                break
            found.add(key)
            yield key, record
        else:
            return
    if missing := first - found:
        yield from iterate(path, missing)
    yield from iterate(path, {"annotations"})


def read_video(record: Record) -> Video:
    """A video, as yet without a name of its own.

    Raises:
        DataError: a field is missing or wrong, or it has another number of frames than its length says.
    """
    size = record.integer("height", 1), record.integer("width", 1)
    if size[0] * size[1] > rle.MAX_PIXELS:
        raise DataError(f"{record.where}: {size[1]}×{size[0]} pixels, wanted {rle.MAX_PIXELS} at most")
    length = record.integer("length", 1) if "length" in record else None
    names = record.texts("file_names", length, per="frame, which its length counts")
    if not names:
        raise DataError(f"{record.path('file_names')}: is empty")
    number = record.integer("id")
    return Video(number, str(number), size, tuple(name.replace("\\", "/") for name in names))


def with_names(videos: Sequence[Video]) -> list[Video]:
    """Videos called as the folders of their frames, if each has one, and none has another's; else by their numbers."""
    folders = [{name.rpartition("/")[0] for name in video.file_names} for video in videos]
    names = [those.pop() for those in folders if len(those) == 1]
    if len(set(names) - {""}) < len(videos):
        return list(videos)
    return [replace(video, name=name) for video, name in zip(videos, names, strict=True)]


def read_vocabulary(categories: Sequence[Record], official: Vocabulary) -> Vocabulary:
    """The official classes, if these are they, in this order; else a file's own, in its order."""
    known = {info.name: info.color for info in official.classes}
    named = [(record.integer("id"), record.text("name")) for record in categories]
    classes = (ClassInfo(name, known.get(name, color_of(i)), True, n) for i, (n, name) in enumerate(named))
    own = Vocabulary("classes", tuple(classes))
    in_order = [number for number, _ in named] == [info.dataset_id for info in official.classes]
    return official if in_order and same_classes(own, official) else own


def same_classes(one: Vocabulary, other: Vocabulary) -> bool:
    """Whether the classes have the same numbers and, three of four, the same names, as some are spelt otherwise."""
    names, others = ({info.dataset_id: _plain(info.name) for info in some.classes} for some in (one, other))
    return names.keys() == others.keys() and 4 * sum(names[n] == others[n] for n in names) >= 3 * len(names)


def read_masks(record: Record, video: Video, tally: Tally) -> Masks:
    """`segmentations` of a record; a mask that is plainly empty is none.

    Run lengths of the video's size are taken as they are: `ops.rle` checks them before it uses them.

    Raises:
        DataError: it has not one a frame, or one that is no mask of the video.
    """
    found = record.items("segmentations", len(video.file_names), f"frame of video {video.number}")
    size, nothing = [*video.size], _nothing(video.size)
    masks: list[bytes | None] = []
    for frame, item in enumerate(found):
        if item is None:
            masks.append(None)
        elif _is_usual(item, size):
            counts = item["counts"]
            masks.append(counts.encode() if counts != nothing else None)
        else:
            try:
                mask, dropped = _rarer_mask(item, video.size)
            except DataError as error:
                raise DataError(f"{record.path('segmentations')}[{frame}]: {error}") from None
            tally.polygons += dropped
            masks.append(mask.counts if mask.counts.decode() != nothing else None)
    return tuple(masks)


def read_areas(record: Record, video: Video) -> list[float | None] | None:
    """Pixels of an object on each frame, as the file has them; None if it does not have them.

    Raises:
        DataError: it has not one a frame, or one that is no number of pixels.
    """
    if "areas" not in record:
        return None
    areas = record.items("areas", len(video.file_names), f"frame of video {video.number}")
    for frame, area in enumerate(areas):
        if area is not None and (type(area) not in (int, float) or area < 0):
            raise DataError(f"{record.path('areas')}[{frame}]: wanted pixels or null, found {kind_of(area)}")
    return areas


def read_occlusion(record: Record, video: Video) -> list[str | None] | None:
    """How much of an object is hidden on each frame, in words; None if the file does not say.

    Raises:
        DataError: it has not one a frame, or one that is no word.
    """
    if "occlusion" not in record:
        return None
    levels = record.items("occlusion", len(video.file_names), f"frame of video {video.number}")
    for frame, level in enumerate(levels):
        if level is not None and type(level) is not str:
            raise DataError(f"{record.path('occlusion')}[{frame}]: wanted a word or null, found {kind_of(level)}")
    return levels


def _rarer_mask(item: object, size: Size) -> tuple[Rle, int]:
    """Polygons or plain run lengths; and how many polygons enclose nothing."""
    return from_polygons(item, size) if isinstance(item, list) else (rle.from_coco(item, size), 0)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _is_usual(item: Any, size: list[int]) -> bool:
    """Whether it is compressed run lengths of this size, as nearly all masks are."""
    if type(item) is not dict or item.get("size") != size:
        return False
    (h, w), counts = item["size"], item.get("counts")
    return type(h) is type(w) is int and type(counts) is str and counts != "" and counts.isascii()


@lru_cache(maxsize=8)
def _nothing(size: Size) -> str:
    return rle.from_bounds(np.empty(0, np.int64), size).counts.decode()
