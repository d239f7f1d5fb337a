"""Names: spelt otherwise they mean the same, unless two could be meant."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.data.names import pair_names, plain_name, stem_of
from gvseg_core.errors import DataError


def test_a_name_that_is_there_is_taken_as_it_is() -> None:
    assert pair_names(["Cat", "dog"], ["dog", "cat", "Cat"], "folder") == {"Cat": "Cat", "dog": "dog"}


@pytest.mark.parametrize("there", ["café", unicodedata.normalize("NFD", "café"), "CAFÉ", "Café"])
def test_case_and_composition_are_no_difference(there: str) -> None:
    assert pair_names(["café"], ["other", there], "folder") == {"café": there}


def test_slashes_of_windows_are_slashes() -> None:
    assert pair_names(["a/b.jpg"], ["A\\B.jpg"], "folder") == {"a/b.jpg": "A\\B.jpg"}


def test_what_is_not_there_is_left_out() -> None:
    assert pair_names(["one", "two"], ["TWO"], "folder") == {"two": "TWO"}


def test_two_that_could_be_meant_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"^folder: cat is not there, and CAT and Cat could both be meant$"):
        pair_names(["cat"], ["Cat", "CAT"], "folder")


def test_one_that_could_be_meant_twice_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"^folder: cat and CAT could both be Cat$"):
        pair_names(["cat", "CAT"], ["Cat"], "folder")


@given(st.text(max_size=6))
def test_every_spelling_has_the_same_plain_name(name: str) -> None:
    for form in ("NFC", "NFD"):
        assert plain_name(unicodedata.normalize(form, name)) == plain_name(name)
    assert plain_name(plain_name(name)) == plain_name(name)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/b\\00001.png", "00001"), ("00001", "00001"), ("x.y.jpg", "x.y"), (".hidden", ".hidden"), ("a/b.c/d", "d")],
)
def test_the_stem_is_the_last_part_without_its_suffix(name: str, stem: str) -> None:
    assert stem_of(name) == stem
