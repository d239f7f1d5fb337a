"""How numbers stand in a report."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.sinks.report.numbers import bar, is_defined, shown


@pytest.mark.parametrize(
    ("value", "scale", "wanted"),
    [(0.5494, 100, "54.9"), (54.94, 1, "54.9"), (0, 100, "0.0"), (-0.0967, 100, "−9.7"), (1, 100, "100.0")],
)
def test_shares_are_per_cent_with_one_decimal(value: float, scale: float, wanted: str) -> None:
    assert shown(value, scale) == wanted


def test_differences_have_their_sign() -> None:
    assert (shown(0.012, signed=True), shown(-0.012, signed=True)) == ("+1.2", "−1.2")


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, -1.0, None, "54", True])
def test_what_is_not_defined_is_a_dash_and_has_no_bar(value: object) -> None:
    assert not is_defined(value)
    assert shown(value) == "–"
    assert "share" not in bar(value)


@given(st.floats(-10, 10))
def test_a_bar_stays_within_its_ground(value: float) -> None:
    widths = [float(width) for width in re.findall(r'class="share" width="([^"]*)"', bar(value))]
    assert all(0 <= width <= 100 for width in widths)
    assert widths == ([pytest.approx(100 * min(max(value, 0), 1), abs=0.005)] if value != -1 else [])


def test_a_published_value_is_a_line_across_the_bar() -> None:
    assert 'x1="44.00"' in bar(0.5, mark=0.44)
    assert "mark" not in bar(0.5)
