"""How large tubes are, and how much of each other they cover, summed up while the frames of a video go by.

A tube is an object's masks on all frames. The frames of a stretch are laid side by side, so that a tube is one
run-length encoded mask; its runs are read, checked and measured for all tubes at once, and pycocotools compares them.
Nothing is decoded, and what is held does not grow with the video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.ops.rle_sets import Counts, counts_of, ious
from gvseg_core.types import Rle, Segment, Size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_STRETCH_CHARS = 2**18  # of encoded masks; they take some 30 bytes each while they are read
_STRETCH_PIXELS = 2**29  # of one tube; a count of the library has 30 bits and a sign


class _Mask(NamedTuple):
    """A mask that waits to be read."""

    tube: int  # true ones first, then those found
    frame: int  # of the video
    rle: Rle


class TubeOverlaps:
    """The overlaps of one video.

    Args:
        true_ids: track ids of the truth.
        found_ids: track ids of the results.
        wanted: (N, M) which of their pairs are to be compared.
        name_of: the mask of a tube (0 … N + M - 1) on a frame, in the words of an error message.
    """

    def __init__(
        self, true_ids: Sequence[int], found_ids: Sequence[int], wanted: Flags, name_of: Callable[[int, int], str]
    ) -> None:
        self._true = {track_id: tube for tube, track_id in enumerate(true_ids)}
        self._found = {track_id: tube for tube, track_id in enumerate(found_ids, start=len(true_ids))}
        self._wanted = wanted
        self._name_of = name_of
        num = len(true_ids) + len(found_ids)
        self._areas = np.zeros(num, np.int64)
        self._seen = np.zeros(num, np.int64)  # frames on which a tube has a pixel
        self._shared = np.zeros(wanted.shape, np.int64)
        self._size: Size | None = None
        self._frame = 0
        self._pending: list[_Mask] = []
        self._pending_chars = 0
        self._begun = 0  # the frame with which the stretch begins

    def add(self, size: Size, true: Iterable[Segment], found: Iterable[Segment]) -> None:
        """The next frame.

        Raises:
            DataError: a mask that is malformed or of another size, here or on one of the frames before.
        """
        if self._size not in (None, size):
            self._read()
        self._size = size
        self._take(self._true, true, size)
        self._take(self._found, found, size)
        self._frame += 1
        long = (self._frame + 1 - self._begun) * size[0] * size[1] > _STRETCH_PIXELS
        if long or self._pending_chars > _STRETCH_CHARS:
            self._read()

    def ious(self) -> Floats:
        """(N, M) pixels shared by those covered, over all frames; 0 of pairs that were not wanted."""
        self._read()
        num = len(self._true)
        covered = self._areas[:num, None] + self._areas[num:] - self._shared
        shares: Floats = np.divide(self._shared, covered, out=np.zeros(covered.shape), where=covered > 0)
        return shares

    def shares(self) -> Floats:
        """(N, M) pixels shared by those of the one that was found, as COCO compares with a crowd; 0 likewise."""
        self._read()
        found = self._areas[len(self._true) :]
        shares: Floats = np.divide(self._shared, found, out=np.zeros(self._shared.shape), where=found > 0)
        return shares

    def mean_areas(self) -> Floats:
        """(N + M,) pixels of each tube, the mean over the frames on which it has any; 0 where it never has."""
        self._read()
        return self._areas / np.maximum(self._seen, 1)

    def _take(self, tubes: dict[int, int], segments: Iterable[Segment], size: Size) -> None:
        for segment in segments:
            tube = tubes.get(segment.track_id)
            if tube is not None:
                if segment.mask.size != size:
                    (h, w), (height, width) = segment.mask.size, size
                    name = self._name_of(tube, self._frame)
                    raise DataError(f"{name}: a mask of {h} × {w} in a video of {height} × {width}")
                self._pending.append(_Mask(tube, self._frame, segment.mask))
                self._pending_chars += len(segment.mask.counts)

    def _read(self) -> None:
        """Sum up the stretch that waits, and begin the next."""
        pending = sorted(self._pending, key=lambda mask: mask.tube)  # stable: frames stay in order
        frames, begun = self._frame - self._begun, self._begun
        self._pending, self._pending_chars, self._begun = [], 0, self._frame
        if not pending:
            return
        assert self._size is not None, "a mask came with a frame"
        counts = self._counts(pending, self._size)
        tubes, areas = np.array([mask.tube for mask in pending]), counts.areas
        places = np.array([mask.frame - begun for mask in pending])
        stretch = np.bincount(tubes, areas, minlength=len(self._areas)).astype(np.int64)
        self._areas += stretch
        self._seen += np.bincount(tubes[areas > 0], minlength=len(self._areas))
        strips: dict[int, Rle] = {}

        def strip(tube: int) -> Rle:
            if tube not in strips:
                masks = np.flatnonzero((tubes == tube) & (areas > 0))
                strips[tube] = counts.side_by_side(masks, places[masks], frames)
            return strips[tube]

        visible = stretch > 0
        num = len(self._true)
        for true in np.flatnonzero(visible[:num]).tolist():
            found = np.flatnonzero(self._wanted[true] & visible[num:])
            if not len(found):
                continue
            shares = ious([strip(num + tube) for tube in found.tolist()], [strip(true)])[:, 0]
            # From the IoU of two masks and their areas follows what they share, a whole number.
            both = shares * (stretch[true] + stretch[num + found]) / (1 + shares)
            self._shared[true, found] += np.rint(both).astype(np.int64)

    def _counts(self, masks: Sequence[_Mask], size: Size) -> Counts:
        counts = counts_of([mask.rle.counts for mask in masks], size)
        if counts is not None:
            return counts
        for mask in masks:
            try:
                rle.bounds_of(mask.rle)
            except DataError as error:
                raise DataError(f"{self._name_of(mask.tube, mask.frame)}: {error}") from None
        raise AssertionError("masks that are malformed together are malformed one by one")
