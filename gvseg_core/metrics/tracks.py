"""What is there and what was found in one video, frame by frame, turned into tracks that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops.rle_sets import areas, boxes, ious
from gvseg_core.types import Rle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(slots=True)
class Detections:
    """Every region of every frame, in the order in which they come."""

    frame: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)  # on its frame, from 1
    track_id: list[int] = field(default_factory=list)
    class_id: list[int] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    mask: list[Rle] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.mask)

    def add(self, frame: int, regions: Sequence[tuple[int, int, float, Rle]]) -> None:
        """The regions of a frame: track id, class id, score and mask of each."""
        for place, (track_id, class_id, score, mask) in enumerate(regions, start=1):
            self.frame.append(frame)
            self.place.append(place)
            self.track_id.append(track_id)
            self.class_id.append(class_id)
            self.score.append(score)
            self.mask.append(mask)


@dataclass(frozen=True, slots=True)
class Rows:
    """Detections as N rows over T frames: one for each track, or, if it changes its class, for each class it has."""

    track_id: Ints  # (N,)
    class_id: Ints  # (N,)
    place: Ints  # (T, N) on the frame, from 1; 0 where it is not
    area: Ints  # (T, N) pixels
    corners: Floats  # (T, N, 4) x0, y0, x1, y1 of its box
    of: Ints  # (D,) the row of each detection


def rows_of(detections: Detections, num_frames: int) -> Rows:
    """Rows by ascending track id; a track must not be on a frame twice."""
    kinds = np.array([detections.track_id, detections.class_id], np.int64).T.reshape(-1, 2)
    kinds, of = np.unique(kinds, axis=0, return_inverse=True)
    of = of.reshape(-1)
    frame = np.array(detections.frame, np.int64)
    shape = num_frames, len(kinds)
    place, area, corners = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros((*shape, 4))
    place[frame, of] = detections.place
    area[frame, of] = areas(detections.mask)
    xywh = boxes(detections.mask)
    corners[frame, of] = np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)
    return Rows(kinds[:, 0], kinds[:, 1], place, area, corners, of)


def box_ious(true: Rows, found: Rows) -> Floats:
    """(T, N, M) IoU of boxes; 0 where either is not there or has no box."""
    one, other = true.corners[:, :, None], found.corners[:, None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both: Floats = np.maximum(sides, 0).prod(-1)
    either = _box_areas(one) + _box_areas(other) - both
    shares: Floats = np.divide(both, either, out=np.zeros_like(both), where=both > _EPS)
    return shares


def _box_areas(corners: Floats) -> Floats:
    size: Floats = (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
    return size


def mask_ious(detections: tuple[Detections, Detections], rows: tuple[Rows, Rows]) -> Floats:
    """(T, N, M) IoU of masks; 0 where either is not there."""
    (true, found), (true_rows, found_rows) = detections, rows
    num_frames = len(true_rows.place)
    similarity = np.zeros((num_frames, true_rows.place.shape[1], found_rows.place.shape[1]))
    cuts = [np.searchsorted(some.frame, np.arange(num_frames + 1)) for some in detections]
    for t in range(num_frames):
        (a, b), (c, d) = ((cut[t], cut[t + 1]) for cut in cuts)
        if a < b and c < d:
            similarity[t][np.ix_(true_rows.of[a:b], found_rows.of[c:d])] = ious(true.mask[a:b], found.mask[c:d])
    return similarity


def track_ious(similarity: Floats, true: Rows, found: Rows) -> tuple[Floats, Ints]:
    """IoU over the whole video of tracks, whatever class they have on a frame.

    Args:
        similarity: (T, N, M) IoU of masks on each frame.

    Returns:
        (N, K) of each row of the truth with each track found; and (M,) the track, 0 … K - 1, of each row found, by
        ascending id.
    """
    # From the IoU of two masks and their areas follows what they share, a whole number.
    both = np.rint(similarity * (true.area[:, :, None] + found.area[:, None]) / (1 + similarity)).sum(0)
    ids, track = np.unique(found.track_id, return_inverse=True)
    track = track.reshape(-1)
    belongs = (track[:, None] == np.arange(len(ids))).astype(np.float64)  # (M, K)
    shared, found_area = both @ belongs, found.area.sum(0) @ belongs
    either = true.area.sum(0)[:, None] + found_area - shared
    return np.divide(shared, either, out=np.zeros_like(shared), where=either > 0), track
