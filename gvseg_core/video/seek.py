"""Jumping to a far start without decoding what lies before it, and still knowing each frame's number."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from math import ceil

import av.error

from gvseg_core.video.container import OpenContainer
from gvseg_core.video.selection import Moment

# A start no further than this is reached by decoding: that takes a moment, and is right whatever the file.
NEAR = Moment(frame=250), Moment(seconds=Fraction(10))

_REORDERED = 16  # frames that may be decoded before one that is shown before them (H.264 and H.265 allow so many)


def is_far(start: Moment) -> bool:
    """Whether jumping pays."""
    frames, time = NEAR
    return (start.frame or 0) > (frames.frame or 0) or (start.seconds or 0) > (time.seconds or 0)


def jump(container: OpenContainer, start: Moment, origin: Fraction) -> int | None:
    """Go to a key frame at or before `start`; the number of the first frame that decoding will now give.

    The packets up to `start` are read, not decoded: in order of their time stamps they are the frames. Where that is
    not sure (stamps missing or repeated, a key frame that is not where it should be) the answer is None, and the
    container has to be opened again.

    Args:
        origin: `VideoInfo.origin`.
    """
    tick = container.stream.time_base or Fraction(1)
    stamps = _stamps_until(container, start, origin, tick)
    if stamps is None:
        return None
    target = start.frame
    if target is None:
        target = bisect_left(stamps, ceil(((start.seconds or 0) + origin) / tick))
    if target >= len(stamps):
        return None
    try:
        container.seek(stamps[target])
        landed = _first_stamp(container)
        if landed is None or landed > stamps[target]:
            return None
        number = bisect_left(stamps, landed)
        container.seek(stamps[target])
    except av.error.FFmpegError:
        return None
    container.num_packets = number
    return number if stamps[number] == landed else None


def _stamps_until(container: OpenContainer, start: Moment, origin: Fraction, tick: Fraction) -> list[int] | None:
    """The time stamps of the frames up to `start` and some beyond it, ascending."""
    container.seek(container.stream.start_time or 0)
    stamps: list[int] = []
    num_beyond = 0
    for packet in container.packets():
        if packet.is_discard:
            continue
        if packet.pts is None:
            return None
        num_beyond += start.reached(len(stamps), packet.pts * tick - origin)
        stamps.append(packet.pts)
        if num_beyond > 2 * _REORDERED:  # packets come in the order of decoding; none from before the start is left
            break
    return sorted(stamps) if len(set(stamps)) == len(stamps) else None


def _first_stamp(container: OpenContainer) -> int | None:
    for packet in container.packets():
        for frame in container.stream.decode(packet):
            return frame.pts
    return None
