"""Small videos of tubes, drawn by chance, and the average precision of them in the plainest words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.ops import rle
from gvseg_core.types import Answer, FrameResult, Segment, Track

Masks = NDArray[np.bool_]  # (T, H, W)

LEVELS = {"no_occlusion": 0.0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}


@dataclass(frozen=True, eq=False)
class Tube:
    """One object, or what was found of one."""

    track_id: int
    class_id: int
    score: float
    masks: Masks
    is_crowd: bool = False
    areas: list[int | None] | None = None  # as the data set has them
    occlusion: list[str | None] | None = None


@dataclass(frozen=True)
class TubeVideo:
    """Truth and results of one video."""

    name: str
    true: list[Tube]
    found: list[Tube]
    shape: tuple[int, int, int]

    def answers(self) -> tuple[Answer, Answer]:
        return self._answer(self.true), self._answer(self.found)

    def _answer(self, tubes: Sequence[Tube]) -> Answer:
        length, *size = self.shape
        frames = []
        for place in range(length):
            by_track = {tube.track_id: tube for tube in reversed(tubes)}
            segments = [
                Segment(tube.track_id, tube.class_id, tube.score, rle.encode(tube.masks[place]), tube.is_crowd)
                for tube in by_track.values()
                if tube.masks[place].any()
            ]
            frames.append(FrameResult(unseen_frame(place, (size[0], size[1])), tuple(segments)))
        return Answer(self.name, frames, [_track(tube) for tube in tubes])


def _track(tube: Tube) -> Track:
    told = {"areas": tube.areas, "occlusion": tube.occlusion}
    details = {name: value for name, value in told.items() if value is not None}
    seen = np.flatnonzero(tube.masks.any((1, 2))).tolist() or [0]
    num = int(tube.masks.any((1, 2)).sum())
    return Track(
        tube.track_id, tube.class_id, tube.score, seen[0], seen[-1], num, ignore=tube.is_crowd, details=details
    )


@st.composite
def tube_videos(draw: st.DrawFn) -> list[TubeVideo]:
    """One to four videos, two classes; what is found is like the truth, with noise, ties, strangers and repetitions."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    videos = []
    for number in range(draw(st.integers(1, 4))):
        shape = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
        true = [_tube(chance, shape, n + 1) for n in range(draw(st.integers(0, 4)))]
        found = []
        for n in range(draw(st.integers(0, 6))):
            like = true[chance.integers(len(true))] if true and chance.random() < 0.8 else _tube(chance, shape, 0)
            masks = like.masks ^ (chance.random(shape) < chance.choice([0, 0.1, 0.3]))
            class_id = like.class_id if chance.random() < 0.8 else int(chance.integers(3))
            found.append(Tube(100 + n, class_id, float(chance.choice([0.1, 0.25, 0.5, 0.75, 0.9])), masks))
        videos.append(TubeVideo(f"video {number}", true, found, shape))
    return videos


def _tube(chance: np.random.Generator, shape: tuple[int, int, int], track_id: int) -> Tube:
    masks = (chance.random(shape) < 0.6) & (chance.random(shape[0]) < 0.8)[:, None, None]
    areas = [None, 0, 9, 128**2, 128**2 + 1, 200**2, 256**2, 300**2]
    told = [areas[i] for i in chance.integers(len(areas), size=shape[0])]
    words = [*LEVELS, None]
    hidden = [words[i] for i in chance.integers(len(words), size=shape[0])]
    is_crowd = bool(chance.random() < 0.15)
    told_areas = told if chance.random() < 0.8 else None
    return Tube(track_id, int(chance.integers(2)), 1.0, masks, is_crowd, told_areas, hidden)


def told_otherwise(videos: Sequence[TubeVideo]) -> list[TubeVideo]:
    """The same in other words: other ids, the truth in another order, and so the results, where scores tell them apart.

    Of several objects that overlap equally the last is taken, and of equal scores the first goes first; so the drawn
    videos are made to have neither.
    """
    return [
        replace(
            video,
            true=[replace(tube, track_id=900 - tube.track_id) for tube in reversed(video.true)],
            found=[replace(tube, track_id=tube.track_id * 3) for tube in reversed(video.found)],
        )
        for video in videos
    ]


def without_ties(videos: Sequence[TubeVideo]) -> list[TubeVideo]:
    """Scores that differ, all over."""
    number = 0
    untied = []
    for video in videos:
        found = []
        for tube in video.found:
            number += 1
            found.append(replace(tube, score=tube.score + number * 1e-4))
        untied.append(replace(video, found=found))
    return untied


