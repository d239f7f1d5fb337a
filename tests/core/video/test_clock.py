"""Timestamps as they come, and times that only grow."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.video.clock import LEAP, Clock

TICK = Fraction(1, 1000)
RATE = Fraction(25)


def times(stamps: list[Fraction | None], *, by_rate: bool = False) -> list[Fraction]:
    clock = Clock(TICK, RATE, by_rate=by_rate)
    return [clock.time(s) for s in stamps]


stamps = st.lists(st.none() | st.integers(-5000, 5000).map(lambda n: n * TICK), max_size=30)


@given(stamps)
def test_times_begin_at_zero_and_only_grow(given_: list[Fraction | None]) -> None:
    found = times(given_)
    assert found[:1] in ([], [0])
    assert all(a < b for a, b in pairwise(found))


@given(st.lists(st.integers(0, 10**9), unique=True, min_size=1).map(sorted))
def test_good_stamps_are_kept_exactly(ticks: list[int]) -> None:
    assert times([t * TICK for t in ticks]) == [(t - ticks[0]) * TICK for t in ticks]


@given(stamps)
def test_by_rate_nothing_but_the_number_counts(given_: list[Fraction | None]) -> None:
    assert times(given_, by_rate=True) == [i / RATE for i in range(len(given_))]


def test_a_repeated_stamp_moves_on_by_a_tick() -> None:
    assert times([Fraction(0), Fraction(1), Fraction(1), Fraction(2)]) == [0, 1, 1 + TICK, 2]


def test_after_a_leap_back_time_goes_on() -> None:
    stamps_ = [Fraction(10), Fraction(12), Fraction(12) - LEAP - 1, Fraction(12) - LEAP]
    assert times(stamps_) == [0, 2, 2 + 1 / RATE, 3 + 1 / RATE]


def test_after_a_jump_any_time_is_good_and_zero_stays() -> None:
    clock = Clock(TICK, RATE)
    assert [clock.time(Fraction(5)), clock.time(Fraction(6))] == [0, 1]
    clock.jump()
    assert (clock.time(Fraction(5)), clock.num_repaired) == (0, 0)


def test_a_missing_stamp_is_a_frame_after_the_last() -> None:
    assert times([None, Fraction(7), None, Fraction(8)]) == [0, 1 / RATE, 2 / RATE, 1 + 1 / RATE]
