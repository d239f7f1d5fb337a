"""Which frames of a video are wanted: `--start`, `--end`, `--stride`; and the reading of their times."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from gvseg_core.errors import UsageError

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_CLOCK = re.compile(rf"(?:(?:(\d+):)?(\d+):)?({_NUMBER})")


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in a video: a time in seconds or the number of a frame, one of the two."""

    seconds: Fraction | None = None
    frame: int | None = None

    def reached(self, index: int, time: Fraction) -> bool:
        """Whether the frame `index`, shown at `time`, is this one or a later one."""
        return index >= self.frame if self.frame is not None else time >= (self.seconds or 0)

    def __str__(self) -> str:
        return f"frame {self.frame}" if self.frame is not None else f"{seconds(self.seconds or Fraction(0))} s"


def seconds(time: Fraction) -> str:
    """`time` for people: milliseconds at most, no zeros at the end."""
    return f"{float(time):.3f}".rstrip("0").rstrip(".")


def parse_time(given: str | float | Fraction) -> Moment:
    """`12.5` (seconds), `00:00:12.5` or `01:02.5` (hours, minutes, seconds), or `f300` (frame 300, counted from 0).

    Raises:
        UsageError: none of these forms.
    """
    if not isinstance(given, str) and math.isfinite(given) and given >= 0:
        return Moment(seconds=Fraction(str(given)))
    text = str(given).strip()
    if re.fullmatch(r"[fF]\d+", text):
        return Moment(frame=int(text[1:]))
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise UsageError(f"{given!r} is not a time; write seconds (12.5), a clock (00:00:12.5) or a frame (f300)")
    hours, minutes, rest = match.groups()
    return Moment(seconds=Fraction(int(hours or 0) * 3600 + int(minutes or 0) * 60) + Fraction(rest))


@dataclass(frozen=True, slots=True)
class Selection:
    """The frames from `start` on, before `end`, and of those every `stride`-th."""

    start: Moment = Moment(frame=0)
    end: Moment | None = None
    stride: int = 1

    @staticmethod
    def of(start: str | float | Fraction | None, end: str | float | Fraction | None, stride: int) -> Selection:
        """A selection from what the user wrote.

        Raises:
            UsageError: not a time, an end that is not after the start, a stride below 1.
        """
        if stride < 1:
            raise UsageError(f"a stride of {stride}: wanted 1 or more")
        first = Moment(frame=0) if start is None else parse_time(start)
        last = None if end is None else parse_time(end)
        reversed_ = last and (_after(first.seconds, last.seconds) or _after(first.frame, last.frame))
        if reversed_ or (last and last.reached(0, Fraction(0))):
            raise UsageError(f"no frame is chosen: the end ({last}) is not after the start ({first})")
        return Selection(first, last, stride)

    def __str__(self) -> str:
        return f"the start is {self.start}" + (f", the end {self.end}" if self.end else "")

    def begun(self, index: int, time: Fraction) -> bool:
        """Whether the start is reached."""
        return self.start.reached(index, time)

    def over(self, index: int, time: Fraction) -> bool:
        """Whether the end is reached."""
        return self.end is not None and self.end.reached(index, time)

    def num_of(self, num_frames: int, rate: Fraction) -> int:
        """How many of `num_frames` are wanted, were they evenly spaced at `rate` a second."""
        first = _frame_at(self.start, rate)
        last = num_frames if self.end is None else min(num_frames, _frame_at(self.end, rate))
        return max(0, ceil((last - first) / self.stride))


def _frame_at(moment: Moment, rate: Fraction) -> int:
    return moment.frame if moment.frame is not None else ceil((moment.seconds or 0) * rate)


def _after(first: Fraction | int | None, last: Fraction | int | None) -> bool:
    return first is not None and last is not None and first >= last
