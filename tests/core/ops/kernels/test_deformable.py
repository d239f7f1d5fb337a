"""The Triton kernels of deformable attention, held to the portable path in float64."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.ops.deformable_bags import attend_by_bags

SIZES = ((1, 2), (3, 5))


def inputs(device, sizes=SIZES, batch=1, queries=5, heads=2, dim=4, points=1, reach=1.5, dtype=torch.float32, seed=0):
    """Random values, places up to `reach` times as far as the level goes, logits, and a gradient of the result."""
    draw = torch.Generator().manual_seed(seed)
    num_cells = sum(h * w for h, w in sizes)
    value = torch.randn(batch, num_cells, heads, dim, generator=draw)
    extent = torch.tensor([[w for _, w in sizes], [h for h, _ in sizes]])[:, None, :, None]
    share = torch.rand(batch, queries, 2, heads, len(sizes), points, generator=draw)
    places = (share * 2 * reach - reach + 0.5) * extent
    logits = 3 * torch.randn(batch, queries, heads, len(sizes), points, generator=draw)
    gradient = torch.randn(batch, queries, heads * dim, generator=draw)
    return [x.to(device) for x in (value.to(dtype), places, logits, gradient.to(dtype))]


def sides(sizes):
    return list(itertools.chain.from_iterable(sizes))


def exact(value, places, logits, gradient, sizes=SIZES):
    """The result and the three gradients, in float64."""
    leaves = [x.cpu().double().requires_grad_() for x in (value, places, logits)]
    out = attend_by_bags(leaves[0], sizes, leaves[1], leaves[2])
    return [out.detach(), *torch.autograd.grad(out, leaves, gradient.cpu().double())]


def by_kernels(value, places, logits, gradient, sizes=SIZES, learns_value=True):
    from gvseg_core.ops.kernels.deformable import attend, learn

    shape = sides(sizes)
    return [
        attend(value, places, logits, shape),
        *learn(gradient, value, places, logits, shape, learns_value=learns_value),
    ]


def check(found, wanted, tolerance):
    """Every difference at most `tolerance`, or that of the largest number there is; what goes in is about 1."""
    for mine, true in zip(found, wanted, strict=True):
        atol = tolerance * max(float(true.abs().max()), 1.0)
        torch.testing.assert_close(mine.cpu().double(), true, atol=atol, rtol=0)


@settings(max_examples=8)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=3),
    points=st.integers(1, 2),
    reach=st.sampled_from([0.4, 1.0, 5.0]),
    seed=st.integers(0, 1000),
)
def test_results_and_gradients_are_those_of_float64(sizes, points, reach, seed):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given_ = inputs(device, sizes, points=points, reach=reach, seed=seed)
    check(by_kernels(*given_, sizes=sizes), exact(*given_, sizes=sizes), 2e-6)


@pytest.mark.parametrize("corner", [*itertools.product([-1.5, -1.0, -0.5, 0.0], [-1.0, -0.25, 0.0])])
@pytest.mark.parametrize("far", [False, True], ids=["near border", "far border"])
def test_at_every_border_too(device, corner, far):
    sizes = ((3, 4),)
    value, places, logits, gradient = inputs(device, sizes, queries=1, heads=1)
    x, y = (side - 1 - c if far else c for side, c in zip((4, 3), corner, strict=True))
    places[:, :, 0], places[:, :, 1] = x, y
    given_ = (value, places, logits, gradient)
    found, wanted = by_kernels(*given_, sizes=sizes), exact(*given_, sizes=sizes)
    # On a line of cells the slope is not defined; both take that of the cell behind, unless it is clamped away there.
    defined = [0, 1, 3] + [2] * (not any(float(c).is_integer() for c in (x, y)))
    check([found[i] for i in defined], [wanted[i] for i in defined], 2e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.01), (torch.float16, 0.002)])
def test_half_precision_values_are_summed_in_float32(device, dtype, tolerance):
    given_ = inputs(device, queries=9, points=2, dtype=dtype)
    found = by_kernels(*given_)
    assert [x.dtype for x in found] == [dtype, dtype, torch.float32, torch.float32]
    check(found, exact(*given_), tolerance)
    check(found[2:], exact(*given_)[2:], 2e-6)


def test_more_queries_than_a_tile_and_several_pictures_at_once(device):
    given_ = inputs(device, batch=2, queries=131, heads=1, dim=4)  # a tile of 512 numbers holds 128 queries here
    check(by_kernels(*given_), exact(*given_), 2e-6)


def test_heads_as_wide_as_the_real_ones(device):
    given_ = inputs(device, queries=18, heads=1, dim=32, points=4, sizes=((2, 3), (4, 5), (7, 9)))
    check(by_kernels(*given_, sizes=((2, 3), (4, 5), (7, 9))), exact(*given_, sizes=((2, 3), (4, 5), (7, 9))), 2e-6)


def test_values_that_do_not_learn_cost_no_sum(device):
    given_ = inputs(device)
    found, whole = by_kernels(*given_, learns_value=False), by_kernels(*given_)
    assert found[1].numel() == 0
    assert torch.equal(found[2], whole[2])
    assert torch.equal(found[3], whole[3])


def test_a_place_far_outside_gives_nothing_and_one_that_is_no_number_is_seen(device):
    value, places, logits, gradient = inputs(device, queries=2)
    places[:, 0], places[:, 1] = 1e30, float("nan")
    out = by_kernels(value, places, logits, gradient)[0][0]
    assert out[0].abs().max() == 0
    assert out[1].isnan().all()


def test_huge_logits_do_not_overflow(device):
    value, places, logits, gradient = inputs(device)
    given_ = (value, places, logits * 1000, gradient)
    check(by_kernels(*given_)[:1], exact(*given_)[:1], 2e-6)


def test_tensors_need_not_lie_in_order(device):
    given_ = inputs(device)
    mixed = [x.transpose(0, -1).contiguous().transpose(0, -1) for x in given_]
    for mine, wanted in zip(by_kernels(*mixed), by_kernels(*given_), strict=True):
        assert torch.equal(mine, wanted)
