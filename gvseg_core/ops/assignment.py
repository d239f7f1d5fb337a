"""The best one-to-one assignment, and what to do with numbers that are none."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def assign(similarity: Tensor, threshold: float = -1.0) -> list[tuple[int, int]]:
    """Pairs (row, column) with the largest total similarity, each row and each column at most once.

    A pair at or below `threshold` is as good as none: it is not returned, and does not help another pair into a worse
    place. NaN counts as no similarity at all.

    Args:
        similarity: (M, Q) in [-1, 1], on any device; non-finite entries are never paired.
        threshold: -1 pairs as many as there are.

    Returns:
        By ascending row. Where several assignments are equally good it is scipy's choice, as in MinVIS.
    """
    alike = similarity.detach().float().cpu().numpy()
    known = np.isfinite(alike)
    cost = np.where(known, 1 - np.maximum(alike, np.float32(threshold)), np.float32(1 - threshold))
    rows, columns = linear_sum_assignment(cost)
    worth = (known & ((cost < 1 - threshold) | (threshold <= -1)))[rows, columns]
    return list(zip(rows[worth].tolist(), columns[worth].tolist(), strict=True))
