"""`demo`: a clip rendered on the spot, with exact truth for all four tasks; the benchmark `synth` is made of it.

Paper shapes float over a landscape, occlude each other, leave and return, pass behind a tower, appear in the middle,
and two of them look alike. It needs no data and no network, is the same on every machine, and costs the same memory
however long it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import torch

from gvseg_core.data.demo_shapes import Labels
from gvseg_core.data.demo_world import DEMO_VOCABULARY, FIRST_OBJECT, ObjectState, World
from gvseg_core.errors import UsageError
from gvseg_core.ops import rle
from gvseg_core.registry import choose
from gvseg_core.types import Exemplar, Frame, FrameResult, Prompt, Segment, Size, VideoInfo

MAX_PIXELS = 2**26  # a frame of 8192 × 8192
MAX_OBJECTS = 254  # what palette PNG can name

TruthKind = Literal["vis", "vss", "vps", "evs"]


@dataclass(frozen=True, slots=True)
class DemoFrame(Frame):
    """A frame of the demo, and what is true of it."""

    labels: Labels = field(kw_only=True)  # (H, W): class_id + 1 of stuff, `FIRST_OBJECT` + number of objects
    class_of: Mapping[int, int] = field(kw_only=True)  # label → class id
    given: frozenset[int] = field(kw_only=True)  # objects that were pointed at on this frame or before

    def truth(self, kind: TruthKind) -> FrameResult:
        """Everything that is there, as a perfect run of a task would report it.

        Every kind speaks of the same pixels: masks are what is seen, disjoint, and never empty.

        Args:
            kind: `vis`, objects with ids 1, 2, …; `vss`, every pixel by its class, objects included, with class_id + 1
                as id; `vps`, stuff with class_id + 1 and objects with ids above all of those; `evs`, objects as in vis,
                each from the frame on which it is given.
        """
        ids = np.zeros(max(self.class_of) + 1, dtype=np.uint16)
        for label, class_id in self.class_of.items():
            number = max(0, label - FIRST_OBJECT)
            ids[label] = {"vis": number, "vss": class_id + 1, "vps": label, "evs": number}[kind]
        class_of_id = {int(ids[label]): class_id for label, class_id in self.class_of.items()}
        masks = rle.encode_labels(ids[self.labels])
        return FrameResult(
            self,
            tuple(
                Segment(track_id, class_of_id[track_id], 1.0, mask)
                for track_id, mask in masks.items()
                if kind != "evs" or track_id in self.given
            ),
        )


class DemoSource:
    """The rendered video, a `VideoSource`. It may be iterated again, and `truth` be read beside it.

    Its frames carry exemplars: each object is given, as a mask, on the first frame that shows at least half of it.

    Args:
        size: (H, W) in pixels, at least 1 × 1.
        num_frames: how many; events come more quickly in a video of fewer than 150 frames, and fewer than 40 may not
            have them all.
        num_objects: 1 … 254; from five on every kind of event happens.
        seed: another one gives another landscape and cast.
        rate: frames a second.

    Raises:
        UsageError: a value out of range.
    """

    def __init__(
        self,
        size: Size = (360, 640),
        num_frames: int = 120,
        num_objects: int = 8,
        seed: int = 0,
        rate: Fraction = Fraction(25),
    ) -> None:
        _check("height and width", min(size), 1, MAX_PIXELS)
        _check("height × width", size[0] * size[1], 1, MAX_PIXELS)
        _check("frames", num_frames, 1, 10**9)
        _check("objects", num_objects, 1, MAX_OBJECTS)
        _check("seed", seed, 0, 2**63)
        if rate <= 0:
            raise UsageError(f"demo: rate is {rate}; wanted more than 0 frames a second")
        self.problems: list[str] = []
        self.vocabulary = DEMO_VOCABULARY
        self.info = VideoInfo(
            name="demo",
            size=size,
            rate=rate,
            time_base=1 / rate,
            num_frames=num_frames,
            duration=num_frames / rate,
            details={"seed": str(seed), "objects": str(num_objects)},
        )
        self._world = World(size, num_frames, num_objects, seed)

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames()

    def close(self) -> None:
        """Nothing is open; here because every source can be closed."""

    def states(self, index: int) -> tuple[ObjectState, ...]:
        """What is true of every object on frame `index`, in sight or not; objects yet to appear are left out."""
        return self._world.states(index)

    def truth(self, kind: TruthKind) -> Iterator[FrameResult]:
        """Everything that is there, frame by frame, as a perfect run of a task reports it; see `DemoFrame.truth`."""
        for frame in self._frames():
            yield frame.truth(kind)

    def _class_of(self) -> dict[int, int]:
        """The class of every label that a pixel can have."""
        stuff = {class_id + 1: class_id for class_id in range(FIRST_OBJECT)}
        return stuff | {FIRST_OBJECT + actor.number: actor.class_id for actor in self._world.cast}

    def _frames(self) -> Iterator[DemoFrame]:
        assert self.info.num_frames is not None
        assert self.info.rate is not None
        class_of = self._class_of()
        everyone = {actor.number for actor in self._world.cast}
        given: frozenset[int] = frozenset()
        for index in range(self.info.num_frames):
            picture, labels, areas = self._world.render(index)
            prompts = tuple(
                Prompt(number, mask=rle.encode(labels == FIRST_OBJECT + number))
                for number in sorted((everyone - given) & areas.keys())
                if 2 * np.count_nonzero(labels == FIRST_OBJECT + number) >= areas[number]
            )
            given |= {prompt.track_id for prompt in prompts}
            yield DemoFrame(
                index=index,
                time=index / self.info.rate,
                image=torch.from_numpy(picture).permute(2, 0, 1),
                exemplar=Exemplar(prompts) if prompts else None,
                labels=labels,
                class_of=class_of,
                given=given,
            )


def parse_demo(spec: str) -> DemoSource:
    """The source that a command line asks for: `demo`, or `demo:` and any of the settings below.

    `demo:seed=3,size=640x360,frames=300,objects=8,rate=30000/1001`; the size is width × height, as players write it.

    Raises:
        UsageError: another setting, one that stands twice, or a value that is not one.
    """
    name, _, rest = spec.partition(":")
    if name != "demo":
        raise UsageError(f"{spec!r}: wanted 'demo' or 'demo:setting=value,…'")
    settings: dict[str, Any] = {}
    for item in rest.split(",") if rest else []:
        key, _, value = item.partition("=")
        argument, read, wanted = choose("setting of demo", _SETTINGS, key.strip())
        if argument in settings:
            raise UsageError(f"{spec!r}: {key} stands twice")
        try:
            settings[argument] = read(value)
        except (ValueError, ZeroDivisionError):
            raise UsageError(f"{spec!r}: {key} is {value!r}; {wanted}") from None
    return DemoSource(**settings)


def _read_size(text: str) -> Size:
    width, height = re.split("[x×]", text)
    return int(height), int(width)


_SETTINGS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "seed": ("seed", int, "wanted a whole number"),
    "size": ("size", _read_size, "wanted WIDTHxHEIGHT, as in 640x360"),
    "frames": ("num_frames", int, "wanted a whole number"),
    "objects": ("num_objects", int, "wanted a whole number"),
    "rate": ("rate", Fraction, "wanted frames a second, as in 25 or 30000/1001"),
}


def _check(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError(f"demo: {what} is {value}; wanted {least} … {most}")
