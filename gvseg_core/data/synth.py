"""`synth`: held-out videos of the rendered demo as a benchmark of all four tasks; it needs no data.

Training and validation never meet: their videos have seeds from two halves of the numbers there are. Results are
laid out and scored as in the best-known benchmark of the task: YouTube-VIS, VSPW, VIPSeg, DAVIS.

For `evs` the rules are DAVIS's: what is on the first frame is to be followed, and nothing else. The objects that the
demo gives there are numbered anew, from 1, without gaps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.benchmarks import choose_benchmark
from gvseg_core.data.demo_world import DEMO_VOCABULARY, FIRST_OBJECT
from gvseg_core.data.unseen import unseen_frame
from gvseg_core.errors import UsageError
from gvseg_core.ops.label_maps import MapSegments, regions_of
from gvseg_core.registry import choose
from gvseg_core.types import (
    Answer,
    ClassInfo,
    Exemplar,
    Footage,
    Frame,
    FrameResult,
    Results,
    Size,
    TaskName,
    Track,
    Truth,
    VideoInfo,
    Vocabulary,
)

if TYPE_CHECKING:
    from gvseg_core.data.demo import DemoFrame, DemoSource

FIRST_SEED = {"val": 2**32, "train": 0}
"""Where the seeds of a split begin; `seed` is counted from there."""

OBJECT = Vocabulary("object", (ClassInfo("object", (200, 80, 60)),))
THINGS = Vocabulary("demo_things", tuple(info for info in DEMO_VOCABULARY.classes if info.is_thing))
VOCABULARIES: dict[TaskName, Vocabulary] = {
    "vis": THINGS,
    "vss": DEMO_VOCABULARY,
    "vps": DEMO_VOCABULARY,
    "evs": OBJECT,
}


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


class SynthTruth:
    """What is true of every video (a `Truth`); each is rendered when it is asked for."""

    def __init__(self, settings: SynthSettings, split: str, task: TaskName) -> None:
        self.vocabulary = VOCABULARIES[task]
        self.videos: Sequence[str] = settings.names(split)
        self.notes: list[str] = []
        self._settings = settings
        self._task = task

    def answer(self, video: str) -> Answer:
        """The truth of one video."""
        frames = tuple(_TRUTHS[self._task](frame) for frame in self._settings.video(video, self._task))
        return Answer(video, frames, _tracks(frames))


def _objects(frame: DemoFrame) -> FrameResult:
    return FrameResult(_unseen(frame), frame.truth("vis").segments)


def _given(frame: DemoFrame) -> FrameResult:
    return FrameResult(_unseen(frame), tuple(replace(s, class_id=0) for s in frame.truth("evs").segments))


def _semantic(frame: DemoFrame) -> FrameResult:
    class_of = np.zeros(max(frame.class_of) + 1, np.uint16)
    class_of[list(frame.class_of)] = [class_id + 1 for class_id in frame.class_of.values()]
    known = {class_id + 1: (class_id + 1, class_id, False) for class_id in frame.class_of.values()}
    return FrameResult(_unseen(frame), MapSegments(class_of[frame.labels], known))


def _panoptic(frame: DemoFrame) -> FrameResult:
    known = {label: (label, class_id, False) for label, class_id in frame.class_of.items()}
    return FrameResult(_unseen(frame), MapSegments(frame.labels, known))


_TRUTHS: dict[TaskName, Callable[[DemoFrame], FrameResult]] = {
    "vis": _objects,
    "vss": _semantic,
    "vps": _panoptic,
    "evs": _given,
}


def _unseen(frame: DemoFrame) -> Frame:
    h, w = frame.labels.shape
    return unseen_frame(frame.index, (int(h), int(w)), frame.time)


def _tracks(frames: Sequence[FrameResult]) -> tuple[Track, ...]:
    """Every region summed up, by ascending id; the areas are pixels on each frame, None where it is out of sight."""
    areas: dict[int, list[int | None]] = {}
    class_of: dict[int, int] = {}
    for index, result in enumerate(frames):
        regions = regions_of(result)
        for row in range(1, len(regions) + 1):
            track_id = int(regions.track_ids[row])
            class_of[track_id] = int(regions.class_ids[row])
            areas.setdefault(track_id, [None] * len(frames))[index] = int(regions.areas[row])
    tracks = []
    for track_id in sorted(areas):
        seen = [index for index, area in enumerate(areas[track_id]) if area is not None]
        tracks.append(
            Track(
                track_id,
                class_of[track_id],
                score=1.0,
                first_frame=seen[0],
                last_frame=seen[-1],
                num_frames=len(seen),
                details={"areas": areas[track_id]},
            )
        )
    return tuple(tracks)


class SynthFootage:
    """The videos of a split (a `Footage`)."""

    hidden = ""

    def __init__(self, settings: SynthSettings, split: str, task: TaskName) -> None:
        self.vocabulary = VOCABULARIES[task]
        self.videos: Sequence[str] = settings.names(split)
        self.truth: Truth | None = SynthTruth(settings, split, task)
        self._settings = settings
        self._task = task

    def open(self, video: str) -> SynthVideo:
        """Its frames, rendered as they are read."""
        return self._settings.video(video, self._task)

    def frame_name(self, video: str, frame: Frame) -> str:  # noqa: ARG002
        """Its number, in five digits as in DAVIS."""
        return f"{frame.index:05d}"

    def facts(self, video: str) -> Mapping[str, Any]:
        """Its number, from 1."""
        return {"number": self.videos.index(video) + 1}


LIKE: dict[TaskName, str] = {"vis": "ytvis21", "vss": "vspw", "vps": "vipseg", "evs": "davis17"}
"""The benchmark whose layout and rules a task's results have."""


def synth(task: TaskName) -> Benchmark:
    """The benchmark for one of the four tasks; where others have a path, it has settings (`parse_synth`)."""

    def settings(path: Path) -> SynthSettings:
        return parse_synth("" if path == Path() else str(path))

    def read_truth(path: Path) -> Truth:
        return SynthTruth(settings(path), "val", task)

    def read_results(path: Path, truth: Truth) -> Results:
        return choose_benchmark(LIKE[task]).read_results(path, truth)

    def open_split(path: Path, split: str) -> Footage:
        return SynthFootage(settings(path), split, task)

    return Benchmark(
        name="synth",
        title=f"synth, {task}",
        task=task,
        vocabulary=VOCABULARIES[task],
        read_truth=read_truth,
        read_results=read_results,
        open=open_split,
        splits=tuple(FIRST_SEED),
        short_side={},
        per_video=20 if task == "vis" else None,
    )
