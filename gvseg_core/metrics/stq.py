"""STQ, segmentation and tracking quality: the geometric mean of SQ, the IoU of classes, and AQ, that of tracks.

SQ is the mean IoU over the classes that are or were found. AQ asks how well a true track g of a thing is covered by
found tracks p, (1/|g|) Σ TPA(p,g)² / (TPA + FPA + FNA), and is the mean over the true tracks of all videos. A track is
a class and an id; whether the two classes agree is not asked, if both are things.

Source: google-research/deeplab2, `evaluation/numpy/segmentation_and_tracking_quality.py` (Apache-2.0), as KITTI-STEP is
scored by it; VIPSeg-Dataset/VIPSeg-Dataset, `ClipPanoFCN/eval_stq_vspw.py`, which drives the same class. The numbers
are the same, these included (fractions):

- A pixel that is found void where it is not is a miss; and void then is one more class of the mean, with IoU 0.
- A found track has all its pixels, also on stuff and void, but none on a crowd.
- What a crowd is differs. KITTI-STEP: a thing with id 0. VIPSeg: its script numbers the segments of a video from 0, in
  the order in which they are listed, so that the first one is taken for a crowd if it is a thing; and `iscrowd` is not
  looked at. The variant has no such loss.

How we differ: counts are whole numbers (deeplab2's are float32, with NumPy 2 off by 1e-8), and frames are compared by
their contours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gvseg_core.metrics.confusion import Confusion, Ints, class_iou, unpacked, without_void
from gvseg_core.ops.label_maps import Regions, overlaps, regions_of
from gvseg_core.types import Answer, FrameResult, Metric, Partial, Scores, VideoScorer, Vocabulary

Rule = Literal["kitti_step", "vipseg"]
"""Whose crowds: regions of things that the truth says to ignore, or the first segment of a video."""

_VARIANT = "STQ_deeplab2_tracks_numbered_from_1"


class Stq(Metric):
    """STQ, AQ and SQ.

    Args:
        vocabulary: what class ids mean; details name a class by the set's own number, void by the next free one.
        rule: which crowds there are.
    """

    name = "stq"

    def __init__(self, vocabulary: Vocabulary, rule: Rule) -> None:
        self._vocabulary = vocabulary
        self._rule = rule

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - all is in the frames
        """A video."""
        return _Video(self._vocabulary, self._rule)

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Over all videos, in their order."""
        num_classes = len(self._vocabulary)
        matrices = [without_void(unpacked([partial["confusion"]], num_classes)) for _, partial in partials]
        pooled = sum(matrices, np.zeros((num_classes + 1, num_classes + 1), np.int64))
        iou, union = class_iou(pooled)
        quality = _Quality(partials, matrices, pooled, "association")
        numbers = [info.dataset_id for info in self._vocabulary.classes]
        numbers.append(max(numbers) + 1)
        told = {**quality.told(), "per_class_IoU": {str(numbers[i]): float(iou[i]) for i in np.flatnonzero(union)}}
        metrics = {"STQ": quality.stq, "AQ": quality.aq, "SQ": quality.sq}
        if self._rule == "kitti_step":
            return Scores(metrics, {"STQ": told | {"tracks_per_seq": quality.num_tracks}})
        variant = _Quality(partials, matrices, pooled, "without_crowds")
        variants = {_VARIANT: variant.told() | {"tracks": sum(variant.num_tracks)}}
        return Scores(metrics, {"STQ": told | {"tracks": sum(quality.num_tracks)}}, variants)


class _Quality:
    """The three scores and those of each video, from one way of counting associations."""

    def __init__(
        self, partials: Sequence[tuple[str, Partial]], matrices: Sequence[Ints], pooled: Ints, way: str
    ) -> None:
        sums = [float(partial[way][0]) for _, partial in partials]
        self.num_tracks = [int(partial[way][1]) for _, partial in partials]
        self.aq = sum(sums) / sum(self.num_tracks) if sum(self.num_tracks) else 0.0
        self.sq = _mean_iou(pooled)
        self.stq = float(np.sqrt(self.aq * self.sq))
        self._videos = [video for video, _ in partials]
        self._lengths = [int(partial["num_frames"][()]) for _, partial in partials]
        self._aq = [total / max(n, 1) for total, n in zip(sums, self.num_tracks, strict=True)]
        self._iou = [_mean_iou(counts) for counts in matrices]

    def told(self) -> dict[str, Any]:
        """By the names that deeplab2 has for them."""
        return {
            "STQ": self.stq,
            "AQ": self.aq,
            "IoU": self.sq,
            "STQ_per_seq": [float(np.sqrt(aq * iou)) for aq, iou in zip(self._aq, self._iou, strict=True)],
            "AQ_per_seq": self._aq,
            "IoU_per_seq": self._iou,
            "ID_per_seq": self._videos,
            "Length_per_seq": self._lengths,
        }


