"""What training asks of a set: any few frames of any video, with who owns each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from gvseg_core.errors import DataError, VideoError
from gvseg_core.ops import rle
from gvseg_core.ops.label_maps import MapSegments, Regions
from gvseg_core.types import FrameResult, Segment, Size, TaskName, Vocabulary
from gvseg_core.video.picture import Picture
from gvseg_core.video.stills import read_picture


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame as its set has it."""

    picture: Picture  # (H, W, 3) uint8 RGB
    regions: Regions  # of the same H × W; class ids are the set's own


class TrainingVideos(Protocol):
    """A split of a set, opened for training. It is sent to worker processes, so what is large in it is `Packed`."""

    vocabulary: Vocabulary
    tasks: frozenset[TaskName]  # that its labels can teach
    is_still: bool  # its videos are single pictures, of which pseudo-videos are made
    notes: Sequence[str]  # one line each: what was understood, or left out

    def __len__(self) -> int:
        """Videos."""

    def name(self, video: int) -> str:
        """What the set calls a video, for messages."""

    def num_frames(self, video: int) -> int:
        """Labelled frames, at least 1; all else speaks of these alone."""

    def shown(self, video: int) -> Sequence[int] | None:
        """The frames known to show something; None where only looking tells."""

    def load(self, video: int, frames: Sequence[int]) -> list[Scene]:
        """These frames, and nothing else of the video.

        Raises:
            DataError: a file that is missing or damaged, by name.
        """


def load_picture(path: Path) -> Picture:
    """(H, W, 3) uint8 RGB of a file that a set names.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        return read_picture(path)
    except VideoError as error:
        raise DataError(str(error)) from None


def regions_of_frame(result: FrameResult, size: Size) -> Regions:
    """Who owns each pixel of a frame of ground truth.

    Where masks overlap the smaller one is seen: a bag, not the person who carries it. Each pixel having one owner,
    masks stay disjoint whatever is done to the map afterwards.

    Raises:
        DataError: the labels have another size than the picture.
    """
    segments = result.segments
    regions = segments.regions if isinstance(segments, MapSegments) else painted(segments, size)
    if regions.size != size:
        (h, w), (rows, columns) = regions.size, size
        raise DataError(f"labels of {w}×{h} for a picture of {columns}×{rows}")
    return regions


def painted(segments: Sequence[Segment], size: Size) -> Regions:
    """Masks as a map of regions, the larger ones beneath."""
    areas = [rle.area(segment.mask) for segment in segments]
    order = sorted(range(len(segments)), key=lambda i: -areas[i])
    flat = rle.paint([segments[i].mask for i in order], [i + 1 for i in order], size, np.uint16).ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    return Regions(
        size,
        starts,
        flat[starts].astype(np.int64),
        np.array([0, *(s.track_id for s in segments)], np.int64),
        np.array([-1, *(s.class_id for s in segments)], np.int64),
        np.array([False, *(s.ignore for s in segments)], np.bool_),
    )
