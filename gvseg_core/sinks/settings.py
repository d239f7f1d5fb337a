"""What a sink is told besides the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from gvseg_core.types import Frame, Outcome, TaskName, Vocabulary

ColorBy = Literal["auto", "track", "class"]


def frame_stem(frame: Frame) -> str:
    """The name of a frame's file when nobody gives one: its number in the source, six digits or more."""
    return f"{frame.index:06d}"


@dataclass(frozen=True)
class SinkSettings:
    """Everything a sink may want to know besides the results."""

    task: TaskName
    vocabulary: Vocabulary
    provenance: Mapping[str, Any] = field(default_factory=dict)  # version, model's SHA-256, settings: as JSON takes it
    overwrite: bool = False
    frame_name: Callable[[Frame], str] = frame_stem  # without suffix; a benchmark puts its own names here
    # What is drawn.
    alpha: float = 0.5  # opacity of masks, 0..1
    color_by: ColorBy = "auto"  # auto: objects by their id, all else by class
    labels: bool = True  # names, ids and the legend
    # What is encoded.
    codec: str | None = None  # by default the container's usual one
    crf: int | None = None
    audio: bool = True
    audio_range: tuple[Fraction, Fraction | None] | None = None  # seconds of the source that the frames span

    @cached_property
    def objects(self) -> frozenset[int]:
        """The classes whose regions are objects with an id; of all others the class is the identity."""
        return _OBJECTS[self.task](self.vocabulary)

    @cached_property
    def category_ids(self) -> tuple[int, ...]:
        """Class id → the number in files: the data set's own where it has one per class, else the class id."""
        own = tuple(c.dataset_id for c in self.vocabulary.classes)
        return own if len(set(own)) == len(own) else tuple(range(len(own)))

    def categories(self) -> list[dict[str, Any]]:
        """The classes as COCO lists them."""
        return [
            {"id": number, "name": c.name, "isthing": int(c.is_thing), "color": list(c.color)}
            for number, c in zip(self.category_ids, self.vocabulary.classes, strict=True)
        ]

    def info(self, outcome: Outcome) -> dict[str, Any]:
        """Where a file comes from and whether it holds the whole video."""
        return {
            "description": f"gvseg {self.task}",
            **self.provenance,
            "task": self.task,
            "complete": outcome.complete,
            "reason": outcome.reason,
        }


_OBJECTS: dict[TaskName, Callable[[Vocabulary], frozenset[int]]] = {
    "vis": lambda vocabulary: frozenset(range(len(vocabulary))),
    "vss": lambda _: frozenset(),
    "vps": lambda vocabulary: vocabulary.thing_ids,
    "evs": lambda vocabulary: frozenset(range(len(vocabulary))),
}
