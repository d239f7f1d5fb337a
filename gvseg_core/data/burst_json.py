"""BURST's files: sequences with a run-length mask for each object of each annotated frame; truth and results alike.

Format: Ali2500/BURST-benchmark, ANNOTATION_FORMAT.md (MIT). A mask is checked before it is used, and one that is null
is no mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gvseg_core.data.classes import color_of
from gvseg_core.data.folders import is_plain
from gvseg_core.data.json_files import read_record
from gvseg_core.data.json_records import Record, claim, kind_of
from gvseg_core.data.recognition import misfit
from gvseg_core.data.tao import MERGED, TAO
from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.rle_sets import well_formed
from gvseg_core.types import ClassInfo, Rle, Size, Vocabulary

ABSENT, PARTLY = "neg_category_ids", "not_exhaustive_category_ids"
_FACTS = ("width", "height", "id", "dataset", "seq_name", "fps", "all_image_paths", "annotated_image_paths")


@dataclass(frozen=True, slots=True)
class Detection:
    """An object on a frame."""

    number: int  # of its track in the video
    category: int | None  # where it has one of its own
    score: float
    mask: Rle


class BurstSequence:
    """One video of a file. Its parts are looked at when they are asked for.

    Raises:
        DataError: the field that is asked for is missing or malformed.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.dataset, self.name = record.text("dataset"), record.text("seq_name")
        for name in ("dataset", "seq_name"):
            if not is_plain(record.text(name)):
                raise DataError(f"{record.path(name)}: {kind_of(record.text(name))} is not the name of a folder")

    @property
    def key(self) -> str:
        """What tells it from the other videos of a file."""
        return f"{self.dataset}/{self.name}"

    @cached_property
    def size(self) -> Size:
        """(H, W)."""
        return self.record.integer("height", 1), self.record.integer("width", 1)

    @cached_property
    def frames(self) -> list[str]:
        """The files of the frames whose masks it has."""
        return _pictures(self.record, "annotated_image_paths")

    @cached_property
    def pictures(self) -> list[str]:
        """The files of all frames; those of `frames` alone where no others are named, or not these."""
        name = "all_image_paths"
        pictures = _pictures(self.record, name) if name in self.record else []
        return pictures if set(pictures) >= set(self.frames) else self.frames

    @cached_property
    def categories(self) -> dict[int, int]:
        """Category of each track."""
        record = self.record.record("track_category_ids")
        return {_number(name, record): record.integer(name) for name in record.value}

    def numbers(self, name: str) -> frozenset[int]:
        """One of its lists of categories; empty if it has none."""
        found = self.record.items(name) if name in self.record else []
        for i, item in enumerate(found):
            if type(item) is not int:
                raise DataError(f"{self.record.path(name)}[{i}]: wanted a whole number, found {kind_of(item)}")
        return frozenset(found)

    def facts(self) -> dict[str, Any]:
        """What files of results repeat of it."""
        names = (*_FACTS, ABSENT, PARTLY, "track_category_ids")
        return {name: self.record.value[name] for name in names if name in self.record}

    def objects(self) -> list[dict[int, Record]]:
        """What is said of each object, by track, on each of its `frames`."""
        frames = self.record.records("segmentations", len(self.frames), "annotated image")
        return [{_number(name, frame): frame.record(name) for name in frame.value} for frame in frames]

    def detections(self) -> list[list[Detection]]:
        """The objects on each of its `frames`, in the order of the file."""
        frames = self.objects()
        found = [
            [Detection(n, _category(r), _score(r), Rle(self.size, text.encode())) for n, r, text in _masks(frame)]
            for frame in frames
        ]
        if not well_formed([item.mask.counts for frame in found for item in frame], self.size):
            for frame, items in zip(frames, found, strict=True):
                for item in items:
                    check_mask(item.mask, frame[item.number])
        return found


class BurstFile:
    """A whole file.

    Raises:
        DataError: it cannot be read, holds no sequences, or holds one twice.
    """

    def __init__(self, path: Path) -> None:
        record = read_record(path)
        if "sequences" not in record:
            raise misfit(path, "burst", "no sequences in it; wanted a file in BURST's format")
        self.split = record.text("split") if "split" in record else ""
        self.sequences = [BurstSequence(item) for item in record.records("sequences")]
        taken: dict[str, str] = {}
        for sequence in self.sequences:
            claim(taken, "sequence", sequence.key, sequence.record)
        self.where = record.where
        self._record = record

    def vocabulary(self) -> Vocabulary:
        """Its categories: TAO's, unless it has names of its own."""
        names: dict[int, str] = {}
        taken: dict[int, str] = {}
        for record in self._record.records("categories") if "categories" in self._record else []:
            claim(taken, "category", record.integer("id"), record)
            names[record.integer("id")] = record.text("name")
        if all(_is_of_tao(number, name) for number, name in names.items()):
            return TAO
        known = {info.dataset_id: info for info in TAO.classes if info.dataset_id in MERGED.values()}
        own = {number: ClassInfo(name, color_of(number), dataset_id=number) for number, name in names.items()}
        return Vocabulary("categories", tuple(info for _, info in sorted((known | own).items())))


def check_mask(mask: Rle, record: Record) -> None:
    """Refuse a mask of an object that is malformed.

    Raises:
        DataError: says where.
    """
    try:
        rle.bounds_of(mask)
    except DataError as error:
        raise DataError(f"{record.path('rle')}: {error}") from None


def _is_of_tao(number: int, name: str) -> bool:
    """Whether a category is TAO's; a name that only repeats the number says nothing."""
    return 0 < number <= len(TAO) and name in {TAO.classes[number - 1].name, f"category_{number}"}


def _masks(frame: dict[int, Record]) -> Iterable[tuple[int, Record, str]]:
    for number, record in frame.items():
        if "rle" not in record.value or record.value["rle"] is not None:
            yield number, record, record.text("rle")


def _score(record: Record) -> float:
    return record.number("score") if "score" in record.value else 1.0


def _category(record: Record) -> int | None:
    return record.integer("category_id") if "category_id" in record.value else None


def _number(name: str, record: Record) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) < 16):
        raise DataError(f"{record.where}: {kind_of(name)} is no track; wanted its number")
    return int(name)


def _pictures(record: Record, name: str) -> list[str]:
    found = record.texts(name)
    if not found:
        raise DataError(f"{record.path(name)}: empty; wanted at least one frame")
    for i, picture in enumerate(found):
        if not is_plain(picture):
            raise DataError(f"{record.path(name)}[{i}]: {kind_of(picture)} is not the name of a picture")
    if len(set(found)) < len(found):
        raise DataError(f"{record.path(name)}: a picture stands twice")
    return found
