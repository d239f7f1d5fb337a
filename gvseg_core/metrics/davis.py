"""J&F of DAVIS 2017, semi-supervised: objects are given on the first frame and followed to the last.

Source: davisvideochallenge/davis2017-evaluation (`evaluation.py`, `metrics.py`, `utils.py`; BSD-3). The numbers are the
same, its two surprises included:

- The first frame, which is given, and the last are left out.
- The bounds of the quarters of which Decay is made are cut down to 8 bits, so that beyond 256 frames quarters may come
  out empty, and Decay is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.metrics.objects import Floats, ObjectScorer, mean
from gvseg_core.types import Answer, FrameResult, Metric, Partial, Scores, VideoScorer

_NOTE = "arrays are [object][frame], first and last frame already left out"


class Davis(Metric):
    """J, the region similarity, and F, the accuracy of the boundary: mean, recall and decay.

    The objects are those of the truth's `tracks`; the same ids name them in the results, and other ids are not looked
    at.
    """

    name = "davis"

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - ids are the truth's
        """A video."""
        return _Video(sorted(track.track_id for track in truth.tracks))

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Means over the objects of all videos."""
        objects: dict[str, dict[str, float]] = {}
        frames: dict[str, Any] = {}
        for video, partial in partials:
            region, boundary = partial["scores"]
            for i, j, f in zip(partial["ids"].tolist(), region, boundary, strict=True):
                objects[f"{video}_{i}"] = {"J": mean(j), "F": mean(f), **_statistics("J", j), **_statistics("F", f)}
            frames[video] = {"J": region.tolist(), "F": boundary.tolist()}
        metrics = {}
        for name in "JF":
            metrics[f"{name}-Mean"] = mean(np.array([values[name] for values in objects.values()]))
            for statistic in (f"{name}-Recall", f"{name}-Decay"):
                metrics[statistic] = mean(np.array([values[statistic] for values in objects.values()]))
        both = (metrics["J-Mean"] + metrics["F-Mean"]) / 2
        return Scores(
            {"J&F-Mean": both, **metrics}, {"per_object": objects, "per_frame": frames, "per_frame_note": _NOTE}
        )


class _Video(VideoScorer):
    def __init__(self, track_ids: Sequence[int]) -> None:
        self._ids = track_ids
        self._scorer = ObjectScorer(track_ids)
        self._scores: list[Floats] = []
        self._num_frames = 0
        self._held: tuple[FrameResult, FrameResult] | None = None  # until it is known not to be the last

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""
        if self._held is not None:
            self._scores.append(self._scorer(*self._held)[:2])
        self._held = (truth, found) if self._num_frames else None
        self._num_frames += 1

    def partial(self) -> Partial:
        """`ids` (N,); `scores` (2, N, T): J and F on the frames that count."""
        frames = np.array(self._scores, np.float64).reshape(len(self._scores), 2, len(self._ids))
        return {"ids": np.array(self._ids, np.int64), "scores": np.moveaxis(frames, 0, -1)}


def _statistics(name: str, values: Floats) -> dict[str, float]:
    """Recall, the share of frames above one half; and decay, how much is lost from the first quarter to the last."""
    return {f"{name}-Recall": mean((values > 0.5).astype(np.float64)), f"{name}-Decay": _decay(values)}


def _decay(values: Floats) -> float:
    if not len(values):
        return float("nan")
    bounds: NDArray[Any] = np.round(np.linspace(1, len(values), 5) + 1e-10) - 1
    cut = bounds.astype(np.uint8)  # as the official program has it: it wraps beyond 256 frames
    first, last = ((int(cut[quarter]), int(cut[quarter + 1]) + 1) for quarter in (0, 3))
    return mean(values[slice(*first)]) - mean(values[slice(*last)])
