"""mVC, the video consistency of VSPW: how much of what does not change in truth does not change in the results.

In a window of n frames, of the pixels whose true label stays the same, the share whose found label stays the same too;
whether it is the right one is not asked. Windows slide by one frame, and the last one that fits is left out, so that a
video needs more than n frames. The mean is over the windows of all videos; one in which no true label stays counts not.

Source: VSPW-dataset/VSPW_code (`VC_perclip.py`; fractions). How we differ:

- Nothing is stacked: each pixel knows for how many frames it has not changed, which answers for every n at once.
- The accumulator is that of one n. Scripts derived from it (DVIS++, VidEoMT) go on from 8 to 16 without emptying it.
- A pixel that belongs to nobody (a video without results) does not stay the same, where the program would end.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops.label_maps import Regions, regions_of
from gvseg_core.types import VOID, Answer, FrameResult, Metric, Partial, Scores, VideoScorer

WINDOWS = (8, 16)


class VideoConsistency(Metric):
    """mVC8 and mVC16. VSPW's two voids are two labels, as its files are distributed; a variant takes them for one."""

    name = "mvc"

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:  # noqa: ARG002 - all is in the frames
        """A video."""
        return _Video()

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """Over the windows of all videos."""
        told = {f"mVC{n}": _told(partials, f"windows_{n}") for n in WINDOWS}
        merged = {f"mVC{n}": _told(partials, f"merged_{n}") for n in WINDOWS}
        return Scores({name: of["mVC"] for name, of in told.items()}, told, {"mVC_on_converted_masks": merged})


class _Unchanged:
    """For how many frames no pixel of a series of maps has changed, up to the longest window."""

    def __init__(self) -> None:
        self._last: NDArray[Any] | None = None
        self.frames = np.zeros(0, np.uint8)  # (H, W) before this one that are like it

    def add(self, labels: NDArray[Any]) -> None:
        """The next map, (H, W)."""
        if self._last is None:
            self.frames = np.zeros(labels.shape, np.uint8)
        else:
            np.minimum(self.frames, max(WINDOWS), out=self.frames)
            self.frames += 1
            self.frames *= labels == self._last
        self._last = labels


class _Video(VideoScorer):
    def __init__(self) -> None:
        self._num_frames = 0
        self._truth, self._found = _Unchanged(), _Unchanged()
        self._merged: _Unchanged | None = None  # the truth with one void, once it has had two
        self._voids: dict[int, None] = {}  # track ids of regions of no class, in the order in which they came
        self._counts: dict[str, list[tuple[int, int]]] = {
            f"{k}_{n}": [] for k in ("windows", "merged") for n in WINDOWS
        }

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""
        true, answer = regions_of(truth), regions_of(found)
        voids = true.class_ids == VOID
        self._voids |= dict.fromkeys(true.track_ids[1:][voids[1:]].tolist())
        if len(self._voids) > 1 and self._merged is None:
            self._merged = copy.copy(self._truth)  # the same so far
            self._merged.frames = self._truth.frames.copy()
        self._truth.add(_painted(true, true.track_ids))
        if self._merged is not None:
            voids[0] = False
            self._merged.add(_painted(true, np.where(voids, next(iter(self._voids)), true.track_ids)))
        labels = _painted(answer, answer.track_ids)
        self._found.add(labels)
        if answer.areas[0]:
            self._found.frames[labels == 0] = 0
        self._num_frames += 1
        for n in WINDOWS:
            if self._num_frames >= n:
                counts = self._count(self._truth, n)
                self._counts[f"windows_{n}"].append(counts)
                self._counts[f"merged_{n}"].append(counts if self._merged is None else self._count(self._merged, n))

    def _count(self, truth: _Unchanged, n: int) -> tuple[int, int]:
        """What the window of n frames that ends here comes to."""
        stays = truth.frames >= n - 1
        both = stays & (self._found.frames >= n - 1)
        return int(np.count_nonzero(stays)), int(np.count_nonzero(both))

    def partial(self) -> Partial:
        """Of each window but the last, (W, 2): pixels that stay in truth, and of these in the results as well."""
        return {key: np.array(counts[:-1], np.int64).reshape(-1, 2) for key, counts in self._counts.items()}


def _painted(regions: Regions, ids: NDArray[np.int64]) -> NDArray[Any]:
    """(H, W) map of ids, as narrow as they allow."""
    return regions.paint(ids.astype(np.min_scalar_type(int(ids.max()))))


def _told(partials: Sequence[tuple[str, Partial]], key: str) -> Mapping[str, Any]:
    """The mean over all windows, and over those of each video."""
    videos = {video: _shares(partial[key]) for video, partial in partials}
    every = np.concatenate([np.empty(0), *videos.values()])
    return {
        "mVC": _mean(every),
        "per_video": {video: _mean(shares) for video, shares in videos.items() if len(shares)},
        "skipped_videos": [video for video, shares in videos.items() if not len(shares)],
    }


def _shares(counts: NDArray[Any]) -> NDArray[np.float64]:
    """(W,) NaN where nothing stays in truth."""
    stays, both = counts.T
    shares: NDArray[np.float64] = np.where(stays > 0, both / np.maximum(stays, 1), np.nan)
    return shares


def _mean(shares: NDArray[np.float64]) -> float:
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if len(known) else np.nan
