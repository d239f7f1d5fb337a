"""J and F: pixel by pixel, as the definition has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.metrics.boundary import Mask, agreement, tolerance_of


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Mask, Mask]:
    """Two masks of one picture: noise, boxes, or nothing."""
    h, w = draw(st.integers(1, 18)), draw(st.integers(1, 18))

    def mask() -> Mask:
        kind = draw(st.sampled_from(["empty", "full", "box", "noise"]))
        if kind == "noise":
            seed, share = draw(st.integers(0, 2**16)), draw(st.sampled_from([0.03, 0.3, 0.8]))
            return np.random.default_rng(seed).random((h, w)) < share
        found = np.full((h, w), kind == "full")
        if kind == "box":
            (top, bottom), (left, right) = (
                sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in (h, w)
            )
            found[top:bottom, left:right] = True
        return found

    return mask(), mask()


def slow_boundary(mask: Mask) -> Mask:
    """A pixel that differs from its right, lower or lower right neighbour; outside is more of the same."""
    h, w = mask.shape
    found = np.zeros((h, w), bool)
    for y in range(h):
        for x in range(w):
            below, right = min(y + 1, h - 1), min(x + 1, w - 1)
            found[y, x] = any(mask[y, x] != mask[p] for p in ((y, right), (below, x), (below, right)))
    return found


def slow(truth: Mask, found: Mask, tolerance: int) -> tuple[float, float]:
    union = (truth | found).sum()
    region = (truth & found).sum() / union if union else 1.0
    true, seen = (np.argwhere(slow_boundary(mask)) for mask in (truth, found))
    if not len(true) or not len(seen):
        return region, float(len(true) == len(seen))
    near = ((true[:, None] - seen) ** 2).sum(-1) <= tolerance**2
    precision, recall = near.any(0).mean(), near.any(1).mean()
    return region, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(pairs(), st.integers(0, 12))
def test_j_and_f_are_those_of_the_definition(masks: tuple[Mask, Mask], tolerance: int) -> None:
    assert agreement(*masks, tolerance) == pytest.approx(slow(*masks, tolerance), abs=1e-14)


@given(pairs())
def test_a_mask_agrees_with_itself_wholly(masks: tuple[Mask, Mask]) -> None:
    assert agreement(masks[0], masks[0].copy()) == (1, 1)


@given(pairs(), st.integers(0, 5))
def test_it_does_not_matter_which_of_two_masks_is_the_truth(masks: tuple[Mask, Mask], tolerance: int) -> None:
    assert agreement(*masks, tolerance) == pytest.approx(agreement(*masks[::-1], tolerance))


def test_a_mask_of_the_whole_picture_has_no_boundary() -> None:
    whole, nothing = np.ones((4, 5), bool), np.zeros((4, 5), bool)
    assert agreement(whole, nothing) == (0, 1)


@pytest.mark.parametrize(("size", "pixels"), [((480, 854), 8), ((75, 100), 1), ((720, 1280), 12), ((1, 1), 1)])
def test_the_tolerance_is_a_share_of_the_diagonal_rounded_up(size: tuple[int, int], pixels: int) -> None:
    assert tolerance_of(size) == pixels


def test_masks_of_different_size_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        agreement(np.ones((2, 3), bool), np.ones((3, 2), bool))
