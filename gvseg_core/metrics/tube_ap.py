"""Average precision and recall of tubes: AP, AP50, AP75, AR of YouTube-VIS, OVIS and COCO, by size and by occlusion.

Source: `pycocotools/ytvoseval.py` of youtubevos/cocoapi and `oviseval.py` of qjy981010/cocoapi (BSD-2); for stills
`pycocotools/cocoeval.py` of cocodataset/cocoapi, from which both were made. The numbers are
the same, to the order of sums. How we differ:

- Of objects and predictions only those of one class are compared, all their frames at once and without decoding.
- A prediction looks for its object at all thresholds and in all ranges at once.
- No predictions at all are scored as such, where the official programs end with an IndexError.
- An object of which no occlusion is told is left out of the ranges of occlusion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.metrics.tube_video import AREAS, LIMITS, OCCLUSIONS, TubeScorer
from gvseg_core.types import Answer, Partial, Scores, Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

RECALLS: Floats = np.linspace(0.0, 1.0, 101)
_UNDEFINED = -1.0  # as the official programs say

Summary = Mapping[int, tuple[Floats, Mapping[int, Floats]]]
"""Of one class, by range, where any object counts: precision (S,), the mean over recalls, and recall (S,) by limit."""


class TubeAp:
    """The metric (a `Metric`).

    Of a track of the truth, `details` may tell `areas`, its pixels on each frame, which else are counted, and
    `occlusion`, a level on each frame; None where it is not there.

    Args:
        vocabulary: whose numbers name the classes in `details`; by default they are class ids.
        occlusion: whether objects are told apart by occlusion too, as OVIS does.
        stills: whether the videos are COCO's pictures: with its areas, and a prediction in a crowd is as good as the
            share of it that lies there.
    """

    def __init__(self, vocabulary: Vocabulary | None = None, *, occlusion: bool = False, stills: bool = False) -> None:
        self.name = "tube_ap"
        self._vocabulary = vocabulary
        self._occlusion = occlusion
        self._stills = stills
        self._ranges = (*AREAS, *(OCCLUSIONS if occlusion else ()))

    def begin(self, truth: Answer, found: Answer) -> TubeScorer:
        """A video."""
        return TubeScorer(truth, found, occlusion=self._occlusion, stills=self._stills)

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """The scores of all videos, at least one."""
        kept = {key: np.concatenate([partial[key] for _, partial in partials]) for key in partials[0][1]}
        classes = {class_id: self._summary(kept, class_id) for class_id in np.unique(kept["true_class"]).tolist()}
        found = list(classes.values())
        return Scores(
            _headline(found, self._ranges),
            {
                "per_category": {
                    self._number(k): _by_class(summary[0]) for k, summary in classes.items() if 0 in summary
                }
            },
            {"YTVOSeval": _headline(found, tuple(AREAS))} if self._occlusion else {},
        )

    def _summary(self, kept: Mapping[str, NDArray[Any]], class_id: int) -> Summary:
        """One class; `kept` is all videos', in their order."""
        true_ignored = kept["true_ignored"][kept["true_class"] == class_id]
        (rows,) = np.nonzero(kept["found_class"] == class_id)
        rows = rows[np.argsort(-kept["score"][rows], kind="stable")]
        summary = {}
        for column in range(len(self._ranges)):
            num_true = int((~true_ignored[:, column]).sum())
            if not num_true:
                continue
            recalls = {}
            for limit in LIMITS if column == 0 else LIMITS[-1:]:
                kept_rows = rows[kept["rank"][rows] < limit]
                matched, ignored = kept["matched"][kept_rows, column], kept["ignored"][kept_rows, column]
                precision, recalls[limit] = curve(matched & ~ignored, ~matched & ~ignored, num_true)
            summary[column] = precision.mean(axis=1), recalls
        return summary

    def _number(self, class_id: int) -> str:
        return str(class_id if self._vocabulary is None else self._vocabulary.classes[class_id].dataset_id)


def curve(right: Flags, wrong: Flags, num_true: int) -> tuple[Floats, Floats]:
    """Precision at each of `RECALLS`, (S, 101), and the last recall, (S,), at S thresholds.

    Args:
        right: (D, S) predictions that have found an object, by falling score.
        wrong: (D, S) those that have found none; the rest do not count.
        num_true: objects that count, at least one.
    """
    tp, fp = np.cumsum(right.T, axis=1), np.cumsum(wrong.T, axis=1)
    recall = tp / num_true
    precision = tp / (fp + tp + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    at = np.array([np.searchsorted(row, RECALLS, side="left") for row in recall])
    sampled = np.take_along_axis(np.pad(precision, ((0, 0), (0, 1))), at, axis=1)
    return sampled, recall[:, -1] if recall.shape[1] else np.zeros(len(recall))


def _headline(classes: Sequence[Summary], ranges: Sequence[str]) -> dict[str, float]:
    """Means over classes, under the official names and in their order."""

    def precision(column: int, threshold: slice = slice(None)) -> float:
        return _mean([found[column][0][threshold] for found in classes if column in found])

    def recall(column: int, limit: int = LIMITS[-1]) -> float:
        return _mean([found[column][1][limit] for found in classes if column in found])

    return {
        "AP": precision(0),
        "AP50": precision(0, slice(0, 1)),
        "AP75": precision(0, slice(5, 6)),
        **{f"AP{name}": precision(column) for column, name in enumerate(ranges) if column},
        **{f"AR{limit}": recall(0, limit) for limit in LIMITS},
        **{f"AR{name}": recall(column) for column, name in enumerate(ranges) if column},
    }


def _by_class(found: tuple[Floats, Mapping[int, Floats]]) -> dict[str, float]:
    precision, recalls = found
    return {
        "AP": float(precision.mean()),
        "AP50": float(precision[0]),
        "AP75": float(precision[5]),
        **{f"AR{limit}": float(recalls[limit].mean()) for limit in LIMITS},
    }


def _mean(values: Sequence[Floats]) -> float:
    return float(np.mean(values)) if len(values) else _UNDEFINED
