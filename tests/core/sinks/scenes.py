"""Small results with known pixels, for the tests of all sinks."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
import torch

from gvseg_core.ops import rle
from gvseg_core.sinks import SinkSettings
from gvseg_core.types import (
    ClassInfo,
    Frame,
    FrameResult,
    Outcome,
    Segment,
    Size,
    TaskName,
    Track,
    VideoInfo,
    Vocabulary,
)

VOCABULARY = Vocabulary(
    "toys",
    (
        ClassInfo("person", (220, 20, 60), dataset_id=11),
        ClassInfo("dog", (0, 0, 142), dataset_id=12),
        ClassInfo("sky", (70, 130, 180), is_thing=False, dataset_id=3),
        ClassInfo("road", (128, 64, 128), is_thing=False, dataset_id=4),
    ),
)
SIZE: Size = (48, 64)
TASKS: tuple[TaskName, ...] = ("vis", "vss", "vps", "evs")
PROVENANCE = {"version": "1.2.3", "model_sha256": "ab" * 32, "settings": {"conf": 0.5}}


def settings(task: TaskName = "vis", vocabulary: Vocabulary = VOCABULARY, **more: object) -> SinkSettings:
    return SinkSettings(task, vocabulary, PROVENANCE, **more)


def video(name: str = "clip", size: Size = SIZE, rate: int = 25) -> VideoInfo:
    return VideoInfo(name, size, rate=Fraction(rate))


def segment(track_id: int, class_id: int, mask: np.ndarray, score: float = 0.9) -> Segment:
    return Segment(track_id, class_id, score, rle.encode(mask))


def box_mask(x0: int, y0: int, x1: int, y1: int, size: Size = SIZE) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def result(index: int, segments: Sequence[Segment] = (), size: Size = SIZE) -> FrameResult:
    """A gray frame, a little brighter at the right, at 25 frames a second."""
    image = np.broadcast_to(np.linspace(90, 160, size[1]).astype(np.uint8)[:, None], (*size, 3)).copy()
    return FrameResult(Frame(index, Fraction(index, 25), torch.from_numpy(image).permute(2, 0, 1)), tuple(segments))


def results(task: TaskName, num_frames: int = 4) -> list[FrameResult]:
    """Two overlapping objects that move, the second absent on frame 1; stuff around them where the task has stuff."""
    return [result(t, TASK_SEGMENTS[task](t)) for t in range(num_frames)]


def _objects(t: int) -> list[Segment]:
    found = [segment(3, 0, box_mask(5 + 4 * t, 10, 25 + 4 * t, 40), 0.9)]
    if t != 1:
        found.append(segment(7, 1, box_mask(20, 20, 50, 30), 0.75))
    return found


def _classes(t: int) -> list[Segment]:
    top = box_mask(0, 0, 64, 20 + t)
    return [segment(3, 2, top, 0.8), segment(4, 3, ~top, 0.7)]


def _everything(t: int) -> list[Segment]:
    free = np.ones(SIZE, bool)
    found = []
    for one in sorted(_objects(t), key=lambda s: -s.score) + _classes(t):
        seen = rle.decode(one.mask) & free
        free &= ~seen
        if seen.any():
            found.append(segment(one.track_id, one.class_id, seen, one.score))
    return found


TASK_SEGMENTS = {"vis": _objects, "evs": _objects, "vss": _classes, "vps": _everything}


def decoded(file: str | BinaryIO, pixel_format: str = "rgb24") -> list[tuple[Fraction, np.ndarray]]:
    """Time and picture of every frame of a video, as FFmpeg reads it."""
    with av.open(file) as container:
        return [(f.pts * f.time_base, f.to_ndarray(format=pixel_format)) for f in container.decode(video=0)]


def outcome(shown: Sequence[FrameResult], complete: bool = True) -> Outcome:
    """What a tracker would say of these frames; scores of tracks differ from those of frames."""
    seen: dict[int, list[tuple[int, Segment]]] = {}
    for frame in shown:
        for one in frame.segments:
            seen.setdefault(one.track_id, []).append((frame.frame.index, one))
    tracks = [
        Track(i, found[-1][1].class_id, 0.5 + i / 100, found[0][0], found[-1][0], len(found))
        for i, found in seen.items()
    ]
    return Outcome(tuple(tracks), len(shown), complete, "" if complete else "the input is cut after frame 3")
