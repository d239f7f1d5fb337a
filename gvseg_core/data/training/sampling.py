"""What sample number k of a run is drawn from: a pure function of the run's seed and k.

So the order of the data is the same however many processes and workers there are, and a run that goes on after a stop
needs nothing but the number of its next step. Nothing here keeps a state that matters: every draw has a generator of
its own, made from the seed and the number of what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio, odd
_BLOCK = 2**16  # samples that are looked at together


def chance(seed: int, *numbers: int) -> np.random.Generator:
    """A generator of its own for whatever `numbers` count (all ≥ 0), unlike that of any other numbers."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=numbers)))


# --- which set, which video ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """Sample `number` of the run is the `turn`-th of its set."""

    number: int
    source: int
    turn: int


class Order:
    """Sets in turn by their weights, and each set's videos in an order shuffled anew every time all have been seen.

    The sets follow a golden-ratio (Weyl) sequence: not only on average but in any stretch of n samples each has its
    share, within two or three samples, so that batches of a mixture are alike.

    Args:
        weights: of each set, more than 0.
        num_videos: of each set, at least 1.
        seed: of the run.
    """

    def __init__(self, weights: Sequence[float], num_videos: Sequence[int], seed: int) -> None:
        shares = np.cumsum(np.array(weights, np.float64) / sum(weights))
        self._bounds = (shares[:-1] * 2.0**64).astype(np.uint64)  # of the sets, on a circle of 2**64
        self._num_videos = tuple(num_videos)
        self._seed = seed
        self._start = int(chance(seed, 0).integers(2**63))
        # Two notes that save time: how often each set had its turn before a sample, and the videos of a set's round.
        self._passed: tuple[int, NDArray[np.int64]] = (0, np.zeros(len(num_videos), np.int64))
        self._shuffled: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def turn(self, number: int) -> Turn:
        """Sample `number`; quick where it is not far behind the last one asked for."""
        at, counts = self._passed
        if number < at:
            at, counts = 0, np.zeros_like(counts)
        for begin in range(at, number, _BLOCK):
            found = self._sources(begin, min(begin + _BLOCK, number))
            counts = counts + np.bincount(found, minlength=len(counts))
        self._passed = number, counts
        source = int(self._sources(number, number + 1)[0])
        return Turn(number, source, int(counts[source]))

    def video(self, source: int, turn: int) -> int:
        """The video that a set gives in its `turn`."""
        round_, place = divmod(turn, self._num_videos[source])
        known = self._shuffled.get(source)
        if known is None or known[0] != round_:
            known = round_, chance(self._seed, 1, source, round_).permutation(self._num_videos[source])
            self._shuffled[source] = known
        return int(known[1][place])

    def _sources(self, begin: int, end: int) -> NDArray[np.int64]:
        points = np.arange(begin, end, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(self._start)  # wraps around
        return np.searchsorted(self._bounds, points, side="right")


# --- which frames -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClipRules:
    """How many frames, and how far apart; all in frames of the set."""

    length: int  # T
    reach: int  # frames of a clip lie at most so far from its middle
    clips: int  # of one video
    near: int  # from the key clip to a near one, at most
    distant: int  # to a distant one, at most, and more than `near`


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """The frames of one clip of a sample."""

    frames: tuple[int, ...]  # T, ascending; short videos repeat some
    is_distant: bool = False  # farther from the key clip than `near`


def draw_clips(
    rng: np.random.Generator, rules: ClipRules, num_frames: int, shown: Sequence[int] | None
) -> tuple[ClipFrames, ...]:
    """The key clip, about a frame that shows something, and others of the same video, near and distant by turns.

    Whether the second clip is near or distant is drawn; where the video is too short for a distant one it is near.

    Args:
        num_frames: of the video, at least 1.
        shown: the frames that show something; None where that is not known.
    """
    worth = np.arange(num_frames) if shown is None else np.asarray(shown)
    key = int(rng.choice(worth))
    clips = [ClipFrames(_around(rng, key, num_frames, rules))]
    wants_distant = bool(rng.integers(2))
    for _ in range(rules.clips - 1):
        far = np.abs(worth - key)
        distant = worth[(far > rules.near) & (far <= rules.distant)]
        near = worth[(far > 0) & (far <= rules.near)]
        others = distant if wants_distant and len(distant) else near
        centre = int(rng.choice(others)) if len(others) else key
        clips.append(ClipFrames(_around(rng, centre, num_frames, rules), abs(centre - key) > rules.near))
        wants_distant = not wants_distant
    return tuple(clips)


def _around(rng: np.random.Generator, key: int, num_frames: int, rules: ClipRules) -> tuple[int, ...]:
    """`key` and T − 1 more of a window about it, which at the ends of the video is moved, not cut.

    Source: Mask2Former-video and DVIS (`dataset_mapper.py`, `select_frames`), which draw the others with replacement;
    here no frame comes twice unless the window is too small.
    """
    width = min(2 * rules.reach + 1, num_frames)
    low = min(max(key - rules.reach, 0), num_frames - width)
    others = np.delete(np.arange(low, low + width), key - low)
    wanted = rules.length - 1
    drawn = rng.choice(others, min(wanted, len(others)), replace=False) if len(others) else others
    repeated = rng.integers(low, low + width, wanted - len(drawn))
    return tuple(sorted([key, *drawn.tolist(), *repeated.tolist()]))
