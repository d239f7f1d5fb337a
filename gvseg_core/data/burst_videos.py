"""BURST's truth and results, as its evaluator understands them.

Source: Ali2500/BURST-benchmark, `burst_helpers/{format_converter,burst_base,burst_ow_base}.py` (MIT). Objects of
distracting categories are dropped from the truth, and some categories count as others (`tao`). Results may be of more
frames than are annotated; only those that are annotated are read. How we differ: a video without results counts as
empty and is told of, and a category that does not exist is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gvseg_core.data.burst_json import ABSENT, PARTLY, BurstFile, BurstSequence, Detection
from gvseg_core.data.folders import shown
from gvseg_core.data.json_records import refuse_undeclared
from gvseg_core.data.names import pair_names
from gvseg_core.data.tao import COMMON, DISTRACTORS, MERGED
from gvseg_core.data.unseen import unseen_frame
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.types import Answer, FrameResult, Segment, Size, Track, Truth

Found = Sequence[Sequence[Detection]]
"""What a file of results has on each annotated frame of a video."""

FILE = "predictions.json"


class BurstTruth:
    """The annotated sequences of a split.

    Args:
        file: of all classes.
        split_of: (sequence, track) → `common` or `uncommon`, where files tell; by default its category does.
        every_picture: whether frames are numbered among all pictures of their video, or among the annotated ones.

    Raises:
        DataError: there is no sequence, two have one name, or a track's category is not declared.
    """

    def __init__(
        self,
        file: BurstFile,
        split_of: Mapping[tuple[str, int], str] | None = None,
        *,
        every_picture: bool = True,
    ) -> None:
        self.vocabulary = file.vocabulary()
        self.split = file.split or "val"
        self.notes: list[str] = []
        self.sequences = {f"{self.split}-{s.dataset}-{s.name}": s for s in file.sequences}
        self.videos: Sequence[str] = sorted(self.sequences)
        if not file.sequences or len(self.videos) < len(file.sequences):
            raise DataError(f"{file.where}: no sequence, or two of one name; wanted one or more, each with its own")
        self.class_of = {info.dataset_id: i for i, info in enumerate(self.vocabulary.classes)}
        self._split_of = split_of
        self._every_picture = every_picture
        for sequence in file.sequences:
            strange = [c for c in sequence.categories.values() if MERGED.get(c, c) not in self.class_of]
            refuse_undeclared(sequence.record.path("track_category_ids"), "category", strange, "categories")

    def answer(self, video: str) -> Answer:
        """The truth of one video."""
        sequence = self.sequences[video]
        found = sequence.detections()
        strange = sorted({item.number for frame in found for item in frame} - sequence.categories.keys())
        refuse_undeclared(sequence.record.path("segmentations"), "track", strange, "track_category_ids")
        results = _results(self.places(video), sequence.size, as_given(self, sequence, sequence, found))
        tracks = [replace(t, score=1.0, details=self._details(sequence, t)) for t in tracks_of(results)]
        return Answer(video, results, tracks, {name: sequence.numbers(name) for name in (ABSENT, PARTLY)})

    def places(self, video: str) -> list[int]:
        """`Frame.index` of its annotated frames."""
        sequence = self.sequences[video]
        pictures = sequence.pictures if self._every_picture else sequence.frames
        place = {name: i for i, name in enumerate(pictures)}
        return [place[name] for name in sequence.frames]

    def _details(self, sequence: BurstSequence, track: Track) -> dict[str, Any]:
        """Its category, and to which split of the classes it counts."""
        category = sequence.categories[track.track_id]
        number = MERGED.get(category, category)
        if self._split_of is not None:
            split = self._split_of.get((sequence.key, track.track_id), "neither")
        else:
            split = "distractor" if number in DISTRACTORS else "common" if number in COMMON else "uncommon"
        return {"category_id": category, "split": split}


Speak = Callable[[BurstTruth, BurstSequence, BurstSequence, Found], list[list[Segment]]]
"""The truth, its sequence, that of somebody's results, and what those have found → the same in the truth's words."""


def as_given(truth: BurstTruth, given: BurstSequence, sequence: BurstSequence, found: Found) -> list[list[Segment]]:
    """Objects that were given: numbers and categories are the truth's; what distracts is left out."""
    strange = sorted({item.number for frame in found for item in frame} - given.categories.keys())
    refuse_undeclared(sequence.record.path("segmentations"), "track", strange, "objects that are given in the video")
    class_of = {n: truth.class_of[MERGED.get(c, c)] for n, c in given.categories.items() if c not in DISTRACTORS}
    return [
        [Segment(i.number, class_of[i.number], i.score, i.mask) for i in frame if i.number in class_of]
        for frame in found
    ]


