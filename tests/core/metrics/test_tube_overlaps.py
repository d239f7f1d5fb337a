"""Tubes are compared as if all their pixels were counted, however the video is cut into stretches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.errors import DataError
from gvseg_core.metrics import tube_overlaps
from gvseg_core.metrics.tube_overlaps import TubeOverlaps
from gvseg_core.ops import rle
from gvseg_core.types import Rle, Segment

Tubes = NDArray[np.bool_]  # (N, T, H, W)


def segments(tubes: Tubes, frame: int, *, empty: bool = False) -> list[Segment]:
    """Of one frame; track ids from 1."""
    masks = tubes[:, frame]
    return [Segment(n, 0, 1.0, rle.encode(mask)) for n, mask in enumerate(masks, start=1) if empty or mask.any()]


def overlaps(true: Tubes, found: Tubes, wanted: NDArray[np.bool_], *, empty: bool = False) -> TubeOverlaps:
    summed = TubeOverlaps(*([*range(1, len(some) + 1)] for some in (true, found)), wanted, "tube {} frame {}".format)
    for frame in range(true.shape[1]):
        size = true.shape[2], true.shape[3]
        summed.add(size, segments(true, frame, empty=empty), segments(found, frame, empty=empty))
    return summed


@st.composite
def tubes(draw: st.DrawFn) -> tuple[Tubes, Tubes]:
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    length, h, w = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    share = draw(st.sampled_from([0.2, 0.6, 1.0]))
    true, found = (chance.random((draw(st.integers(0, 3)), length, h, w)) < share for _ in range(2))
    return true & (chance.random((len(true), length, 1, 1)) < 0.8), found


@pytest.mark.parametrize("stretch", [(2**18, 2**29), (0, 2**29), (2**18, 30)])
@given(drawn=tubes(), empty=st.booleans(), data=st.data())
def test_overlaps_and_areas_are_those_of_pixels(
    stretch: tuple[int, int], drawn: tuple[Tubes, Tubes], empty: bool, data: st.DataObject
) -> None:
    true, found = drawn
    choices = data.draw(st.lists(st.booleans(), min_size=len(true) * len(found), max_size=len(true) * len(found)))
    wanted = np.array(choices, bool).reshape(len(true), len(found))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tube_overlaps, "_STRETCH_CHARS", stretch[0])
        patch.setattr(tube_overlaps, "_STRETCH_PIXELS", stretch[1])
        summed = overlaps(true, found, wanted, empty=empty)
        ious, areas = summed.ious(), summed.mean_areas()
    for i, j in np.ndindex(wanted.shape):
        both, either = (true[i] & found[j]).sum(), (true[i] | found[j]).sum()
        assert ious[i, j] == (both / either if wanted[i, j] and either else 0)
    for tube, area in zip([*true, *found], areas, strict=True):
        counts = tube.sum((1, 2))
        assert area == pytest.approx(counts[counts > 0].mean() if counts.any() else 0, abs=1e-12)


def test_segments_of_tracks_that_nobody_listed_are_passed_over() -> None:
    ones = np.ones((2, 1, 3, 3), bool)
    summed = TubeOverlaps([2], [], np.zeros((1, 0), bool), "{} {}".format)
    summed.add((3, 3), segments(ones, 0), segments(ones, 0))
    assert summed.mean_areas().tolist() == [9]


@pytest.mark.parametrize(
    ("mask", "fault"),
    [
        (Rle((3, 3), b"3"), "tube 1 frame 1: RLE: counts sum to 3, wanted 3 × 3 = 9"),
        (Rle((3, 3), b""), "counts sum to 0"),
        (Rle((3, 3), b"\x00\xff"), "a character that compressed counts do not have"),
        (Rle((3, 3), b"o"), "cut short"),
        (Rle((3, 4), b"<"), "tube 1 frame 1: a mask of 3 × 4 in a video of 3 × 3"),
    ],
)
def test_a_mask_that_is_none_is_named(mask: Rle, fault: str) -> None:
    one = rle.encode(np.ones((3, 3), bool))

    def summed(masks: Sequence[Rle]) -> TubeOverlaps:
        overlaps = TubeOverlaps([1], [1], np.ones((1, 1), bool), "tube {} frame {}".format)
        for frame in masks:
            overlaps.add((3, 3), [Segment(1, 0, 1.0, one)], [Segment(1, 0, 1.0, frame)])
        return overlaps

    assert summed([one, one]).ious().tolist() == [[1.0]]
    with pytest.raises(DataError, match=fault):
        summed([one, mask]).ious()
