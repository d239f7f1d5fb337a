"""Regions of frames of ground truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gvseg_core.data.training.videos import load_picture, painted, regions_of_frame
from gvseg_core.data.unseen import unseen_frame
from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import FrameResult, Segment


def segment(track_id: int, rows: slice, columns: slice, *, ignore: bool = False) -> Segment:
    mask = np.zeros((8, 10), np.bool_)
    mask[rows, columns] = True
    return Segment(track_id, track_id % 3, 1.0, rle.encode(mask), ignore)


def test_where_masks_overlap_the_smaller_is_seen_whatever_their_order() -> None:
    large, small = segment(4, slice(0, 8), slice(0, 10)), segment(9, slice(2, 4), slice(3, 6))
    for segments in ([large, small], [small, large]):
        regions = painted(segments, (8, 10))
        owners = regions.paint(regions.track_ids)
        assert (owners[2:4, 3:6] == 9).all()
        assert (owners == 4).sum() == 80 - 6


def test_regions_keep_class_and_crowd() -> None:
    regions = painted(
        [segment(5, slice(0, 2), slice(0, 2)), segment(7, slice(4, 6), slice(4, 6), ignore=True)], (8, 10)
    )
    assert regions.class_ids.tolist() == [-1, 2, 1]
    assert regions.ignore.tolist() == [False, False, True]
    assert regions.areas.tolist() == [72, 4, 4]


def test_a_frame_without_segments_is_nobodys() -> None:
    regions = regions_of_frame(FrameResult(unseen_frame(0, (8, 10)), ()), (8, 10))
    assert len(regions) == 0
    assert (regions.paint(regions.track_ids) == 0).all()


def test_a_map_of_another_size_than_its_picture_is_refused() -> None:
    result = FrameResult(unseen_frame(0, (8, 10)), MapSegments(np.ones((8, 10), np.uint8), {1: (1, 0, False)}))
    assert len(regions_of_frame(result, (8, 10))) == 1
    with pytest.raises(DataError, match="labels of 10×8 for a picture of 20×16"):
        regions_of_frame(result, (16, 20))


def test_a_picture_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg"):
        load_picture(tmp_path / "gone.jpg")
