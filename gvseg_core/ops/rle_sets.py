"""Many run-length encoded masks at once: checked in one pass, boxed, measured and compared without being decoded.

What `gvseg_core.ops.rle` does for one mask, where there are thousands of small ones and the calls would cost more than
the work. Boxes, areas and IoU are pycocotools' own (cocodataset/cocoapi, common/maskApi.c; BSD-2), all masks in a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from gvseg_core.ops.rle import MAX_PIXELS
from gvseg_core.types import Rle, Size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MAX_CHARS = 7  # of one count, as in `rle`
_CALL = 255  # masks in a call of pycocotools' `area`, which fails on more
_SIGNED = np.where(np.arange(64) & 16, (np.arange(64) & 31) - 32, np.arange(64) & 31)
"""What the last character of a count adds to it, in units of its place."""


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of N masks of H·W pixels that are laid end to end: mask n begins at position n·H·W."""

    bounds: Ints  # (R, 2) where each run of ones starts and ends, ascending; a run may be empty, or go on in the next
    first: Ints  # (N + 1,) the first run of each mask; R

    def areas(self) -> Ints:
        """(N,) pixels of each mask."""
        before = np.concatenate(([0], np.cumsum(self.bounds[:, 1] - self.bounds[:, 0])))
        return np.diff(before[self.first])


def runs_of(strings: Sequence[bytes], size: Size) -> Runs | None:
    """The runs of masks of one size (H, W); None where a string is not a mask of it, of which `rle.bounds_of` says why.

    A mask is two columns here: counts of zeros and of ones, with a count of 0 added where the last one is of zeros.
    """
    total = size[0] * size[1]
    if not 0 <= total <= MAX_PIXELS or min(size) < 0 or not all(strings):
        return None
    if not strings:
        return Runs(np.empty((0, 2), np.int64), np.zeros(1, np.int64))
    chars = np.frombuffer(b"".join(strings), np.uint8) - np.uint8(48)
    is_last = chars < 32  # of a count
    ends = np.cumsum([len(string) for string in strings])
    if chars.max() > 63 or not is_last[ends - 1].all():
        return None
    counts = _read_counts(chars, is_last)
    if counts is None:
        return None
    stops = np.cumsum(is_last)[ends - 1]  # of each mask's counts
    num = np.diff(stops, prepend=0)
    rows = (num + 1) // 2
    first = np.concatenate(([0], np.cumsum(rows)))
    pairs = np.zeros((int(first[-1]), 2), np.int64)
    flat = pairs.ravel()
    flat[np.arange(len(counts)) + np.repeat(2 * first[:-1] - (stops - num), num)] = counts
    # From the second and third on, a count is told by its difference to the one before the last.
    alone = pairs[first[:-1], 0]
    pairs[first[:-1], 0] = 0
    sums = np.cumsum(pairs, axis=0)
    before = np.concatenate((np.zeros((1, 2), np.int64), sums[first[1:-1] - 1]))
    sums -= np.repeat(before, rows, axis=0)
    sums[first[:-1], 0] = alone
    sums[first[1:][num % 2 == 1] - 1, 1] = 0
    if sums.min() < 0:
        return None
    bounds = np.cumsum(sums).reshape(-1, 2)
    if not np.array_equal(bounds[first[1:] - 1, 1], total * np.arange(1, len(strings) + 1)):
        return None
    return Runs(bounds, first)


def _read_counts(chars: NDArray[np.uint8], is_last: NDArray[np.bool_]) -> Ints | None:
    """The counts that characters spell, five bits each, the lowest first; None where one is longer than any can be."""
    (at,) = np.nonzero(is_last)
    counts = _SIGNED[chars[at]]
    longer = np.arange(len(counts))
    for _ in range(_MAX_CHARS - 1):  # most counts have one character, few more than two
        go_on = ~is_last[at - 1]  # before the first comes the last of all, which ends a count
        longer, at = longer[go_on], at[go_on] - 1
        counts[longer] = counts[longer] * 32 + (chars[at] & 31)
    return None if (~is_last[at - 1]).any() else counts


def well_formed(strings: Sequence[bytes], size: Size) -> bool:
    """Whether each string is a mask of `size`, as `rle.bounds_of` checks it; what is wrong with one, that will say."""
    return runs_of(strings, size) is not None


def boxes(masks: Sequence[Rle]) -> Floats:
    """(N, 4) x, y, width and height of the smallest box around each mask; all 0 when it is empty."""
    return np.asarray(coco.toBbox(_packed(masks)), np.float64).reshape(-1, 4) if masks else np.empty((0, 4))


def areas(masks: Sequence[Rle]) -> Ints:
    """(N,) pixels of each mask."""
    calls = [coco.area(_packed(masks[i : i + _CALL])) for i in range(0, len(masks), _CALL)]
    return np.concatenate([np.empty(0, np.int64), *calls]).astype(np.int64)


def ious(masks: Sequence[Rle], others: Sequence[Rle]) -> Floats:
    """(N, M) intersection over union; 0 of two empty masks. All are of one size."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)))
    return np.asarray(coco.iou(_packed(masks), _packed(others), [0] * len(others)), np.float64)


def _packed(masks: Sequence[Rle]) -> list[dict[str, Any]]:
    return [{"size": mask.size, "counts": mask.counts} for mask in masks]
