"""VPQ, video panoptic quality: PQ over tubes, the segments of k frames in a row joined by their ids.

A true and a found tube of one class match where their IoU is above a half; PQ = Σ IoU / (TP + FP/2 + FN/2) over all
windows of k frames of all videos, by class. The headline is the mean over k = 1, 2, 4, 6, as papers report it; the mean
with 8, as VIPSeg's program prints it, stands beside it.

Source: VIPSeg-Dataset/VIPSeg-Dataset, `ClipPanoFCN/eval_vpq_vspw.py`. The numbers are the same, in percent:

- A window takes a segment's class from the first of its frames that has it.
- What was found on void does not enter the union. What is mostly on void, or on a crowd of its class (the last one, if
  there are several), is no false positive. A crowd matches nothing and is never missed.
- A class enters a mean where it occurs on either side.

For KITTI-STEP, which has no official VPQ, the variant of Video K-Net (lxtGH/Video-K-Net, `tools/eval_dvpq_step.py`):
k = 1, 2, 3, 4, means over all classes, 0 for those that do not occur, and crowds are segments like others.

How we differ: frames are compared once, by their contours, and windows add up what was counted; the program decodes and
compares all frames of each window. Means over nothing are NaN, where it would divide by zero.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.metrics.confusion import Floats, Ints
from gvseg_core.ops.label_maps import Regions, overlaps, regions_of
from gvseg_core.types import VOID, Answer, FrameResult, Metric, Partial, Scores, VideoScorer, Vocabulary

WINDOWS = (1, 2, 4, 6, 8)
HEADLINE = (1, 2, 4, 6)
STEP_WINDOWS = (1, 2, 3, 4)

_IOU, _TP, _FP, _FN = range(4)


class Vpq(Metric):
    """VPQ, of things (Th) and of stuff (St), over all windows and over each.

    Args:
        vocabulary: what class ids mean; details name a class by the set's own number.
    """

    name = "vpq"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - all is in the frames
        """A video."""
        return _Video(len(self._vocabulary), WINDOWS, crowds=True)

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Over the windows of all videos."""
        counts = _pooled(partials, WINDOWS, self._vocabulary)
        windows = {k: _window_scores(counts[i], self._vocabulary) for i, k in enumerate(WINDOWS)}
        kinds = ("VPQ", "VPQ_Th", "VPQ_St")
        metrics = {kind: _mean([windows[k][kind] for k in HEADLINE]) for kind in kinds}
        metrics |= {f"{kind}_{k}": windows[k][kind] for kind in kinds for k in WINDOWS}
        variant = {kind: _mean([windows[k][kind] for k in WINDOWS]) for kind in kinds}
        details = {"VPQ_windows": {str(k): told for k, told in windows.items()}}
        return Scores(metrics, details, {"VPQ_mean_over_1_2_4_6_8": variant})


