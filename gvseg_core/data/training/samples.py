"""One sample of a run: drawn, loaded, augmented, cut into labelled clips — a pure function of the seed and its number.

A sample shows at least one target. Where what was drawn shows none (an empty frame, a crop beside everything), or a
file is bad and may be left out, another video of the same set takes its place, drawn from the same seed and number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gvseg_core.data.training.augment import draw_view
from gvseg_core.data.training.pseudo import Guest, draw_guests, draw_motion, draw_times, paste, warp
from gvseg_core.data.training.sampling import ClipFrames, ClipRules, Order, Turn, chance, draw_clips
from gvseg_core.data.training.sources import Source
from gvseg_core.data.training.targets import Lesson, Numbering, Numbers, number_targets
from gvseg_core.data.training.videos import Scene
from gvseg_core.errors import DataError
from gvseg_core.recipes import AugmentSettings
from gvseg_core.types import VOID, LabelledClip, TaskName
from gvseg_core.video.picture import Picture

MAX_ATTEMPTS = 20  # videos that are drawn for one sample before it is given up
_ORDER, _FRAMES, _LOOKS = 2, 3, 4  # what a sample's chances are for; 0 and 1 are the order's

Seen = tuple[Picture, Numbers]
"""A frame as the network is to see it: (H, W, 3) and (H, W)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One or more clips of one video, and what they teach."""

    number: int  # of the run, from 0
    source: int  # of the run's sets
    task: TaskName
    vocabulary: str  # the class head that is taught
    clips: tuple[LabelledClip, ...]  # the key clip, then near and distant ones
    distant: tuple[bool, ...]  # of each clip
    problems: tuple[str, ...] = ()  # one line each: what could not be read and was left out for it

    @property
    def exemplars(self) -> Tensor:
        """(N, H, W) bool: the targets of the key clip on its first frame, where `evs` has every one of them."""
        return self.clips[0].masks[:, 0]


class SampleMaker:
    """Makes any sample of a run. It is sent to worker processes; nothing that matters changes in it.

    Args:
        sources: the run's sets.
        order: which of them, and which video, comes when.
        seed: of the run.
        allow_missing: leave out what cannot be read, instead of failing.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        order: Order,
        rules: ClipRules,
        augment: AugmentSettings,
        seed: int,
        *,
        allow_missing: bool = False,
    ) -> None:
        self._sources = tuple(sources)
        self._order = order
        self._rules = rules
        self._augment = augment
        self._seed = seed
        self._allow_missing = allow_missing

    def __call__(self, turn: Turn) -> Sample:
        """
        Raises:
            DataError: a file is missing or damaged (by name), or nothing shows a target.
        """
        source = self._sources[turn.source]
        problems: list[str] = []
        for attempt in range(MAX_ATTEMPTS):
            video = self._order.video(turn.source, turn.turn)
            if attempt:
                video = int(chance(self._seed, _ORDER, turn.number, attempt).integers(len(source.videos)))
            try:
                made = self._attempt(turn, source, video, attempt)
            except DataError as error:
                problem = f"{source.name}, {source.videos.name(video)}: {error}"
                if not self._allow_missing:
                    raise DataError(f"{problem}; mend it, or --allow-missing to train without it") from None
                problems.append(problem)
                continue
            if made is not None:
                lesson = source.lesson
                return Sample(turn.number, turn.source, lesson.task, lesson.vocabulary.name, *made, tuple(problems))
        reason = problems[-1] if problems else f"none shows anything to learn {source.lesson.task} from"
        raise DataError(f"{source.name}: {MAX_ATTEMPTS} of its videos in a row cannot be used: {reason}")

    def _attempt(
        self, turn: Turn, source: Source, video: int, attempt: int
    ) -> tuple[tuple[LabelledClip, ...], tuple[bool, ...]] | None:
        """The clips, and which are distant; None where the key clip shows no target."""
        videos = source.videos
        rng = chance(self._seed, _FRAMES, turn.number, attempt)
        drawn = draw_clips(rng, self._rules, videos.num_frames(video), videos.shown(video))
        rng = chance(self._seed, _LOOKS, turn.number, attempt)
        if videos.is_still:
            numbering, seen = self._pseudo(rng, source, video, drawn)
        else:
            numbering, seen = self._real(rng, source, video, drawn)
        keep = _kept(rng, source, numbering, seen[0])
        clips = [
            _clip(frames, numbering, keep, clip, videos.name(video)) for frames, clip in zip(seen, drawn, strict=True)
        ]
        return (tuple(clips), tuple(clip.is_distant for clip in drawn)) if len(clips[0].class_ids) else None

    def _real(
        self, rng: np.random.Generator, source: Source, video: int, drawn: Sequence[ClipFrames]
    ) -> tuple[Numbering, list[list[Seen]]]:
        """Frames of a video, all seen alike; each is loaded once."""
        indices = sorted({index for clip in drawn for index in clip.frames})
        scenes = source.videos.load(video, indices)
        numbering = number_targets(scenes, source.lesson)
        view = draw_view(rng, scenes[0].regions.size, self._augment)
        seen = {
            index: (view.picture(scene.picture), view.labels(numbers))
            for index, scene, numbers in zip(indices, scenes, numbering.maps(scenes), strict=True)
        }
        return numbering, [[seen[index] for index in clip.frames] for clip in drawn]

    def _pseudo(
        self, rng: np.random.Generator, source: Source, video: int, drawn: Sequence[ClipFrames]
    ) -> tuple[Numbering, list[list[Seen]]]:
        """A still before a moving camera, with or without guests."""
        scenes, offsets = source.videos.load(video, [0]), [0]
        if rng.random() < self._augment.copy_paste and len(source.videos) > 1:
            other = (video + int(rng.integers(1, len(source.videos)))) % len(source.videos)
            scenes += source.videos.load(other, [0])
            offsets += [int(scenes[0].regions.track_ids.max(initial=0))]
        numbering = number_targets(scenes, source.lesson, offsets)
        host = scenes[0]
        view = draw_view(rng, host.regions.size, self._augment)
        picture, labels = view.picture(host.picture), view.labels(host.regions.paint(numbering.values[0]))
        guests: tuple[Guest, ...] = ()
        if len(scenes) > 1:
            guests = draw_guests(rng, scenes[1], _objects(scenes[1], numbering.values[1], source.lesson), view)
        motion = draw_motion(rng, self._augment)
        clips = []
        for clip in drawn:
            times = draw_times(rng, len(clip.frames)).tolist()
            frames = (paste(picture, labels, guests, time) if guests else (picture, labels) for time in times)
            matrices = (motion.matrix(time, view.size) for time in times)
            clips.append([warp(*frame, matrix) for frame, matrix in zip(frames, matrices, strict=True)])
        return numbering, clips


