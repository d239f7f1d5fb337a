"""TAO's classes: all there, under their own numbers."""

from __future__ import annotations

from gvseg_core.data.tao import COMMON, DISTRACTORS, MERGED, TAO


def test_numbers_run_from_1_without_a_gap_and_names_are_unique() -> None:
    assert [info.dataset_id for info in TAO.classes] == list(range(1, 1231))
    assert len({info.name for info in TAO.classes}) == 1230


def test_some_names_stand_where_they_should() -> None:
    known = {1: "acorn", 99: "bird", 211: "car_(automobile)", 554: "hat", 805: "baby", 1229: "zebra", 1230: "zucchini"}
    assert {number: TAO.classes[number - 1].name for number in known} == known
    assert TAO.classes[707].name == "monitor_(computer_equipment) computer_monitor"


def test_the_lists_name_classes_that_exist_and_do_not_overlap() -> None:
    numbers = {info.dataset_id for info in TAO.classes}
    assert numbers >= COMMON | DISTRACTORS | MERGED.keys() | set(MERGED.values())
    assert (len(COMMON), len(DISTRACTORS)) == (78, 45)
    assert not COMMON & DISTRACTORS
    assert not set(MERGED.values()) & MERGED.keys()
