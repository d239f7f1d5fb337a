"""A stream of frames cut into windows, and a stream of clips into batches: what a network sees at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gvseg_core.types import Clip, Frame


class Window(NamedTuple):
    """Consecutive frames that are decoded jointly."""

    frames: tuple[Frame, ...]
    num_seen: int = 0  # of them, the first ones, which were in the window before as well


def windows(frames: Iterable[Frame], length: int, stride: int | None = None) -> Iterator[Window]:
    """`length` frames at a time, each window `stride` frames after the last; by default none overlap.

    A new size and an exemplar begin a new window, which shares nothing with those before. What is left then, or at the
    end, is a window of its own, with fewer new frames.

    Raises:
        ValueError: a stride below 1, or above the length.
    """
    stride = length if stride is None else stride
    if not 1 <= stride <= length:
        raise ValueError(f"windows of {length} frames, {stride} apart: wanted 1 … {length}")
    held: list[Frame] = []
    num_seen = 0  # of these
    for frame in frames:
        if held and (frame.exemplar is not None or frame.image.shape != held[0].image.shape):
            if len(held) > num_seen:
                yield Window(tuple(held), num_seen)
            held, num_seen = [], 0
        held.append(frame)
        if len(held) == length:
            yield Window(tuple(held), num_seen)
            held = held[stride:]
            num_seen = len(held)
    if len(held) > num_seen:
        yield Window(tuple(held), num_seen)


class Batches:
    """Clips of one size and length, several at a time, in order."""

    def __init__(self, clips: Iterable[Clip], limit: int) -> None:
        self._clips = iter(clips)
        self._limit = limit
        self._waiting: deque[Clip] = deque()

    def take(self) -> list[Clip]:
        """The next ones, at most `limit`; [] when there are no more."""
        batch: list[Clip] = []
        while len(batch) < self._limit:
            clip = self._waiting.popleft() if self._waiting else next(self._clips, None)
            if clip is None:
                break
            if batch and _kind(clip) != _kind(batch[0]):
                self._waiting.appendleft(clip)
                break
            batch.append(clip)
        return batch

    def put_back(self, batch: Sequence[Clip]) -> None:
        """These come again, and from now on all come one by one."""
        self._waiting.extendleft(reversed(batch))
        self._limit = 1


def _kind(clip: Clip) -> tuple[object, ...]:
    return len(clip.frames), clip.padded_size, clip.input_size