def by_class(truth: BurstTruth, given: BurstSequence, sequence: BurstSequence, found: Found) -> list[list[Segment]]:  # noqa: ARG001
    """Objects of classes: a detection's own category, or else its track's."""
    items = [item for frame in found for item in frame]
    lost = sorted({item.number for item in items if item.category is None} - sequence.categories.keys())
    refuse_undeclared(sequence.record.path("segmentations"), "track", lost, "track_category_ids")
    category = [item.category if item.category is not None else sequence.categories[item.number] for item in items]
    strange = [number for number in category if MERGED.get(number, number) not in truth.class_of]
    refuse_undeclared(sequence.record.where, "category", strange, "categories of the ground truth")
    numbers = iter(category)
    return [
        [Segment(i.number, truth.class_of[MERGED.get(c, c)], i.score, i.mask) for i, c in zip(frame, numbers)]  # noqa: B905
        for frame in found
    ]


def as_objects(truth: BurstTruth, given: BurstSequence, sequence: BurstSequence, found: Found) -> list[list[Segment]]:  # noqa: ARG001
    """Objects of any kind; categories are not looked at."""
    return [[Segment(item.number, 0, item.score, item.mask) for item in frame] for frame in found]


class BurstResults:
    """Somebody's results.

    Args:
        path: the file; or a folder with the file `predictions.json`.
        speak: what they are in the words of the truth.

    Raises:
        DataError: it is malformed, or of a split or of videos that the truth does not have.
    """

    def __init__(self, path: Path, truth: Truth, speak: Speak) -> None:
        assert isinstance(truth, BurstTruth), "results are read against the truth of their own set"
        self._truth = truth
        self._speak = speak
        file = BurstFile(path / FILE if path.is_dir() else path)
        where = printable(path)
        if file.split and file.split != truth.split:
            raise DataError(f"{where}: results of {printable(file.split)}; the ground truth is of {truth.split}")
        there = {sequence.key: sequence for sequence in file.sequences}
        pairs = pair_names([sequence.key for sequence in truth.sequences.values()], there, path)
        if strange := sorted(there.keys() - set(pairs.values())):
            raise DataError(f"{where}: results of videos that the ground truth does not have: {shown(strange)}")
        self._sequences = {v: there[pairs[s.key]] for v, s in truth.sequences.items() if s.key in pairs}
        missing = [video for video in truth.videos if video not in self._sequences]
        self.notes = [f"no results of {len(missing)} videos, counted as empty: {shown(missing)}"] if missing else []

    def answer(self, video: str) -> Answer:
        """The results of one video."""
        given = self._truth.sequences[video]
        segments: list[list[Segment]] = [[] for _ in given.frames]
        sequence = self._sequences.get(video)
        if sequence is not None:
            if sequence.size != given.size:
                (h, w), (height, width) = sequence.size, given.size
                raise DataError(f"{sequence.record.where}: {w}×{h}, wanted {width}×{height} as in the ground truth")
            found = dict(zip(sequence.frames, sequence.detections(), strict=True))
            pairs = pair_names(given.frames, found, sequence.record.where)
            wanted = [found[pairs[name]] if name in pairs else [] for name in given.frames]
            segments = self._speak(self._truth, given, sequence, wanted)
        results = _results(self._truth.places(video), given.size, segments)
        return Answer(video, results, tracks_of(results))


def _results(places: Sequence[int], size: Size, segments: Sequence[Sequence[Segment]]) -> list[FrameResult]:
    return [FrameResult(unseen_frame(index, size), tuple(items)) for index, items in zip(places, segments, strict=True)]


def tracks_of(results: Sequence[FrameResult]) -> list[Track]:
    """Segments summed up by their ids: the class of the first, the mean of their scores."""
    found: dict[int, list[tuple[int, Segment]]] = {}
    for result in results:
        for segment in result.segments:
            found.setdefault(segment.track_id, []).append((result.frame.index, segment))
    return [
        Track(
            track_id,
            items[0][1].class_id,
            sum(segment.score for _, segment in items) / len(items),
            items[0][0],
            items[-1][0],
            len(items),
        )
        for track_id, items in sorted(found.items())
    ]
