"""Masks in source pixels, against the official chain of resizes written down plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.ops import rle
from gvseg_core.ops.masks import instance_masks
from gvseg_core.ops.regions import Grid
from gvseg_core.types import Rle, Size
from tests.core.ops.drawn_logits import at_input, grids, logits, resized


def pixels(mask: Rle | None, size: Size) -> NDArray[np.bool_]:
    return np.zeros(size, np.bool_) if mask is None else rle.decode(mask)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_instances_are_the_two_resizes_and_then_the_sign_in_every_pixel(data: st.DataObject) -> None:
    grid = data.draw(grids())
    values = data.draw(logits(grid))
    # One at a time: F.interpolate gives a mask other last bits in a batch than alone, and a tie is nothing else.
    final = torch.cat([resized(at_input(one[None], grid), grid.source_size) for one in values])
    # Below this size PyTorch has another kernel, with other last bits: there a tie may fall either way.
    big = min(sum(grid.padded_size), sum(grid.source_size)) > 128
    clear = torch.ones_like(final, dtype=torch.bool) if big else final.abs() > values.abs().max() * 1e-6
    found = instance_masks(values, grid)
    for mask, truth, sure in zip(found, final > 0, clear, strict=True):
        assert mask is None or (mask.size == grid.source_size and rle.area(mask))
        np.testing.assert_array_equal(pixels(mask, grid.source_size)[sure.numpy()], truth[sure])


@pytest.mark.parametrize("seed", [1, 13, 18, 21, 22])
def test_a_pixel_that_one_product_would_round_to_the_other_side_is_where_two_resizes_have_it(seed: int) -> None:
    grid = Grid((16, 32), (64, 128), (61, 123), (200, 300))
    torch.manual_seed(seed)
    values = torch.randint(-2, 3, (1, *grid.cells)).float()
    (mask,) = instance_masks(values, grid)
    wanted = resized(at_input(values, grid), grid.source_size)[0] > 0
    np.testing.assert_array_equal(pixels(mask, grid.source_size), wanted)


@pytest.mark.parametrize("source", [(720, 1280), (480, 854), (1, 1), (3, 900)])
def test_real_sizes_agree_too(source: Size) -> None:
    grid = Grid((96, 168), (384, 672), (360, 641), source)
    torch.manual_seed(0)
    values = F.avg_pool2d(torch.randn(2, *grid.cells), 9, 1, 4) * 20
    wanted = resized(at_input(values, grid), source) > 0
    for mask, truth in zip(instance_masks(values, grid), wanted, strict=True):
        np.testing.assert_array_equal(pixels(mask, source), truth)
