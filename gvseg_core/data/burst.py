"""BURST, three protocols on one set: objects that are given, objects of given classes, objects of any kind.

Layout: `annotations/val/{all,common,uncommon}_classes.json`; `first_frame_annotations.json`, which has the mask, a box
and a point of each object where it is annotated first; frames in `frames/val/<dataset>/<sequence>/*.jpg`. The truth of
val and test is public. Results: one file in the format of the truth, with a mask string for each object of each
annotated frame, and nothing where it is not.

Source: Ali2500/BURST-benchmark (`README.md`, `ANNOTATION_FORMAT.md`, `burstapi/eval/run.py`; MIT).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Literal

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.burst_json import BurstFile, BurstSequence, check_mask
from gvseg_core.data.burst_videos import BurstResults, BurstTruth, Speak, as_given, as_objects, by_class
from gvseg_core.data.json_records import Record
from gvseg_core.data.recognition import misfit
from gvseg_core.data.tao import TAO
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.types import Exemplar, Frame, Prompt, Rle, Truth, VideoSource

PromptKind = Literal["mask", "box", "point"]

_ALL = ("all_classes.json", "train.json")  # of training there is one file
_FIRST = "first_frame_annotations.json"
_SPLITS = {"common": "common_classes.json", "uncommon": "uncommon_classes.json"}


class BurstFootage:
    """The pictures of a split; with the objects, each where it is annotated first, if those are to be given.

    All frames are run where all are at hand, and else those that are annotated.

    Raises:
        DataError: a part is missing.
    """

    def __init__(self, root: Path, split: str, prompt: PromptKind | None) -> None:
        folder = _annotations(root, split)
        file = BurstFile(_all_classes(folder))
        self._pictures = _pictures(root, split, file)
        first_sequence = file.sequences[0]
        self._every = all((self._folder(first_sequence) / name).is_file() for name in first_sequence.pictures)
        self._truth = BurstTruth(file, every_picture=self._every)
        self.truth: Truth | None = self._truth
        self.vocabulary = self._truth.vocabulary
        self.videos = self._truth.videos
        self.hidden = ""
        self._prompt = prompt
        first = BurstFile(folder / _FIRST) if prompt is not None else None
        self._first = {sequence.key: sequence for sequence in first.sequences} if first is not None else {}

    def open(self, video: str) -> VideoSource:
        """Its frames."""
        from gvseg_core.data.pictures import PictureSource  # torch arrives here

        sequence = self._truth.sequences[video]
        names = sequence.pictures if self._every else sequence.frames
        rate = Fraction(sequence.record.integer("fps", 1)) if "fps" in sequence.record and self._every else Fraction(1)
        paths = [self._folder(sequence) / name for name in names]
        return PictureSource(video, paths, rate=rate, exemplars=self._exemplars(video), size=sequence.size)

    def frame_name(self, video: str, frame: Frame) -> str:
        """Its file's stem; empty where it is not annotated."""
        sequence = self._truth.sequences[video]
        name = (sequence.pictures if self._every else sequence.frames)[frame.index]
        return PurePath(name).stem if name in sequence.frames else ""

    def facts(self, video: str) -> Mapping[str, Any]:
        """`number`, `sequence` (all but its masks) and `split`."""
        sequence = self._truth.sequences[video]
        return {"number": sequence.record.integer("id"), "sequence": sequence.facts(), "split": self._truth.split}

    def _folder(self, sequence: BurstSequence) -> Path:
        return self._pictures / sequence.dataset / sequence.name

    def _exemplars(self, video: str) -> dict[int, Exemplar]:
        """What is given, by the index of the frame."""
        sequence = self._truth.sequences[video]
        first = self._first.get(sequence.key)
        if self._prompt is None:
            return {}
        if first is None:
            raise DataError(f"{_FIRST}: {printable(sequence.key)} is missing; wanted every sequence of the split")
        place = dict(zip(sequence.frames, self._truth.places(video), strict=True))
        exemplars = {}
        for name, objects in zip(first.frames, first.objects(), strict=True):
            if objects:
                if name not in place:
                    raise DataError(f"{first.record.where}: frame {printable(name)} is not annotated in the split")
                prompts = (_prompt(n, record, sequence, self._prompt) for n, record in sorted(objects.items()))
                exemplars[place[name]] = Exemplar(tuple(prompts))
        return exemplars


