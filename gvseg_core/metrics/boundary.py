"""How well two masks of one object agree: J, the overlap of their regions, and F, that of their boundaries.

Source: davisvideochallenge/davis2017-evaluation, `metrics.py` (`db_eval_iou`, `f_measure`, `_seg2bmap`; BSD-3). The
numbers are the same to the last bit. How we differ:

- A mask is one long integer, row after row. Shifts and ORs do to 30 pixels at once what the official program does by
  convolution, and counting is `bit_count`.
- Only the box around both masks is looked at: a boundary pixel lies inside its mask, or one pixel left of or above it.
- The disk by which boundaries are dilated is a union of rectangles, and those are dilated along each axis by itself.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, isqrt, sqrt

import numpy as np
from numpy.typing import NDArray

from gvseg_core.types import Size

TOLERANCE = 0.008  # of the picture's diagonal

Mask = NDArray[np.bool_]
Span = tuple[int, int]


def tolerance_of(size: Size) -> int:
    """How far apart two boundary pixels may lie and still count as the same, in pixels."""
    return ceil(TOLERANCE * sqrt(size[0] ** 2 + size[1] ** 2))


def agreement(truth: Mask, found: Mask, tolerance: int | None = None) -> tuple[float, float]:
    """J and F of one object on one frame.

    A boundary pixel is one that differs from its right, lower or lower right neighbour; beyond the picture lies more of
    the same. One that has a pixel of the other boundary no more than `tolerance` away is right: precision is the share
    of those found, recall of the true ones, and F their harmonic mean.

    Args:
        truth: (H, W) bool.
        found: (H, W) bool.
        tolerance: pixels; `tolerance_of` the picture by default.

    Returns:
        J and F in [0, 1]; J is 1 where both masks are empty, F where neither has a boundary.

    Raises:
        ValueError: the masks differ in size.
    """
    if truth.shape != found.shape:
        raise ValueError(f"masks of {truth.shape} and {found.shape} have no pixels in common")
    h, w = truth.shape
    radius = tolerance_of((h, w)) if tolerance is None else tolerance
    boxes = [box for box in (_box(truth), _box(found)) if box is not None]
    if not boxes:
        return 1.0, 1.0
    top, left = (max(0, min(box[axis][0] for box in boxes) - 1) for axis in (0, 1))
    bottom, right = (max(box[axis][1] for box in boxes) for axis in (0, 1))
    stride = right - left + max(1, radius)  # what is shifted out of a row must not reach the next
    inside = _inside(bottom - top, right - left, stride)
    true, true_boundary = _bits(truth, (top, bottom), (left, right), stride, inside)
    seen, seen_boundary = _bits(found, (top, bottom), (left, right), stride, inside)
    both = (true & seen).bit_count()
    return both / ((true | seen).bit_count()), _f_measure(true_boundary, seen_boundary, radius, stride)


def _box(mask: Mask) -> tuple[Span, Span] | None:
    """The rows and the columns that a mask reaches over; None if it is empty."""
    rows = np.logical_or.reduce(mask, axis=1)
    top = int(rows.argmax())
    if not rows[top]:
        return None
    bottom = len(rows) - int(rows[::-1].argmax())
    columns = np.logical_or.reduce(mask[top:bottom], axis=0)
    return (top, bottom), (int(columns.argmax()), len(columns) - int(columns[::-1].argmax()))


@lru_cache(maxsize=8)  # both masks of an object, and many an object on the next frame
def _inside(height: int, width: int, stride: int) -> int:
    """All the bits that are pixels, and not between two rows."""
    bits, rows = (1 << width) - 1, 1
    while rows < height:
        more = min(rows, height - rows)
        bits |= bits << more * stride
        rows += more
    return bits


def _bits(mask: Mask, rows: Span, columns: Span, stride: int, inside: int) -> tuple[int, int]:
    """A part of a mask, and its boundary there, as bits; a pixel is bit x + stride · y."""
    (top, bottom), (left, right) = rows, columns
    h, w = bottom - top, right - left
    grid = np.zeros((h + 1, stride), np.bool_)
    grid[:h, :w] = mask[top:bottom, left:right]
    if right == mask.shape[1]:
        grid[:h, w] = grid[:h, w - 1]
    if bottom == mask.shape[0]:
        grid[h] = grid[h - 1]
    bits = int.from_bytes(np.packbits(grid, bitorder="little").tobytes(), "little")
    edges = (bits ^ bits >> 1) | (bits ^ bits >> stride) | (bits ^ bits >> stride + 1)
    return bits & inside, edges & inside


def _f_measure(truth: int, found: int, radius: int, stride: int) -> float:
    """F of two boundaries."""
    if not found or not truth:
        return float(not found and not truth)
    precision = (found & _dilated(truth, radius, stride)).bit_count() / found.bit_count()
    recall = (truth & _dilated(found, radius, stride)).bit_count() / truth.bit_count()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _dilated(bits: int, radius: int, stride: int) -> int:
    """All pixels no further than `radius` from one that is set; nonsense between rows and below the last.

    The disk is what the rectangles of `_rectangles` cover together. From the tallest to the widest, each is the one
    before made wider, and what they all have in common of height is added once, in the end.
    """
    wide, width, found, height = bits, 0, 0, 0
    for half_width, half_height in _rectangles(radius):
        found = _grown(found, height - half_height, stride)
        wide = _grown(wide, half_width - width, 1, width)
        found |= wide
        width, height = half_width, half_height
    return found


@lru_cache(maxsize=8)
def _rectangles(radius: int) -> tuple[tuple[int, int], ...]:
    """Half the width and height of the rectangles that make up a disk, from the tallest to the widest."""
    tallest = {isqrt(radius**2 - y**2): y for y in range(radius + 1)}
    return tuple(sorted(tallest.items()))


def _grown(bits: int, by: int, step: int, reached: int = 0) -> int:
    """Dilated by `by` pixels to both sides along an axis on which `step` is the way to the next pixel.

    Args:
        reached: to how many pixels it has been dilated on this axis before; a shift by one more leaves no gap.
    """
    while by > 0:
        shift = min(by, reached + 1)
        bits |= bits << shift * step | bits >> shift * step
        reached += shift
        by -= shift
    return bits
