"""Fields of annotation files are of the type that was asked for, or the place is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gvseg_core.data.json_records import Record, claim, kind_of, refuse_undeclared
from gvseg_core.errors import DataError

VALUE: dict[str, Any] = {
    "id": 7,
    "score": 0.5,
    "name": "cat",
    "crowd": 1,
    "areas": [1, None],
    "names": ["a", "b"],
    "size": {"h": 3},
    "videos": [{"id": 1}, {"id": 2}],
    "none": None,
    "real": 3.0,
    "yes": True,
    "nothing": "",
    "huge": 10**400,
}


@pytest.fixture
def record() -> Record:
    return Record(VALUE, "file.json", "list[2]")


def test_fields_are_what_they_are(record: Record) -> None:
    assert (record.integer("id", 7), record.number("id"), record.number("score")) == (7, 7.0, 0.5)
    assert (record.flag("crowd"), record.flag("yes"), record.flag("missing")) == (True, True, False)
    assert (record.text("name"), record.texts("names", 2), record.items("areas", 2)) == ("cat", ["a", "b"], [1, None])
    assert record.record("size").integer("h") == 3
    assert [one.integer("id") for one in record.records("videos")] == [1, 2]
    assert ("id" in record, "none" in record, "missing" in record) == (True, False, False)


@pytest.mark.parametrize(
    ("ask", "fault"),
    [
        (lambda r: r.integer("missing"), "file.json: list[2]: 'missing' is missing"),
        (lambda r: r.integer("name"), "file.json: list[2].name: wanted a whole number, found the text 'cat'"),
        (lambda r: r.integer("real"), "list[2].real: wanted a whole number, found the number 3.0"),
        (lambda r: r.integer("yes"), "list[2].yes: wanted a whole number, found true or false"),
        (lambda r: r.integer("none"), "list[2].none: wanted a whole number, found null"),
        (lambda r: r.integer("id", 8), "list[2].id: the number 7, wanted at least 8"),
        (lambda r: r.number("name"), "list[2].name: wanted a number, found the text 'cat'"),
        (lambda r: r.number("yes"), "list[2].yes: wanted a number, found true or false"),
        (lambda r: r.number("huge"), "list[2].huge: a number beyond what a computer holds"),
        (lambda r: r.flag("id"), "list[2].id: wanted 0 or 1, found the number 7"),
        (lambda r: r.text("id"), "list[2].id: wanted text, found the number 7"),
        (lambda r: r.text("nothing"), "list[2].nothing: is empty"),
        (lambda r: r.items("size"), "list[2].size: wanted a list, found an object"),
        (lambda r: r.items("areas", 3, "frame"), "list[2].areas: has 2 entries, wanted 3, one per frame"),
        (lambda r: r.texts("areas"), "list[2].areas[0]: wanted text, found the number 1"),
        (lambda r: r.record("areas"), "list[2].areas: wanted an object, found a list"),
        (lambda r: r.records("names"), "list[2].names[0]: wanted an object, found the text 'a'"),
        (lambda r: r.records("videos")[1].text("id"), "list[2].videos[1].id: wanted text, found the number 2"),
    ],
)
def test_what_is_of_another_type_is_named_with_its_place(
    record: Record, ask: Callable[[Record], object], fault: str
) -> None:
    with pytest.raises(DataError) as caught:
        ask(record)
    assert str(caught.value).endswith(fault)


def test_the_whole_file_has_no_place() -> None:
    with pytest.raises(DataError, match=r"^file\.json: wanted an object, found a list$"):
        Record([], "file.json")
    assert Record({}, "file.json").path("a") == "file.json: a"


def test_what_two_claim_is_named_with_both_places() -> None:
    taken: dict[int, str] = {}
    claim(taken, "id", 4, Record({}, "f.json", "videos[0]"))
    claim(taken, "id", 5, Record({}, "f.json", "videos[1]"))
    with pytest.raises(DataError, match=r"f\.json: videos\[2\]: id the number 4 is taken already, by videos\[0\]"):
        claim(taken, "id", 4, Record({}, "f.json", "videos[2]"))


def test_of_what_nothing_declares_the_first_three_are_named() -> None:
    refuse_undeclared("f.json", "video_id", [], "videos")
    with pytest.raises(DataError, match=r"f\.json: video_id 1, 2, 3 and 2 more not among the videos"):
        refuse_undeclared("f.json", "video_id", [1, 2, 2, 3, 4, 5], "videos")


def test_long_and_hostile_texts_are_shown_short_and_plain() -> None:
    assert kind_of("x" * 99) == "the text 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    assert kind_of("\x1b[2J\u202e") == "the text '\\x1b[2J\\u202e'"
    assert len(kind_of(10**90)) < 60
