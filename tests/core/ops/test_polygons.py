"""Polygons are drawn as COCO's own programs draw them; what is none is refused before it is drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.polygons import from_polygons

SIZE = (7, 9)
corners = st.lists(st.tuples(st.floats(-9, 18), st.floats(-7, 14)), min_size=3, max_size=6)
polygons = corners.map(lambda points: [n for point in points for n in point])


@given(st.lists(polygons, min_size=1, max_size=3))
def test_pixels_are_those_of_the_official_library(found: list[list[float]]) -> None:
    mask, dropped = from_polygons(found, SIZE)
    assert mask.counts == coco.merge(coco.frPyObjects(found, *SIZE))["counts"]
    assert rle.area(mask) == rle.decode(mask).sum()
    assert dropped == 0


def test_a_square_has_the_pixels_inside_and_what_is_outside_of_the_picture_is_cut_off() -> None:
    mask, _ = from_polygons([[-2, -2, 3, -2, 3, 2, -2, 2]], SIZE)
    assert np.argwhere(rle.decode(mask)).tolist() == [[y, x] for y in range(2) for x in range(3)]


def test_polygons_of_fewer_than_three_points_are_left_out() -> None:
    square = [1, 1, 3, 1, 3, 3, 1, 3]
    assert from_polygons([square, [1, 1, 2, 2], []], SIZE) == (from_polygons([square], SIZE)[0], 2)
    mask, dropped = from_polygons([[1, 1, 2, 2]], SIZE)
    assert (rle.area(mask), mask.size, dropped) == (0, SIZE, 1)
    assert rle.area(from_polygons([], SIZE)[0]) == 0


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (3, "wanted a list of polygons, found int"),
        ([3], "polygon 0: wanted a list of numbers"),
        ([[1, 1, 3, 1, 3, 3], [1, 1, 3]], "polygon 1: wanted a list of numbers"),
        ([[1, 1, 3, 1, 3, "3"]], "polygon 0: wanted a list of numbers"),
        ([[1, 1, 3, 1, 3, True]], "polygon 0: wanted a list of numbers"),
        ([[1, 1, 3, 1, 3, math.nan]], r"polygon 0: a corner at \(3, nan\)"),
        ([[1, 1, 3, 1, math.inf, 3]], r"polygon 0: a corner at \(inf, 3\)"),
        ([[1, 1, 3, 1, 3, 1e9]], r"polygon 0: a corner at \(3, 1e\+09\) of a picture of 9×7"),
    ],
)
def test_what_is_no_polygon_is_refused(found: Any, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        from_polygons(found, SIZE)
