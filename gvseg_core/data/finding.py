"""Finding a set's parts in its folder: the file of annotations of a split, its pictures, its maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gvseg_core.data.json_files import iterate
from gvseg_core.errors import DataError

Form = Literal["videos", "instances", "panoptic"]
"""What a file of annotations is of: YouTube-VIS and its kin, COCO's instances, COCO's panoptic maps."""

TITLES: dict[Form, str] = {
    "videos": "YouTube-VIS form",
    "instances": "COCO instances",
    "panoptic": "COCO panoptic form",
}

_SPLITS = re.compile(r"(?:^|[^a-z])(train|valid|val|test)(?![a-z])")
_SAME = {"valid": "val"}


def annotation_files(folder: Path, split: str) -> list[Path]:
    """The JSON files that may be a split's: those that are named after it; else those named after none.

    They are looked for in the folder itself, in `annotations`, and in a folder of the split's name; `folder` may be
    such a file.
    """
    if folder.is_file():
        return [folder]
    places = (folder, folder / "annotations", folder / split)
    paths = [path for place in places for path in sorted(place.glob("*.json"))]
    wanted = {_SAME.get(split, split)}
    named = [path for path in paths if _splits_of(path, folder) & wanted]
    return named or [path for path in paths if not _splits_of(path, folder)]


def _splits_of(path: Path, folder: Path) -> set[str]:
    found = _SPLITS.findall(path.relative_to(folder).as_posix().lower())
    return {_SAME.get(split, split) for split in found}


def find_annotations(folder: Path, split: str, form: Form) -> Path | None:
    """The split's file of this form; None where there is none.

    Raises:
        DataError: several of them; or one that is not JSON.
    """
    paths = annotation_files(folder, split)
    usual = [path for path in paths if path.stem.startswith(form)]
    found = [path for path in usual or paths if form_of(path) == form]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: several files are {TITLES[form]} of {split}: {names}; let `path` name one of them")
    return found[0] if found else None


def form_of(path: Path) -> Form | None:
    """What a JSON file is of, by its first annotation; None where it is something else.

    Raises:
        DataError: it is not JSON.
    """
    for _, record in iterate(path, {"annotations"}):
        if "image_id" in record:
            return "panoptic" if "segments_info" in record else "instances" if "segmentation" in record else None
        return "videos" if "segmentations" in record else None
    return None


def find_pictures(path: Path, folder: Path, split: str, key: str = "images") -> Path:
    """The folder that the names of pictures in an annotation file are relative to.

    Raises:
        DataError: the first picture is in none of the usual places.
    """
    first = first_name(path, key)
    base = folder.parent if folder.is_file() else folder
    sub = (f"images/{split}", f"{split}2017", f"images/{split}2017", split, "images", "JPEGImages", ".")
    places = [base / name for name in sub] + [path.parent, path.parent / "images"]
    return _holding(places, first, f"{path.name} names", "`pictures`")


def find_maps(path: Path, folder: Path) -> Path:
    """The folder of the PNG maps of a panoptic annotation file: named after it, as COCO has it.

    Raises:
        DataError: the first map is in none of the usual places.
    """
    base = folder.parent if folder.is_file() else folder
    places = [path.with_suffix(""), base / path.stem, base / "annotations" / path.stem, base]
    return _holding(places, first_name(path, "annotations"), f"{path.name} names the map", "")


def first_name(path: Path, key: str) -> str:
    """`file_name` of the first entry of a list of an annotation file."""
    for _, record in iterate(path, {key}):
        return record.text("file_name")
    raise DataError(f"{path}: no {key} in it")


def _holding(places: Sequence[Path], name: str, says: str, setting: str) -> Path:
    for place in places:
        if (place / name).is_file():
            return place
    looked = ", ".join(dict.fromkeys(str(place) for place in places if place.is_dir()))
    hint = f"; say with {setting} where they are" if setting else ""
    raise DataError(f"{says} {name}, which is in none of {looked}{hint}")
