"""Numbers as people in the field print them: shares in per cent with one decimal, what is not defined as a dash."""

from __future__ import annotations

import math
from typing import TypeGuard

from gvseg_core.sinks.report.markup import Html, tag

DASH = "–"


def is_defined(value: object) -> TypeGuard[float]:
    """Whether it is a number; COCO's evaluators say -1 where others say NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value != -1


def shown(value: object, scale: float = 100.0, *, signed: bool = False) -> str:
    """A value times `scale`, with one decimal."""
    if not is_defined(value):
        return DASH
    number = f"{value * scale:+.1f}" if signed else f"{value * scale:.1f}"
    return number.replace("-", "−")


def bar(value: object, scale: float = 100.0, mark: float | None = None) -> Html:
    """A bar from 0 to 100 for a value times `scale`.

    Args:
        mark: another value, as a line across.
    """
    parts = [tag("rect", class_="ground", width="100", height="10")]
    if is_defined(value):
        parts.append(tag("rect", class_="share", width=f"{_clipped(value * scale):.2f}", height="10"))
    if is_defined(mark):
        x = f"{_clipped(mark * scale):.2f}"
        parts.append(tag("line", class_="mark", x1=x, x2=x, y1="0", y2="10"))
    return tag("svg", parts, class_="bar", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def _clipped(number: float) -> float:
    return min(max(number, 0.0), 100.0)
