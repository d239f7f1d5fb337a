"""Masks in source pixels, against the official chain of resizes written down plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from gvseg_core.ops import rle
from gvseg_core.ops.masks import compete, instance_masks, semantic_map
from gvseg_core.ops.regions import Grid
from gvseg_core.types import Rle, Size


def resized(values: Tensor, size: Size) -> Tensor:
    return F.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]


def at_input(logits: Tensor, grid: Grid) -> Tensor:
    return resized(logits, grid.padded_size)[:, : grid.input_size[0], : grid.input_size[1]]


def probs_by_definition(logits: Tensor, grid: Grid) -> Tensor:
    return resized(at_input(logits, grid).sigmoid(), grid.source_size)


def pixels(mask: Rle | None, size: Size) -> NDArray[np.bool_]:
    return np.zeros(size, np.bool_) if mask is None else rle.decode(mask)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    cells = draw(st.integers(1, 4)) * 8, draw(st.integers(1, 4)) * 8
    padded = cells[0] * 4, cells[1] * 4
    inside = draw(st.integers(padded[0] - 31, padded[0])), draw(st.integers(padded[1] - 31, padded[1]))
    source = draw(st.integers(1, 260)), draw(st.integers(1, 260))
    return Grid(cells, padded, inside, source)


@st.composite
def logits(draw: st.DrawFn, grid: Grid) -> Tensor:
    """Noise, blobs, small whole numbers (which tie), or almost nothing."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    kind = draw(st.sampled_from(["noise", "blobs", "whole", "one cell", "none"]))
    noise = torch.randn(3, *grid.cells)
    if kind == "noise":
        return noise * draw(st.sampled_from([1e-3, 1.0, 30.0]))
    if kind == "blobs":
        return F.avg_pool2d(noise, 5, 1, 2) * 10
    if kind == "whole":
        return torch.randint(-2, 3, (3, *grid.cells)).float()
    few = torch.full((3, *grid.cells), -1.0)
    if kind == "one cell":
        few[:, draw(st.integers(0, grid.cells[0] - 1)), draw(st.integers(0, grid.cells[1] - 1))] = 1.0
    return few


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


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_contest_is_the_argmax_of_score_and_probability_but_for_ties(data: st.DataObject) -> None:
    grid = data.draw(grids())
    values = data.draw(logits(grid))
    scores = torch.tensor(data.draw(st.lists(st.floats(1 / 64, 1, width=32), min_size=3, max_size=3)))
    probs = probs_by_definition(values, grid)
    best, winner = (scores[:, None, None] * probs).max(0)
    # The sigmoid of one number has another last bit at the end of a row of memory than in the middle.
    second = (scores[:, None, None] * probs).scatter(0, winner[None], -1).amax(0)
    clear = (best - second > 1e-6) & ((probs - 0.5).abs() > 1e-6).all(0)
    covered = (probs >= 0.5).gather(0, winner[None])[0]
    contest = compete(values, scores.tolist(), grid)
    np.testing.assert_array_equal(contest.labels[clear.numpy()], torch.where(covered, winner + 1, 0)[clear])
    unclear = int((~clear).sum())
    assert np.abs(contest.won - winner.flatten().bincount(minlength=3).numpy()).max() <= unclear
    assert np.abs(contest.own - (probs >= 0.5).flatten(1).sum(1).numpy()).max() <= unclear
    assert contest.won.sum() == winner.numel()


def test_the_first_of_equals_wins_all_and_also_where_its_mask_is_not() -> None:
    values = torch.full((1, 8, 8), -3.0)
    values[:, :4] = 3
    contest = compete(values.expand(3, -1, -1), [0.9, 0.9, 0.9], Grid((8, 8), (32, 32), (32, 32), (40, 20)))
    assert contest.won.tolist() == [800, 0, 0]
    assert contest.own.tolist() == [400, 400, 400]
    assert (contest.labels == np.arange(40)[:, None].repeat(20, 1) // 20 ^ 1).all()


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6), st.booleans())
def test_the_semantic_map_is_the_argmax_of_the_product_but_for_ties(
    data: st.DataObject, num_classes: int, clear: bool
) -> None:
    grid = data.draw(grids())
    values = data.draw(logits(grid))
    weights = (torch.randn(3, num_classes) * (8 if clear else 0.3)).softmax(1)
    scores = torch.einsum("qk,qhw->khw", weights.double(), probs_by_definition(values.double(), grid))
    found = torch.from_numpy(semantic_map(values, weights, grid)).long()
    assert found.shape == grid.source_size
    behind = scores.amax(0) - scores.gather(0, found[None])[0]
    assert behind.max() < 2e-6  # places on the axes are rounded to float32 in one, to float64 in the other


def test_one_half_is_inside() -> None:
    assert compete(torch.zeros(1, 8, 8), [1.0], Grid((8, 8), (32, 32), (32, 32), (9, 7))).labels.all()


@pytest.mark.parametrize("border", range(4, 13))
def test_a_class_may_win_only_on_the_border_of_two_others(border: int) -> None:
    grid = Grid((8, 24), (32, 96), (32, 96), (70, 200))
    values = torch.full((3, 8, 24), -4.0)
    values[0, :, :border] = values[1, :, border:] = values[2] = 4.0
    weights = torch.eye(3) * torch.tensor([0.8, 0.8, 0.5])
    found = semantic_map(values, weights, grid)
    scores = weights.T @ probs_by_definition(values, grid).flatten(1)
    np.testing.assert_array_equal(found, scores.argmax(0).view(70, 200))
    assert set(np.unique(found)) == {0, 1, 2}


def test_a_class_that_nothing_speaks_for_is_nowhere_and_equals_share() -> None:
    grid = Grid((8, 8), (32, 32), (32, 32), (50, 40))
    weights = torch.tensor([[0.1, 0.3, 0.0, 0.3]])
    assert np.isin(semantic_map(torch.randn(1, 8, 8), weights, grid), [1, 3]).all()


def test_nothing_is_contested_by_nobody() -> None:
    contest = compete(torch.zeros(0, 8, 8), [], Grid((8, 8), (32, 32), (32, 32), (5, 4)))
    assert not contest.labels.any()
    assert contest.won.shape == contest.own.shape == (0,)


@pytest.mark.parametrize("source", [(720, 1280), (480, 854), (1, 1), (3, 900)])
def test_real_sizes_agree_too(source: Size) -> None:
    grid = Grid((96, 168), (384, 672), (360, 641), source)
    torch.manual_seed(0)
    values = F.avg_pool2d(torch.randn(2, *grid.cells), 9, 1, 4) * 20
    wanted = resized(at_input(values, grid), source) > 0
    for mask, truth in zip(instance_masks(values, grid), wanted, strict=True):
        np.testing.assert_array_equal(pixels(mask, source), truth)
