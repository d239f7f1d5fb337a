"""mIoU of VSPW, and the three scores that its program prints beside it.

One confusion matrix over all frames of all videos; pixels that are void in the truth do not count. Means are over the
classes that occur in the truth: a class that was only found enters no mean, but its pixels are missed by another one.

Source: VSPW-dataset/VSPW_code (`evaluator_test.py`, `Evaluator` of `utils.py`; fractions); the scores of single videos
as in VSPW_baseline (`test.py`). How we differ: a frame counts at the cost of its contours, and a pixel of nobody (a
video without results) is a miss, where the program would end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gvseg_core.metrics.confusion import Confusion, class_iou, unpacked, without_void
from gvseg_core.ops.label_maps import regions_of
from gvseg_core.types import Answer, FrameResult, Metric, Partial, Scores, VideoScorer, Vocabulary


class MeanIou(Metric):
    """mIoU, Acc (of pixels), Acc_class (mean recall of classes) and fwIoU (IoU weighted by how frequent a class is).

    Args:
        vocabulary: what class ids mean; details name a class by the set's own number.
    """

    name = "miou"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - all is in the frames
        """A video."""
        return _Video(len(self._vocabulary))

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Over the pixels of all videos."""
        num_classes = len(self._vocabulary)
        counts = without_void(unpacked((partial["confusion"] for _, partial in partials), num_classes))
        iou, _ = class_iou(counts)
        pixels = counts.sum(1)
        shown = np.flatnonzero(pixels)
        recall = counts.diagonal()[shown] / pixels[shown]
        metrics = {
            "mIoU": _mean(iou[shown]),
            "Acc": float(counts.trace() / pixels.sum()) if len(shown) else np.nan,
            "Acc_class": _mean(recall),
            "fwIoU": float(pixels @ iou / pixels.sum()) if len(shown) else np.nan,
        }
        details = {
            "per_video_mIoU": {video: _video_miou(partial, num_classes) for video, partial in partials},
            "per_class_IoU": {str(self._vocabulary.classes[i].dataset_id): float(iou[i]) for i in shown},
            "per_class_key": f"class index 0..{num_classes - 1}",
        }
        return Scores(metrics, details)


class _Video(VideoScorer):
    def __init__(self, num_classes: int) -> None:
        self._confusion = Confusion(num_classes)

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""
        self._confusion.add(regions_of(truth), regions_of(found))

    def partial(self) -> Partial:
        """Its confusion matrix."""
        return {"confusion": self._confusion.packed()}


def _video_miou(partial: Partial, num_classes: int) -> float:
    counts = without_void(unpacked([partial["confusion"]], num_classes))
    return _mean(class_iou(counts)[0][counts.sum(1) > 0])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
