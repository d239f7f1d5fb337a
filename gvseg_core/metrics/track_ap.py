"""Average precision of tracks: a track is right when it and one of the truth overlap enough over the whole video.

Source: JonathonLuiten/TrackEval, `metrics/track_map.py` (MIT), after TAO's own program. The numbers are the same; only
those over tracks of every size and length are made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

THRESHOLDS: Floats = np.arange(0.5, 0.96, 0.05)
_RECALLS: Floats = np.linspace(0.0, 1.0, 101)
_EPS = float(np.finfo(np.float64).eps)


def match_tracks(overlaps: Floats) -> Flags:
    """Which of the tracks found in a video, the best first, are right.

    Each takes the track of the truth with which it overlaps most, of those that none before it has taken; of equals,
    the last.

    Args:
        overlaps: (M, N) IoU over the video of each track found with each of the truth, all of one class.

    Returns:
        (M, S) at each of `THRESHOLDS`.
    """
    matched = np.zeros((len(overlaps), len(THRESHOLDS)), np.bool_)
    for s, threshold in enumerate(THRESHOLDS):
        free = np.ones(overlaps.shape[1], np.bool_)
        for row, shares in enumerate(overlaps):
            best, choice = min(float(threshold), 1 - 1e-10), -1
            for column in np.flatnonzero(free).tolist():
                if shares[column] >= best - _EPS:
                    best, choice = shares[column], column
            if choice >= 0:
                matched[row, s] = True
                free[choice] = False
    return matched


def average_precision(scores: Floats, matched: Flags, ignored: Flags, num_true: int) -> float:
    """AP of one class, the mean over `THRESHOLDS`, in [0, 1].

    Args:
        scores: (M,) of the tracks found in all videos, in the order of videos; equals keep their order.
        matched: (M, S) which of them are right.
        ignored: (M, S) which count neither way.
        num_true: tracks of the truth, at least one.
    """
    order = np.argsort(-scores, kind="stable")
    right, wrong = (matched & ~ignored)[order].T, (~matched & ~ignored)[order].T
    tp, fp = np.cumsum(right, axis=1), np.cumsum(wrong, axis=1)
    precision = tp / (fp + tp + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    values = []
    for recall, highest in zip(tp / num_true, precision, strict=True):
        at = np.searchsorted(recall, _RECALLS, side="left")
        values.append(np.append(highest, 0.0)[at].mean())
    return float(np.mean(values))