def _prompt(number: int, record: Record, sequence: BurstSequence, kind: PromptKind) -> Prompt:
    if kind == "mask":
        mask = Rle(sequence.size, record.text("rle").encode())
        check_mask(mask, record)
        return Prompt(number, mask=mask)
    name, length = ("bbox", 4) if kind == "box" else ("point", 2)
    if name not in record:
        raise DataError(f"{record.where}: no {name}; wanted the file {_FIRST} as published")
    numbers = record.items(name, length)
    if not all(type(value) in (int, float) for value in numbers):
        raise DataError(f"{record.path(name)}: wanted {length} numbers")
    if kind == "box":
        x, y, w, h = map(float, numbers)
        return Prompt(number, box=(x, y, x + w, y + h))
    return Prompt(number, point=(numbers[0] + 0.5, numbers[1] + 0.5))  # the middle of that pixel


# --- where things lie ---------------------------------------------------------------------------------------------


def _annotations(root: Path, split: str) -> Path:
    """The folder that has the annotations of a split."""
    for folder in (root / "annotations" / split, root / split, root / "annotations", root):
        if any((folder / name).is_file() for name in _ALL):
            return folder
    wanted = f"annotations/{split}/{_ALL[0]}"
    raise misfit(root, "burst", f"no {_ALL[0]} in it; wanted the folder of BURST, which has {wanted}")


def _all_classes(folder: Path) -> Path:
    return next(folder / name for name in _ALL if (folder / name).is_file())


def _pictures(root: Path, split: str, file: BurstFile) -> Path:
    """The folder that has those of the data sets."""
    if not file.sequences:
        raise DataError(f"{printable(root)}: no sequence in the annotations; wanted at least one")
    first = file.sequences[0]
    places = [root / "frames" / split, root / split / "frames", root / split, root / "frames", root]
    for place in places:
        if (place / first.dataset / first.name).is_dir():
            return place
    wanted = printable(places[0] / first.dataset / first.name)
    raise DataError(f"{wanted}: there is no such folder; wanted the frames of BURST, by data set and sequence")


# --- the protocols ------------------------------------------------------------------------------------------------


def read_truth(path: Path) -> BurstTruth:
    """All classes: the file, the folder that holds it, or the official one."""
    return BurstTruth(BurstFile(path if path.is_file() else _all_classes(_annotations(path, "val"))))


def read_open_truth(path: Path) -> BurstTruth:
    """All classes; which objects are common or uncommon ones, files of their own tell, where there are any."""
    folder = path.parent if path.is_file() else _annotations(path, "val")
    file = BurstFile(path if path.is_file() else _all_classes(folder))
    if not all((folder / name).is_file() for name in _SPLITS.values()):
        truth = BurstTruth(file)
        truth.notes.append(f"no {' and '.join(_SPLITS.values())}: which objects are common, their categories tell")
        return truth
    split_of = {
        (sequence.key, number): split
        for split, name in _SPLITS.items()
        for sequence in BurstFile(folder / name).sequences
        for objects in sequence.objects()
        for number in objects
    }
    return BurstTruth(file, split_of)


def read_results(path: Path, truth: Truth, *, speak: Speak) -> BurstResults:
    """Results of one of the protocols."""
    return BurstResults(path, truth, speak)


def open_footage(path: Path, split: str, *, prompt: PromptKind | None = "mask") -> BurstFootage:
    """The pictures of a split, and its objects as exemplars of one kind, or none."""
    return BurstFootage(path, split, prompt)


_SERVER = "no server: the truth of val and test is public"

BURST = Benchmark(
    name="burst",
    title="BURST",
    task="evs",
    vocabulary=TAO,
    read_truth=read_truth,
    read_results=partial(read_results, speak=as_given),
    open=open_footage,
    splits=("val", "test"),
    server=_SERVER,
)

BURST_CLASS_GUIDED = Benchmark(
    name="burst_class_guided",
    title="BURST, class-guided",
    task="vis",
    vocabulary=TAO,
    read_truth=read_truth,
    read_results=partial(read_results, speak=by_class),
    open=partial(open_footage, prompt=None),
    splits=("val", "test", "train"),
    server=_SERVER,
)

BURST_OPEN_WORLD = Benchmark(
    name="burst_open_world",
    title="BURST, open world",
    task="vis",
    vocabulary=TAO,
    read_truth=read_open_truth,
    read_results=partial(read_results, speak=as_objects),
    open=partial(open_footage, prompt=None),
    splits=("val", "test"),
    server=_SERVER,
)
