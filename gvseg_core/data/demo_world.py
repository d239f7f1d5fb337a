"""The demo's world: a landscape and its cast, drawn frame by frame with the truth about every pixel.

A frame is a pure function of the world's arguments and the frame's index: a world costs the same memory however long
it is, and is the same to the last bit on any machine (`demo_chance` says how).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gvseg_core.data.demo_cast import PAINTS, TOWER_DEPTH, Actor, Stage, make_cast
from gvseg_core.data.demo_chance import Dice, Floats, swing
from gvseg_core.data.demo_scenery import STUFF, Scenery, paint_scenery
from gvseg_core.data.demo_shapes import SHAPES, TEXELS, Labels, Picture, draw, paper
from gvseg_core.types import ClassInfo, Size, Vocabulary

DEMO_VOCABULARY = Vocabulary(
    "demo",
    tuple(
        ClassInfo(name, color, is_thing=i < len(SHAPES), dataset_id=i + 1)
        for i, (name, color) in enumerate([*zip(SHAPES, PAINTS, strict=True), *STUFF.items()])
    ),
)

FIRST_OBJECT = len(DEMO_VOCABULARY)  # pixel labels above it are objects: the label less it is the object's number

MIN_CYCLE, MAX_CYCLE = 40, 150  # frames in which every event happens once: the whole of a short video
CAMERA_PERIOD = 300  # frames in which the camera swings there and back


@dataclass(frozen=True, slots=True)
class ObjectState:
    """What is true of one object on one frame, whether or not it is in sight."""

    track_id: int  # 1, 2, … as in the truth for vis and evs
    class_id: int
    depth: float  # 0 near … 1 far; who is nearer hides who is farther
    centre: tuple[float, float]  # x, y in pixels; may lie outside the frame
    radius: float  # pixels
    appearance: Floats  # (15,) unit vector; equal for look-alikes


def landscape(size: Size, seed: int) -> Scenery:
    """What the world of a seed plays in."""
    stuff_labels = {c.name: i + 1 for i, c in enumerate(DEMO_VOCABULARY.classes) if not c.is_thing}
    return paint_scenery(size, Dice(seed, 1), stuff_labels)


class World:
    """A landscape and its cast.

    Args:
        size: (H, W) of the frames, in pixels.
        num_frames: the video's length; a short one has its events in quicker succession.
        num_objects: how many objects.
        seed: equal arguments give equal worlds.
        scenery: a landscape of that size to play in, not the seed's own: painting one takes longer than 30 frames.
    """

    def __init__(
        self, size: Size, num_frames: int, num_objects: int, seed: int, scenery: Scenery | None = None
    ) -> None:
        self.size = size
        self.cycle = min(max(num_frames, MIN_CYCLE), MAX_CYCLE)
        self.scenery = scenery if scenery is not None else landscape(size, seed)
        self.cast = make_cast(Stage(size, self.scenery.tower_centre), num_objects, Dice(seed, 2))
        grain = Dice(seed, 3).array(TEXELS, TEXELS)
        self._sheets = {a.number: paper(a.pattern, a.color, grain) for a in self.cast}

    @cached_property
    def _from_the_back(self) -> list[Actor]:
        return sorted(self.cast, key=lambda actor: -actor.depth)

    def states(self, index: int) -> tuple[ObjectState, ...]:
        """Every object that has appeared by frame `index`, in the order of their ids."""
        posed = [(actor, actor.pose(index / self.cycle)) for actor in self.cast]
        return tuple(
            ObjectState(a.number, a.class_id, a.depth, (pose.x, pose.y), pose.radius, a.appearance)
            for a, pose in posed
            if pose is not None
        )

    def render(self, index: int) -> tuple[Picture, Labels, dict[int, int]]:
        """Frame `index`.

        Returns:
            (H, W, 3) picture; (H, W) labels, `class_id + 1` where stuff is seen and `FIRST_OBJECT + number` where an
            object is; and by object number the pixels it would cover if nothing hid it.
        """
        camera = swing(index / CAMERA_PERIOD)
        picture, labels = self.scenery.background(self.size, camera)
        areas: dict[int, int] = {}
        self._draw(picture, labels, index, areas, far=True)
        self.scenery.tower.lay(picture, labels, camera)
        self._draw(picture, labels, index, areas, far=False)
        return picture, labels, areas

    def _draw(self, picture: Picture, labels: Labels, index: int, areas: dict[int, int], *, far: bool) -> None:
        shapes = list(SHAPES.values())
        for actor in self._from_the_back:
            pose = actor.pose(index / self.cycle)
            if pose is not None and (actor.depth >= TOWER_DEPTH) == far:
                sheet, label = self._sheets[actor.number], FIRST_OBJECT + actor.number
                areas[actor.number] = draw(picture, labels, shapes[actor.class_id], sheet, pose, label)
