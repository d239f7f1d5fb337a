"""YouTube-VIS and OVIS: `results.json`, a list of {video_id, category_id, score, segmentations}.

As youtubevos/cocoapi reads it (ytvos.py, `loadRes`): category_id is the data set's own, segmentations has a compressed
RLE or null for each frame of the video. Every track is a prediction, in the order of the tracks, since among equal
scores the official program keeps that order. Servers take a limited number a video; which those are is decided before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops import rle
from gvseg_core.sinks.coco_video import CocoVideoJson
from gvseg_core.sinks.official.layout import (
    Layout,
    VideoFacts,
    drive,
    make_way,
    part_path,
    parts_of,
    read_json,
    write_whole,
)
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import Answer, Vocabulary

FILE = "results.json"


class ResultsJson(Layout):
    """One file of all videos."""

    names = ("video_id", "segmentations")
    """What a record calls the number of its video, and its masks."""

    def masks(self, prediction: Mapping[str, Any]) -> Any:
        """A record's masks, one or null for each frame."""
        return prediction.get("segmentations")

    def write(
        self,
        folder: Path,
        answer: Answer,
        video: VideoFacts,
        vocabulary: Vocabulary,
        *,
        overwrite: bool = False,  # noqa: ARG002 - a part is nobody else's
    ) -> None:
        """The video's part of the list."""
        assert video.number is not None, "videos of these sets are known by their number"
        self.put(make_way(part_path(folder, video)), video.number, answer, video, vocabulary)

    def put(self, part: Path, number: int, answer: Answer, video: VideoFacts, vocabulary: Vocabulary) -> None:
        """Write a video's part of the list to `part`."""
        settings = SinkSettings("vis", vocabulary, overwrite=True)
        drive([CocoVideoJson(part, settings, form="results", video_id=number)], answer, video)

    def assemble(
        self,
        folder: Path,
        videos: Sequence[VideoFacts],
        vocabulary: Vocabulary,  # noqa: ARG002
        *,
        overwrite: bool = False,
    ) -> None:
        """The whole list."""
        write_whole(folder / FILE, _joined(parts_of(folder, videos)), overwrite)

    def check(
        self, folder: Path, videos: Sequence[VideoFacts], vocabulary: Vocabulary, limit: int | None = None
    ) -> list[str]:
        """Known videos and classes, a finite score, a mask or null for each frame, no more than `limit` a video."""
        listed = read_json(folder / FILE)
        if not isinstance(listed, list) or not listed:
            raise DataError(f"{FILE}: wanted a list of predictions, with one at least")
        known = {video.number: video for video in videos if video.number is not None}
        categories = {info.dataset_id for info in vocabulary.classes}
        counts: Counter[str] = Counter()
        for place, prediction in enumerate(listed):
            where = f"{FILE}[{place}]"
            video = self._checked(prediction, known, categories, where)
            counts[video.name] += 1
            if limit is not None and counts[video.name] > limit:
                raise DataError(f"{where}: video {printable(video.name)} has more than {limit} predictions")
        empty = [video.name for video in videos if video.name not in counts]
        if not empty:
            return []
        return [f"{len(empty)} of {len(videos)} videos have no prediction, the first is {printable(empty[0])}"]

    def members(self, videos: Sequence[VideoFacts]) -> list[str]:  # noqa: ARG002
        """The one file."""
        return [FILE]

    def _checked(
        self, prediction: Any, known: Mapping[int, VideoFacts], categories: set[int], where: str
    ) -> VideoFacts:
        """The video that a prediction is of."""
        if not isinstance(prediction, dict):
            raise DataError(f"{where}: wanted an object, found {type(prediction).__name__}")
        id_name, masks_name = self.names
        number, category, score = (prediction.get(key) for key in (id_name, "category_id", "score"))
        video = known.get(number) if type(number) is int else None
        if video is None:
            raise DataError(f"{where}.{id_name}: {printable(number)} is no {id_name[:-3]} of this set")
        if type(category) is not int or category not in categories:
            raise DataError(f"{where}.category_id: {printable(category)} is no class of this set")
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise DataError(f"{where}.score: wanted a finite number, found {printable(score)}")
        masks = self.masks(prediction)
        if not isinstance(masks, list) or len(masks) != len(video.frames):
            found = f"{len(masks)} entries" if isinstance(masks, list) else type(masks).__name__
            name = printable(video.name)
            raise DataError(f"{where}.{masks_name}: {found}; video {name} has {len(video.frames)} frames")
        for frame, mask in enumerate(masks):
            if mask is not None:
                _check_mask(mask, video, f"{where}.{masks_name}[{frame}]")
        return video


def _joined(lists: Iterator[bytes]) -> Iterator[bytes]:
    """The JSON of several lists as that of one."""
    before = b"["
    for items in (one.strip()[1:-1] for one in lists):
        if items:
            yield before + items
            before = b",\n"
    yield b"]\n" if before != b"[" else b"[]\n"


def _check_mask(mask: Any, video: VideoFacts, where: str) -> None:
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), str):
        raise DataError(f"{where}: wanted null or a compressed RLE")
    try:
        rle.from_coco(mask, video.size)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
