"""Many run-length encoded masks at once: checked in one pass, boxed, measured and compared without being decoded.

What `gvseg_core.ops.rle` does for one mask, where there are thousands of small ones and the calls would cost more than
the work. Boxes, areas and IoU are pycocotools' own (cocodataset/cocoapi, common/maskApi.c; BSD-2), all masks in a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from gvseg_core.ops.rle import MAX_PIXELS
from gvseg_core.types import Rle, Size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MAX_CHARS = 7  # of one count, as in `rle`


def well_formed(strings: Sequence[bytes], size: Size) -> bool:
    """Whether each string is a mask of `size`, as `rle.bounds_of` checks it; what is wrong with one, that will say."""
    h, w = size
    if not 0 <= h * w <= MAX_PIXELS or min(size) < 0 or not all(strings):
        return False
    if not strings:
        return True
    chars = np.frombuffer(b"".join(strings), np.uint8).astype(np.int64) - 48
    if chars.min() < 0 or chars.max() > 63:
        return False
    (last,) = np.nonzero(chars & 32 == 0)  # of each count
    ends = np.cumsum([len(string) for string in strings])  # of each string
    if (chars[ends - 1] & 32).any():
        return False
    first = np.concatenate(([0], last[:-1] + 1))
    length = last - first + 1
    if length.max() > _MAX_CHARS:
        return False
    place = np.arange(len(chars)) - np.repeat(first, length)
    counts = np.add.reduceat((chars & 31) << (5 * place), first)
    counts -= np.where(chars[last] & 16, np.int64(1) << (5 * length), 0)  # the sign
    stops = np.searchsorted(last, ends)  # of each string's counts
    starts = np.concatenate(([0], stops[:-1]))
    rank = np.arange(len(counts)) - np.repeat(starts, stops - starts)
    for parity in (1, 2):  # from the second and third on, a count is told by its difference to the one before the last
        chain = (rank >= parity) & (rank % 2 == parity % 2)
        sums = np.cumsum(counts[chain])
        begun = rank[chain] == parity
        before = (sums - counts[chain])[begun]
        counts[chain] = sums - before[np.cumsum(begun) - 1] if len(sums) else sums
    return bool(counts.min() >= 0 and (np.add.reduceat(counts, starts) == h * w).all())


def boxes(masks: Sequence[Rle]) -> Floats:
    """(N, 4) x, y, width and height of the smallest box around each mask; all 0 when it is empty."""
    return np.asarray(coco.toBbox(_packed(masks)), np.float64).reshape(-1, 4) if masks else np.empty((0, 4))


def areas(masks: Sequence[Rle]) -> Ints:
    """(N,) pixels of each mask."""
    return np.asarray(coco.area(_packed(masks)), np.int64) if masks else np.empty(0, np.int64)


def ious(masks: Sequence[Rle], others: Sequence[Rle]) -> Floats:
    """(N, M) intersection over union; 0 of two empty masks. All are of one size."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)))
    return np.asarray(coco.iou(_packed(masks), _packed(others), [0] * len(others)), np.float64)


def _packed(masks: Sequence[Rle]) -> list[dict[str, Any]]:
    return [{"size": mask.size, "counts": mask.counts} for mask in masks]
