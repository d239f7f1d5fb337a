"""Deformable attention by bags of rows is deformable attention by `grid_sample`, gradients and all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.ops import deformable_bags
from gvseg_core.ops.deformable import deformable_attention_by_grid
from gvseg_core.ops.deformable_bags import attend_by_bags

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
    bags = attend_by_bags(value, sizes, places, logits)
    torch.testing.assert_close(bags, deformable_attention_by_grid(value, sizes, places, logits))


def gradients(function, leaves: tuple[Tensor, ...], sizes=SIZES, wanted=slice(None)) -> tuple[Tensor, ...]:
    """Of a sum with weights from -1 to 1, to those leaves that are `wanted`."""
    leaves = tuple(leaf.detach() for leaf in leaves)
    asked = [leaf.requires_grad_() for leaf in leaves[wanted]]
    out = function(leaves[0], sizes, *leaves[1:])
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return torch.autograd.grad((out * weights).sum(), asked)


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3),
    reach=st.sampled_from([0.4, 1.0, 5.0]),
    seed=st.integers(0, 1000),
)
def test_gradients_are_those_of_grid_sample(sizes, reach, seed):
    leaves = inputs(sizes=tuple(sizes), reach=reach, seed=seed)
    ours = gradients(attend_by_bags, leaves, sizes)
    for mine, wanted in zip(ours, gradients(deformable_attention_by_grid, leaves, sizes), strict=True):
        torch.testing.assert_close(mine, wanted)


@pytest.mark.parametrize("wanted", [slice(0, 1), slice(1, 3)], ids=["values", "places and logits"])
def test_only_gradients_that_are_asked_for_are_made(wanted):
    leaves = inputs()
    for mine, all_of_it in zip(
        gradients(attend_by_bags, leaves, wanted=wanted),
        gradients(attend_by_bags, leaves)[wanted],
        strict=True,
    ):
        assert torch.equal(mine, all_of_it)


def test_float32_gradients_are_exact_to_rounding():
    leaves = inputs(queries=300, dtype=torch.float32)
    for mine, exact in zip(
        gradients(attend_by_bags, leaves),
        gradients(deformable_attention_by_grid, tuple(leaf.double() for leaf in leaves)),
        strict=True,
    ):
        torch.testing.assert_close(mine.double(), exact, atol=1e-5 * float(exact.abs().max()), rtol=1e-5)


def test_bfloat16_gradients_come_near():
    value, places, logits = inputs(dtype=torch.float32)
    exact = gradients(attend_by_bags, (value, places, logits))
    ours = gradients(attend_by_bags, (value.bfloat16(), places, logits))
    assert [gradient.dtype for gradient in ours] == [torch.bfloat16, torch.float32, torch.float32]
    for mine, wanted in zip(ours, exact, strict=True):
        torch.testing.assert_close(mine.float(), wanted, atol=0.02 * float(wanted.abs().max()), rtol=0.02)


def test_with_and_without_gradients_the_same_is_seen():
    value, places, logits = inputs()
    with torch.no_grad():
        without = attend_by_bags(value, SIZES, places, logits)
    torch.testing.assert_close(attend_by_bags(value, SIZES, places, logits), without)


def test_a_place_on_a_cell_gives_that_cell_and_one_outside_gives_nothing():
    value = torch.arange(1.0, 7).view(1, 6, 1, 1)
    places = torch.tensor([[2.0, 1.0], [-1.0, 0.0], [3.0, 2.0], [1e6, -1e6]]).view(1, 4, 2, 1, 1, 1)
    out = attend_by_bags(value, ((2, 3),), places, torch.zeros(1, 4, 1, 1, 1))
    assert out.flatten().tolist() == [6, 0, 0, 0]


def test_nothing_depends_on_how_queries_are_cut_into_chunks(monkeypatch):
    value, places, logits = inputs()
    whole = attend_by_bags(value, SIZES, places, logits)
    learnt = gradients(attend_by_bags, (value, places, logits))
    monkeypatch.setattr(deformable_bags, "_CHUNK", 3)
    assert torch.equal(attend_by_bags(value, SIZES, places, logits), whole)
    for mine, wanted in zip(gradients(attend_by_bags, (value, places, logits)), learnt, strict=True):
        torch.testing.assert_close(mine, wanted)


def test_each_picture_of_a_batch_is_on_its_own():
    value, places, logits = inputs()
    both = attend_by_bags(value, SIZES, places, logits)
    for i in range(2):
        alone = attend_by_bags(value[i : i + 1], SIZES, places[i : i + 1], logits[i : i + 1])
        assert torch.equal(both[i], alone[0])


def test_huge_logits_do_not_overflow():
    value, places, logits = inputs(dtype=torch.float32)
    out = attend_by_bags(value, SIZES, places, logits * 1000)
    torch.testing.assert_close(out, deformable_attention_by_grid(value, SIZES, places, logits * 1000))


@pytest.mark.parametrize("reach", [0.4, 2.0])
def test_bfloat16_values_come_near(reach):
    value, places, logits = inputs(dtype=torch.float32, reach=reach)
    exact = attend_by_bags(value, SIZES, places, logits)
    out = attend_by_bags(value.bfloat16(), SIZES, places, logits)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact, atol=0.03, rtol=0.03)