def _objects(scene: Scene, values: NDArray[np.int16], lesson: Lesson) -> Mapping[int, int]:
    """The rows of its regions that are things and targets, each with its target's number."""
    class_ids = scene.regions.class_ids.tolist()
    return {
        row: int(values[row])
        for row in range(1, len(values))
        if values[row] > 0 and lesson.own.classes[class_ids[row]].is_thing
    }


def _kept(rng: np.random.Generator, source: Source, numbering: Numbering, key: Sequence[Seen]) -> NDArray[np.bool_]:
    """(N,) which targets the sample keeps: all; of exemplars those on the first frame, and not too many."""
    num = len(numbering.class_ids)
    if not source.lesson.is_guided:
        return np.ones(num, np.bool_)
    seen = np.unique(key[0][1])
    given = seen[seen > 0] - 1
    keep = np.zeros(num, np.bool_)
    keep[rng.choice(given, min(len(given), source.max_objects), replace=False) if len(given) else given] = True
    return keep


def _clip(
    frames: Sequence[Seen], numbering: Numbering, keep: NDArray[np.bool_], drawn: ClipFrames, video: str
) -> LabelledClip:
    """Frames as a clip; the targets that it shows are numbered anew, without gaps."""
    labels = np.stack([numbers for _, numbers in frames]).view(np.uint16)  # VOID is the last of 65536 then
    shown = np.zeros(2**16, np.bool_)
    shown[labels.ravel()] = True
    (targets,) = np.nonzero(shown[1 : len(keep) + 1] & keep)
    renumber = np.zeros(2**16, np.int16)
    renumber[targets + 1] = np.arange(1, len(targets) + 1)
    renumber[VOID] = VOID
    return LabelledClip(
        torch.from_numpy(np.stack([picture for picture, _ in frames])).permute(0, 3, 1, 2),
        torch.from_numpy(renumber.take(labels)),
        torch.from_numpy(numbering.class_ids[targets]),
        torch.from_numpy(numbering.track_ids[targets]),
        drawn.frames,
        video,
    )
