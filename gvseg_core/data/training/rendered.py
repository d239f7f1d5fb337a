"""The demo as training data: rendered on the spot, any frame by itself, from seeds that no validation ever sees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gvseg_core.data.demo_scenery import Scenery
from gvseg_core.data.demo_world import DEMO_VOCABULARY, FIRST_OBJECT, World, landscape
from gvseg_core.data.synth_videos import FIRST_SEED, SynthSettings
from gvseg_core.data.training.videos import Scene
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import Size, TaskName

LANDSCAPES = 32  # in which the casts of all seeds play: painting one takes longer than 30 frames of it


class RenderedVideos:
    """Videos of `synth` (`TrainingVideos`): the settings say how many, of what size, and from which seed on."""

    is_still = False
    notes: Sequence[str] = ()
    vocabulary = DEMO_VOCABULARY
    tasks: frozenset[TaskName] = frozenset({"vis", "vss", "vps", "evs"})

    def __init__(self, settings: SynthSettings, split: str) -> None:
        self._settings = settings
        self._split = split
        self._names = settings.names(split)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, video: int) -> str:
        """The split and the seed."""
        return self._names[video]

    def num_frames(self, video: int) -> int:  # noqa: ARG002
        """As many as the settings say."""
        return self._settings.frames

    def shown(self, video: int) -> Sequence[int] | None:  # noqa: ARG002
        """Somebody is on nearly every frame."""
        return None

    def load(self, video: int, frames: Sequence[int]) -> list[Scene]:
        """Rendered frames."""
        seed = FIRST_SEED[self._split] + int(self._names[video].partition("_")[2])
        size, first = self._settings.size, FIRST_SEED[self._split] + self._settings.seed
        scenery = _painted(size, first + video % LANDSCAPES)
        world = World(size, self._settings.frames, self._settings.objects, seed, scenery)
        known = {class_id + 1: (class_id + 1, class_id, False) for class_id in range(len(DEMO_VOCABULARY))}
        known |= {FIRST_OBJECT + actor.number: (actor.number, actor.class_id, False) for actor in world.cast}
        scenes = []
        for index in frames:
            picture, labels, _ = world.render(index)
            scenes.append(Scene(picture, MapSegments(labels, known).regions))
        return scenes


@lru_cache(maxsize=LANDSCAPES)
def _painted(size: Size, seed: int) -> Scenery:
    return landscape(size, seed)
