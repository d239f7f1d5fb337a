"""Panoptic and semantic maps from kernels are those of the portable path, but where numbers are as good as equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gvseg_core.ops import kernels, maps
from gvseg_core.ops.regions import Grid

GRIDS = [
    Grid((8, 8), (32, 32), (25, 31), (17, 40)),
    Grid((8, 8), (32, 32), (32, 32), (5, 3)),
    Grid((8, 16), (32, 64), (30, 60), (30, 60)),
]


def probs_of(logits, grid):
    """(N, H, W) in float64, by definition."""
    padded = F.interpolate(logits.double()[None], grid.padded_size, mode="bilinear")[0]
    inside = padded[:, : grid.input_size[0], : grid.input_size[1]].sigmoid()
    return F.interpolate(inside[None], grid.source_size, mode="bilinear")[0]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: str(grid.source_size))
def test_a_contest_has_the_portable_winners_and_counts(device, grid):
    from gvseg_core.ops.kernels.maps import compete

    torch.manual_seed(0)
    logits, scores = torch.randn(3, *grid.cells), torch.tensor([0.9, 0.7, 0.8])
    labels, won, own = (x.cpu().numpy() for x in compete(logits.to(device), scores.to(device), grid))
    wanted = maps.compete(logits, scores.tolist(), grid)
    probs = probs_of(logits, grid)
    claims = (probs * scores[:, None, None].double()).topk(2, dim=0).values
    clear = ((claims[0] - claims[1] > 1e-6) & ((probs - 0.5).abs() > 1e-6).all(0)).numpy()
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(labels[clear], wanted.labels[clear])
    unclear = int((~clear).sum())
    assert np.abs(won - wanted.won).max() <= unclear
    assert np.abs(own - wanted.own).max() <= unclear
    assert won.sum() == labels.size


def test_the_first_of_equals_wins_and_one_half_is_inside(device):
    from gvseg_core.ops.kernels.maps import compete

    grid = GRIDS[0]
    labels, won, own = compete(torch.zeros(2, 8, 8, device=device), torch.ones(2, device=device), grid)
    assert (labels == 1).all()
    assert won.tolist() == [17 * 40, 0]
    assert own.tolist() == [17 * 40] * 2


def test_nobody_wins_where_there_is_nobody(device):
    from gvseg_core.ops.kernels.maps import compete

    labels, won, own = compete(torch.zeros(0, 8, 8, device=device), torch.zeros(0, device=device), GRIDS[0])
    assert not labels.any()
    assert won.shape == own.shape == (0,)


@pytest.mark.parametrize(
    ("grid", "num_queries", "num_classes"), [(GRIDS[0], 3, 2), (GRIDS[1], 3, 2), (GRIDS[0], 19, 21)]
)
def test_a_semantic_map_has_the_portable_classes(device, grid, num_queries, num_classes):
    from gvseg_core.ops.kernels.maps import semantic_map

    torch.manual_seed(0)
    logits = torch.randn(num_queries, *grid.cells)
    weights = torch.randn(num_queries, num_classes).softmax(1)
    found = semantic_map(logits.to(device), weights.to(device), grid).cpu().long()
    sums = torch.einsum("qk,qhw->khw", weights.double(), probs_of(logits, grid))
    behind = sums.amax(0) - sums.gather(0, found[None])[0]
    assert behind.max() <= 1e-6 * num_queries
    assert (found == torch.from_numpy(maps.semantic_map(logits, weights, grid))).float().mean() > 0.99


def test_results_are_the_same_whichever_way_they_are_made(device, monkeypatch):
    torch.manual_seed(0)
    grid = GRIDS[1]
    logits, weights = torch.randn(3, *grid.cells, device=device), torch.randn(3, 4, device=device).softmax(1)
    portable = maps._contest(logits, [0.9, 0.7, 0.8], grid)
    classes = maps._semantic(logits, weights, grid)
    monkeypatch.setattr(kernels, "usable", lambda _: True)
    monkeypatch.setattr(kernels, "_broken", set())
    contest = maps.compete(logits, [0.9, 0.7, 0.8], grid)
    for mine, wanted in zip(*(vars_of(c) for c in (contest, portable)), strict=True):
        assert mine.dtype == wanted.dtype
        np.testing.assert_array_equal(mine, wanted)
    found = maps.semantic_map(logits, weights, grid)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, classes)
    assert not kernels._broken


def vars_of(contest):
    return contest.labels, contest.won, contest.own
