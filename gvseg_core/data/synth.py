"""`synth`: held-out videos of the rendered demo as a benchmark of all four tasks; it needs no data.

Results are laid out and scored as in the best-known benchmark of the task: YouTube-VIS, VSPW, VIPSeg, DAVIS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.benchmarks import choose_benchmark
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.data.map_files import read_labels
from gvseg_core.data.map_videos import MapResults
from gvseg_core.data.object_maps import OBJECT
from gvseg_core.data.synth_videos import FIRST_SEED, SynthSettings, SynthVideo, parse_synth
from gvseg_core.data.unseen import unseen_frame
from gvseg_core.data.video_records import Video
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import MapSegments, regions_of
from gvseg_core.types import (
    Answer,
    Footage,
    Frame,
    FrameResult,
    Results,
    Size,
    TaskName,
    Track,
    Truth,
    Vocabulary,
)

if TYPE_CHECKING:
    from gvseg_core.data.demo import DemoFrame

THINGS = Vocabulary("demo_things", tuple(info for info in DEMO_VOCABULARY.classes if info.is_thing))
VOCABULARIES: dict[TaskName, Vocabulary] = {
    "vis": THINGS,
    "vss": DEMO_VOCABULARY,
    "vps": DEMO_VOCABULARY,
    "evs": OBJECT,
}


class SynthTruth:
    """What is true of every video (a `Truth`); each is rendered when it is asked for."""

    def __init__(self, settings: SynthSettings, split: str, task: TaskName) -> None:
        self.vocabulary = VOCABULARIES[task]
        self.videos: Sequence[str] = settings.names(split)
        self.notes: list[str] = []
        self.listed: Mapping[str, Video] = {
            name: Video(number, name, settings.size, tuple(f"{index:05d}.jpg" for index in range(settings.frames)))
            for number, name in enumerate(self.videos, start=1)
        }
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


def _like(name: str) -> Callable[[Path, Truth], Results]:
    """Results in the layout of another benchmark, by its own reader."""

    def read(path: Path, truth: Truth) -> Results:
        return choose_benchmark(name).read_results(path, truth)

    return read


def _objects_in_json(path: Path, truth: Truth) -> Results:
    """Results in YouTube-VIS's layout: `results.json`, video ids from 1."""
    from gvseg_core.data.video_json import VideoResults

    assert isinstance(truth, SynthTruth), "results are read against the truth of their own set"
    return VideoResults(path / "results.json" if path.is_dir() else path, truth)


def _objects_in_maps(path: Path, truth: Truth) -> Results:
    """Results in DAVIS's layout: `<video>/<frame>.png`, pixels are the objects' numbers."""

    @lru_cache(maxsize=1)
    def ids(video: str) -> frozenset[int]:
        return frozenset(track.track_id for track in truth.answer(video).tracks)

    def read(video: str, _place: int, file: Path, size: Size) -> MapSegments:
        def tell(occurring: list[int]) -> dict[int, tuple[int, int, bool]]:
            if strange := sorted(set(occurring) - ids(video) - {0}):
                raise DataError(f"{printable(file)}: object {strange[0]}; the video has {len(ids(video))}, from 1")
            return {label: (label, 0, False) for label in occurring if label}

        return MapSegments(read_labels(file, size), tell)

    return MapResults(path, truth, read, "davis17")


_RESULTS: dict[TaskName, Callable[[Path, Truth], Results]] = {
    "vis": _objects_in_json,
    "vss": _like("vspw"),
    "vps": _like("vipseg"),
    "evs": _objects_in_maps,
}


def synth(task: TaskName) -> Benchmark:
    """The benchmark for one of the four tasks; where others have a path, it has settings (`parse_synth`)."""

    def settings(path: Path) -> SynthSettings:
        return parse_synth("" if path == Path() else str(path))

    def read_truth(path: Path) -> Truth:
        return SynthTruth(settings(path), "val", task)

    def read_results(path: Path, truth: Truth) -> Results:
        return _RESULTS[task](path, truth)

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
