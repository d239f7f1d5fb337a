"""What VIPSeg's JSON says of frames, apart from any map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gvseg_core.data.json_records import Record
from gvseg_core.data.panoptic_json import PanopticList, read_categories
from gvseg_core.errors import DataError
from gvseg_core.types import ClassInfo, Vocabulary

CLASSES = Vocabulary("two", (ClassInfo("cat", (1, 2, 3), True, 8), ClassInfo("sky", (4, 5, 6), False, 3)))


def frame(name: str | None, *segments: tuple[int, int, int | None]) -> dict[str, Any]:
    """A frame of segments: id, category, area."""
    infos = [{"id": i, "category_id": c} | ({} if area is None else {"area": area}) for i, c, area in segments]
    return {"segments_info": infos} | ({} if name is None else {"file_name": name})


def listing(*frames: dict[str, Any], video: str = "v") -> PanopticList:
    content = {"annotations": [{"video_id": video, "annotations": list(frames)}]}
    return PanopticList(Record(content, "pred.json"), CLASSES)


def test_a_frame_lists_its_segments_in_the_order_of_the_file() -> None:
    (first,) = listing(frame("v/0.png", (9, 3, 5), (4, 8, None))).frames("v", ["0"])
    assert list(first.known.items()) == [(9, (9, 1, False)), (4, (4, 0, False))]
    assert first.areas == {9: 5}
    assert first.where == "pred.json: annotations[0].annotations[0]"


def test_void_need_not_be_listed_and_all_else_must() -> None:
    (first,) = listing(frame("0", (9, 3, 5))).frames("v", ["0"])
    assert first.check([0, 9], Path("0.png")) is first.check([9], Path("0.png")) is first.known
    for occurring, said in (
        ([0], "9 is in the JSON but not in the PNG"),
        ([7, 9], "7 is in the PNG but not in the JSON"),
    ):
        with pytest.raises(DataError, match=rf"annotations\[0\]: segment {said}, 0\.png$"):
            first.check(occurring, Path("0.png"))


def test_frames_come_by_name_or_without_names_by_place() -> None:
    named = listing(frame("x/B.jpg", (1, 3, 1)), frame("a.jpg", (2, 3, 1)))
    assert [list(f.known) for f in named.frames("v", ["a", "b"])] == [[2], [1]]
    nameless = listing(frame(None, (1, 3, 1)), frame("a.jpg", (2, 3, 1)))
    assert [list(f.known) for f in nameless.frames("v", ["a", "b"])] == [[1], [2]]
    assert [list(f.known) for f in named.frames("v", None)] == [[2], [1]]  # the last one asked for is kept
    with pytest.raises(DataError, match=r"annotations\[0\]: has 2 frames, wanted 3$"):
        listing(frame(None), frame(None)).frames("v", ["a", "b", "c"])
    with pytest.raises(DataError, match="frame the text 'a' is taken already, by"):
        listing(frame("a.jpg"), frame("a.png")).frames("v", ["a", "b"])


def test_a_track_has_the_class_that_it_is_first_listed_with() -> None:
    frames = [frame("0", (5, 8, 7)), frame("1", (6, 3, 1), (5, 3, 9)), frame("2", (6, 3, 2))]
    tracks = listing(*frames).tracks("v", ["0", "1", "2"])
    told = [(t.track_id, t.class_id, t.first_frame, t.last_frame, t.num_frames, t.details["areas"]) for t in tracks]
    assert told == [(5, 0, 0, 1, 2, [7, 9, None]), (6, 1, 1, 2, 2, [None, 1, 2])]


def test_areas_that_are_not_all_known_are_not_told() -> None:
    assert listing(frame("0", (5, 8, 7)), frame("1", (5, 8, None))).tracks("v", ["0", "1"])[0].details == {}


def category(number: int, isthing: int, name: str = "x") -> Record:
    return Record({"id": number, "name": name, "isthing": isthing, "color": [1, 2, 3]}, "file", f"categories[{number}]")


def test_categories_are_things_then_stuff_by_number_and_known_ones_are_recognised() -> None:
    assert read_categories([category(3, 0), category(8, 1)], CLASSES) is CLASSES
    own = read_categories([category(n, kind) for n, kind in ((5, 0), (3, 0), (9, 1), (1, 1))], CLASSES)
    assert [info.dataset_id for info in own.classes] == [1, 9, 3, 5]
    assert read_categories([category(3, 1), category(8, 1)], CLASSES) is not CLASSES
