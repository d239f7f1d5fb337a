"""The shape–position descriptor against a slow recount, and what it should and should not tell apart."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.ops.shape_position import NUM_ANGLES, NUM_BINS, NUM_RADII, boundary, shape_position

MARK = -1 / 16  # -1/√256
RADIAL = ["frame", "object"]


def ellipse(size, centre, radii) -> Tensor:
    """(h, w) bool; centre and radii are (y, x) in cells."""
    y = torch.arange(size[0])[:, None] + 0.5 - centre[0]
    x = torch.arange(size[1])[None] + 0.5 - centre[1]
    return (y / radii[0]) ** 2 + (x / radii[1]) ** 2 <= 1


def recount(mask: Tensor, frame: tuple[float, float], radial: str) -> list[float]:
    """The definition, cell by cell, in Python's own arithmetic."""
    height, width = frame
    h, w = mask.shape
    inside = {(y, x) for y in range(h) for x in range(w) if mask[y, x] and y + 0.5 < height and x + 0.5 < width}
    if not inside:
        return [0.0] * NUM_BINS
    cy = sum(y + 0.5 for y, _ in inside) / len(inside)
    cx = sum(x + 0.5 for _, x in inside) / len(inside)
    edge = [(y, x) for y, x in inside if {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} - inside]
    distances = [math.hypot(y + 0.5 - cy, x + 0.5 - cx) for y, x in edge]
    scale, inner, outer = math.hypot(height, width), 1 / 64, 1.0
    if radial == "object":
        scale, inner, outer = max(sum(distances) / len(edge), 0.5), 1 / 8, 2.0
    histogram = [0.0] * NUM_BINS
    for (y, x), distance in zip(edge, distances, strict=True):
        angle = math.floor(math.atan2(y + 0.5 - cy, x + 0.5 - cx) * NUM_ANGLES / (2 * math.pi)) % NUM_ANGLES
        ring = math.log(max(distance / (scale * inner), 1e-6)) / math.log(outer / inner) * NUM_RADII
        histogram[angle * NUM_RADII + min(max(math.floor(ring), 0), NUM_RADII - 1)] += 1 / len(edge)
    for angle in range(NUM_ANGLES):
        for ring in range(NUM_RADII):
            radius = scale * inner * (outer / inner) ** ((ring + 0.5) / NUM_RADII)
            turn = (angle + 0.5) / NUM_ANGLES * 2 * math.pi
            x, y = cx + radius * math.cos(turn), cy + radius * math.sin(turn)
            if not (0 <= x < width and 0 <= y < height):
                histogram[angle * NUM_RADII + ring] = MARK
    return histogram


@pytest.mark.parametrize("radial", RADIAL)
@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    size=st.tuples(st.integers(1, 17), st.integers(1, 19)),
    cut=st.tuples(st.floats(0.3, 1), st.floats(0.3, 1)),
    share=st.sampled_from([-1.0, 0.0, 1.0]),
)
def test_every_bin_is_that_of_a_slow_recount(radial, seed, size, cut, share):
    mask = torch.randn(size, generator=torch.Generator().manual_seed(seed)) > share
    frame = (cut[0] * size[0], cut[1] * size[1])
    quick = shape_position(mask, frame, radial=radial)
    slow = torch.tensor(recount(mask, frame, radial))
    # A cell exactly on the border of two bins may be counted in either, as float32 rounds.
    moved = (quick - slow).abs() > 1e-5
    cells = max(int(boundary(mask[None]).sum()), 1)
    assert (quick - slow)[moved].abs().max() <= 4 / cells + 1e-5 if moved.any() else True
    assert moved.float().mean() < 0.02


@pytest.mark.parametrize("radial", RADIAL)
def test_what_is_counted_adds_up_to_one_well_inside_the_frame(radial):
    h = shape_position(ellipse((80, 120), (41.3, 58.7), (9, 14)), radial=radial)
    assert h[h > 0].sum() == pytest.approx(1, abs=1e-5)


