"""Times as they are written, and the frames they choose."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.errors import UsageError
from gvseg_core.video.selection import Moment, Selection, parse_time


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        ("12.5", "12.5"),
        (".5", "0.5"),
        ("00:00:12.5", "12.5"),
        ("1:02", "62"),
        ("01:00:00", "3600"),
        (0.1, "0.1"),
        (3, "3"),
    ],
)
def test_a_time_is_read_exactly(given_: str | float, seconds: str) -> None:
    assert parse_time(given_) == Moment(seconds=Fraction(seconds))


def test_a_frame_is_written_with_f() -> None:
    assert parse_time("f300") == Moment(frame=300)


@pytest.mark.parametrize("text", ["", "abc", "-1", "1:2:3:4", "f", "f1.5", "1e3", -2.0, float("nan"), float("inf")])
def test_what_is_no_time_is_refused_by_name(text: str | float) -> None:
    with pytest.raises(UsageError, match="is not a time; write seconds"):
        parse_time(text)


@given(st.fractions(0, 10**6))
def test_a_fraction_is_kept(time: Fraction) -> None:
    assert parse_time(time).seconds == time


@pytest.mark.parametrize(("start", "end"), [("5", "4"), ("5", "5"), ("f9", "f3"), (None, "0"), (None, "f0")])
def test_an_end_that_is_not_after_the_start_is_refused(start: str | None, end: str) -> None:
    with pytest.raises(UsageError, match="no frame is chosen: the end"):
        Selection.of(start, end, 1)


def test_a_stride_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="a stride of 0"):
        Selection.of(None, None, 0)


@given(st.integers(0, 50), st.integers(1, 60), st.integers(1, 7), st.integers(0, 60), st.booleans())
def test_the_hint_is_the_count_where_frames_are_evenly_spaced(
    start: int, length: int, stride: int, total: int, by_time: bool
) -> None:
    rate = Fraction(25)
    if by_time:
        chosen = Selection.of(Fraction(start) / rate, Fraction(start + length) / rate, stride)
    else:
        chosen = Selection.of(f"f{start}", f"f{start + length}", stride)
    inside = [i for i in range(total) if chosen.begun(i, i / rate) and not chosen.over(i, i / rate)]
    assert chosen.num_of(total, rate) == len(inside[::stride])
