"""One frame's regions as a map of labels, and how the regions of two frames overlap.

Panoptic and semantic results share out the pixels of a frame. Held as runs of pixels in row-major order, two frames are
compared at the cost of their contours, not of their pixels. A source that reads maps (PNG) hands them over as they
are, as `MapSegments`; masks are made of them only for whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops import rle
from gvseg_core.types import FrameResult, Segment, Size

Labels = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Regions:
    """Who owns each pixel of a frame: row n is the n-th region, row 0 is nobody."""

    size: Size
    starts: Ints  # (R,) where each run of one owner begins, as row-major positions; ascending, the first is 0
    rows: Ints  # (R,) its owner, 0 … N
    track_ids: Ints  # (N + 1,); 0 for nobody
    class_ids: Ints  # (N + 1,); VOID for nobody and for void
    ignore: NDArray[np.bool_]  # (N + 1,) crowd or void; False for nobody

    def __len__(self) -> int:
        """Regions, nobody not counted."""
        return len(self.track_ids) - 1

    @cached_property
    def lengths(self) -> Ints:
        """(R,) pixels of each run."""
        return np.diff(self.starts, append=self.size[0] * self.size[1])

    @cached_property
    def areas(self) -> Ints:
        """(N + 1,) pixels of each row."""
        return np.bincount(self.rows, self.lengths, minlength=len(self.track_ids)).astype(np.int64)

    def paint(self, values: Labels) -> Labels:
        """(H, W) map in which every pixel has its row's value of `values` (N + 1,)."""
        painted: Labels = np.repeat(values[self.rows], self.lengths).reshape(self.size)
        return painted


class MapSegments(Sequence[Segment]):
    """The segments of a frame that came as a map; their masks are made when a segment is looked at.

    Args:
        labels: (H, W) unsigned integers, row-major.
        known: label → track id, class id, ignore; pixels of any other label belong to nobody. Labels that do not occur
            may be listed.
        score: of every segment.
    """

    def __init__(self, labels: Labels, known: Mapping[int, tuple[int, int, bool]], score: float = 1.0) -> None:
        self.labels = labels
        self._known = known
        self._score = score

    @cached_property
    def regions(self) -> Regions:
        """The same as runs; regions by ascending label, those without a pixel left out."""
        flat = self.labels.ravel()
        starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1)) if len(flat) else np.empty(0, int)
        values, rows = np.unique(flat[starts], return_inverse=True)
        told = [(*self._known[v], True) if v in self._known else (0, -1, False, False) for v in values.tolist()]
        owned = np.array([known for *_, known in told], dtype=bool)
        row_of = np.where(owned, np.cumsum(owned), 0)
        kept = [(0, -1, False), *((t, c, i) for t, c, i, known in told if known)]
        h, w = self.labels.shape
        return Regions(
            (int(h), int(w)),
            starts.astype(np.int64),
            row_of[rows].astype(np.int64) if len(values) else np.empty(0, np.int64),
            np.array([t for t, _, _ in kept], np.int64),
            np.array([c for _, c, _ in kept], np.int64),
            np.array([i for _, _, i in kept], np.bool_),
        )

    @cached_property
    def _segments(self) -> tuple[Segment, ...]:
        found = rle.encode_labels(self.labels)
        if 0 in self._known and (self.labels == 0).any():  # which `encode_labels` takes for nothing
            found = {0: rle.encode(self.labels == 0), **found}
        return tuple(
            Segment(track_id, class_id, self._score, mask, ignore)
            for label, mask in found.items()
            if label in self._known
            for track_id, class_id, ignore in [self._known[label]]
        )

    def __len__(self) -> int:
        return len(self.regions)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Segment, ...]: ...
    def __getitem__(self, index: int | slice) -> Segment | tuple[Segment, ...]:
        return self._segments[index]


def regions_of(result: FrameResult) -> Regions:
    """A frame's regions, every pixel the one's with the best claim to it (`by_claim`); in the order of its segments."""
    if isinstance(result.segments, MapSegments):
        return result.segments.regions
    segments = result.segments
    _, h, w = result.frame.image.shape
    size = int(h), int(w)
    order = by_claim(segments)
    painted = rle.paint([segments[i].mask for i in order], [i + 1 for i in order], size, np.uint16)
    flat = painted.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1)) if len(flat) else np.empty(0, int)
    return Regions(
        size,
        starts.astype(np.int64),
        flat[starts].astype(np.int64),
        np.array([0, *(s.track_id for s in segments)], np.int64),
        np.array([-1, *(s.class_id for s in segments)], np.int64),
        np.array([False, *(s.ignore for s in segments)], np.bool_),
    )


def by_claim(segments: Sequence[Segment]) -> list[int]:
    """Places of segments in the order in which to paint them: who has the better claim to a pixel comes later."""
    return sorted(range(len(segments)), key=lambda i: (segments[i].score, -segments[i].track_id))


def overlaps(one: Regions, other: Regions) -> Ints:
    """Pixels that each row of one frame shares with each row of another.

    Returns:
        (N + 1, M + 1) counts; row and column 0 are nobody's.

    Raises:
        ValueError: the frames differ in size.
    """
    if one.size != other.size:
        raise ValueError(f"frames of {one.size} and {other.size} have no pixels in common")
    num, others = len(one.track_ids), len(other.track_ids)
    if not len(one.starts):
        return np.zeros((num, others), np.int64)
    starts = np.union1d(one.starts, other.starts)
    lengths = np.diff(starts, append=one.size[0] * one.size[1])
    mine = one.rows[np.searchsorted(one.starts, starts, side="right") - 1]
    theirs = other.rows[np.searchsorted(other.starts, starts, side="right") - 1]
    counts = np.bincount(mine * others + theirs, lengths, minlength=num * others)
    return counts.astype(np.int64).reshape(num, others)