def test_a_move_shows_in_the_bins_outside_the_frame_alone():
    here = shape_position(ellipse((60, 80), (30.25, 40.25), (7, 10)))
    there = shape_position(ellipse((60, 80), (34.25, 26.25), (7, 10)))
    cut = (here == MARK) | (there == MARK)
    torch.testing.assert_close(here[~cut], there[~cut])
    assert (here != there).sum() > 10


def test_two_equal_shapes_in_two_places_differ_and_two_shapes_in_one_place_too():
    size = (60, 80)
    left, right = (shape_position(ellipse(size, (30.2, x), (8, 8))) for x in (15.3, 65.3))
    flat = shape_position(ellipse(size, (30.2, 15.3), (3, 13)))
    # The bins outside the frame weigh most: place tells more than shape.
    assert torch.cosine_similarity(left, right, dim=0) < 0.75
    assert torch.cosine_similarity(left, flat, dim=0) < 0.95


def test_the_object_scale_does_not_see_size_and_the_frame_scale_does():
    """A frame that grows with the object, so that the bins outside it stay the same."""

    def distance(radial: str) -> float:
        # Centres are off the cells, so that no cell lies between two angles.
        small = shape_position(ellipse((90, 120), (45.3, 60.4), (12, 18)), radial=radial)
        large = shape_position(ellipse((270, 360), (135.9, 181.2), (36, 54)), radial=radial)
        inside = (small != MARK) & (large != MARK)
        return float((small - large)[inside].abs().sum())

    def growth(radial: str) -> float:
        small = shape_position(ellipse((270, 360), (135.9, 181.2), (12, 18)), radial=radial)
        large = shape_position(ellipse((270, 360), (135.9, 181.2), (36, 54)), radial=radial)
        inside = (small != MARK) & (large != MARK)
        return float((small - large)[inside].abs().sum())

    assert growth("object") < 0.6 < 1.5 < growth("frame")
    assert distance("frame") < 0.6


@pytest.mark.parametrize("radial", RADIAL)
def test_a_mirrored_frame_mirrors_the_angles(radial):
    draw = torch.Generator().manual_seed(4)
    mask = torch.nn.functional.interpolate(torch.randn(1, 1, 5, 6, generator=draw), (31, 37), mode="bicubic")[0, 0] > 0
    plain = shape_position(mask, radial=radial).view(NUM_ANGLES, NUM_RADII)
    mirrored = shape_position(mask.flip(1), radial=radial).view(NUM_ANGLES, NUM_RADII)
    back = mirrored[(NUM_ANGLES // 2 - 1 - torch.arange(NUM_ANGLES)) % NUM_ANGLES]
    assert (plain - back).abs().gt(1e-5).float().mean() < 0.01


def test_an_object_that_is_not_there_is_all_zeros():
    assert shape_position(torch.zeros(2, 3, 8, 8, dtype=torch.bool)).abs().sum() == 0


def test_what_lies_in_the_padding_does_not_count():
    mask = ellipse((20, 30), (9.3, 8.4), (5, 4))
    padded = torch.nn.functional.pad(mask, (0, 6, 0, 4), value=True)
    torch.testing.assert_close(shape_position(padded, (20.0, 30.0)), shape_position(mask))


def test_logits_count_by_their_sign_and_get_no_gradient():
    logits = torch.randn(3, 2, 12, 12, requires_grad=True)
    h = shape_position(logits)
    assert h.shape == (3, 2, NUM_BINS)
    assert not h.requires_grad
    assert torch.equal(h, shape_position(logits > 0))


def test_masks_do_not_see_each_other():
    masks = torch.randn(5, 12, 12, generator=torch.Generator().manual_seed(0)) > 0
    together = shape_position(masks)
    for mask, h in zip(masks, together, strict=True):
        assert torch.equal(shape_position(mask), h)


def test_the_frame_cuts_contours():
    assert int(boundary(torch.ones(1, 5, 6, dtype=torch.bool)).sum()) == 2 * 5 + 2 * 6 - 4
