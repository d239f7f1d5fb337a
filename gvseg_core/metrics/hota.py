"""HOTA: how well objects are detected and, once detected, kept apart over time.

Source: JonathonLuiten/TrackEval, `metrics/hota.py` (MIT; Luiten et al., IJCV 2021), as BURST-benchmark has it. The
numbers are the same. How we differ:

- All frames of a video are worked on at once, and all its classes: what two classes have in common is nothing.
- Where the best partner of each object is nobody else's, no assignment has to be solved, and small ones are solved by
  trying. SciPy is loaded for large ones, and to say which of two that are equally good is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

ALPHAS: Floats = np.arange(0.05, 0.99, 0.05)  # how similar a detection must be to count
COUNTS = ("TP", "FN", "FP")
SUMS = ("AssA", "AssRe", "AssPr", "LocA")
_EPS = float(np.finfo(np.float64).eps)
_FEW = 5  # rows or columns of an assignment that is found by trying
_DRAW = 1e-12  # scores that differ by less may be equal but for rounding


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is there and what was found in one video, T frames, as tracks: N and M of them.

    A track is of one group (class, say), and only tracks of one group can match. Which place a track has among those of
    its frame decides where two assignments are equally good, and nowhere else.
    """

    true: Ints  # (T, N) the place of each track of the truth, from 1; 0 where it is not
    found: Ints  # (T, M)
    true_group: Ints  # (N,)
    found_group: Ints  # (M,)
    similarity: Floats  # (T, N, M) in [0, 1]; 0 where either is not, or groups differ

    def pick(self, frames: Flags, true: Flags) -> Pairs:
        """Some frames, and some tracks of the truth."""
        return Pairs(
            self.true[frames][:, true],
            self.found[frames],
            self.true_group[true],
            self.found_group,
            self.similarity[frames][:, true],
        )

    def without(self, removed: Flags) -> Pairs:
        """Less some detections, (T, M)."""
        similarity = np.where(removed[:, None], 0.0, self.similarity)
        found = np.where(removed, 0, self.found)
        return Pairs(self.true, found, self.true_group, self.found_group, similarity)


def hota_counts(pairs: Pairs, groups: Ints) -> tuple[Ints, Floats]:
    """All that HOTA needs of one video.

    Args:
        groups: (C,) those that are asked for.

    Returns:
        (C, 3, A) `COUNTS` at each of `ALPHAS`; (C, 4, A) `SUMS`: association, its recall and precision, and
        similarity, over all true positives. Both may be added up over videos.
    """
    matches = _matches(pairs)
    num_true, num_found = (pairs.true > 0).sum(0), (pairs.found > 0).sum(0)
    close = matches.similarity[:, None] >= ALPHAS - _EPS  # (P, A)
    shape = len(ALPHAS), *pairs.similarity.shape[1:]
    times = np.zeros(shape)  # how often two tracks met
    alpha, at = np.nonzero(close.T)
    np.add.at(times, (alpha, matches.true[at], matches.found[at]), 1)
    association = (
        times / np.maximum(1, num_true[:, None] + num_found - times),
        times / np.maximum(1, num_true[:, None]),
        times / np.maximum(1, num_found),
    )
    per_track = np.stack([(times * share).sum(2).T for share in association], axis=1)  # (N, 3, A)
    location = np.where(close, matches.similarity[:, None], 0.0)
    counts = np.empty((len(groups), 3, len(ALPHAS)), np.int64)
    sums = np.empty((len(groups), 4, len(ALPHAS)))
    for i, group in enumerate(groups):
        mine = pairs.true_group == group
        pair = mine[matches.true]
        tp = close[pair].sum(0)
        counts[i] = tp, num_true[mine].sum() - tp, num_found[pairs.found_group == group].sum() - tp
        sums[i] = *per_track[mine].sum(0), location[pair].sum(0)
    return counts, sums


def hota_scores(counts: Ints, sums: Floats) -> dict[str, Floats]:
    """HOTA and its parts at each of `ALPHAS`, in [0, 1], from counts (3, A) and sums (4, A)."""
    tp, fn, fp = counts
    ass_a, ass_re, ass_pr = sums[:3] / np.maximum(1, tp)
    det_re, det_pr, det_a = tp / np.maximum(1, tp + fn), tp / np.maximum(1, tp + fp), tp / np.maximum(1, tp + fn + fp)
    return {
        "HOTA": np.sqrt(det_a * ass_a),
        "DetA": det_a,
        "AssA": ass_a,
        "DetRe": det_re,
        "DetPr": det_pr,
        "AssRe": ass_re,
        "AssPr": ass_pr,
        "LocA": np.maximum(1e-10, sums[3]) / np.maximum(1e-10, tp),
        "OWTA": np.sqrt(det_re * ass_a),
    }


