"""What each task takes for a target: from a set's regions to one map of numbers a frame.

| task  | things                         | stuff           | pixels of nobody | class unknown to the head |
|-------|--------------------------------|-----------------|------------------|---------------------------|
| `vis` | an object each                 | background      | background       | background                |
| `vss` | one target a class             | one a class     | void             | void                      |
| `vps` | an object each                 | one a class     | void             | void                      |
| `evs` | an object each, of one class   | background      | background       | (has but one)             |

Crowds, and regions of no class, are void for all. A map stays one map from here to the loss: whatever is done to it,
no two masks can come to share a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gvseg_core.data.training.videos import Scene
from gvseg_core.ops.label_maps import Regions
from gvseg_core.types import VOID, TaskName, Vocabulary

BACKGROUND = 0

Numbers = NDArray[np.int16]
"""(H, W): n + 1 where target n is seen, `BACKGROUND`, or `VOID`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a task reads a set's regions."""

    objects: bool  # things are told apart
    classes: bool  # what is not told apart is a target of its class; else it is background
    rest: int  # what pixels of nobody are, and of classes that the head does not have
    guided: bool = False  # objects are given on the first frame


RULES: Mapping[TaskName, Rule] = {
    "vis": Rule(objects=True, classes=False, rest=BACKGROUND),
    "vss": Rule(objects=False, classes=True, rest=VOID),
    "vps": Rule(objects=True, classes=True, rest=VOID),
    "evs": Rule(objects=True, classes=False, rest=BACKGROUND, guided=True),
}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a set teaches: a task, in a head's words."""

    task: TaskName
    own: Vocabulary  # the set's classes
    vocabulary: Vocabulary  # the head's
    class_map: tuple[int | None, ...]  # a class of the set → of the head

    @property
    def is_guided(self) -> bool:
        """Whether objects are given on the first frame, and no others are looked for."""
        return RULES[self.task].guided


@dataclass(frozen=True, slots=True, eq=False)
class Numbering:
    """The targets of a sample, numbered through all its frames: target n has the number n + 1."""

    class_ids: NDArray[np.int64]  # (N,)
    track_ids: NDArray[np.int64]  # (N,) class_id + 1 where the class is the identity, else beyond all of those
    values: tuple[NDArray[np.int16], ...]  # of each scene, (R + 1,): the number of each row of its regions

    def maps(self, scenes: Sequence[Scene]) -> list[Numbers]:
        """Each scene's pixels, numbered."""
        return [scene.regions.paint(values) for scene, values in zip(scenes, self.values, strict=True)]


def number_targets(scenes: Sequence[Scene], lesson: Lesson, offsets: Sequence[int] | None = None) -> Numbering:
    """Number what the scenes of one sample show.

    Args:
        offsets: for each scene, added to its track ids, which keeps pictures apart that are not of one video.
    """
    rule, known = RULES[lesson.task], len(lesson.vocabulary)
    first = known + 1 if rule.classes else 1
    numbers: dict[int, int] = {}  # track id → number
    class_of: list[int] = []
    values = []
    for scene, offset in zip(scenes, offsets or [0] * len(scenes), strict=True):
        regions = scene.regions
        row_values = np.full(len(regions.track_ids), rule.rest, np.int16)
        for row in range(1, len(row_values)):
            class_id, is_object, fixed = _read(regions, row, lesson, rule)
            if fixed is not None:
                row_values[row] = fixed
                continue
            track_id = first + offset + int(regions.track_ids[row]) if is_object else class_id + 1
            if track_id not in numbers:
                numbers[track_id] = len(numbers) + 1
                class_of.append(class_id)
            row_values[row] = numbers[track_id]
        values.append(row_values)
    return Numbering(np.array(class_of, np.int64), np.array(list(numbers), np.int64), tuple(values))


def _read(regions: Regions, row: int, lesson: Lesson, rule: Rule) -> tuple[int, bool, int | None]:
    """A region's class for the head, whether it is an object, and its number where it is no target."""
    own = int(regions.class_ids[row])
    if regions.ignore[row] or own == VOID:
        return VOID, False, VOID
    class_id = lesson.class_map[own]
    if class_id is None:
        return VOID, False, rule.rest
    is_thing = lesson.own.classes[own].is_thing
    if rule.objects and lesson.vocabulary.classes[class_id].is_thing:
        # Stuff of the set that the head tells apart: nobody knows where one ends and the next begins.
        return class_id, True, None if is_thing else VOID
    return class_id, False, None if rule.classes else rule.rest
