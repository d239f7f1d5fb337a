"""COCO's two forms as still pictures: instances (polygons and runs of pixels) and panoptic maps.

The files are read once, annotation by annotation, and kept as packed text: COCO's own 450 MB of instances fill 450 MB,
not the 4 GB of Python objects that they come to. Polygons become masks when their picture is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gvseg_core.data.classes import color_of
from gvseg_core.data.json_files import iterate
from gvseg_core.data.json_records import Record, claim, kind_of
from gvseg_core.data.map_files import read_ids
from gvseg_core.data.training.stills import Reader, Stills
from gvseg_core.data.training.videos import painted
from gvseg_core.data.vocabularies import VOCABULARIES
from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.label_maps import MapSegments, Regions
from gvseg_core.ops.polygons import from_polygons
from gvseg_core.types import ClassInfo, Rle, Segment, Size, TaskName, Vocabulary

ClassOf = Mapping[int, int]
"""A category's number → its class id."""


def coco_instances(path: Path, pictures: Path) -> Stills:
    """COCO's instances, which are things; crowds are void.

    Raises:
        DataError: the file is not of that form, or names pictures or categories that it does not declare.
    """
    return _open(path, pictures, _instance, lambda classes: _InstanceReader(path, classes), frozenset({"vis", "evs"}))


def coco_panoptic(path: Path, maps: Path, pictures: Path) -> Stills:
    """COCO's panoptic form: a colour PNG in `maps` for each picture, and what its colours are.

    Raises:
        DataError: as above.
    """
    tasks: frozenset[TaskName] = frozenset({"vis", "vss", "vps", "evs"})
    return _open(path, pictures, _panoptic, lambda classes: _PanopticReader(maps, classes), tasks)


def _open(
    path: Path,
    pictures: Path,
    keep: Callable[[Record], tuple[Mapping[str, Any], list[int], bool]],
    reader: Callable[[ClassOf], Reader],
    tasks: frozenset[TaskName],
) -> Stills:
    """Read a file; `keep` says of an annotation what to keep, of which categories it is, and if it shows something."""
    categories: list[Record] = []
    names: dict[int, str] = {}
    texts: dict[int, list[str]] = {}
    showing: set[int] = set()
    used: dict[int, str] = {}  # category → where it is used first
    places: dict[int, str] = {}
    for key, record in iterate(path, {"images", "annotations", "categories"}):
        if key == "categories":
            categories.append(record)
        elif key == "images":
            claim(places, "image id", record.integer("id"), record)
            names[record.integer("id")] = record.text("file_name")
        else:
            image_id = record.integer("image_id")
            kept, of, shows = keep(record)
            texts.setdefault(image_id, []).append(json.dumps(kept, separators=(",", ":")))
            for category in of:
                used.setdefault(category, record.where)
            if shows:
                showing.add(image_id)
    if not (names and categories):
        raise DataError(f"{path}: no {'categories' if names else 'images'} in it; wanted a file in COCO's form")
    if not showing:
        raise DataError(f"{path}: no annotations in it; training needs a split whose labels are public")
    class_of = {record.integer("id"): i for i, record in enumerate(categories)}
    for category in used.keys() - class_of.keys():
        raise DataError(f"{used[category]}: category {category} is not among its categories")
    for image_id in texts.keys() - names.keys():
        raise DataError(f"{path}: annotations of image {image_id}, which is not among its images")
    empty = len(names) - len(showing)
    notes = [f"{path.name}: {empty} of {len(names)} pictures show nothing, and were left out"] if empty else []
    entries = _joined(names, texts, showing)
    return Stills(pictures, entries, reader(class_of), _vocabulary(path, categories), tasks, notes)


def _joined(names: Mapping[int, str], texts: dict[int, list[str]], showing: set[int]) -> Iterator[str]:
    """An entry for each picture that shows something, in the order of the file."""
    for image_id, name in names.items():
        if image_id in showing:
            yield f'{{"picture":{json.dumps(name)},"found":[{",".join(texts.pop(image_id))}]}}'


def _vocabulary(path: Path, categories: Sequence[Record]) -> Vocabulary:
    """The known set whose classes these are, number for number; else the file's own, by the file's name."""
    own = []
    for i, record in enumerate(categories):
        color = record.items("color", 3, "channel") if "color" in record else color_of(i)
        is_thing = record.flag("isthing") if "isthing" in record else True
        red, green, blue = (int(channel) for channel in color)
        own.append(ClassInfo(record.text("name"), (red, green, blue), is_thing, record.integer("id")))
    same = [(info.dataset_id, info.name) for info in own]
    known = (v for v in VOCABULARIES.values() if [(info.dataset_id, info.name) for info in v.classes] == same)
    return next(known, Vocabulary(path.stem, tuple(own)))


# --- instances ----------------------------------------------------------------------------------------------------


def _instance(record: Record) -> tuple[Mapping[str, Any], list[int], bool]:
    category, is_crowd = record.integer("category_id"), record.flag("iscrowd")
    kept = {"id": record.integer("id"), "category": category, "crowd": is_crowd, "shape": _shape(record)}
    return kept, [category], not is_crowd


def _shape(record: Record) -> Any:
    """A segmentation as it stands; whether it is one is looked at when its picture is drawn."""
    found = record.value.get("segmentation")
    if not isinstance(found, dict | list):
        raise DataError(f"{record.path('segmentation')}: wanted polygons or run lengths, found {kind_of(found)}")
    return found


class _InstanceReader:
    """Instances of a picture → its regions."""

    def __init__(self, path: Path, class_of: ClassOf) -> None:
        self._path = path
        self._class_of = class_of

    def __call__(self, entry: Mapping[str, Any], size: Size) -> Regions:
        segments = []
        for number, found in enumerate(entry["found"], start=1):
            try:
                mask = _mask(found["shape"], size)
            except DataError as error:
                raise DataError(f"{self._path}: annotation {found['id']} of {entry['picture']}: {error}") from None
            if rle.area(mask):
                segments.append(Segment(number, self._class_of[found["category"]], 1.0, mask, found["crowd"]))
        return painted(segments, size)


def _mask(shape: Any, size: Size) -> Rle:
    return from_polygons(shape, size)[0] if isinstance(shape, list) else rle.from_coco(shape, size)


# --- panoptic maps ------------------------------------------------------------------------------------------------


def _panoptic(record: Record) -> tuple[Mapping[str, Any], list[int], bool]:
    segments = [
        (r.integer("id", 1), r.integer("category_id"), r.flag("iscrowd")) for r in record.records("segments_info")
    ]
    kept = {"map": record.text("file_name"), "segments": segments}
    return kept, [category for _, category, _ in segments], not all(is_crowd for *_, is_crowd in segments)


class _PanopticReader:
    """A colour PNG and what its colours are → regions."""

    def __init__(self, folder: Path, class_of: ClassOf) -> None:
        self._folder = folder
        self._class_of = class_of

    def __call__(self, entry: Mapping[str, Any], size: Size) -> Regions:
        found = entry["found"][0]
        if len(entry["found"]) > 1:
            raise DataError(f"{self._folder}: {len(entry['found'])} annotations of {entry['picture']}, wanted one")
        known = {
            label: (number, self._class_of[category], is_crowd)
            for number, (label, category, is_crowd) in enumerate(found["segments"], start=1)
        }
        return MapSegments(read_ids(self._folder / found["map"], size), known).regions
