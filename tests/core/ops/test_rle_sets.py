"""Many masks at once: the same as one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.rle_sets import areas, boxes, ious, runs_of, well_formed
from gvseg_core.types import Rle


@st.composite
def sets(draw: st.DrawFn) -> NDArray[np.bool_]:
    """(N, H, W) masks."""
    n, h, w = draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    runs = draw(st.lists(st.integers(1, 12), min_size=1, max_size=n * h * w))
    flat = np.repeat(np.arange(len(runs)) % 2, runs)
    return np.resize(flat, (n, h, w)).astype(bool)


@given(sets())
def test_boxes_areas_and_ious_are_those_of_single_masks(masks: NDArray[np.bool_]) -> None:
    encoded = [rle.encode(mask) for mask in masks]
    assert [tuple(box) for box in boxes(encoded).astype(int).tolist()] == [rle.box_xywh(mask) for mask in encoded]
    assert areas(encoded).tolist() == masks.sum((1, 2)).tolist()
    for i, row in enumerate(ious(encoded, encoded)):
        for j, iou in enumerate(row):
            union = (masks[i] | masks[j]).sum()
            assert iou == ((masks[i] & masks[j]).sum() / union if union else 0)


@given(sets())
def test_what_an_encoder_writes_is_well_formed(masks: NDArray[np.bool_]) -> None:
    encoded = [rle.encode(mask) for mask in masks]
    assert well_formed([mask.counts for mask in encoded], encoded[0].size)
    assert not well_formed([mask.counts for mask in encoded], (encoded[0].size[0] + 1, encoded[0].size[1]))


@given(sets())
def test_runs_are_those_of_single_masks_laid_end_to_end(masks: NDArray[np.bool_]) -> None:
    runs = runs_of([rle.encode(mask).counts for mask in masks], (masks.shape[1], masks.shape[2]))
    assert runs is not None
    painted = np.zeros(masks.size, bool)
    for start, end in runs.bounds.tolist():
        painted[start:end] = True
    assert np.array_equal(painted, masks.transpose(0, 2, 1).ravel())  # columns first
    assert runs.areas().tolist() == masks.sum((1, 2)).tolist()
    assert (np.diff(runs.bounds.ravel()) >= 0).all()


@given(st.lists(st.integers(0, rle.MAX_PIXELS // 5), min_size=1, max_size=5).filter(any))
def test_counts_of_any_length_are_read(counts: list[int]) -> None:
    mask = rle.from_coco({"size": [1, sum(counts)], "counts": counts})
    runs = runs_of([mask.counts, mask.counts], mask.size)
    assert runs is not None
    assert runs.areas().tolist() == [sum(counts[1::2])] * 2


def test_more_masks_are_measured_than_one_call_of_the_library_takes() -> None:
    assert areas([rle.encode(np.ones((2, 3), bool))] * 600).tolist() == [6] * 600


@given(sets(), st.data())
def test_a_set_is_well_formed_exactly_when_each_of_its_masks_is(masks: NDArray[np.bool_], data: st.DataObject) -> None:
    strings = [bytearray(rle.encode(mask).counts) for mask in masks]
    spoilt = data.draw(st.sampled_from(strings))
    at = data.draw(st.integers(0, len(spoilt) - 1))
    spoilt[at : at + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=2))
    size = masks.shape[1], masks.shape[2]

    def fits(string: bytes) -> bool:
        try:
            rle.bounds_of(Rle(size, string))
        except DataError:
            return False
        return True

    assert well_formed([bytes(s) for s in strings], size) == all(fits(bytes(s)) for s in strings)


def test_no_masks_are_well_formed_and_have_no_boxes() -> None:
    assert well_formed([], (3, 4))
    assert boxes([]).shape == (0, 4)
    assert areas([]).shape == (0,)
    assert ious([], [rle.encode(np.ones((2, 2), bool))]).shape == (0, 1)


@pytest.mark.parametrize("size", [(-1, -4), (2**15, 2**15)])
def test_a_size_that_cannot_be_is_not_well_formed(size: tuple[int, int]) -> None:
    assert not well_formed([b"4"], size)
