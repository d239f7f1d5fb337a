"""G of YouTube-VOS 2018: J and F of objects of seen and of unseen categories, from the frame on which each is given.

The server's program is not public. Its page says: J and F as DAVIS has them, averaged over the objects of the seen and
of the unseen categories; G is the mean of the four. Which frames count it does not say. The headline takes the frames
on which an object is annotated (its `frames` in `meta.json`) but the first, on which it is given; `variants` has other
readings, of which two are programs that people use:

- visionml/pytracking, `evaluate_vos.py` (GPL-3): every annotated frame of the video after the object's first, but the
  video's last.
- hkchengrex/vos-benchmark (MIT): no categories, per cent; an object counts from the frame on which it is annotated or
  found for the first time, on all annotated frames of the video or on those between its first and its last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.metrics.objects import Floats, ObjectScorer, mean
from gvseg_core.types import Answer, FrameResult, Metric, Partial, Scores, Track, VideoScorer

Flags = NDArray[np.bool_]


class YoutubeVos(Metric):
    """J and F over objects seen and unseen in training, and G, their mean.

    The truth's tracks say in `details` what `meta.json` does: `category`, `frames` (names), and `unseen`; the truth
    itself has the names of its frames as `details["frames"]`.
    An object with no frame but its first is in no mean. G is the mean of those of its four parts that are defined.
    """

    name = "youtube_vos"

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - ids are the truth's
        """A video."""
        return _Video(sorted(truth.tracks, key=lambda track: track.track_id), truth.details["frames"])

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Means over the objects of all videos."""
        objects = [_Object(video, partial, row) for video, partial in partials for row in range(len(partial["ids"]))]
        details = {
            "per_object": {o.name: {**_named(o.means(_but_first)), **o.category} for o in objects},
            "per_frame": {o.name: o.per_frame for o in objects},
        }
        benchmark = {
            "skip_first_and_last": _vos_benchmark(objects, slice(1, -1)),
            "all_frames": _vos_benchmark(objects, slice(None)),
        }
        variants = {name: _seen_and_unseen(objects, rule) for name, rule in _RULES.items()}
        return Scores(_seen_and_unseen(objects, _but_first), details, {**variants, "vos_benchmark": benchmark})


class _Video(VideoScorer):
    def __init__(self, tracks: Sequence[Track], frames: Sequence[str]) -> None:
        self._tracks = tracks
        self._ids = [track.track_id for track in tracks]
        self._frames = frames
        self._scorer = ObjectScorer(self._ids)
        self._scores: list[Floats] = []

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""
        self._scores.append(self._scorer(truth, found))

    def partial(self) -> Partial:
        """Of N objects on T frames: `ids`, `category`, `unseen` (N,); `frames` (T,); `scores` (2, N, T): J and F;
        `listed` (N, T), where meta.json has it; `present` (2, N, T), in the truth and in what was found."""
        n, t = len(self._ids), len(self._scores)
        scores = np.moveaxis(np.array(self._scores, np.float64).reshape(t, 4, n), 0, -1)
        listed = [[frame in set(track.details["frames"]) for frame in self._frames] for track in self._tracks]
        return {
            "ids": np.array(self._ids, np.int64),
            "category": np.array([track.details["category"] or "" for track in self._tracks], np.str_),
            "unseen": np.array([track.details["unseen"] for track in self._tracks], np.bool_),
            "frames": np.array(self._frames, np.str_),
            "scores": scores[:2],
            "listed": np.array(listed, np.bool_).reshape(n, t),
            "present": scores[2:] > 0,
        }


@dataclass(frozen=True, slots=True)
class _Object:
    """One row of a video's partial."""

    video: str
    partial: Partial
    row: int

    @property
    def name(self) -> str:
        return f"{self.video}/{self.partial['ids'][self.row]}"

    @property
    def unseen(self) -> bool:
        return bool(self.partial["unseen"][self.row])

    @property
    def category(self) -> dict[str, Any]:
        return {"category": str(self.partial["category"][self.row]) or None, "unseen": self.unseen}

    @property
    def listed(self) -> Flags:
        flags: Flags = self.partial["listed"][self.row]
        return flags

    @property
    def per_frame(self) -> dict[str, Any]:
        region, boundary = self.partial["scores"][:, self.row, self.listed]
        frames = self.partial["frames"][self.listed].tolist()
        return {"frames": frames, "J": region.tolist(), "F": boundary.tolist(), **self.category}

    def means(self, rule: Callable[[Flags], Flags]) -> tuple[float, float]:
        """J and F over the frames that a rule picks."""
        region, boundary = self.partial["scores"][:, self.row, rule(self.listed)]
        return mean(region), mean(boundary)

    def from_first_seen(self, frames: slice) -> tuple[float, float] | None:
        """J and F over some frames of the video, from the first on which it is there or found; None if it never is."""
        true, seen = self.partial["present"][:, self.row, frames]
        if not true.any():
            return None
        region, boundary = self.partial["scores"][:, self.row, frames][:, int((true | seen).argmax()) :]
        return 100 * mean(region), 100 * mean(boundary)


# --- which frames of an object count, by where it is listed -------------------------------------------------------


def _but_first(listed: Flags) -> Flags:
    return listed & (np.cumsum(listed) > 1)


def _between(listed: Flags) -> Flags:
    return _but_first(listed) & _but_first(listed[::-1])[::-1]


def _after_first(listed: Flags) -> Flags:
    after: Flags = np.greater(np.cumsum(listed), listed)
    after[-1:] = False
    return after


_RULES: Mapping[str, Callable[[Flags], Flags]] = {
    "with_first": lambda listed: listed,
    "between": _between,
    "pytracking": _after_first,
}


# --- means over objects -------------------------------------------------------------------------------------------


def _seen_and_unseen(objects: Sequence[_Object], rule: Callable[[Flags], Flags]) -> dict[str, float]:
    """G and its parts."""
    scores = np.array([o.means(rule) for o in objects], np.float64).reshape(-1, 2)
    counted = ~np.isnan(scores[:, 0])
    unseen = np.array([o.unseen for o in objects], np.bool_)
    parts = {}
    for what, those in (("seen", ~unseen), ("unseen", unseen)):
        for name, values in zip("JF", scores[counted & those].T, strict=True):
            parts[f"{name}_{what}"] = mean(values)
    defined = np.array([value for value in parts.values() if value == value])
    region, boundary = (mean(values) for values in scores[counted].T)
    return {"G": mean(defined), **parts, "J&F_all_objects": (region + boundary) / 2}


def _vos_benchmark(objects: Sequence[_Object], frames: slice) -> dict[str, Any]:
    """What vos-benchmark says."""
    found = {o.name: o.from_first_seen(frames) for o in objects}
    scores = {name: score for name, score in found.items() if score is not None}
    region, boundary = (mean(values) for values in np.array(list(scores.values()), np.float64).reshape(-1, 2).T)
    per_object = {name: _named(score) for name, score in scores.items()}
    return {"J&F": (region + boundary) / 2, "J": region, "F": boundary, "per_object": per_object}


def _named(scores: tuple[float, float]) -> dict[str, float]:
    return {"J": scores[0], "F": scores[1]}
