"""COCO's records of stills, in the words of videos that have one frame each.

So a set of pictures is read and scored by what reads and scores videos. Messages say `segmentations[0]`
where the file has `segmentation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gvseg_core.data.json_files import iterate
from gvseg_core.data.json_records import Record
from gvseg_core.data.video_records import declared_first

_KEYS = {"images": "videos", "categories": "categories", "annotations": "annotations"}
_SAME = ("id", "category_id", "iscrowd", "score", "name", "width", "height")
_LISTED = {"file_name": "file_names", "segmentation": "segmentations", "area": "areas"}
"""What is told once of a still, and once for each frame of a video."""


def stills_first(path: Path) -> Iterator[tuple[str, Record]]:
    """The elements of `images` as those of `videos`, of `categories`, and of `annotations`, which come last.

    Raises:
        DataError: see `iterate`.
    """
    for key, record in declared_first(path, {"images", "categories"}):
        yield _KEYS.get(key, key), as_video(record)


def still_results(path: Path) -> Iterator[Record]:
    """The elements of a list of results, `image_id` and `segmentation` in the words of videos.

    Raises:
        DataError: see `iterate`.
    """
    for _, record in iterate(path):
        yield as_video(record)


def as_video(record: Record) -> Record:
    """A record of a still: what was told of it is told of the one frame."""
    found = record.value
    told: dict[str, Any] = {name: found[name] for name in _SAME if name in found}
    told |= _listed(found)
    if "image_id" in found:
        told["video_id"] = found["image_id"]
    return Record(told, record.file, record.place)


def _listed(found: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {many: [found[one]] for one, many in _LISTED.items() if one in found}
