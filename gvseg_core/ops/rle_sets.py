"""Many run-length encoded masks at once: checked in one pass, boxed, measured and compared without being decoded.

What `gvseg_core.ops.rle` does for one mask, where there are thousands of small ones and the calls would cost more than
the work. Boxes, areas and IoU are pycocotools' own (cocodataset/cocoapi, common/maskApi.c; BSD-2), all masks in a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from gvseg_core.ops.rle import MAX_PIXELS, from_bounds, from_counts
from gvseg_core.types import Rle, Size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Chars = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Small = NDArray[np.signedinteger[Any]]
"""Of 32 bits where they suffice: half the memory is half the time."""

_MAX_CHARS = 7  # of one count, as in `rle`
_WIDE = 6  # characters of a count that 32 bits hold
_CALL = 255  # masks in a call of pycocotools' `area`, which fails on more


@dataclass(frozen=True, eq=False)
class Counts:
    """N masks of one size as counts of zeros, of ones, of zeros …, column-major."""

    size: Size
    counts: Small  # (R,) of one mask after the other
    first: Ints  # (N + 1,) where those of each mask begin; R

    @cached_property
    def areas(self) -> Ints:
        """(N,) pixels of each mask."""
        start = self.first[:-1]
        if not len(start):
            return start
        zeros_less_ones = np.add.reduceat(_flipped(self.counts), start) * _sign(start)
        return (self.size[0] * self.size[1] - zeros_less_ones) // 2

    def side_by_side(self, masks: Ints, places: Ints, num_places: int) -> Rle:
        """Masks as one, H high and num_places · W wide.

        Args:
            masks: which ones, none of them empty.
            places: of each, from 0, ascending.
            num_places: of all, those without a mask too; together 2²⁹ pixels at most.
        """
        h, w = self.size
        start, num = self.first[masks], self.first[masks + 1] - self.first[masks]
        pieces = [self.counts[a : a + n] for a, n in zip(start, num, strict=True)]
        if masks[-1] - masks[0] + 1 == len(masks):
            pieces = [self.counts[start[0] : start[-1] + num[-1]]]
        counts = np.concatenate(pieces, dtype=np.uint32, casting="unsafe")
        last = np.cumsum(num) - 1
        # The zeros with which a mask ends, and the places without a mask, are zeros with which the next one begins.
        ends_with_zeros = num % 2 == 1
        zeros = np.where(ends_with_zeros, counts[last], 0).astype(np.int64)
        zeros_before = np.concatenate(([0], zeros)) + (np.diff(places, prepend=-1, append=num_places) - 1) * (h * w)
        counts[last - num + 1] += zeros_before[:-1].astype(np.uint32)
        counts = np.append(np.delete(counts, last[ends_with_zeros]), zeros_before[-1:].astype(np.uint32))
        bounds = np.cumsum(counts, dtype=np.int64)[:-1] if not counts[1:-1].all() else None
        if bounds is not None:  # runs that are empty or meet
            return from_bounds(bounds, (h, num_places * w))
        return from_counts(counts if counts[-1] else counts[:-1], (h, num_places * w))


def counts_of(strings: Sequence[bytes], size: Size) -> Counts | None:
    """The counts of masks of one size; None where a string is not a mask of it, of which `rle.bounds_of` says why."""
    total = size[0] * size[1]
    if not 0 <= total <= MAX_PIXELS or min(size) < 0 or not all(strings):
        return None
    if not strings:
        return Counts(size, np.empty(0, np.int32), np.zeros(1, np.int64))
    chars = np.frombuffer(b"".join(strings), np.uint8) - np.uint8(48)
    is_last = chars < 32  # of a count
    lengths = np.array([len(string) for string in strings])
    ends = np.cumsum(lengths)
    if chars.max() > 63 or not is_last[ends - 1].all():
        return None
    steps = _read_steps(chars, is_last)
    if steps is None:
        return None
    first = np.concatenate(([0], np.cumsum(np.add.reduceat(is_last, ends - lengths, dtype=np.int64))))
    counts = _sum_up(steps, first)
    # No count is larger than a mask and no step than twice that, so that none has wrapped round unseen.
    if counts is None or counts.min() < 0 or counts.max() > total:
        return None
    sums = np.add.reduceat(counts, first[:-1], dtype=np.int64)
    return Counts(size, counts, first) if (sums == total).all() else None


def _read_steps(chars: Chars, is_last: Flags) -> Small | None:
    """The numbers that characters spell, five bits each, the lowest first; None where one is longer than any can be."""
    is_first = np.concatenate(([True], is_last[:-1]))
    is_longer = is_last & ~is_first
    final = (chars | is_longer.view(np.uint8) << 7)[is_last]  # with a bit that says whether others stand before it
    steps: Small = (((final & 31) ^ 16).view(np.int8) - np.int8(16)).astype(np.int32)
    rows, at = np.flatnonzero(final >> 7), np.flatnonzero(is_longer)
    for num in range(2, _MAX_CHARS + 1):  # most have one character, few more than two
        if num > _WIDE and len(rows):
            steps = steps.astype(np.int64)
        at = at - 1
        steps[rows] = steps[rows] * 32 + (chars[at] & 31)
        go_on = ~is_first[at]
        rows, at = rows[go_on], at[go_on]
    return None if len(rows) else steps


def _sum_up(steps: Small, first: Ints) -> Small | None:
    """Counts from steps: those from the fourth on are told by their difference to the one before the last.

    That is undone for all masks at once, as if each count were told so: the first three of a mask are made differences
    to what stands before them. None where sums are not what a mask could have.
    """
    start, num = first[:-1], np.diff(first)
    sign = _sign(start)
    flipped = _flipped(steps)
    alone, both, apart = steps[start], np.add.reduceat(steps, start), np.add.reduceat(flipped, start) * sign
    even, odd = (both + apart) // 2 - alone, (both - apart) // 2  # the last counts of zeros and of ones
    last = np.where(num == 1, alone, np.where(num % 2 == 1, even, odd))
    before_last = np.where(num == 2, alone, np.where(num % 2 == 1, odd, even))
    last_before = np.concatenate(([0], last[:-1]))
    before_last = np.where(num == 1, last_before, before_last)
    two, three = num >= 2, num >= 3
    flipped[start] -= (np.concatenate(([0], before_last[:-1])) * sign).astype(steps.dtype)
    flipped[start[two] + 1] += (last_before * sign)[two].astype(steps.dtype)
    flipped[start[three] + 2] -= (alone * sign)[three]
    sums = np.cumsum(flipped, out=flipped)
    counts = np.cumsum(_flip(sums), out=sums)
    places = [start[num > n] + n for n in range(3)]
    return counts if all(np.array_equal(counts[at], steps[at]) for at in places) else None


def _flip(numbers: Small) -> Small:
    """Every second number negative, in place."""
    np.negative(numbers[1::2], out=numbers[1::2])
    return numbers


def _flipped(numbers: Small) -> Small:
    return _flip(numbers.copy())


def _sign(place: Ints) -> Ints:
    """What `_flip` does to the number at a place."""
    return 1 - 2 * (place & 1)


def well_formed(strings: Sequence[bytes], size: Size) -> bool:
    """Whether each string is a mask of `size`, as `rle.bounds_of` checks it; what is wrong with one, that will say."""
    return counts_of(strings, size) is not None


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
