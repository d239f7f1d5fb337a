"""A stream's timestamps as seconds that begin at 0 and only grow (faults: missing, repeated, backward)."""

from __future__ import annotations

from fractions import Fraction

# A step back by more than this is a new beginning (streams joined end to end); less is disorder.
LEAP = Fraction(1)


class Clock:
    """The time of each frame of one stream, exact.

    Good timestamps are kept as they are. One that is missing is put a frame after the last; one that is repeated or
    runs back, a tick after it; after a leap back the rest of the stream follows on from where it was.
    """

    def __init__(self, tick: Fraction, rate: Fraction, *, by_rate: bool = False) -> None:
        """
        Args:
            tick: seconds; the stream's time base.
            rate: frames a second, where timestamps are missing.
            by_rate: the timestamps are not looked at.
        """
        self.tick = tick
        self.rate = rate
        self.origin: Fraction | None = None  # the stream's own time at which ours is 0
        self.num_repaired = 0
        self.num_missing = 0
        self._by_rate = by_rate
        self._last: Fraction | None = None
        self._zero: Fraction | None = None  # as `origin`, but moved by leaps

    def jump(self) -> None:
        """The next frame may lie anywhere, before the last one too; 0 stays where it is."""
        self._last = None

    @property
    def end(self) -> Fraction:
        """Seconds at which the last frame so far ends, all being equally long."""
        return Fraction(0) if self._last is None else self._last + 1 / self.rate

    def time(self, stamp: Fraction | None) -> Fraction:
        """Seconds of the next frame; `stamp` is what the stream says of it, on its own clock."""
        due = self.end
        if stamp is None or self._by_rate:
            self.num_missing += stamp is None
            time = due
        else:
            if self._zero is None:
                self._zero = self.origin = stamp - due
            time = stamp - self._zero
            if self._last is not None and time <= self._last:
                self.num_repaired += 1
                if self._last - time > LEAP:
                    self._zero = stamp - due
                    time = due
                else:
                    time = self._last + self.tick
        self._last = time
        return time