class StepVpq(Metric):
    """The VPQ that Video K-Net reports on KITTI-STEP: variants alone, no metric.

    Args:
        vocabulary: what class ids mean.
    """

    name = "step_vpq"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - all is in the frames
        """A video."""
        return _Video(len(self._vocabulary), STEP_WINDOWS, crowds=False)

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Over the windows of all videos."""
        counts = _pooled(partials, STEP_WINDOWS, self._vocabulary)
        told = {str(k): _step_scores(counts[i], self._vocabulary) for i, k in enumerate(STEP_WINDOWS)}
        return Scores({}, variants={"VPQ_video_k_net": told})


# --- one video ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """The segments of one frame in truth, or in results."""

    keys: Ints  # (N,) the tube of each
    class_ids: Ints
    areas: Ints
    crowds: NDArray[np.bool_]
    rows: Ints  # in the frame's regions

    @classmethod
    def of(cls, regions: Regions, crowds: bool) -> _Side:
        """All regions that have a class."""
        (rows,) = np.nonzero(regions.class_ids != VOID)
        class_ids, keys = regions.class_ids[rows], regions.track_ids[rows]
        ignore = regions.ignore[rows] if crowds else np.zeros(len(rows), bool)
        return cls(keys if crowds else class_ids << 32 | keys, class_ids, regions.areas[rows], ignore, rows)


class _Tubes:
    """The segments of the last frames, joined by their ids."""

    def __init__(self, frames: Sequence[_Side]) -> None:
        """`frames` are newest first."""
        keys = np.concatenate([frame.keys for frame in frames])
        once, places = np.unique(keys, return_inverse=True)
        self.places = np.split(places, np.cumsum([len(frame.keys) for frame in frames])[:-1])
        self._frames = frames
        self.class_ids = np.full(len(once), VOID)
        self.crowds = np.zeros(len(once), bool)
        self.areas = np.zeros(len(once), np.int64)
        self.order = np.zeros(len(once), np.int64)  # by the frame that has it first, and its row there

    def add(self, number: int) -> Ints:
        """One frame more, going back in time; returns where its segments are among the tubes."""
        frame, places = self._frames[number], self.places[number]
        np.add.at(self.areas, places, frame.areas)
        self.class_ids[places] = frame.class_ids
        self.crowds[places] = frame.crowds
        self.order[places] = frame.rows - (number << 32)
        return places


class _Video(VideoScorer):
    """The last frames of a video, and what the windows that end with each of them have come to.

    Args:
        crowds: whether the truth's ignored regions are crowds, and an id is one segment whatever its class (VIPSeg); or
            segments like others, and class and id together are one (Video K-Net).
    """

    def __init__(self, num_classes: int, windows: Sequence[int], *, crowds: bool) -> None:
        self._windows = windows
        self._crowds = crowds
        self._counts = np.zeros((len(windows), 4, num_classes))
        self._last: deque[tuple[_Side, _Side, Ints, Ints]] = deque(maxlen=max(windows))  # newest first

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame, and the windows that end with it."""
        true, answer = regions_of(truth), regions_of(found)
        sides = _Side.of(true, self._crowds), _Side.of(answer, self._crowds)
        pixels = overlaps(true, answer)[:, sides[1].rows]
        self._last.appendleft((*sides, pixels[sides[0].rows], pixels[true.class_ids == VOID].sum(0)))
        self._match_windows()

    def _match_windows(self) -> None:
        """Shorter windows lie in longer ones: going back from the newest frame, each is complete in its turn."""
        true = _Tubes([frame[0] for frame in self._last])
        found = _Tubes([frame[1] for frame in self._last])
        shared = np.zeros((len(true.areas), len(found.areas)), np.int64)
        void = np.zeros(len(found.areas), np.int64)
        for number, (_, _, pixels, on_void) in enumerate(self._last):
            rows, columns = true.add(number), found.add(number)
            np.add.at(shared, (rows[:, None], columns), pixels)
            np.add.at(void, columns, on_void)
            if number + 1 in self._windows:
                _match(self._counts[self._windows.index(number + 1)], true, found, shared, void)

    def partial(self) -> Partial:
        """(windows, 4, K) sums over windows: IoU, TP, FP, FN of each class."""
        return {"counts": self._counts}


