"""One frame's regions as a map of labels, and how the regions of two frames overlap.

Panoptic and semantic results share out the pixels of a frame. Held as runs of pixels in row-major order, two frames are
compared at the cost of their contours, not of their pixels. A source that reads maps (PNG) hands them over as they
are, as `MapSegments`; masks are made of them only for whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops import rle
from gvseg_core.types import VOID, FrameResult, Segment, Size

Labels = NDArray[Any]
Ints = NDArray[np.int64]

Known = Mapping[int, tuple[int, int, bool]]
"""Label → track id, class id, ignore."""


@dataclass(frozen=True, eq=False)
class Runs:
    """A map of labels as runs of one label each, in row-major order."""

    size: Size
    starts: Ints  # (R,) where each run begins, as row-major positions; ascending, the first is 0
    values: Labels  # (R,) its label

    @classmethod
    def of(cls, labels: Labels) -> Runs:
        """Of a map, (H, W)."""
        h, w = labels.shape
        flat = labels.ravel()
        starts = _with_first(_places(flat[1:] != flat[:-1]) + 1, flat)
        return cls((int(h), int(w)), starts, flat[starts])

    @classmethod
    def of_colors(cls, colors: NDArray[np.uint8]) -> Runs:
        """Of a picture, (H, W, 3), whose colours are numbers: R + 256 G + 65536 B, uint32.

        Compares the bytes as they lie, without making the map: that would be four of the seven bytes moved.
        """
        h, w, _ = colors.shape
        flat = colors.ravel()
        pixels = _places(flat[3:] != flat[:-3]) // 3 + 1  # each up to three times
        starts = _with_first(pixels[np.diff(pixels, prepend=0) > 0], flat)
        values = colors.reshape(-1, 3)[starts].astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
        return cls((int(h), int(w)), starts, values)

    @property
    def labels(self) -> Labels:
        """(H, W): the map."""
        lengths = np.diff(self.starts, append=self.size[0] * self.size[1])
        return np.repeat(self.values, lengths).reshape(self.size)


def _places(flags: NDArray[np.bool_]) -> Ints:
    """`flatnonzero` of a long (N,) array of which few are true: eight at a time, as one number."""
    words = len(flags) // 8
    eights = flags[: words * 8]
    (some,) = np.nonzero(eights.view(np.uint64) != 0)
    (places,) = np.nonzero(eights.reshape(-1, 8)[some].ravel())
    return np.concatenate((some[places >> 3] * 8 + (places & 7), np.flatnonzero(flags[words * 8 :]) + words * 8))


def _with_first(starts: Ints, flat: Labels) -> Ints:
    """A first run begins at once, where there is anything."""
    return np.concatenate((np.zeros(min(len(flat), 1), np.int64), starts))


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
        labels: (H, W) unsigned integers, or their runs.
        known: what the labels mean, in the order in which the regions are to be; or what tells it of the labels that
            occur, ascending. Pixels of any other label belong to nobody. Labels that do not occur may be listed.
        score: of every segment.
    """

    def __init__(self, labels: Labels | Runs, known: Known | Callable[[list[int]], Known], score: float = 1.0) -> None:
        self._map = labels
        self._known = known
        self._score = score

    @cached_property
    def labels(self) -> Labels:
        """(H, W): the map."""
        return self._map.labels if isinstance(self._map, Runs) else self._map

    @cached_property
    def known(self) -> Known:
        """Label → track id, class id, ignore."""
        return self._known(self._occurring.tolist()) if callable(self._known) else self._known

    @cached_property
    def _runs(self) -> Runs:
        return self._map if isinstance(self._map, Runs) else Runs.of(self._map)

    @cached_property
    def _occurring(self) -> Labels:
        """Every label that occurs, ascending."""
        return np.unique(self._runs.values)

    @cached_property
    def regions(self) -> Regions:
        """The same as runs; regions in the order of `known`, those without a pixel left out."""
        occurring = self._occurring.tolist()
        seen = set(occurring)
        row_of = {label: row for row, label in enumerate((v for v in self.known if v in seen), start=1)}
        rows = np.array([row_of.get(label, 0) for label in occurring], np.int64)
        told = [(0, VOID, False), *(self.known[label] for label in row_of)]
        return Regions(
            self._runs.size,
            self._runs.starts,
            rows[np.searchsorted(self._occurring, self._runs.values)],
            np.array([track_id for track_id, _, _ in told], np.int64),
            np.array([class_id for _, class_id, _ in told], np.int64),
            np.array([ignore for _, _, ignore in told], np.bool_),
        )

    @cached_property
    def _segments(self) -> tuple[Segment, ...]:
        found = rle.encode_labels(self.labels)
        if 0 in self.known and (self.labels == 0).any():  # which `encode_labels` takes for nothing
            found[0] = rle.encode(self.labels == 0)
        return tuple(
            Segment(track_id, class_id, self._score, found[label], ignore)
            for label, (track_id, class_id, ignore) in self.known.items()
            if label in found
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
    runs = Runs.of(painted)
    return Regions(
        size,
        runs.starts,
        runs.values.astype(np.int64),
        np.array([0, *(s.track_id for s in segments)], np.int64),
        np.array([VOID, *(s.class_id for s in segments)], np.int64),
        np.array([False, *(s.ignore for s in segments)], np.bool_),
    )


def map_of(result: FrameResult) -> tuple[Labels, dict[int, int]]:
    """A frame's objects as a map, as it came where it came as one; every pixel the one's with the best claim to it.

    Returns:
        (H, W) labels; and the label of each track, some of which may not occur. Any other label is nobody's.
    """
    segments = result.segments
    if isinstance(segments, MapSegments):
        return segments.labels, {track: label for label, (track, _, ignore) in segments.known.items() if not ignore}
    _, h, w = result.frame.image.shape
    label_of = {segment.track_id: label for label, segment in enumerate(segments, start=1)}
    order = [segments[i] for i in by_claim(segments)]
    masks, labels = [s.mask for s in order], [0 if s.ignore else label_of[s.track_id] for s in order]
    return rle.paint(masks, labels, (int(h), int(w)), np.uint16), label_of


def by_claim(segments: Sequence[Segment]) -> list[int]:
    """Places of segments in the order in which to paint them: who has the better claim to a pixel comes later."""
    return sorted(range(len(segments)), key=lambda i: (segments[i].score, -segments[i].track_id))


@lru_cache(maxsize=1)  # every metric of a benchmark asks it of the same two frames
def overlaps(one: Regions, other: Regions) -> Ints:
    """Pixels that each row of one frame shares with each row of another.

    Returns:
        (N + 1, M + 1) counts, read-only; row and column 0 are nobody's.

    Raises:
        ValueError: the frames differ in size.
    """
    if one.size != other.size:
        raise ValueError(f"frames of {one.size} and {other.size} have no pixels in common")
    num, others = len(one.track_ids), len(other.track_ids)
    both = np.concatenate((one.starts, other.starts))
    order = np.argsort(both, kind="stable")  # merges two sorted lists
    passed = np.cumsum(order < len(one.starts))  # runs of `one` begun so far; the rest are runs of `other`
    mine, theirs = one.rows[passed - 1], other.rows[np.arange(len(both)) - passed]
    lengths = np.diff(both[order], append=one.size[0] * one.size[1])  # 0 where both begin at once: the second counts
    counts = np.bincount(mine * others + theirs, lengths, minlength=num * others).astype(np.int64)
    counts.flags.writeable = False
    return counts.reshape(num, others)
