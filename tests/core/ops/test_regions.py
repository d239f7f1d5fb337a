"""What an exemplar covers: masks by pixel, boxes by area, points by a window; never nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.ops.regions import Grid, box_weights, centres, mask_weights, point_weights

# A source of 48 × 80 shrunk to 24 × 40 and padded to 32 × 64: a cell is 8 × 8 input pixels, 16 × 16 of the source.
GRID = Grid(cells=(4, 8), padded_size=(32, 64), input_size=(24, 40), source_size=(48, 80))


def test_a_mask_of_whole_cells_gives_them_equal_weights():
    mask = torch.zeros(48, 80, dtype=torch.bool)
    mask[16:48, 32:48] = True
    wanted = torch.zeros(4, 8)
    wanted[1:3, 2] = 0.5
    torch.testing.assert_close(mask_weights(mask, GRID), wanted)


def test_every_pixel_of_a_mask_counts_alike():
    mask = torch.zeros(48, 80, dtype=torch.bool)
    mask[0, 0:20] = True  # 16 pixels in one cell, 4 in the next
    weights = mask_weights(mask, GRID)
    assert weights[0, :2].tolist() == pytest.approx([0.8, 0.2])


def test_one_pixel_is_enough():
    mask = torch.zeros(48, 80, dtype=torch.bool)
    mask[47, 79] = True
    assert mask_weights(mask, GRID)[2, 4] == pytest.approx(1)


@given(x0=st.integers(0, 79), y0=st.integers(0, 47), w=st.integers(1, 80), h=st.integers(1, 48))
def test_a_box_is_the_mask_of_its_pixels(x0, y0, w, h):
    x1, y1 = min(x0 + w, 80), min(y0 + h, 48)
    mask = torch.zeros(48, 80, dtype=torch.bool)
    mask[y0:y1, x0:x1] = True
    torch.testing.assert_close(box_weights((x0, y0, x1, y1), GRID), mask_weights(mask, GRID))


@given(st.tuples(*[st.floats(-20, 100)] * 4))
def test_no_box_is_without_a_cell_and_none_leaves_the_picture(box):
    weights = box_weights(box, GRID)
    assert weights.sum() == pytest.approx(1)
    assert weights[3:].sum() == 0
    assert weights[:, 5:].sum() == 0


@given(x=st.floats(0, 80), y=st.floats(0, 48))
def test_a_point_weighs_most_where_it_is(x, y):
    weights = point_weights((x, y), GRID)
    assert weights.sum() == pytest.approx(1)
    assert weights[min(int(y / 16), 2), min(int(x / 16), 4)] == pytest.approx(float(weights.max()), abs=1e-6)


def test_odd_sizes_still_cover_the_whole_picture():
    grid = Grid(cells=(4, 8), padded_size=(32, 64), input_size=(27, 48), source_size=(1080, 1920))
    weights = mask_weights(torch.ones(1080, 1920, dtype=torch.bool), grid)
    assert weights.sum() == pytest.approx(1)
    assert (weights[:, :6] > 0).all()  # 27 of 32 lines reach into the last row of cells
    assert weights[:, 6:].sum() == 0


def test_a_mask_must_fit_and_show_something():
    with pytest.raises(ValueError, match=r"the mask is \(2, 2\), the picture \(48, 80\)"):
        mask_weights(torch.ones(2, 2, dtype=torch.bool), GRID)
    with pytest.raises(ValueError, match="the mask is empty"):
        mask_weights(torch.zeros(48, 80, dtype=torch.bool), GRID)


def test_a_centre_and_an_area_are_in_pixels_of_the_source():
    """Cells of 4 × 4 input pixels are 8 × 8 of the source here: 3 of them in the second row, and 1 in the last."""
    grid = Grid((4, 6), (16, 24), (16, 20), (32, 40))
    masks = torch.zeros(2, 2, 4, 6, dtype=torch.bool)
    masks[0, 0, 1, 2:5] = True
    masks[1, 1, 3, 0] = True
    found = centres(masks, grid)
    assert found[0, 0].tolist() == [28.0, 12.0, 3 * 64]
    assert found[1, 1].tolist() == [4.0, 28.0, 64.0]
    assert found[0, 1].isnan().tolist() == [True, True, False]
    assert found[1, 0, 2] == 0
