"""Labels and legends: inside the picture, off one another, whatever they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.sinks import lettering
from gvseg_core.sinks.lettering import caption, chip, font_size, legend

WIDE = (0.0, 0.0, 1e6, 1e6)  # of an object that is larger than any label
ENTRIES = [(name, (200, 10 * i, 50), 0.1 + i / 100) for i, name in enumerate(["sky", "road", "tree", "building"])]


def gray(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 77, np.uint8)


def changed(picture: np.ndarray) -> np.ndarray:
    return (picture != 77).any(2)


@given(
    st.tuples(st.integers(1, 80), st.integers(1, 120)),
    st.tuples(*[st.floats(-20, 140)] * 4),
    st.text(st.characters(exclude_categories=()), max_size=12),
)
def test_anything_can_be_written_anywhere(size: tuple[int, int], box: tuple, text: str) -> None:
    taken: list = []
    x0, y0, x1, y1 = box
    for _ in range(3):
        chip(
            gray(*size),
            (text, text[:3], "1"),
            (200, 100, 0),
            (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)),
            taken,
        )
    legend(gray(*size), [(text, (1, 2, 3), 0.5)] * 3)
    caption(gray(*size), text)


@pytest.mark.parametrize("size", [(90, 160), (360, 640), (1080, 1920)])
def test_labels_of_objects_in_one_place_do_not_cover_each_other(size: tuple[int, int]) -> None:
    h, w = size
    taken: list = []
    for number in range(4):
        chip(gray(*size), (f"person {number}", str(number)), (200, 100, 0), (0.3 * w, 0.3 * h, 0.6 * w, 0.7 * h), taken)
    cover = np.zeros(size, int)
    for x, y, width, height in taken:
        assert 0 <= x <= x + width <= w
        assert 0 <= y <= y + height <= h
        cover[y : y + height, x : x + width] += 1
    assert cover.max() == 1


def test_a_small_object_gets_its_number_and_a_large_one_its_name() -> None:
    def width(box: tuple[float, float, float, float]) -> int:
        taken: list = []
        chip(gray(360, 640), ("person 3  0.92", "person 3", "3"), (200, 100, 0), box, taken)
        return taken[0][2]

    assert width((100, 100, 110, 115)) < width((100, 100, 150, 150)) < width((100, 100, 300, 300)) < 640 / 3


@pytest.mark.parametrize("size", [(90, 160), (360, 640), (1080, 1920), (1920, 1080)])
def test_a_legend_leaves_the_picture_to_be_seen(size: tuple[int, int]) -> None:
    picture = gray(*size)
    legend(picture, [(f"a class with a very long name, number {i}", (200, i, 0), i / 100) for i in range(60)])
    rows, columns = np.nonzero(changed(picture))
    assert np.ptp(rows) < 0.55 * size[0]
    assert np.ptp(columns) < 0.45 * size[1]
    assert rows.max() > 0.9 * size[0]


def test_a_legend_shows_the_colour_of_every_class_in_it() -> None:
    picture = gray(360, 640)
    legend(picture, ENTRIES)
    for _, color, _ in ENTRIES:
        assert (picture == color).all(2).sum() >= 20
    rows = [np.nonzero((picture == color).all(2))[0].mean() for _, color, _ in ENTRIES]
    assert rows == sorted(rows)


def test_when_there_is_no_room_the_largest_classes_stay_in_their_order() -> None:
    picture = gray(90, 160)
    legend(picture, ENTRIES)
    seen = [bool((picture == color).all(2).any()) for _, color, _ in ENTRIES]
    assert 0 < sum(seen) < len(ENTRIES)
    assert seen == sorted(seen)  # the list is by share


def test_letters_grow_with_the_picture() -> None:
    sizes = [font_size(size) for size in [(90, 160), (360, 640), (720, 1280), (1080, 1920), (2160, 3840)]]
    assert sizes == sorted(set(sizes))
    assert sizes[0] >= 9


def test_names_in_any_script_are_written_even_without_a_font_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    lettering._letters.cache_clear()
    monkeypatch.setattr(lettering, "_system_font", lambda *_: None)
    assert np.array_equal(lettering._letters("café Ångström", 20), lettering._letters("cafe Angstrom", 20))
    assert np.array_equal(lettering._letters("人", 20), lettering._letters("?", 20))
    lettering._letters.cache_clear()


def test_control_characters_are_shown_not_obeyed() -> None:
    assert np.array_equal(lettering._letters("a\nb", 20), lettering._letters(r"a\nb", 20))
