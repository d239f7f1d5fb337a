"""The confusion matrix: every pixel counted, wherever it was counted."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from gvseg_core.metrics.confusion import Confusion, class_iou, unpacked, without_void
from gvseg_core.ops.label_maps import regions_of
from gvseg_core.types import VOID
from tests.core.metrics.scenes import CLASSES, Video, pixels, videos

K = len(CLASSES)


def packed(video: Video) -> np.ndarray:
    confusion = Confusion(K)
    true, found = video.answers()
    for pair in zip(true.frames, found.frames, strict=True):
        confusion.add(*map(regions_of, pair))
    return confusion.packed()


@settings(max_examples=30)
@given(videos())
def test_rows_are_true_and_columns_found_and_the_last_is_no_class(made: list[Video]) -> None:
    counts = unpacked(map(packed, made), K)
    wanted = np.zeros((K + 1, K + 1), int)
    for video in made:
        true, found = (pixels(video.true, video.true_meaning, 1), pixels(video.found, video.found_meaning, 1))
        for row, column in zip(true.ravel(), found.ravel(), strict=True):
            wanted[K if row == VOID else row, K if column == VOID else column] += 1
    assert np.array_equal(counts, wanted)


@settings(max_examples=10)
@given(videos())
def test_empty_cells_are_not_kept(made: list[Video]) -> None:
    cells, counts = packed(made[0])
    assert (counts > 0).all()
    assert (np.diff(cells) > 0).all()
    assert counts.sum() == made[0].true.size


def test_iou_is_0_where_a_class_is_on_neither_side() -> None:
    counts = np.array([[6, 2, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [9, 9, 9, 9]])
    iou, union = class_iou(without_void(counts))
    assert iou.tolist() == [0.6, 0, 0, 0]
    assert union.tolist() == [10, 3, 0, 1]
