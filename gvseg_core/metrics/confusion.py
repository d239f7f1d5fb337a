"""Pixels of each true class by the class that was found: what semantic scores are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops.label_maps import Regions, overlaps
from gvseg_core.types import VOID

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Confusion:
    """Counts over frames; rows are true classes, columns found ones, the last of each is no class at all.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._counts = np.zeros((num_classes + 1) ** 2, np.int64)

    def add(self, truth: Regions, found: Regions) -> None:
        """One frame."""
        rows, columns = (
            np.where(regions.class_ids == VOID, self._num_classes, regions.class_ids) for regions in (truth, found)
        )
        cells = rows[:, None] * (self._num_classes + 1) + columns
        np.add.at(self._counts, cells, overlaps(truth, found))

    def packed(self) -> Ints:
        """(2, n) cells, as row · (K + 1) + column, and the pixels in them; the others are empty."""
        (cells,) = np.nonzero(self._counts)
        return np.stack((cells, self._counts[cells]))


def unpacked(parts: Iterable[NDArray[Any]], num_classes: int) -> Ints:
    """(K + 1, K + 1) counts: the sum of what `Confusion.packed` gave."""
    counts = np.zeros((num_classes + 1) ** 2, np.int64)
    for cells, pixels in parts:
        counts[cells] += pixels
    return counts.reshape(num_classes + 1, num_classes + 1)


def class_iou(counts: Ints) -> tuple[Floats, Ints]:
    """IoU of each class, 0 where it neither is nor was found, and the pixels of its union.

    Args:
        counts: (N, N); pixels that do not count are in none of its cells.
    """
    both = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - both
    return both / np.maximum(union, 1), union


def without_void(counts: Ints) -> Ints:
    """The same without the pixels that are of no class in truth; those of no class in results stay."""
    counts = counts.copy()
    counts[-1] = 0
    return counts
