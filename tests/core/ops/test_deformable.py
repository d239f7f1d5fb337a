"""Deformable attention by bags of rows is deformable attention by `grid_sample`, gradients and all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.ops import deformable
from gvseg_core.ops.deformable import deformable_attention, deformable_attention_by_grid

SIZES = ((2, 3), (4, 5), (7, 9))


def inputs(sizes=SIZES, batch=2, queries=11, heads=2, dim=4, points=3, reach=1.5, dtype=torch.float64, seed=0):
    """Random values, places up to `reach` times as far as the level goes, and logits."""
    draw = torch.Generator().manual_seed(seed)
    num_cells = sum(h * w for h, w in sizes)
    value = torch.randn(batch, num_cells, heads, dim, generator=draw, dtype=dtype)
    extent = torch.tensor([[w for _, w in sizes], [h for h, _ in sizes]], dtype=dtype)[:, None, :, None]
    share = torch.rand(batch, queries, 2, heads, len(sizes), points, generator=draw, dtype=dtype)
    places = (share * 2 * reach - reach + 0.5) * extent
    logits = 3 * torch.randn(batch, queries, heads, len(sizes), points, generator=draw, dtype=dtype)
    return value, places, logits


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3),
    reach=st.sampled_from([0.4, 1.0, 5.0]),
    seed=st.integers(0, 1000),
)
def test_bags_give_what_grid_sample_gives(sizes, reach, seed):
    value, places, logits = inputs(sizes=tuple(sizes), reach=reach, seed=seed)
    bags = deformable_attention(value, sizes, places, logits)
    torch.testing.assert_close(bags, deformable_attention_by_grid(value, sizes, places, logits))


def test_gradients_are_those_of_grid_sample():
    def gradients(function) -> tuple[Tensor, ...]:
        leaves = [x.requires_grad_() for x in inputs()]
        out = function(leaves[0], SIZES, *leaves[1:])
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
        return torch.autograd.grad((out * weights).sum(), leaves)

    for ours, theirs in zip(gradients(deformable_attention), gradients(deformable_attention_by_grid), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_place_on_a_cell_gives_that_cell_and_one_outside_gives_nothing():
    value = torch.arange(1.0, 7).view(1, 6, 1, 1)
    places = torch.tensor([[2.0, 1.0], [-1.0, 0.0], [3.0, 2.0], [1e6, -1e6]]).view(1, 4, 2, 1, 1, 1)
    out = deformable_attention(value, ((2, 3),), places, torch.zeros(1, 4, 1, 1, 1))
    assert out.flatten().tolist() == [6, 0, 0, 0]


def test_nothing_depends_on_how_queries_are_cut_into_chunks(monkeypatch):
    value, places, logits = inputs()
    whole = deformable_attention(value, SIZES, places, logits)
    monkeypatch.setattr(deformable, "_CHUNK", 3)
    assert torch.equal(deformable_attention(value, SIZES, places, logits), whole)


def test_each_picture_of_a_batch_is_on_its_own():
    value, places, logits = inputs()
    both = deformable_attention(value, SIZES, places, logits)
    for i in range(2):
        alone = deformable_attention(value[i : i + 1], SIZES, places[i : i + 1], logits[i : i + 1])
        assert torch.equal(both[i], alone[0])


def test_huge_logits_do_not_overflow():
    value, places, logits = inputs(dtype=torch.float32)
    out = deformable_attention(value, SIZES, places, logits * 1000)
    torch.testing.assert_close(out, deformable_attention_by_grid(value, SIZES, places, logits * 1000))


@pytest.mark.parametrize("reach", [0.4, 2.0])
def test_bfloat16_values_come_near(reach):
    value, places, logits = inputs(dtype=torch.float32, reach=reach)
    exact = deformable_attention(value, SIZES, places, logits)
    out = deformable_attention(value.bfloat16(), SIZES, places, logits)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact, atol=0.03, rtol=0.03)
