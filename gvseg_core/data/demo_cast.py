"""The demo's cast: what each object looks like, and where it is at any time.

The cast plays the roles of `ROLES` in turn, so that from five objects on every hard moment of video segmentation
happens once in every cycle: leaving the frame and returning, passing behind the tower, two look-alikes crossing; and,
once in a video, appearing in the middle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gvseg_core.data.demo_chance import Dice, Floats, swing
from gvseg_core.data.demo_shapes import PATTERNS, SHAPES, Color, Pose
from gvseg_core.types import Size

PAINTS: tuple[Color, ...] = (
    (240, 84, 84),  # coral
    (255, 184, 56),  # sunflower
    (34, 168, 150),  # teal
    (124, 92, 230),  # violet
    (240, 108, 172),  # pink
    (252, 132, 52),  # orange
    (58, 84, 190),  # cobalt
    (132, 186, 44),  # lime
)
TOWER_DEPTH = 0.5  # of 0 near … 1 far


@dataclass(frozen=True, slots=True)
class Path:
    """A smooth way through the frame: a place, and a swing about it in x and in y."""

    centre: tuple[float, float]  # pixels
    reach: tuple[float, float]  # pixels either way
    pace: tuple[float, float] = (1.0, 1.0)  # swings in a cycle
    phase: tuple[float, float] = (0.0, 0.0)  # turns
    birth: float = -1.0  # cycles after the start

    def at(self, t: float) -> tuple[float, float]:
        """x, y in pixels after `t` cycles."""
        (x, y), (a, b), (p, q), (f, g) = self.centre, self.reach, self.pace, self.phase
        return x + a * swing(p * t + f), y + b * swing(q * t + g)


@dataclass(frozen=True, slots=True)
class Actor:
    """One object for the whole video."""

    number: int  # from 1
    class_id: int  # place in `SHAPES`
    pattern: str
    color: Color
    radius: float  # pixels
    depth: float  # 0 near … 1 far
    path: Path
    turn: tuple[float, float]  # angle at the start, and turns in a cycle
    pulse: float  # share by which its size swells and shrinks

    def pose(self, t: float) -> Pose | None:
        """Where it is after `t` cycles; None before it appears, which it does by growing for a tenth of a cycle."""
        age = (t - self.path.birth) * 10
        if age <= 0:
            return None
        x, y = self.path.at(t)
        start, rate = self.turn
        radius = self.radius * min(1.0, age) * (1 + self.pulse * swing(0.8 * t + start))
        return Pose(x, y, max(radius, 0.5), swing(start + rate * t + 0.25), swing(start + rate * t))

    @property
    def appearance(self) -> Floats:
        """(15,) unit vector of class, pattern and colour, as a perfect network might see it; equal for look-alikes."""
        shape = np.eye(len(SHAPES), dtype=np.float32)[self.class_id]
        pattern = np.eye(len(PATTERNS), dtype=np.float32)[list(PATTERNS).index(self.pattern)]
        color = np.asarray(self.color, dtype=np.float32) / np.float32(127.5) - 1
        vector = np.concatenate([shape, pattern, color])
        return np.asarray(vector / np.sqrt(sum(vector * vector)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where paths are laid out."""

    size: Size
    tower: tuple[float, float]  # x, y in pixels of the tower's middle

    @property
    def unit(self) -> float:
        """The shorter side, in pixels."""
        return float(min(self.size))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A place given in shares of width and height, in pixels."""
        return x * self.size[1], y * self.size[0]


def leaves(stage: Stage, dice: Dice) -> Path:
    """Out of the frame at one side for a quarter of each cycle, and back in."""
    x, side = (0.72, 1) if dice.below(2) else (0.28, -1)
    reach = side * 0.6 * stage.size[1], 0.06 * stage.unit
    return Path(stage.place(x, dice.uniform(0.25, 0.75)), reach, phase=(-0.25, dice.uniform(0, 1)))


def hides(stage: Stage, dice: Dice) -> Path:
    """To and fro behind the tower, slowly enough to be wholly hidden for a while."""
    side = 1 if dice.below(2) else -1
    return Path(stage.tower, (side * 0.35 * stage.unit, 0.05 * stage.unit), phase=(-0.25, dice.uniform(0, 1)))


def arrives(stage: Stage, dice: Dice) -> Path:
    """Not there at first."""
    return replace(wanders(stage, dice), birth=dice.uniform(0.25, 0.4))


def meets(stage: Stage, dice: Dice) -> Path:
    """Over a stretch of the frame, which another will cross the other way."""
    centre = stage.place(0.23 if dice.below(2) else 0.77, dice.uniform(0.35, 0.7))
    return Path(centre, (0.15 * stage.size[1], 0.04 * stage.unit), phase=(-0.2, dice.uniform(0, 1)))


def wanders(stage: Stage, dice: Dice) -> Path:
    """Round and about, mostly in sight."""
    centre = stage.place(dice.uniform(0.15, 0.85), dice.uniform(0.22, 0.78))
    reach = dice.uniform(0.1, 0.25) * stage.size[1], dice.uniform(0.08, 0.2) * stage.size[0]
    pace = dice.uniform(0.6, 1.1), dice.uniform(0.6, 1.1)
    return Path(centre, reach, pace, (dice.uniform(0, 1), dice.uniform(0, 1)))


Role = Callable[[Stage, Dice], Path]
ROLES: tuple[Role | None, ...] = (leaves, hides, arrives, meets, None, wanders, wanders, wanders)
"""In the order of the cast, over and over; None is the look-alike of the one before, on its path the other way."""


def make_cast(stage: Stage, num_objects: int, dice: Dice) -> tuple[Actor, ...]:
    """Everyone in the video.

    Args:
        stage: where they move.
        num_objects: how many; with more than ten each is smaller.
        dice: decides all else.
    """
    small = min(1.0, (10 / num_objects) ** 0.5)
    shapes, paints = dice.shuffled(range(len(SHAPES))), dice.shuffled(PAINTS)
    cast: list[Actor] = []
    for i in range(num_objects):
        role = ROLES[i % len(ROLES)]
        depth, turn = dice.uniform(0, 1), (dice.uniform(0, 1), dice.uniform(0.25, 0.8) * (2 * dice.below(2) - 1))
        if role is None:
            path = cast[-1].path
            other_way = replace(path, phase=(path.phase[0] + 0.5, dice.uniform(0, 1)))
            cast.append(replace(cast[-1], number=i + 1, depth=depth, turn=turn, path=other_way))
            continue
        hidden = role is hides
        cast.append(
            Actor(
                number=i + 1,
                class_id=shapes[i % len(shapes)],
                pattern=dice.shuffled(list(PATTERNS))[0],
                color=paints[(i + i // len(ROLES)) % len(paints)],
                radius=stage.unit * (0.07 if hidden else dice.uniform(0.09, 0.125)) * small,
                depth=TOWER_DEPTH + depth / 2 if hidden else depth,
                path=role(stage, dice),
                turn=turn,
                pulse=0.0 if hidden else dice.uniform(0.05, 0.15),
            )
        )
    return tuple(cast)
