"""What the classes of one set are called in another: COCO's things among those of YouTube-VIS and OVIS.

Source: VITA, DVIS and CTVIS, which share these tables (`data_video/datasets/ytvis.py`). Numbers are the sets' own;
several COCO classes may be one of the other set's (bicycle and motorcycle are motorbikes, skis are a snowboard).
"""

from __future__ import annotations

from collections.abc import Mapping

from gvseg_core.errors import DataError
from gvseg_core.types import Vocabulary


def _table(pairs: str) -> Mapping[int, int]:
    return {int(own): int(other) for own, other in (pair.split(":") for pair in pairs.split())}


TABLES: Mapping[tuple[str, str], Mapping[int, int]] = {
    ("coco", "ytvis19"): _table(
        "1:1 2:21 3:6 4:21 5:28 7:17 8:29 9:34 17:14 18:8 19:18 21:15 22:32 23:20 24:30 25:22 35:33 36:33 41:5 42:27 "
        "43:40"
    ),
    ("coco", "ytvis21"): _table(
        "1:26 2:23 3:5 4:23 5:1 7:36 8:37 9:4 16:3 17:6 18:9 19:19 21:7 22:12 23:2 24:40 25:18 34:14 35:31 36:31 41:29 "
        "42:33 43:34"
    ),
    ("coco", "ovis"): _table("1:1 2:21 3:25 4:22 5:23 6:25 8:25 9:24 17:3 18:4 19:5 20:6 21:7 22:8 23:9 24:10 25:11"),
}
"""A set and another → the first one's numbers and the other's."""


def class_map(own: Vocabulary, wanted: Vocabulary) -> tuple[int | None, ...]:
    """For each class of `own` the class id of `wanted` that it is; None where it is none of them.

    By the field's tables where there is one for the two; else by the names, whatever their case and punctuation.

    Raises:
        DataError: no class of the one is a class of the other.
    """
    table = TABLES.get((own.name, wanted.name))
    if table is not None:
        by_number = {info.dataset_id: i for i, info in enumerate(wanted.classes)}
        found = [by_number[table[info.dataset_id]] if info.dataset_id in table else None for info in own.classes]
    else:
        by_name = {_plain(info.name): i for i, info in enumerate(wanted.classes)}
        found = [by_name.get(_plain(info.name)) for info in own.classes]
    if all(class_id is None for class_id in found):
        names = ", ".join(info.name for info in own.classes[:3])
        raise DataError(f"none of the {len(own)} classes of {own.name} ({names} …) is one of {wanted.name}'s")
    return tuple(found)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
