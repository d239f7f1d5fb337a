"""Many masks at once: the same as one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.rle_sets import areas, boxes, counts_of, ious, well_formed
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
def test_counts_are_those_of_single_masks(masks: NDArray[np.bool_]) -> None:
    found = counts_of([rle.encode(mask).counts for mask in masks], (masks.shape[1], masks.shape[2]))
    assert found is not None
    assert found.areas.tolist() == masks.sum((1, 2)).tolist()
    for i, mask in enumerate(masks):
        counts = found.counts[found.first[i] : found.first[i + 1]]
        assert np.array_equal(np.repeat(np.arange(len(counts)) % 2, counts), mask.T.ravel())


@given(st.lists(st.integers(0, rle.MAX_PIXELS // 5), min_size=1, max_size=5).filter(any), st.integers(1, 3))
def test_counts_of_any_size_are_read(counts: list[int], times: int) -> None:
    mask = rle.from_coco({"size": [1, sum(counts)], "counts": counts})
    found = counts_of([mask.counts] * times, mask.size)
    assert found is not None
    assert found.areas.tolist() == [sum(counts[1::2])] * times


def test_a_count_may_be_spelt_in_more_characters_than_it_needs() -> None:
    plain, long = b"3", b"SPPPPP0"  # 3, with zeros above it
    assert rle.bounds_of(Rle((1, 3), long)).tolist() == rle.bounds_of(Rle((1, 3), plain)).tolist() == []
    found = counts_of([plain, long, plain], (1, 3))
    assert found is not None
    assert found.counts.tolist() == [3, 3, 3]
    assert not well_formed([plain, b"SPPPPPP0"], (1, 3))


@given(sets(), st.data())
def test_masks_lie_side_by_side_at_their_places(masks: NDArray[np.bool_], data: st.DataObject) -> None:
    n, h, w = masks.shape
    found = counts_of([rle.encode(mask).counts for mask in masks], (h, w))
    assert found is not None
    shown = np.flatnonzero(masks.any((1, 2)))
    chosen = shown[np.array(data.draw(st.lists(st.booleans(), min_size=len(shown), max_size=len(shown))), bool)]
    gaps = data.draw(st.lists(st.integers(0, 2), min_size=n + 1, max_size=n + 1))
    places = np.cumsum(np.array(gaps[: len(chosen)], int) + 1) - 1
    total = int(places[-1]) + 1 + gaps[-1] if len(chosen) else 1
    canvas = np.zeros((h, total * w), bool)
    for mask, place in zip(masks[chosen], places, strict=True):
        canvas[:, place * w : (place + 1) * w] = mask
    if len(chosen):
        assert found.side_by_side(chosen, places, total) == rle.encode(canvas)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12).filter(any))
def test_runs_may_be_empty(counts: list[int]) -> None:
    string = coco.frPyObjects({"size": [1, sum(counts)], "counts": np.array(counts, np.uint32)}, 1, sum(counts))
    mask = Rle((1, sum(counts)), string["counts"])
    found = counts_of([mask.counts, mask.counts], mask.size)
    assert found is not None
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)[None]
    assert found.areas.tolist() == [pixels.sum()] * 2
    if pixels.any():
        joined = found.side_by_side(np.array([0, 1]), np.array([0, 1]), 2)
        assert joined == rle.encode(np.concatenate((pixels, pixels), axis=1))


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
