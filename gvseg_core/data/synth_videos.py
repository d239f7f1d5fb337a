"""The videos of `synth`: the rendered demo, by settings that a command line can say.

Training and validation never meet: their videos have seeds from two halves of the numbers there are.

For `evs` the rules are DAVIS's: what is on the first frame is to be followed, and nothing else. The objects that the
demo gives there are numbered anew, from 1, without gaps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gvseg_core.data.demo_world import FIRST_OBJECT
from gvseg_core.errors import UsageError
from gvseg_core.registry import choose
from gvseg_core.types import Exemplar, Size, TaskName, VideoInfo

if TYPE_CHECKING:
    from gvseg_core.data.demo import DemoFrame, DemoSource

FIRST_SEED = {"val": 2**32, "train": 0}
"""Where the seeds of a split begin; `seed` is counted from there."""


@dataclass(frozen=True, slots=True)
class SynthSettings:
    """Which videos."""

    videos: int = 8
    frames: int = 36
    size: Size = (192, 320)
    objects: int = 8
    seed: int = 1000  # of the first video; the others follow

    def names(self, split: str) -> tuple[str, ...]:
        """Of the videos, in order: the split and the number of the seed."""
        return tuple(f"{split}_{number:06d}" for number in range(self.seed, self.seed + self.videos))

    def video(self, name: str, task: TaskName) -> SynthVideo:
        """The video of that name."""
        from gvseg_core.data.demo import DemoSource  # torch arrives here

        split, _, number = name.partition("_")
        demo = DemoSource(self.size, self.frames, self.objects, FIRST_SEED[split] + int(number))
        return SynthVideo(name, demo, task)


def parse_synth(spec: str) -> SynthSettings:
    """The videos that `--data` asks for: `videos=8,frames=36,size=320x192,objects=8,seed=1000`, or any part of it.

    Raises:
        UsageError: another setting, one that stands twice, or a value that is not one.
    """
    settings: dict[str, Any] = {}
    for item in spec.split(",") if spec else []:
        key, _, value = item.partition("=")
        read, least, most, wanted = choose("setting of synth", _SETTINGS, key.strip())
        if key.strip() in settings:
            raise UsageError(f"synth: {spec!r}: {key} stands twice")
        try:
            settings[key.strip()] = found = read(value)
        except ValueError:
            raise UsageError(f"synth: {spec!r}: {key} is {value!r}; {wanted}") from None
        if not all(least <= number <= most for number in (found if isinstance(found, tuple) else (found,))):
            raise UsageError(f"synth: {spec!r}: {key} is {value}; wanted {least} … {most}")
    return SynthSettings(**settings)


def _read_size(text: str) -> Size:
    width, height = re.split("[x×]", text)
    return int(height), int(width)


_SETTINGS: dict[str, tuple[Callable[[str], Any], int, int, str]] = {
    "videos": (int, 1, 10**6, "wanted a whole number"),
    "frames": (int, 3, 10**6, "wanted a whole number"),  # DAVIS leaves out the first and the last
    "size": (_read_size, 16, 8192, "wanted WIDTHxHEIGHT, as in 320x192"),
    "objects": (int, 1, 254, "wanted a whole number"),
    "seed": (int, 0, 2**31, "wanted a whole number"),
}


class SynthVideo:
    """The frames of one video, a `VideoSource`; it may be iterated again."""

    def __init__(self, name: str, demo: DemoSource, task: TaskName) -> None:
        self.info: VideoInfo = replace(demo.info, name=name)
        self.problems: list[str] = []
        self._demo = demo
        self._task = task

    def __iter__(self) -> Iterator[DemoFrame]:
        frames = cast("Iterator[DemoFrame]", iter(self._demo))
        return _FRAMES[self._task](frames)

    def close(self) -> None:
        """Nothing is open; here because every source can be closed."""


def _as_davis_has_them(frames: Iterator[DemoFrame]) -> Iterator[DemoFrame]:
    """The same frames, with exemplars on the first alone, of objects that are 1, 2, …; all others come after them."""
    relabel, num_given = np.empty(0, np.uint16), 0
    for frame in frames:
        exemplar = None
        if not len(relabel):
            prompts = frame.exemplar.prompts if frame.exemplar is not None else ()
            relabel, num_given = np.arange(max(frame.class_of) + 1, dtype=np.uint16), len(prompts)
            given = [FIRST_OBJECT + prompt.track_id for prompt in prompts]
            others = [label for label in frame.class_of if label > FIRST_OBJECT and label not in given]
            relabel[[*given, *others]] = FIRST_OBJECT + 1 + np.arange(len(given) + len(others))
            exemplar = Exemplar(tuple(replace(prompt, track_id=n) for n, prompt in enumerate(prompts, start=1)))
        yield replace(
            frame,
            labels=relabel[frame.labels],
            class_of={int(relabel[label]): class_id for label, class_id in frame.class_of.items()},
            given=frozenset(range(1, num_given + 1)),
            exemplar=exemplar if num_given else None,
        )


def _unguided(frames: Iterator[DemoFrame]) -> Iterator[DemoFrame]:
    """The same frames; nothing is pointed at."""
    for frame in frames:
        yield replace(frame, exemplar=None)


_FRAMES: dict[TaskName, Callable[[Iterator[DemoFrame]], Iterator[DemoFrame]]] = {
    "vis": _unguided,
    "vss": _unguided,
    "vps": _unguided,
    "evs": _as_davis_has_them,
}
