"""BURST's three protocols: objects that are given, objects of given classes, and objects of any kind.

Source: Ali2500/BURST-benchmark, `burstapi/eval/run.py` with its copy of TrackEval (`datasets/burst_helpers`; MIT). The
numbers are the same, and with them two surprises:

- HOTA compares the boxes of masks, not the masks; only track AP looks at masks. `variants` has HOTA of masks.
- Only frames on which something is annotated count, and on those any number of predictions of other frame rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from gvseg_core.metrics.burst_video import SPLITS, ClassVideo, OpenVideo
from gvseg_core.metrics.hota import ALPHAS, COUNTS, SUMS, hota_scores
from gvseg_core.metrics.objects import mean
from gvseg_core.metrics.track_ap import average_precision
from gvseg_core.types import Answer, Metric, Partial, Scores, VideoScorer, Vocabulary

Protocol = Literal["exemplar_guided", "class_guided", "open_world"]

_MASKS = "if_masks_were_compared_instead_of_boxes"
_NOTE = "not the official numbers: one line of the evaluator changed so that HOTA sees mask IoU"


class Burst(Metric):
    """HOTA, DetA, AssA and track AP over all, common and uncommon classes, in per cent; or, of the open world, OWTA,
    DetRe and AssA over all objects and those of common and uncommon classes.

    The truth's tracks say in `details["split"]` to which split they belong: common, uncommon, or neither; and the
    truth in `details` which classes, by their numbers in the data set, a video surely lacks (`neg_category_ids`) and
    which are not annotated throughout (`not_exhaustive_category_ids`).

    Args:
        vocabulary: the truth's.
        protocol: which of the three. Where objects are given, their ids name them in the results, and their classes
            are the truth's.
    """

    name = "burst"

    def __init__(self, vocabulary: Vocabulary, protocol: Protocol = "exemplar_guided") -> None:
        self._vocabulary = vocabulary
        self._protocol = protocol

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - segments say what tracks would
        """A video."""
        if self._protocol == "open_world":
            return OpenVideo(truth)
        return ClassVideo(truth, self._vocabulary, guided=self._protocol == "exemplar_guided")

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Over all videos."""
        if self._protocol == "open_world":
            return _open_world(partials)
        classes = _Classes(self._vocabulary, [partial for _, partial in partials])
        return Scores(
            classes.metrics(masks=False),
            {"per_class": classes.per_class()},
            {_MASKS: {"metrics": classes.metrics(masks=True), "note": _NOTE}},
        )


class _Classes:
    """The classes that have ground truth, and what was found of them in all videos."""

    def __init__(self, vocabulary: Vocabulary, partials: Sequence[Partial]) -> None:
        self._vocabulary = vocabulary
        self._split: dict[int, str] = {}
        for partial in partials:
            self._split |= zip(partial["true_class"].tolist(), partial["true_split"].tolist(), strict=True)
        self._classes = sorted(class_id for class_id, split in self._split.items() if split in SPLITS)
        self._scores = [{c: _summed(partials, masks, c) for c in self._classes} for masks in (False, True)]
        self._ap = {c: _class_ap(partials, c) for c in self._classes}

    def metrics(self, *, masks: bool) -> dict[str, float]:
        """Means over classes."""
        scores = self._scores[masks]
        found = {}
        for name in ("HOTA", "DetA", "AssA", "AP"):
            for split in SPLITS:
                those = [c for c in self._classes if split in ("all", self._split[c])]
                values = [self._ap[c] if name == "AP" else scores[c][name] for c in those]
                found[f"{name}_{split}"] = mean(np.array(values))
        return found

    def per_class(self) -> dict[str, Any]:
        """All there is of each class."""
        return {
            self._vocabulary.classes[c].name: {
                "category_id": self._vocabulary.classes[c].dataset_id,
                "split": self._split[c],
                **self._scores[False][c],
                "AP": self._ap[c],
            }
            for c in self._classes
        }


def _open_world(partials: Sequence[tuple[str, Partial]]) -> Scores:
    scores = [{s: _summed([p for _, p in partials], masks, i) for i, s in enumerate(SPLITS)} for masks in (False, True)]
    boxes, masks = (
        {f"{name}_{split}": values[split][name] for name in ("OWTA", "DetRe", "AssA") for split in SPLITS}
        for values in scores
    )
    per_sequence = {video: _summed([partial], False, 0) for video, partial in partials}
    return Scores(
        boxes,
        {"splits": scores[False], "per_sequence": per_sequence},
        {_MASKS: {"metrics": masks, "note": _NOTE}},
    )


def _summed(partials: Sequence[Partial], masks: bool, group: int) -> dict[str, Any]:
    """HOTA and its parts of one class, or one split of the open world, over videos."""
    rows = [(partial, partial["groups"] == group) for partial in partials]
    counts = sum(
        (p["counts"][int(masks), row].sum(0) for p, row in rows), np.zeros((len(COUNTS), len(ALPHAS)), np.int64)
    )
    sums = sum((p["sums"][int(masks), row].sum(0) for p, row in rows), np.zeros((len(SUMS), len(ALPHAS))))
    scores = hota_scores(counts, sums)
    per_alpha = {f"{name}_alpha": row.astype(float).tolist() for name, row in zip(COUNTS, counts, strict=True)}
    return {
        **{name: 100 * float(np.mean(values)) for name, values in scores.items()},
        "HOTA_alpha": scores["HOTA"].tolist(),
        **{name: per_alpha[name] for name in ("TP_alpha", "FP_alpha", "FN_alpha")},
    }


def _class_ap(partials: Sequence[Partial], class_id: int) -> float:
    """Track AP of one class, in per cent."""
    found: Mapping[str, Any] = {
        name: np.concatenate([p[f"found_{name}"][p["found_class"] == class_id] for p in partials])
        for name in ("score", "matched", "ignored")
    }
    num_true = sum(int((partial["true_class"] == class_id).sum()) for partial in partials)
    ignored = np.repeat(found["ignored"][:, None], found["matched"].shape[1], axis=1) & ~found["matched"]
    return 100 * average_precision(found["score"], found["matched"], ignored, num_true)