def _match(counts: Floats, true: _Tubes, found: _Tubes, shared: Ints, void: Ints) -> None:
    """Add what one window comes to; tubes of area 0 are of frames outside it.

    Args:
        counts: (4, K).
        shared: (G, P) pixels of true and found tubes.
        void: (P,) pixels of found tubes on void.
    """
    num_classes = counts.shape[1]
    union = true.areas[:, None] + found.areas - shared - void
    match = (true.class_ids[:, None] == found.class_ids) & (2 * shared > union) & ~true.crowds[:, None]
    g, p = np.nonzero(match)
    missed, extra = true.areas > 0, found.areas > 0
    missed[g] = extra[p] = False
    unmatched_crowds = missed & true.crowds
    if unmatched_crowds.any():
        void = void + _on_crowds(np.flatnonzero(unmatched_crowds), true, found, shared)
    missed &= ~true.crowds
    extra &= 2 * void <= found.areas
    counts[_IOU] += np.bincount(true.class_ids[g], shared[g, p] / union[g, p], num_classes)
    counts[_TP] += np.bincount(true.class_ids[g], minlength=num_classes)
    counts[_FP] += np.bincount(found.class_ids[extra], minlength=num_classes)
    counts[_FN] += np.bincount(true.class_ids[missed], minlength=num_classes)


def _on_crowds(crowds: Ints, true: _Tubes, found: _Tubes, shared: Ints) -> Ints:
    """(P,) pixels of found tubes on the crowd of their class, the one that came last."""
    of_class = {int(true.class_ids[g]): g for g in crowds[np.argsort(true.order[crowds])]}
    return np.array([shared[of_class[c], p] if c in of_class else 0 for p, c in enumerate(found.class_ids.tolist())])


# --- all videos ---------------------------------------------------------------------------------------------------


def _pooled(partials: Sequence[tuple[str, Partial]], windows: Sequence[int], vocabulary: Vocabulary) -> Floats:
    return sum((partial["counts"] for _, partial in partials), np.zeros((len(windows), 4, len(vocabulary))))


def _window_scores(counts: Floats, vocabulary: Vocabulary) -> Mapping[str, Any]:
    """What VIPSeg's program says of one k."""
    iou, tp, fp, fn = counts
    size = tp + fp / 2 + fn / 2
    pq, rq = (np.divide(v, size, out=np.zeros_like(size), where=size > 0) for v in (iou, tp))
    sq = np.divide(iou, tp, out=np.zeros_like(tp), where=tp > 0)
    numbers = [info.dataset_id for info in vocabulary.classes]
    things = np.isin(np.arange(len(vocabulary)), list(vocabulary.thing_ids))
    told: dict[str, Any] = {}
    for score, name, kind in (
        ("VPQ", "All", things | True),
        ("VPQ_Th", "Things", things),
        ("VPQ_St", "Stuff", ~things),
    ):
        chosen = kind & (size > 0)
        told[score] = 100 * _mean(pq[chosen])
        told[name] = {"SQ": 100 * _mean(sq[chosen]), "RQ": 100 * _mean(rq[chosen]), "N": int(chosen.sum())}
    told["per_class"] = {
        str(numbers[i]): {"pq": float(pq[i]), "sq": float(sq[i]), "rq": float(rq[i]), **_counts_of(counts[:, i], int)}
        for i in np.flatnonzero(size)
    }
    return told


def _step_scores(counts: Floats, vocabulary: Vocabulary) -> Mapping[str, Any]:
    """What Video K-Net's script says of one k."""
    iou, tp, fp, fn = counts
    epsilon = 1e-10  # the script's
    pq = iou / (tp + epsilon) * (tp / (tp + fp / 2 + fn / 2 + epsilon))
    things = np.isin(np.arange(len(vocabulary)), list(vocabulary.thing_ids))
    per_class = {
        str(vocabulary.classes[i].dataset_id): {"pq": float(pq[i]), **_counts_of(counts[:, i], float)}
        for i in np.flatnonzero(tp + fp + fn)
    }
    return {
        "VPQ": 100 * _mean(pq),
        "VPQ_Th": 100 * _mean(pq[things]),
        "VPQ_St": 100 * _mean(pq[~things]),
        "per_class": per_class,
    }


def _counts_of(counts: Floats, number: type[int] | type[float]) -> dict[str, float]:
    iou, tp, fp, fn = counts
    return {"iou": float(iou), "tp": number(tp), "fp": number(fp), "fn": number(fn)}


def _mean(values: Floats | Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else np.nan
