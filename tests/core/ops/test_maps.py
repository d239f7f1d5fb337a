"""Maps in source pixels, against the official chain of resizes written down plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.ops.maps import compete, semantic_map
from gvseg_core.ops.regions import Grid
from tests.core.ops.drawn_logits import at_input, grids, logits, resized


def probs_by_definition(logits: Tensor, grid: Grid) -> Tensor:
    return resized(at_input(logits, grid).sigmoid(), grid.source_size)


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
