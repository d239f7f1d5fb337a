"""BURST: `predictions.json`, in the format of its ground truth.

As Ali2500/BURST-benchmark reads it (ANNOTATION_FORMAT.md; burstapi/eval/run.py): `sequences`, each with
`track_category_ids` and with `segmentations`, one mapping of track id → {rle, score, is_gt} per path of
`annotated_image_paths`; a mask that is empty is left out, since it would count as a detection. A sequence repeats what
the ground truth says of it: that is `VideoFacts.details["sequence"]`, with dataset and seq_name, and any of width,
height, id, fps, all_image_paths, annotated_image_paths, neg_category_ids, not_exhaustive_category_ids and, where
exemplars are given, track_category_ids. `details["split"]` is the split, if it has a name.

With exemplars, track ids are those that were given. A detection whose class is not that of its track has a
`category_id` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops import rle
from gvseg_core.sinks.content import to_json
from gvseg_core.sinks.official.layout import (
    Layout,
    VideoFacts,
    make_way,
    part_path,
    parts_of,
    placed,
    read_json,
    write_whole,
)
from gvseg_core.types import Answer, Vocabulary

FILE = "predictions.json"


class BurstJson(Layout):
    """One file of all videos."""

    def write(
        self,
        folder: Path,
        answer: Answer,
        video: VideoFacts,
        vocabulary: Vocabulary,
        *,
        overwrite: bool = False,  # noqa: ARG002 - a part is nobody else's
    ) -> None:
        """The video's sequence."""
        numbers = [info.dataset_id for info in vocabulary.classes]
        classes: dict[int, int] = {}  # of each track, as first seen
        segmentations = []
        for result in placed(answer, video):
            frame = {}
            for segment in result.segments:
                _check_given(segment.track_id, video, printable(video.name))
                if not rle.area(segment.mask):  # somebody else's results may have written it out
                    continue
                found = {"rle": segment.mask.counts.decode("ascii"), "score": segment.score, "is_gt": False}
                if classes.setdefault(segment.track_id, segment.class_id) != segment.class_id:
                    found["category_id"] = numbers[segment.class_id]
                frame[str(segment.track_id)] = found
            segmentations.append(frame)
        record = _sequence(video)
        own = {str(track_id): numbers[classes[track_id]] for track_id in sorted(classes)}
        record["track_category_ids"] = own | (record.get("track_category_ids", {}) if video.object_ids else {})
        record["segmentations"] = segmentations
        write_whole(make_way(part_path(folder, video)), [to_json(record)], overwrite=True)

    def assemble(
        self, folder: Path, videos: Sequence[VideoFacts], vocabulary: Vocabulary, *, overwrite: bool = False
    ) -> None:
        """The whole file."""
        write_whole(folder / FILE, _joined(parts_of(folder, videos), videos, vocabulary), overwrite)

    def check(
        self,
        folder: Path,
        videos: Sequence[VideoFacts],
        vocabulary: Vocabulary,  # noqa: ARG002
        limit: int | None = None,  # noqa: ARG002
    ) -> list[str]:
        """Every video with all its frames, no empty mask, no object that was not given."""
        found = read_json(folder / FILE)
        sequences = found.get("sequences") if isinstance(found, dict) else None
        if not isinstance(sequences, list) or not all(isinstance(one, dict) for one in sequences):
            raise DataError(f"{FILE}: wanted an object with the list sequences")
        known = {(str(one.get("dataset")), str(one.get("seq_name"))): one for one in sequences}
        for video in videos:
            wanted = _sequence(video)
            sequence = known.get((wanted["dataset"], wanted["seq_name"]))
            if sequence is None:
                raise DataError(f"{FILE}: video {printable(video.name)} is missing")
            _check_sequence(sequence, wanted, video)
        return []

    def members(self, videos: Sequence[VideoFacts]) -> list[str]:  # noqa: ARG002
        """The one file."""
        return [FILE]


def _sequence(video: VideoFacts) -> dict[str, Any]:
    """What is said of a video besides its masks."""
    said = {key: value for key, value in video.details["sequence"].items() if key != "segmentations"}
    paths = [f"{frame}.jpg" for frame in video.frames]
    return {"id": video.number, "height": video.size[0], "width": video.size[1], "annotated_image_paths": paths} | said


def _joined(parts: Iterator[bytes], videos: Sequence[VideoFacts], vocabulary: Vocabulary) -> Iterator[bytes]:
    yield b'{"sequences":['
    for place, part in enumerate(parts):
        yield (b",\n" if place else b"") + part
    categories = [{"id": info.dataset_id, "name": info.name} for info in vocabulary.classes]
    yield b'],\n"categories":' + to_json(categories)
    split = next((video.details["split"] for video in videos if video.details.get("split")), "")
    yield (b',"split":' + to_json(split) if split else b"") + b"}\n"


def _check_given(track_id: int, video: VideoFacts, where: str) -> None:
    if video.object_ids is not None and track_id not in video.object_ids:
        given = ", ".join(map(str, sorted(video.object_ids))) or "none"
        raise DataError(f"{where}: object {track_id} was not given; wanted {given}")


def _check_sequence(sequence: dict[str, Any], wanted: dict[str, Any], video: VideoFacts) -> None:
    where = f"{FILE}: video {printable(video.name)}"
    paths, frames = sequence.get("annotated_image_paths"), sequence.get("segmentations")
    if not isinstance(paths, list) or not isinstance(frames, list) or len(paths) != len(frames):
        raise DataError(f"{where}: wanted as many segmentations as annotated_image_paths")
    if sequence.get("id") != wanted["id"]:
        raise DataError(f"{where}: id {printable(sequence.get('id'))}; wanted {wanted['id']}")
    if absent := [path for path in wanted["annotated_image_paths"] if path not in set(paths)]:
        raise DataError(f"{where}: {len(absent)} frames are missing, the first is {printable(absent[0])}")
    for path, frame in zip(paths, frames, strict=True):
        if not isinstance(frame, dict):
            raise DataError(f"{where}: wanted an object of track ids for {printable(path)}")
        for key, found in frame.items():
            there = f"{where}, {printable(path)}, track {printable(key)}"
            counts = found.get("rle") if isinstance(found, dict) else None
            if not key.isascii() or not key.isdecimal() or not isinstance(counts, str):
                raise DataError(f"{there}: wanted a number as track id, and an object with the text rle")
            _check_given(int(key), video, there)
            _check_mask(counts, video, there)


def _check_mask(counts: str, video: VideoFacts, where: str) -> None:
    try:
        mask = rle.from_coco({"size": list(video.size), "counts": counts})
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if not rle.area(mask):
        raise DataError(f"{where}: an empty mask, which would count as a detection; leave it out")
