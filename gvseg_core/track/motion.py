"""Where an object that moves steadily will be: a filter of its place and its velocity.

Two things that look alike cannot be told apart by their looks when they pass each other; that each goes on as it went
is all there is to tell them by. An alpha-beta filter (Kalata 1984), whose gains fall with how much of the object is
hidden: the centre of what is left of it lies on the wrong side. The paper has nothing of the kind; its descriptor says
where an object is, not where it goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Place = tuple[float, float]  # x, y in source pixels

_GAIN = 0.5  # share of what a place tells of the velocity that is believed
_FADING = 0.9  # share of the velocity that is left after each frame out of sight
_AREA = 0.8  # share of the area known that stays at each look


@dataclass(slots=True)
class Motion:
    """What is known of one object's way; begins where it is first seen."""

    place: Place
    area: float  # of the object when nothing hides it, in pixels
    velocity: Place = (0.0, 0.0)  # pixels a frame

    def expected(self, frames: float) -> Place:
        """Where it will be after so many frames."""
        return self.place[0] + frames * self.velocity[0], self.place[1] + frames * self.velocity[1]

    def seen(self, place: Place, area: float, frames: int) -> None:
        """It was seen, so many frames after the last look."""
        shown = min(area / self.area, 1.0) ** 2
        expected = self.expected(frames)
        moved = (place[0] - self.place[0]) / frames, (place[1] - self.place[1]) / frames
        self.place = _between(expected, place, shown)
        self.velocity = _between(self.velocity, moved, _GAIN * shown)
        self.area += (1 - _AREA) * (area - self.area)

    def hidden(self, frames: int) -> None:
        """It was looked for, and not seen."""
        self.place = self.expected(frames)
        fading = _FADING**frames
        self.velocity = self.velocity[0] * fading, self.velocity[1] * fading


def gone_on(motion: Motion | None, way: Tensor | None, num_frames: int) -> Motion | None:
    """What is known after one more clip.

    Args:
        motion: what was known before, if anything.
        way: (T, 3) x, y, area on each of its frames, area 0 where it was not seen; None where it was not found at all.
        num_frames: T.
    """
    shown = [] if way is None else way[:, 2].nonzero()[:, 0].tolist()
    if way is None or not shown:
        if motion is not None:
            motion.hidden(num_frames)
        return motion
    last = shown[-1]
    x, y, area = way[last].tolist()
    if motion is None:
        motion = Motion((x, y), area)
    else:
        motion.seen((x, y), area, last + 1)
    if last + 1 < num_frames:
        motion.hidden(num_frames - last - 1)
    return motion


def nearness(motions: Sequence[Motion | None], seen: Tensor) -> Tensor:
    """How near things are to where objects should be by now.

    Args:
        motions: of M objects; None where nothing is known of its way.
        seen: (N, T, 3) x, y, area of things on the frames of the next clip, area 0 where they are not.

    Returns:
        (M, N) in [0, 1]: a normal curve over the distance on the first frame that shows the thing, as wide as the disc
        that is as large as the larger of the two; 0 where either is unknown.
    """
    first = (seen[:, :, 2] > 0).float().argmax(1)
    x, y, area = seen[torch.arange(len(seen)), first].unbind(-1)
    unknown = Motion((math.nan, math.nan), math.nan)
    known = [unknown if motion is None else motion for motion in motions]
    places = torch.tensor([motion.place for motion in known]).view(-1, 2)
    steps = torch.tensor([motion.velocity for motion in known]).view(-1, 2)
    areas = torch.tensor([motion.area for motion in known])
    expected = places[:, None] + steps[:, None] * (first + 1)[:, None]
    apart = (expected - torch.stack([x, y], dim=-1)).square().sum(-1)
    squared_radius = torch.maximum(areas[:, None], area) / math.pi
    return (-apart / (2 * squared_radius)).exp().nan_to_num(0.0)


def _between(one: Place, other: Place, share: float) -> Place:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])
