"""HOTA: as TrackEval computes it, one frame, one class and one threshold at a time."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from gvseg_core.metrics import hota
from gvseg_core.metrics.hota import ALPHAS, Pairs, hota_counts, hota_scores, unmatched

Floats = NDArray[np.float64]


@st.composite
def videos(draw: st.DrawFn, most: int = 4, groups: int = 2) -> Pairs:
    """Tracks that come and go; similarities are coarse, so that some are equal."""
    frames, num_true, num_found = draw(st.integers(1, 5)), draw(st.integers(0, most)), draw(st.integers(0, most))
    chance = np.random.default_rng(draw(st.integers(0, 2**16)))
    true_group, found_group = chance.integers(0, groups, num_true), chance.integers(0, groups, num_found)
    places = []
    for num in (num_true, num_found):
        order = np.argsort(chance.random((frames, num)), axis=1) + 1
        places.append(np.where(chance.random((frames, num)) < 0.8, order, 0))
    similarity = chance.integers(0, 6, (frames, num_true, num_found)) / 5 * draw(st.sampled_from([1.0, 0.999]))
    similarity *= (places[0] > 0)[:, :, None] * (places[1] > 0)[:, None] * (true_group[:, None] == found_group)
    if draw(st.booleans()):
        similarity *= chance.uniform(0.9, 1, similarity.shape)
    return Pairs(places[0], places[1], true_group, found_group, similarity)


def slow(pairs: Pairs, group: int) -> tuple[Floats, Floats]:
    """(3, A) TP, FN, FP, and (4, A) sums over true positives, as TrackEval's `eval_sequence` has them."""
    true = [i for i, g in enumerate(pairs.true_group) if g == group]
    found = [i for i, g in enumerate(pairs.found_group) if g == group]
    frames = []
    for t in range(len(pairs.true)):
        rows = sorted((i for i in true if pairs.true[t, i]), key=lambda i: pairs.true[t, i])
        columns = sorted((i for i in found if pairs.found[t, i]), key=lambda i: pairs.found[t, i])
        frames.append((rows, columns, pairs.similarity[t][np.ix_(rows, columns)]))
    potential = np.zeros(pairs.similarity.shape[1:])
    for rows, columns, similarity in frames:
        either = similarity.sum(0)[None] + similarity.sum(1)[:, None] - similarity
        potential[np.ix_(rows, columns)] += np.where(either > 1e-15, similarity / np.maximum(either, 1e-300), 0)
    num_true = np.array([sum(i in rows for rows, _, _ in frames) for i in range(potential.shape[0])])
    num_found = np.array([sum(i in columns for _, columns, _ in frames) for i in range(potential.shape[1])])
    alignment = potential / np.maximum(1e-300, num_true[:, None] + num_found - potential)
    counts, sums = np.zeros((3, len(ALPHAS))), np.zeros((4, len(ALPHAS)))
    for a, alpha in enumerate(ALPHAS):
        times = np.zeros_like(potential)
        for rows, columns, similarity in frames:
            matched = linear_sum_assignment(-alignment[np.ix_(rows, columns)] * similarity)
            close = [(r, c) for r, c in zip(*matched, strict=True) if similarity[r, c] >= alpha - 2.3e-16]
            counts[:, a] += len(close), len(rows) - len(close), len(columns) - len(close)
            for r, c in close:
                times[rows[r], columns[c]] += 1
                sums[3, a] += similarity[r, c]
        sums[0, a] = (times**2 / np.maximum(1, num_true[:, None] + num_found - times)).sum()
        sums[1, a] = (times**2 / np.maximum(1, num_true[:, None])).sum()
        sums[2, a] = (times**2 / np.maximum(1, num_found)).sum()
    return counts, sums


@settings(max_examples=200)
@given(videos())
def test_counts_are_those_of_the_official_program(pairs: Pairs) -> None:
    counts, sums = hota_counts(pairs, np.array([0, 1]))
    for group in (0, 1):
        wanted_counts, wanted_sums = slow(pairs, group)
        assert counts[group] == pytest.approx(wanted_counts)
        assert sums[group] == pytest.approx(wanted_sums, abs=1e-9)


@settings(max_examples=20)
@given(videos(most=9, groups=1))
def test_many_objects_are_assigned_by_the_official_solver(pairs: Pairs) -> None:
    counts, sums = hota_counts(pairs, np.array([0]))
    assert counts[0] == pytest.approx(slow(pairs, 0)[0])
    assert sums[0] == pytest.approx(slow(pairs, 0)[1], abs=1e-9)


@given(videos())
def test_the_truth_is_perfect(pairs: Pairs) -> None:
    here = pairs.true > 0
    same = np.eye(here.shape[1]) * here[:, :, None] * here[:, None]
    counts, sums = hota_counts(
        Pairs(pairs.true, pairs.true, *(pairs.true_group,) * 2, same), np.unique(pairs.true_group)
    )
    for count, total in zip(counts, sums, strict=True):
        scores = hota_scores(count, total)
        assert count[1:].sum() == 0
        assert all(values == pytest.approx(1) for values in scores.values()) or count[0].sum() == 0


@settings(max_examples=20)
@given(videos(), st.integers(0, 99))
def test_which_row_a_track_has_does_not_matter(pairs: Pairs, seed: int) -> None:
    chance = np.random.default_rng(seed)
    rows, columns = (chance.permutation(n) for n in pairs.similarity.shape[1:])
    moved = Pairs(
        pairs.true[:, rows],
        pairs.found[:, columns],
        pairs.true_group[rows],
        pairs.found_group[columns],
        pairs.similarity[:, rows][:, :, columns],
    )
    for one, other in zip(hota_counts(pairs, np.arange(2)), hota_counts(moved, np.arange(2)), strict=True):
        assert one == pytest.approx(other)


@given(st.integers(0, 9999), st.integers(1, 4), st.integers(1, 4))
def test_an_assignment_found_by_trying_is_the_best_there_is(seed: int, rows: int, columns: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 5, (rows, columns)) / 4
    found = hota._best_of_few(scores)
    tall = scores if rows <= columns else scores.T
    best = max(sum(tall[r, c] for r, c in enumerate(some)) for some in permutations(range(tall.shape[1]), len(tall)))
    if found is not None:
        assert scores[found].sum() == best
        assert found.sum(0).max(initial=0) <= 1
        assert found.sum(1).max(initial=0) <= 1


def test_a_draw_is_left_to_the_official_solver() -> None:
    assert hota._best_of_few(np.ones((2, 2))) is None
    assert hota._best_of_few(np.array([[1.0, 0.5], [0.9, 0.0]])) is not None


def test_nothing_found_leaves_everything_missed() -> None:
    there = Pairs(
        np.ones((3, 1), np.int64),
        np.zeros((3, 0), np.int64),
        np.zeros(1, np.int64),
        np.zeros(0, np.int64),
        np.zeros((3, 1, 0)),
    )
    (counts,), (sums,) = hota_counts(there, np.array([0]))
    assert counts[:, 0].tolist() == [0, 3, 0]
    scores = hota_scores(counts, sums)
    assert scores["HOTA"].sum() == 0
    assert scores["LocA"].tolist() == [1] * len(ALPHAS)


def test_a_detection_is_alone_below_the_least_similarity() -> None:
    pairs = Pairs(
        np.array([[1]]), np.array([[1, 2]]), np.zeros(1, np.int64), np.zeros(2, np.int64), np.array([[[0.49, 0.5]]])
    )
    assert unmatched(pairs, 0.5).tolist() == [[True, False]]
    assert unmatched(pairs, 0.6).tolist() == [[True, True]]
