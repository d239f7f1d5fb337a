"""VIPSeg: `pan_pred/<video>/<frame>.png` whose colours are segment ids, and `pred.json` that says what they are.

As the official program reads them (VIPSeg-Dataset/VIPSeg-Dataset, ClipPanoFCN/eval_vpq_vspw.py): `annotations` of a
video are in the order of its frames, and ids are the same in PNG and JSON, in both directions. Pictures and records
are those of `sinks.panoptic`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.sinks.content import to_json
from gvseg_core.sinks.official.layout import (
    VideoFacts,
    drive,
    inside,
    make_way,
    part_path,
    parts_of,
    read_json,
    write_whole,
)
from gvseg_core.sinks.official.png_layout import PngLayout, distinct
from gvseg_core.sinks.panoptic import PanopticJson, PanopticPng
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import Answer, Sink, Vocabulary

FILE = "pred.json"


class VipsegPng(PngLayout):
    """RGB PNG of segments, and one file of all videos."""

    task = "vps"
    root = "pan_pred"
    modes = ("RGB",)

    def sink(self, target: Path, settings: SinkSettings, video: VideoFacts) -> Sink:  # noqa: ARG002
        """Writes the video's folder."""
        return PanopticPng(target, settings)

    def write(
        self, folder: Path, answer: Answer, video: VideoFacts, vocabulary: Vocabulary, *, overwrite: bool = False
    ) -> None:
        """The video's folder, then its part of the file."""
        target = make_way(inside(folder / self.root, video.name))
        part = make_way(part_path(folder, video))
        pictures = self.sink(target, self.settings(video, vocabulary, overwrite), video)
        records = PanopticJson(part, self.settings(video, vocabulary, overwrite=True))
        drive([pictures, records], answer, video)

    def assemble(
        self, folder: Path, videos: Sequence[VideoFacts], vocabulary: Vocabulary, *, overwrite: bool = False
    ) -> None:
        """The file of all videos."""
        super().assemble(folder, videos, vocabulary)
        write_whole(folder / FILE, _joined(parts_of(folder, videos)), overwrite)

    def check(
        self,
        folder: Path,
        videos: Sequence[VideoFacts],
        vocabulary: Vocabulary,
        limit: int | None = None,  # noqa: ARG002
    ) -> list[str]:
        """Every frame has its PNG and its record, and both list the same segments, of known classes."""
        self.check_folders(folder, videos)
        known = _by_video(read_json(folder / FILE))
        categories = {info.dataset_id for info in vocabulary.classes}
        for video, place, path, pixels in self.pictures(folder, videos):
            records = known.get(video.name)
            if records is None or len(records) != len(video.frames):
                found = "is missing" if records is None else f"has {len(records)} frames"
                raise DataError(f"{FILE}: video {printable(video.name)} {found}; wanted {len(video.frames)} frames")
            where = f"{FILE}: video {printable(video.name)}, frame {place}"
            listed = _listed(records[place], categories, where)
            red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
            seen = set(distinct(red | green << 8 | blue << 16)) - {0}
            if odd := sorted(seen ^ listed):
                sides = ("the PNG", "the JSON") if odd[0] in seen else ("the JSON", "the PNG")
                raise DataError(f"{where}: segment {odd[0]} is in {sides[0]} but not in {sides[1]} ({printable(path)})")
        return self.strangers(folder, videos)

    def members(self, videos: Sequence[VideoFacts]) -> list[str]:
        """The pictures and the file."""
        return [*super().members(videos), FILE]


def _joined(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The records of all videos as one file; a part is a file of one video."""
    yield b'{"annotations":['
    for place, part in enumerate(parts):
        yield (b",\n" if place else b"") + to_json(json.loads(part)["annotations"][0])
    yield b"]}\n"


def _by_video(found: Any) -> dict[str, list[Any]]:
    """Video → its frames' records."""
    videos = found.get("annotations") if isinstance(found, dict) else None
    if not isinstance(videos, list):
        raise DataError(f"{FILE}: wanted an object with the list annotations")
    by_video = {}
    for place, video in enumerate(videos):
        if not isinstance(video, dict) or not isinstance(video.get("annotations"), list):
            raise DataError(f"{FILE}.annotations[{place}]: wanted an object with video_id and the list annotations")
        by_video[str(video.get("video_id"))] = video["annotations"]
    return by_video


def _listed(record: Any, categories: set[int], where: str) -> set[int]:
    """The ids of a frame's segments."""
    infos = record.get("segments_info") if isinstance(record, dict) else None
    if not isinstance(infos, list) or not all(isinstance(i, dict) and type(i.get("id")) is int for i in infos):
        raise DataError(f"{where}: wanted the list segments_info of objects with an id")
    for info in infos:
        category = info.get("category_id")
        if type(category) is not int or category not in categories:
            raise DataError(f"{where}: category {printable(category)} is no class of this set")
    return {info["id"] for info in infos}
