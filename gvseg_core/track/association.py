"""How alike two queries of different clips are: appearance, and shape with position (GvSEG §3.2).

    S = cos(q + P·H, q' + P·H')               where the network has learnt the projection P,
    S = (1 − λ)·cos(q, q') + λ·cos(H, H')     where it has not (public Mask2Former weights); λ = 0 is MinVIS.

Between clips of several frames the last frame that shows the object before meets the first that shows it after: they
are the nearest in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Cues:
    """What counts when queries are compared, and how much."""

    shape_weight: float = 0.0  # λ; has no say where `projection` is given
    projection: Tensor | None = None  # P: (C, U·V) float32

    @property
    def use_descriptors(self) -> bool:
        """Whether shape and position have a say at all."""
        return self.projection is not None or self.shape_weight > 0

    def similarity(
        self, known: Tensor, known_shapes: Tensor | None, found: Tensor, found_shapes: Tensor | None
    ) -> Tensor:
        """Every remembered object with every query.

        Args:
            known: (M, C) embeddings.
            known_shapes: (M, U·V) descriptors; all 0 where nothing was visible.
            found: (Q, C).
            found_shapes: (Q, U·V).

        Returns:
            (M, Q) in [-1, 1].

        Raises:
            ValueError: descriptors have a say but are missing.
        """
        if not self.use_descriptors:
            return cosines(known, found)
        if known_shapes is None or found_shapes is None:
            raise ValueError("shape and position have a say, but the prediction came without descriptors")
        if self.projection is not None:
            return cosines(known + known_shapes @ self.projection.T, found + found_shapes @ self.projection.T)
        alike = cosines(known_shapes, found_shapes)
        return (1 - self.shape_weight) * cosines(known, found) + self.shape_weight * alike


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """(M, C), (Q, C) → (M, Q); a vector of zeros is at right angles to all."""
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def first_shown(descriptors: Tensor) -> Tensor:
    """(Q, T, D) → (Q, D): of the first frame that shows the object; zeros where none does."""
    if descriptors.shape[1] == 1:
        return descriptors[:, 0]
    rows = torch.arange(len(descriptors))
    return descriptors[rows, descriptors.ne(0).any(-1).float().argmax(1)]


def last_shown(descriptors: Tensor) -> Tensor:
    """(Q, T, D) → (Q, D): of the last frame that shows the object; zeros where none does."""
    return first_shown(descriptors.flip(1))
