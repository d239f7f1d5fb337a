"""J and F of every object of a frame, from whatever the frame came as."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gvseg_core.metrics.boundary import Mask, agreement
from gvseg_core.ops.label_maps import map_of
from gvseg_core.types import FrameResult

Floats = NDArray[np.float64]


class ObjectScorer:
    """Compares the objects of one video, frame by frame.

    Args:
        track_ids: N of them, the same in truth and results.
    """

    def __init__(self, track_ids: Sequence[int]) -> None:
        self._ids = track_ids
        self._masks: tuple[Mask, ...] = ()  # two, used again for every object: memory that is new costs more than they

    def __call__(self, truth: FrameResult, found: FrameResult) -> Floats:
        """One frame.

        Returns:
            (4, N): J and F, as `boundary.agreement` has them; and 1 or 0, whether the object is in the truth, and
            whether it was found.

        Raises:
            ValueError: the frames differ in size.
        """
        maps = map_of(truth), map_of(found)
        scores = np.empty((4, len(self._ids)))
        for i, track_id in enumerate(self._ids):
            true, seen = (
                self._mask(side, labels, label_of.get(track_id)) for side, (labels, label_of) in enumerate(maps)
            )
            scores[:, i] = *agreement(true, seen), true.any(), seen.any()
        return scores

    def _mask(self, side: int, labels: NDArray[np.integer], label: int | None) -> Mask:
        """(H, W) bool, where a map has a label."""
        if not self._masks or self._masks[side].shape != labels.shape:
            self._masks = np.empty(labels.shape, np.bool_), np.empty(labels.shape, np.bool_)
        mask = self._masks[side]
        if label is None:
            mask.fill(False)
        else:
            np.equal(labels, label, out=mask)
        return mask


def mean(values: Floats) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")