def unmatched(pairs: Pairs, least: float) -> Flags:
    """(T, M) detections that stay alone when each frame is matched for the greatest similarity of at least `least`."""
    similarity = np.where(pairs.similarity >= least - _EPS, pairs.similarity, 0.0)
    alone = pairs.found > 0
    matches = _assign(similarity, pairs, similarity)
    alone[matches.frame, matches.found] = False
    return alone


@dataclass(frozen=True, slots=True)
class _Matches:
    """P pairs of detections on one frame each."""

    frame: Ints  # (P,)
    true: Ints  # (P,) row of its track
    found: Ints  # (P,)
    similarity: Floats  # (P,) above 0


def _matches(pairs: Pairs) -> _Matches:
    """Detections matched frame by frame, so that tracks that go together over the whole video come together."""
    similarity = pairs.similarity
    either = similarity.sum(1)[:, None, :] + similarity.sum(2)[:, :, None] - similarity
    shared = np.divide(similarity, either, out=np.zeros_like(similarity), where=either > _EPS).sum(0)  # (N, M)
    together = (pairs.true > 0).sum(0)[:, None] + (pairs.found > 0).sum(0) - shared
    alignment = np.divide(shared, together, out=np.zeros_like(shared), where=together > 0)
    return _assign(alignment * similarity, pairs, similarity)


def _assign(scores: Floats, pairs: Pairs, similarity: Floats) -> _Matches:
    """The assignment of greatest score on each frame; pairs without any score are left out.

    Where each row has one best column, which is no other row's best, no assignment can score more, and none as much.
    """
    if not scores.size:
        nothing = np.empty(0, np.int64)
        return _Matches(nothing, nothing, nothing, np.empty(0))
    best = scores.max(2)  # (T, N)
    chosen = (scores == best[:, :, None]) & (best > 0)[:, :, None]
    contested = (chosen.sum(2) > 1).any(1) | (chosen.sum(1) > 1).any(1)
    for t in np.flatnonzero(contested):
        chosen[t] = _solve(scores[t], pairs, t)
    frame, true, found = np.nonzero(chosen)
    return _Matches(frame, true, found, similarity[frame, true, found])


def _solve(scores: Floats, pairs: Pairs, t: Any) -> Flags:
    """(N, M) one frame's assignment, each group by itself."""
    chosen = np.zeros(scores.shape, np.bool_)
    for group in np.unique(pairs.true_group[pairs.true[t] > 0]):
        rows = _in_place(pairs.true[t], pairs.true_group == group)
        columns = _in_place(pairs.found[t], pairs.found_group == group)
        block = scores[np.ix_(rows, columns)]
        matched = _best_of_few(block)
        if matched is None:
            from scipy.optimize import linear_sum_assignment  # takes longer to load than a set takes to score

            matched = np.zeros(block.shape, np.bool_)
            matched[linear_sum_assignment(-block)] = True
        chosen[np.ix_(rows, columns)] = matched & (block > 0)
    return chosen


def _best_of_few(scores: Floats) -> Flags | None:
    """The assignment of greatest score, found by trying all; None where those are many, or another scores as much, so
    that the official solver must say which it takes."""
    if max(scores.shape, default=0) > _FEW:
        return None
    if scores.shape[0] > scores.shape[1]:
        flipped = _best_of_few(scores.T)
        return None if flipped is None else flipped.T
    rows = scores.tolist()
    totals: dict[tuple[tuple[int, int], ...], float] = {}
    for columns in permutations(range(scores.shape[1]), scores.shape[0]):
        matched = tuple((row, column) for row, column in enumerate(columns) if rows[row][column] > 0)
        totals[matched] = sum(rows[row][column] for row, column in matched)
    best = max(totals, key=totals.__getitem__)
    if any(totals[best] - total < _DRAW for matched, total in totals.items() if matched != best):
        return None
    chosen = np.zeros(scores.shape, np.bool_)
    for row, column in best:
        chosen[row, column] = True
    return chosen


def _in_place(places: Ints, those: Flags) -> Ints:
    """Rows of those of some tracks that are on a frame, in its order."""
    rows = np.flatnonzero(those & (places > 0))
    return rows[np.argsort(places[rows], kind="stable")]