# --- in the plainest words ----------------------------------------------------------------------------------------


def slow_headline(videos: Sequence[TubeVideo], *, occlusion: bool = False) -> dict[str, float]:
    """Every number of the benchmark."""
    thresholds = np.linspace(0.5, 0.95, 10).tolist()
    everything = (0, 1e10)
    sizes = {"": everything, "s": (0, 128**2), "m": (128**2, 256**2), "l": (256**2, 1e10)}
    hidden = {"_occ_light": (0, 0.25), "_occ_medium": (0.25, 0.5), "_occ_heavy": (0.5, 1)} if occlusion else {}

    def mean(kind: int, thresholds: list[float], size: tuple[float, float], level: object, limit: int) -> float:
        classes = {tube.class_id for video in videos for tube in video.true}
        told = [slow_class(videos, c, threshold, size, level, limit) for c in classes for threshold in thresholds]
        known = [one[kind] for one in told if one is not None]
        return float(np.mean(known)) if known else -1.0

    return {
        "AP": mean(0, thresholds, everything, None, 100),
        "AP50": mean(0, thresholds[:1], everything, None, 100),
        "AP75": mean(0, thresholds[5:6], everything, None, 100),
        **{f"AP{name}": mean(0, thresholds, sizes[name], None, 100) for name in "sml"},
        **{f"AP{name}": mean(0, thresholds, everything, level, 100) for name, level in hidden.items()},
        **{f"AR{limit}": mean(1, thresholds, everything, None, limit) for limit in (1, 10, 100)},
        **{f"AR{name}": mean(1, thresholds, sizes[name], None, 100) for name in "sml"},
        **{f"AR{name}": mean(1, thresholds, everything, level, 100) for name, level in hidden.items()},
    }


def slow_class(
    videos: Sequence[TubeVideo], class_id: int, threshold: float, size: tuple[float, float], level: object, limit: int
) -> tuple[float, float] | None:
    """Precision, the mean over recalls, and the last recall of a class; None where no object of it counts."""
    verdicts: list[tuple[float, bool]] = []  # of predictions that count: score, right
    num_true = 0
    for video in videos:
        true = [tube for tube in video.true if tube.class_id == class_id]
        aside = [tube.is_crowd or not _in(_area(tube), size) or not _in_level(tube, level) for tube in true]
        num_true += aside.count(False)
        taken: set[int] = set()
        found = sorted((tube for tube in video.found if tube.class_id == class_id), key=lambda tube: -tube.score)
        for tube in found[:limit]:
            best = _best(tube, true, aside, taken, threshold)
            if best is not None:
                taken.add(best)
                if not aside[best]:
                    verdicts.append((tube.score, True))
            elif _in(_area(tube), size):
                verdicts.append((tube.score, False))
    if not num_true:
        return None
    verdicts.sort(key=lambda verdict: -verdict[0])
    right = np.cumsum([is_right for _, is_right in verdicts])
    precisions = [float(right[n]) / (n + 1) for n in range(len(verdicts))]
    recalls = [float(right[n]) / num_true for n in range(len(verdicts))]
    levels = np.linspace(0, 1, 101)
    sampled = [max((p for p, r in zip(precisions, recalls, strict=True) if r >= one), default=0.0) for one in levels]
    return float(np.mean(sampled)), recalls[-1] if recalls else 0.0


def _best(tube: Tube, true: Sequence[Tube], aside: Sequence[bool], taken: set[int], threshold: float) -> int | None:
    for wanted in (False, True):  # objects that count go before those that do not
        best, choice = min(threshold, 1 - 1e-10), None
        for place, other in enumerate(true):
            free = place not in taken or other.is_crowd
            if aside[place] == wanted and free and slow_iou(tube.masks, other.masks) >= best:
                best, choice = slow_iou(tube.masks, other.masks), place
        if choice is not None:
            return choice
    return None


def slow_iou(one: Masks, other: Masks) -> float:
    """Over all frames at once."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 0.0


def _in(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _area(tube: Tube) -> float:
    areas = tube.areas if tube.areas is not None else tube.masks.sum((1, 2)).tolist()
    seen = [area for area in areas if area]
    return sum(seen) / len(seen) if seen else 0.0


def _in_level(tube: Tube, level: object) -> bool:
    if level is None:
        return True
    assert isinstance(level, tuple)
    levels = sorted(LEVELS[word] for word in tube.occlusion or [] if word is not None)
    upper = levels[len(levels) - math.ceil(len(levels) / 2) :]
    return bool(upper) and _in(sum(upper) / len(upper), level)