class _Video(VideoScorer):
    def __init__(self, vocabulary: Vocabulary, rule: Rule) -> None:
        self._things = np.isin(np.arange(len(vocabulary) + 1), list(vocabulary.thing_ids))  # the last is VOID, as -1
        self._rule = rule
        self._first: int | None = None  # the first segment of the truth
        self._num_frames = 0
        self._confusion = Confusion(len(vocabulary))
        self._association = _Association()
        self._without_crowds = _Association() if rule == "vipseg" else None

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""
        true, answer = regions_of(truth), regions_of(found)
        self._num_frames += 1
        self._confusion.add(true, answer)
        pixels = overlaps(true, answer)
        tracks, answers = self._tracks(true), self._tracks(answer)
        self._association.add(pixels, tracks, answers, self._crowds(true) & (tracks >= 0))
        if self._without_crowds is not None:
            self._without_crowds.add(pixels, tracks, answers, np.zeros(len(tracks), bool))

    def _tracks(self, regions: Regions) -> Ints:
        """The track of each row: one number for class and id; -1 where it is no thing."""
        return np.where(self._things[regions.class_ids], regions.class_ids << 32 | regions.track_ids, -1)

    def _crowds(self, truth: Regions) -> NDArray[np.bool_]:
        """Which rows of the truth are crowds, if they are things."""
        if self._rule == "kitti_step":
            return truth.ignore
        if self._first is None and len(truth):
            self._first = int(truth.track_ids[1])
        first: NDArray[np.bool_] = truth.track_ids == self._first
        return first

    def partial(self) -> Partial:
        """The confusion matrix; of each way of counting the sum of AQ over the true tracks, and how many they are."""
        kept = {
            "num_frames": np.array(self._num_frames),
            "confusion": self._confusion.packed(),
            "association": self._association.total(),
        }
        return kept if self._without_crowds is None else kept | {"without_crowds": self._without_crowds.total()}


class _Association:
    """The pixels of tracks, true and found, and of those that meet, over the frames of a video."""

    def __init__(self) -> None:
        self._true: list[Ints] = []  # (2, n): track, pixels
        self._found: list[Ints] = []
        self._both: list[Ints] = []  # (3, n): true track, found track, pixels

    def add(self, pixels: Ints, true: Ints, found: Ints, crowds: NDArray[np.bool_]) -> None:
        """One frame.

        Args:
            pixels: (N + 1, M + 1) that rows share.
            true: (N + 1,) track of each row; -1 where it has none.
            found: (M + 1,).
            crowds: (N + 1,) rows of the truth that are crowds.
        """
        counted = pixels[~crowds]
        rows, columns = np.flatnonzero((true >= 0) & ~crowds), np.flatnonzero(found >= 0)
        self._true.append(np.stack((true[rows], pixels[rows].sum(1))))
        self._found.append(np.stack((found[columns], counted[:, columns].sum(0))))
        shared = pixels[np.ix_(rows, columns)]
        meet = np.nonzero(shared)
        self._both.append(np.stack((true[rows][meet[0]], found[columns][meet[1]], shared[meet])))

    def total(self) -> NDArray[np.float64]:
        """(2,) the sum over the true tracks of how well each is covered, and how many they are."""
        if not self._true:
            return np.zeros(2)
        true, true_pixels = _summed(*np.concatenate(self._true, axis=1))
        found, found_pixels = _summed(*np.concatenate(self._found, axis=1))
        g, p, pixels = np.concatenate(self._both, axis=1)
        pairs = np.searchsorted(true, g) * len(found) + np.searchsorted(found, p)
        pairs, shared = _summed(pairs, pixels)
        g, p = np.divmod(pairs, max(len(found), 1))
        covered = shared * (shared / (true_pixels[g] + found_pixels[p] - shared)) / true_pixels[g]
        return np.array([covered.sum(), len(true)])


def _summed(keys: Ints, pixels: Ints) -> tuple[Ints, Ints]:
    """Each key once, ascending, and the sum of its pixels."""
    once, place = np.unique(keys, return_inverse=True)
    return once, np.bincount(place, pixels, len(once)).astype(np.int64)


def _mean_iou(counts: Ints) -> float:
    """Over the classes that are or were found; NaN where there are none."""
    iou, union = class_iou(counts)
    return float(iou.sum() / np.count_nonzero(union)) if union.any() else np.nan
