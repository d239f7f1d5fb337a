"""One video on its way to average precision: which predictions are right at each threshold, and which count.

Source and differences: see `tube_ap`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.metrics.tube_overlaps import TubeOverlaps
from gvseg_core.types import Answer, FrameResult, Partial, Size, Track

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
LIMITS = (1, 10, 100)  # predictions of a class in a video, the best ones

# Ranges, closed at both ends, by what they add to the name of a metric: mean pixels where it is visible …
AREAS = {"": (0.0, 1e10), "s": (0.0, 128.0**2), "m": (128.0**2, 256.0**2), "l": (256.0**2, 1e10)}
# … the same of COCO, whose objects have one frame …
STILL_AREAS = {"": (0.0, 1e10), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
# … and mean of the upper half of its levels of occlusion.
OCCLUSIONS = {"_occ_light": (0.0, 0.25), "_occ_medium": (0.25, 0.5), "_occ_heavy": (0.5, 1.0)}
LEVELS = {"no_occlusion": 0.0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}


class TubeScorer:
    """One video on its way through the metric (a `VideoScorer`).

    Args:
        truth: what is true of it.
        found: what was found.
        occlusion: whether objects are told apart by occlusion too.
        stills: whether it is a picture that is scored as COCO does, with its own areas and crowds.
    """

    def __init__(self, truth: Answer, found: Answer, *, occlusion: bool = False, stills: bool = False) -> None:
        self._stills = stills
        self._true, self._found = truth.tracks, _best(found.tracks)
        self._videos = truth.video, found.video
        self._ignored = np.array([_ignored(track, truth.video, occlusion) for track in self._true], np.bool_)
        self._ignored = self._ignored.reshape(len(self._true), len(AREAS) + (len(OCCLUSIONS) if occlusion else 0))
        self._true_class = np.array([track.class_id for track in self._true], np.int64)
        self._found_class = np.array([track.class_id for track in self._found], np.int64)
        # Several tracks may have the same masks: what is compared is tubes, each once.
        true_ids, self._true_tube = _tubes(self._true)
        found_ids, self._found_tube = _tubes(self._found)
        rows, columns = np.nonzero(self._true_class[:, None] == self._found_class)
        wanted = np.zeros((len(true_ids), len(found_ids)), np.bool_)
        wanted[self._true_tube[rows], self._found_tube[columns]] = True
        self._overlaps = TubeOverlaps(true_ids, found_ids, wanted, self._name_of)
        self._num_true_tubes = len(true_ids)

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""
        self._overlaps.add(_size_of(truth), truth.segments, found.segments)

    def partial(self) -> Partial:
        """Which predictions are right, and which count.

        `true_class` (N,), `true_ignored` (N, R) for R ranges, and by class and falling score: `found_class`, `score`,
        `rank` among those of its class (D,), `matched` and `ignored` (D, R, S) for S thresholds.
        """
        crowd = np.array([track.ignore for track in self._true], np.bool_)
        ious = self._overlaps.ious()[np.ix_(self._true_tube, self._found_tube)]
        if self._stills and crowd.any():
            ious[crowd] = self._overlaps.shares()[np.ix_(self._true_tube, self._found_tube)][crowd]
        areas = self._overlaps.mean_areas()
        ranges = tuple((STILL_AREAS if self._stills else AREAS).values())
        true_ignored = self._ignored | _outside(self._true_areas(areas), ranges, self._ignored.shape[1])
        num, shape = len(self._found), (len(self._found), true_ignored.shape[1], len(THRESHOLDS))
        matched, ignored = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for class_id in np.intersect1d(self._true_class, self._found_class):
            true, found = self._true_class == class_id, self._found_class == class_id
            matched[found], ignored[found] = match(ious[true][:, found].T, true_ignored[true], crowd[true])
        found_areas = areas[self._num_true_tubes :][self._found_tube]
        ignored |= ~matched & _outside(found_areas, ranges, shape[1])[:, :, None]
        return {
            "true_class": self._true_class,
            "true_ignored": true_ignored,
            "found_class": self._found_class,
            "score": np.array([track.score for track in self._found], np.float64),
            "rank": np.arange(num) - np.searchsorted(self._found_class, self._found_class),
            "matched": matched,
            "ignored": ignored,
        }

    def _name_of(self, tube: int, frame: int) -> str:
        """A mask, for messages."""
        num = self._num_true_tubes
        if tube < num:
            return _name(self._true[self._true_tube.tolist().index(tube)], self._videos[0], frame)
        return _name(self._found[self._found_tube.tolist().index(tube - num)], self._videos[1], frame)

    def _true_areas(self, measured: Floats) -> Floats:
        """(N,) mean pixels of objects, as their data set has them, or else as measured by tube."""
        areas = measured[self._true_tube]
        for row, track in enumerate(self._true):
            if "areas" in track.details:
                told = [area for area in track.details["areas"] if area]
                areas[row] = np.array(told).mean() if told else 0.0
        return areas


def match(ious: Floats, true_ignored: Flags, crowd: Flags) -> tuple[Flags, Flags]:
    """Which predictions of one class are right, the best first.

    Each takes the object with which it overlaps most, of those that none before it has taken; one that counts goes
    before one that does not, and of equals the last is taken. A crowd may be taken any number of times.

    Args:
        ious: (D, N) of predictions with objects.
        true_ignored: (N, R) which objects do not count in each range.
        crowd: (N,) which do not in any.

    Returns:
        (D, R, S) whether a prediction has an object, and whether that one does not count; at each of `THRESHOLDS`.
    """
    least = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    (num, num_true), num_ranges = ious.shape, true_ignored.shape[1]
    matched = np.zeros((num, num_ranges, len(THRESHOLDS)), np.bool_)
    ignored = np.zeros_like(matched)
    counts = ~true_ignored.T[:, None]  # (R, 1, N)
    taken = np.zeros((num_ranges, len(THRESHOLDS), num_true), np.bool_)
    for row in np.flatnonzero((ious >= least[0]).any(1)):
        able = (ious[row] >= least) & (~taken | crowd)
        first = able & counts
        able = np.where(first.any(-1, keepdims=True), first, able)
        choice = num_true - 1 - np.where(able, ious[row], -1.0)[..., ::-1].argmax(-1)  # (R, S)
        matched[row] = able.any(-1)
        ranges, thresholds = np.nonzero(matched[row])
        chosen = choice[ranges, thresholds]
        taken[ranges, thresholds, chosen] = True
        ignored[row, ranges, thresholds] = true_ignored[chosen, ranges]
    return matched, ignored


def _best(tracks: Sequence[Track]) -> list[Track]:
    """By class, then falling score; of each class no more than are ever scored; equals keep their order."""
    kept: list[Track] = []
    num: dict[int, int] = {}
    for track in sorted(tracks, key=lambda track: (track.class_id, -track.score)):
        num[track.class_id] = num.get(track.class_id, 0) + 1
        if num[track.class_id] <= LIMITS[-1]:
            kept.append(track)
    return kept


def _tubes(tracks: Sequence[Track]) -> tuple[list[int], Ints]:
    """Track ids, each once; and which of them each track is."""
    row_of: dict[int, int] = {}
    rows = [row_of.setdefault(track.track_id, len(row_of)) for track in tracks]
    return list(row_of), np.array(rows, np.int64)


def _name(track: Track, video: str, frame: int) -> str:
    """What the mask of a track is called: by its place in a file, if it comes from one."""
    if "where" in track.details:
        return f"{track.details['where']}.segmentations[{frame}]"
    return f"{video}: track {track.track_id} on frame {frame}"


def _size_of(result: FrameResult) -> Size:
    _, h, w = result.frame.image.shape
    return int(h), int(w)


def _outside(areas: Floats, ranges: Sequence[tuple[float, float]], num_ranges: int) -> Flags:
    """(N, R) which areas lie outside of which range; outside of none of those of occlusion."""
    outside = np.zeros((len(areas), num_ranges), np.bool_)
    for column, (least, most) in enumerate(ranges):
        outside[:, column] = (areas < least) | (areas > most)
    return outside


def _ignored(track: Track, video: str, occlusion: bool) -> list[bool]:
    """(R,) in which ranges an object does not count because it is a crowd, or for its occlusion."""
    ranges = [track.ignore] * len(AREAS)
    if occlusion:
        level = _occlusion(track, video)
        ranges += [track.ignore or not least <= level <= most for least, most in OCCLUSIONS.values()]
    return ranges


def _occlusion(track: Track, video: str) -> float:
    """How much an object is hidden, from 0 to 1; NaN where nothing tells."""
    words = [word for word in track.details.get("occlusion", ()) if word is not None]
    if unknown := [word for word in words if word not in LEVELS]:
        where = track.details.get("where", f"{video}: track {track.track_id}")
        raise DataError(f"{where}.occlusion: wanted {', '.join(LEVELS)} or null, found {printable(unknown[0])!r}")
    levels = sorted(LEVELS[word] for word in words)
    upper = levels[-math.ceil(len(levels) / 2) :]
    return sum(upper) / len(upper) if upper else math.nan
