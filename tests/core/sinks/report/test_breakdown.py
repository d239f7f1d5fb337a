"""Scores by class and by object, found in the details that each official program gives."""

from __future__ import annotations

import json

import pytest

from gvseg_core.data.vipseg import VIPSEG
from gvseg_core.data.vspw import VSPW
from gvseg_core.sinks.report.breakdown import breakdowns
from gvseg_core.types import ClassInfo, Vocabulary
from tests.conftest import shared

TOYS = Vocabulary("toys", (ClassInfo("dog", (0, 0, 0), dataset_id=5), ClassInfo("cat", (0, 0, 0), dataset_id=9)))


def test_categories_are_called_by_name_and_the_best_comes_first() -> None:
    details = {"per_category": {"9": {"AP": 0.75}, "5": {"AP": 0.25}, "7": {"AP": -1.0}}}
    (found,) = breakdowns(details, TOYS)
    assert (found.title, found.rows, found.scale) == ("AP by class", (("cat", 0.75), ("dog", 0.25)), 100.0)


def test_class_ids_are_places_in_the_vocabulary_and_a_class_that_is_none_is_void() -> None:
    (found,) = breakdowns({"per_class_IoU": {0: 0.5, 1: 0.25, 2: 0.0}}, TOYS)
    assert found.rows == (("dog", 0.5), ("cat", 0.25), ("void", 0.0))


def test_objects_have_a_list_for_each_of_their_scores() -> None:
    found = breakdowns({"per_object": {"bear_1": {"J": 0.5, "F": float("nan")}, "bear_2": {"J": 0.7, "F": 0.1}}}, TOYS)
    assert [(one.title, one.rows) for one in found] == [
        ("J by object", (("bear_2", 0.7), ("bear_1", 0.5))),
        ("F by object", (("bear_2", 0.1),)),
    ]


def test_details_of_another_make_say_nothing() -> None:
    odd = {"per_category": 3, "per_class_IoU": {}, "VPQ_windows": {"1": None}, "STQ": 0.5, "per_class": {"a": "b"}}
    assert breakdowns(odd, TOYS) == []
    assert breakdowns({}, TOYS) == []


@pytest.mark.parametrize(
    ("case", "vocabulary", "titles"),
    [
        ("ytvis/basic", TOYS, ["AP by class"]),
        ("vspw/basic", VSPW, ["IoU by class"]),
        ("vipseg/basic", VIPSEG, ["PQ by class, single frames", "IoU by class"]),
        ("kitti_step/basic", TOYS, ["IoU by class"]),
        ("davis/basic", TOYS, ["J by object", "F by object"]),
        ("youtube_vos/basic", TOYS, ["J by object", "F by object"]),
        ("burst/class_guided", TOYS, ["HOTA by class"]),
        ("burst/open_world", TOYS, []),
    ],
)
def test_the_details_of_every_benchmark_are_understood(case: str, vocabulary: Vocabulary, titles: list[str]) -> None:
    details = json.loads(shared("golden", case, "expected.json").read_text())["details"]
    found = breakdowns(details, vocabulary)
    assert [one.title for one in found] == titles
    for one in found:
        assert all(0 <= value * one.scale <= 100 for _, value in one.rows)
        assert [value for _, value in one.rows] == sorted((value for _, value in one.rows), reverse=True)


def test_names_of_vspw_are_those_of_its_class_ids() -> None:
    details = json.loads(shared("golden", "vspw", "basic", "expected.json").read_text())["details"]
    (found,) = breakdowns(details, VSPW)
    assert dict(found.rows)["wall"] == details["per_class_IoU"]["0"]
