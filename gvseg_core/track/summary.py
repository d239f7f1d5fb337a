"""A track while it is being written: a few numbers, so that a long video with many objects costs next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gvseg_core.types import Track


@dataclass(slots=True)
class Summary:
    """What has been seen of one object or class so far."""

    track_id: int
    class_id: int
    first_frame: int
    last_frame: int = -1
    num_frames: int = 0
    weight: int = 0  # frames that were judged, whether the object is visible or not
    score: float = 0.0  # sum over these
    logits: NDArray[np.float64] | None = None  # (K + 1,) likewise; None where a class is the identity

    def seen(self, frame_index: int) -> None:
        """It is visible on this frame."""
        if not self.num_frames:
            self.first_frame = frame_index
        self.last_frame = frame_index
        self.num_frames += 1

    def judged(self, num_frames: int, score: float, logits: NDArray[np.float64] | None = None) -> None:
        """One more clip of `num_frames` frames had this score, and these (K + 1,) logits."""
        self.weight += num_frames
        self.score += num_frames * score
        if logits is not None:
            total = logits * num_frames
            self.logits = total if self.logits is None else self.logits + total

    def class_probs(self) -> NDArray[np.float64]:
        """(K,) softmax of the mean logits, "no object" dropped: logits are averaged before, as in MinVIS."""
        assert self.logits is not None, "only what has class logits is asked for its classes"
        mean = self.logits / self.weight
        exp = np.exp(mean - mean.max())
        probs: NDArray[np.float64] = exp[:-1] / exp.sum()
        return probs

    def best_class(self, among: Sequence[int]) -> int:
        """The likeliest of these classes over the video so far."""
        assert self.logits is not None, "only what has class logits is asked for its classes"
        return among[int(self.logits[among].argmax())]

    def track(self) -> Track:
        """As it stands."""
        probs = () if self.logits is None else tuple(self.class_probs().tolist())
        return Track(
            track_id=self.track_id,
            class_id=self.class_id,
            score=probs[self.class_id] if probs else min(self.score / max(self.weight, 1), 1.0),
            first_frame=self.first_frame,
            last_frame=max(self.last_frame, self.first_frame),
            num_frames=self.num_frames,
            class_scores=probs,
        )
