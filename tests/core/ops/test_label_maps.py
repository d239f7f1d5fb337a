"""Regions as runs of labels: the same as pixel by pixel, from maps and from masks alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.ops import rle
from gvseg_core.ops.label_maps import MapSegments, Runs, map_of, overlaps, regions_of
from gvseg_core.types import FrameResult, Segment

KNOWN = {1: (10, 0, False), 2: (20, 1, False), 3: (30, 1, True), 9: (90, 2, False)}


@st.composite
def maps(draw: st.DrawFn, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    h, w = size or (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    cells = draw(st.lists(st.integers(0, 4), min_size=h * w, max_size=h * w))
    return np.array(cells, np.uint8).reshape(h, w)


def from_map(labels: NDArray[np.uint8]) -> FrameResult:
    h, w = labels.shape
    return FrameResult(unseen_frame(0, (h, w)), MapSegments(labels, KNOWN))


@given(maps())
def test_runs_paint_the_map_they_come_from(labels: NDArray[np.uint8]) -> None:
    regions = regions_of(from_map(labels))
    wanted = np.where(np.isin(labels, list(KNOWN)), labels * 10, 0)
    assert np.array_equal(regions.paint(regions.track_ids), wanted)
    assert regions.areas.tolist() == [(wanted == t).sum() for t in regions.track_ids]


@given(maps(), st.integers(0, 6))
def test_a_map_and_the_colours_of_its_numbers_have_the_same_runs(labels: NDArray[np.uint8], base: int) -> None:
    numbers = labels.astype(np.uint32) * 77_777 % (2**24 - 1) + base
    colors = np.stack([numbers >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    runs = Runs.of_colors(colors)
    assert np.array_equal(runs.labels, numbers)
    assert np.array_equal(runs.starts, Runs.of(labels).starts)
    assert np.array_equal(Runs.of(labels).labels, labels)
    assert len(runs.starts) == 1 + np.count_nonzero(np.diff(labels.ravel().astype(int)))
    segments = MapSegments(runs, lambda found: {label: (label + 1, 0, False) for label in found})
    assert np.array_equal(segments.labels, numbers)
    assert np.array_equal(segments.regions.paint(segments.regions.track_ids), numbers.astype(np.int64) + 1)


@given(maps())
def test_a_map_and_its_masks_have_the_same_regions(labels: NDArray[np.uint8]) -> None:
    result = from_map(labels)
    again = FrameResult(result.frame, tuple(result.segments))
    one, other = regions_of(result), regions_of(again)
    assert len(one) == len(result.segments) == len(again.segments)
    for name in ("track_ids", "class_ids", "ignore", "areas"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.paint(one.track_ids), other.paint(other.track_ids))


@given(st.data())
def test_overlaps_count_the_pixels_that_two_regions_share(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    one, other = (regions_of(from_map(data.draw(maps(size)))) for _ in range(2))
    a, b = (r.paint(np.arange(len(r) + 1)) for r in (one, other))
    slow = [[int(((a == i) & (b == j)).sum()) for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    assert overlaps(one, other).tolist() == slow


@given(maps())
def test_every_track_has_its_own_label_in_the_map_of_a_frame(labels: NDArray[np.uint8]) -> None:
    result = from_map(labels)
    for same in (result, FrameResult(result.frame, tuple(result.segments))):
        found, label_of = map_of(same)
        for label, (track_id, _, ignore) in KNOWN.items():
            wanted = labels == label if not ignore else np.zeros_like(labels, bool)
            assert np.array_equal(found == label_of.get(track_id, 99), wanted)


def test_label_0_may_be_a_region_too() -> None:
    labels = np.array([[0, 0, 7]], np.uint8)
    segments = MapSegments(labels, {0: (1, 4, False), 7: (2, 5, False)})
    assert [(s.class_id, rle.area(s.mask)) for s in segments] == [(4, 2), (5, 1)]
    assert segments.regions.areas.tolist() == [0, 2, 1]


def test_the_better_score_owns_a_pixel_that_two_masks_claim() -> None:
    mask = rle.encode(np.ones((2, 2), bool))
    half = rle.encode(np.array([[1, 1], [0, 0]], bool))
    segments = (Segment(1, 0, 0.9, half), Segment(2, 0, 0.5, mask))
    assert regions_of(FrameResult(unseen_frame(0, (2, 2)), segments)).areas.tolist() == [0, 2, 2]


def test_frames_of_different_size_have_no_overlap() -> None:
    one, other = (regions_of(FrameResult(unseen_frame(0, size), ())) for size in ((2, 3), (3, 2)))
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        overlaps(one, other)


def test_regions_come_in_the_order_in_which_they_are_listed_from_maps_and_masks_alike() -> None:
    labels = np.array([[1, 2, 2, 3, 3, 3]], np.uint8)
    result = FrameResult(unseen_frame(0, (1, 6)), MapSegments(labels, {label: KNOWN[label] for label in (3, 9, 1)}))
    assert regions_of(result).track_ids.tolist() == [0, 30, 10]
    assert regions_of(result).areas.tolist() == [2, 3, 1]
    assert [segment.track_id for segment in result.segments] == [30, 10]


def test_labels_may_be_told_once_it_is_known_which_occur() -> None:
    asked = []

    def tell(labels: list[int]) -> dict[int, tuple[int, int, bool]]:
        asked.append(labels)
        return {label: (label + 100, 0, False) for label in labels}

    segments = MapSegments(np.array([[7, 0, 7, 300]], np.uint16), tell)
    assert segments.regions.track_ids.tolist() == [0, 100, 107, 400]
    assert [segment.track_id for segment in segments] == [100, 107, 400]
    assert asked == [[0, 7, 300]]


def test_a_frame_without_pixels_overlaps_nothing() -> None:
    empty = regions_of(FrameResult(unseen_frame(0, (0, 5)), MapSegments(np.empty((0, 5), np.uint8), KNOWN)))
    assert overlaps(empty, empty).tolist() == [[0]]
