"""Track AP: as TAO's program computes it, match by match and recall by recall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.metrics.track_ap import THRESHOLDS, average_precision, match_tracks


def slow_ap(scores: list[float], right: list[bool], ignored: list[bool], num_true: int) -> float:
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    recalls, precisions = [], []
    tp = fp = 0
    for i in order:
        tp += right[i] and not ignored[i]
        fp += not right[i] and not ignored[i]
        recalls.append(tp / num_true)
        precisions.append(tp / (tp + fp + np.spacing(1)))
    values = []
    for recall in np.linspace(0, 1, 101):
        reached = [i for i, r in enumerate(recalls) if r >= recall]
        values.append(max(precisions[reached[0] :]) if reached else 0.0)
    return float(np.mean(values))


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=8), st.integers(0, 3))
def test_average_precision_is_the_mean_of_the_best_precision_beyond_each_recall(
    found: list[tuple[int, bool, bool]], missed: int
) -> None:
    scores, right, ignored = ([row[i] for row in found] for i in range(3))
    num_true = max(1, sum(right) + missed)
    matched, left = (np.repeat(np.array(flags, bool)[:, None], len(THRESHOLDS), axis=1) for flags in (right, ignored))
    ap = average_precision(np.array(scores, float), matched, left, num_true)
    assert ap == pytest.approx(slow_ap(scores, right, ignored, num_true))  # type: ignore[arg-type]


def test_the_first_takes_the_track_with_which_it_overlaps_most() -> None:
    matched = match_tracks(np.array([[0.6, 0.9], [0.7, 0.95]]))
    assert matched[:, 0].tolist() == [True, True]  # the second takes what is left
    at = int(np.argmin(abs(THRESHOLDS - 0.7)))
    assert matched[:, at + 1].tolist() == [True, False]


def test_of_equal_overlaps_the_last_is_taken() -> None:
    matched = match_tracks(np.array([[0.8, 0.8], [0.9, 0.0]]))
    assert matched[:, 0].tolist() == [True, True]


def test_nothing_found_has_no_precision() -> None:
    nothing = np.empty((0, len(THRESHOLDS)), bool)
    assert average_precision(np.empty(0), nothing, nothing, 3) == 0
    assert match_tracks(np.empty((0, 2))).shape == nothing.shape
