"""The best assignment, whatever the numbers are."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.ops.assignment import assign

numbers = st.floats(-1, 1, width=32) | st.just(math.nan) | st.just(math.inf) | st.just(-math.inf)


@st.composite
def matrices(draw: st.DrawFn) -> torch.Tensor:
    rows, columns = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    values = draw(st.lists(numbers, min_size=rows * columns, max_size=rows * columns))
    return torch.tensor(values).reshape(rows, columns)


@given(matrices(), st.floats(-1, 0.9))
def test_no_other_assignment_is_worth_more(similarity: torch.Tensor, threshold: float) -> None:
    def worth(i: int, j: int) -> float:
        value = float(similarity[i, j])
        return max(value - threshold, 0.0) if math.isfinite(value) else 0.0

    pairs = assign(similarity, threshold)
    rows, columns = similarity.shape
    few, many = (range(rows), range(columns)) if rows <= columns else (range(columns), range(rows))
    best = max(
        sum(worth(a, b) if rows <= columns else worth(b, a) for a, b in zip(few, order, strict=True))
        for order in itertools.permutations(many, len(few))
    )
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(math.isfinite(similarity[i, j]) for i, j in pairs)
    assert sum(worth(i, j) for i, j in pairs) == pytest.approx(best, abs=1e-5)


def test_below_the_threshold_there_is_no_pair_and_no_harm_to_others() -> None:
    similarity = torch.tensor([[0.6, 0.5], [0.4, -0.9]])
    assert assign(similarity, -1.0) == [(0, 1), (1, 0)]
    assert assign(similarity, 0.45) == [(0, 0)]


def test_without_a_threshold_all_are_paired() -> None:
    assert len(assign(torch.full((3, 5), -1.0))) == 3
