"""Detections as rows, and how rows overlap: the same as mask by mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.metrics.tracks import Detections, box_ious, mask_ious, rows_of, track_ious
from gvseg_core.ops import rle

Tubes = NDArray[np.bool_]  # (N, T, H, W)


@st.composite
def tubes(draw: st.DrawFn, num_frames: int) -> Tubes:
    chance = np.random.default_rng(draw(st.integers(0, 2**16)))
    shape = draw(st.integers(0, 3)), num_frames, 4, 5
    return (chance.random(shape) < draw(st.sampled_from([0.2, 0.7]))) & (chance.random(shape[:2]) < 0.8)[
        ..., None, None
    ]


def detections(tubes: Tubes, classes: int = 1) -> Detections:
    """A track for each tube, absent where it is empty; its class changes from frame to frame."""
    found = Detections()
    for t in range(tubes.shape[1]):
        there = [i for i, tube in enumerate(tubes) if tube[t].any()]
        found.add(t, [(10 * i + 1, t % classes, 0.5, rle.encode(tubes[i, t])) for i in there])
    return found


@settings(max_examples=40)
@given(st.data(), st.integers(1, 3), st.integers(1, 2))
def test_overlaps_are_those_of_the_masks(data: st.DataObject, num_frames: int, classes: int) -> None:
    true, found = data.draw(tubes(num_frames)), data.draw(tubes(num_frames))
    pair = detections(true), detections(found, classes)
    rows = rows_of(pair[0], num_frames), rows_of(pair[1], num_frames)
    masks, boxes = mask_ious(pair, rows), box_ious(*rows)
    for i, j in np.ndindex(*masks.shape[1:]):
        for t in range(num_frames):
            if not (rows[0].place[t, i] and rows[1].place[t, j]):
                assert masks[t, i, j] == boxes[t, i, j] == 0
                continue
            one, other = true[rows[0].track_id[i] // 10, t], found[rows[1].track_id[j] // 10, t]
            assert masks[t, i, j] == (one & other).sum() / (one | other).sum()
            assert boxes[t, i, j] == pytest.approx(iou_of_boxes(one, other))
    overlaps, track = track_ious(masks, *rows)
    ids = np.unique(rows[1].track_id)
    assert np.array_equal(ids[track], rows[1].track_id)
    for (i, k), overlap in np.ndenumerate(overlaps):
        one, other = true[rows[0].track_id[i] // 10], found[ids[k] // 10]
        assert overlap == pytest.approx((one & other).sum() / (one | other).sum())


def iou_of_boxes(*masks: NDArray[np.bool_]) -> float:
    boxes = [rle.box(rle.encode(mask)) for mask in masks]
    filled = np.zeros((2, 4, 5), bool)
    for n, (x0, y0, x1, y1) in enumerate(boxes):
        filled[n, int(y0) : int(y1), int(x0) : int(x1)] = True
    return float(filled.all(0).sum() / filled.any(0).sum())


def test_an_empty_mask_is_a_detection_that_overlaps_nothing() -> None:
    empty, full = Detections(), Detections()
    empty.add(0, [(1, 0, 1.0, rle.encode(np.zeros((3, 3), bool)))])
    full.add(0, [(1, 0, 1.0, rle.encode(np.ones((3, 3), bool)))])
    rows = rows_of(full, 1), rows_of(empty, 1)
    assert rows[1].place.tolist() == [[1]]
    assert box_ious(*rows).sum() == mask_ious((full, empty), rows).sum() == 0


def test_a_track_that_changes_its_class_has_a_row_for_each() -> None:
    found = detections(np.ones((1, 3, 2, 2), bool), classes=2)
    rows = rows_of(found, 3)
    assert rows.track_id.tolist() == [1, 1]
    assert rows.place.T.tolist() == [[1, 0, 1], [0, 1, 0]]
