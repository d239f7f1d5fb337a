"""A track while it is being written: small numbers only, so that a long video costs next to nothing."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

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
    logits: array[float] = field(
        default_factory=lambda: array("f")
    )  # (K + 1,) likewise; empty where a class is the identity

    def seen(self, frame_index: int) -> None:
        """It is visible on this frame."""
        if not self.num_frames:
            self.first_frame = frame_index
        self.last_frame = frame_index
        self.num_frames += 1

    def judged(self, num_frames: int, score: float, logits: Tensor | None = None) -> None:
        """One more clip of `num_frames` frames had this score, and these (K + 1,) logits."""
        self.weight += num_frames
        self.score += num_frames * score
        if logits is not None:
            total = logits * num_frames
            if self.logits:
                total = total + torch.tensor(self.logits)
            self.logits = array("f", total.tolist())

    def class_probs(self) -> Tensor:
        """(K,) softmax of the mean logits, "no object" dropped: logits are averaged before, as in MinVIS."""
        return (torch.tensor(self.logits) / self.weight).softmax(0)[:-1]

    def best_class(self, among: Collection[int] | None) -> int:
        """The likeliest class over the video so far; of all classes by default."""
        probs = self.class_probs()
        allowed = sorted(among) if among is not None else range(len(probs))
        return max(allowed, key=lambda class_id: float(probs[class_id]))

    def track(self) -> Track:
        """As it stands."""
        probs = tuple(self.class_probs().tolist()) if self.logits else ()
        return Track(
            track_id=self.track_id,
            class_id=self.class_id,
            score=min(max(probs[self.class_id] if probs else self.score / max(self.weight, 1), 0.0), 1.0),
            first_frame=self.first_frame,
            last_frame=max(self.last_frame, self.first_frame),
            num_frames=self.num_frames,
            class_scores=probs,
        )
