"""VSPW: semantic maps of `data/<video>/mask/<frame>.png`, and the 124 classes of VIPSeg in the order of their numbers.

In the set's own PNG files the classes are 1 to 124, and 0 ("others") and 255 are void. They are two voids here, regions
of no class with a track id each, because VSPW's consistency reads the files as they are. Results are PNG files of class
numbers from 0, `<video>/<frame>.png`, without void: VSPW's programs count 255 as another class or end, so it is
refused. VSPW publishes no colours: those of VIPSeg, which annotates the same videos, are used.

A folder in the same layout may bring classes of its own, in `label_num_dic_final.json`.

Source: VSPW-dataset/VSPW_code and VSPW_baseline (`dataset.py`, `change2_480p.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.classes import color_of, parse_classes
from gvseg_core.data.folders import PICTURES, find_folders, find_frames, frames_in, read_list
from gvseg_core.data.json_files import read_record
from gvseg_core.data.map_files import read_labels
from gvseg_core.data.map_videos import MapFootage, MapResults, MapTruth, Read
from gvseg_core.data.recognition import misfit
from gvseg_core.data.vipseg_classes import TABLE
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import Known, MapSegments
from gvseg_core.types import VOID, ClassInfo, Size, Truth, Vocabulary

VSPW = Vocabulary("vspw", parse_classes(TABLE))

RATE = Fraction(15)  # annotated frames a second
LABELS = "label_num_dic_final.json"
_OTHERS, _UNKNOWN = 0, 255  # the two voids of the files
_MOST = 253  # classes; with both voids they are numbers of 8 bits


def read_truth(path: Path) -> MapTruth:
    """The ground truth of `val.txt`.

    Args:
        path: the folder with `val.txt` and `data`, or one with that folder in it.

    Raises:
        DataError: something is missing, or it is another set.
    """
    root = _root(path)
    vocabulary = _vocabulary(root)
    return MapTruth(vocabulary, _maps(_videos(root, "val")), _truth_reader(len(vocabulary)))


def read_results(path: Path, truth: Truth) -> MapResults:
    """Results in `<video>/<frame>.png`.

    Raises:
        DataError: see `MapResults`.
    """
    num_classes = len(truth.vocabulary)

    def read(_video: str, _place: int, file: Path, size: Size) -> MapSegments:
        def tell(occurring: list[int]) -> Known:
            if occurring[-1] >= num_classes:
                void = "; there is no void in results" if occurring[-1] == _UNKNOWN else ""
                raise DataError(f"{printable(file)}: class {occurring[-1]}; wanted 0 to {num_classes - 1}{void}")
            return {label: (label + 1, label, False) for label in occurring}

        return MapSegments(read_labels(file, size), tell)

    return MapResults(path, truth, read, "vspw")


def open_split(path: Path, split: str) -> MapFootage:
    """The pictures of a split, `data/<video>/origin/<frame>.jpg`; those that have a map, where any has.

    Raises:
        DataError: something is missing.
    """
    root = _root(path)
    vocabulary, videos = _vocabulary(root), _videos(root, split)
    if not any((folder / "mask").is_dir() for folder in videos.values()):
        pictures = {video: frames_in(folder / "origin", PICTURES) for video, folder in videos.items()}
        return MapFootage(vocabulary, pictures, RATE, None, f"no masks of {split}; {BENCHMARK.server}")
    truth = MapTruth(vocabulary, _maps(videos), _truth_reader(len(vocabulary)))
    pictures = {
        video: find_frames(folder / "origin", truth.frame_names(video), PICTURES) for video, folder in videos.items()
    }
    return MapFootage(vocabulary, pictures, RATE, truth)


def _truth_reader(num_classes: int) -> Read:
    meaning = {label: (label, label - 1, False) for label in range(1, num_classes + 1)}
    meaning |= {_OTHERS: (num_classes + 1, VOID, True), _UNKNOWN: (num_classes + 2, VOID, True)}

    def read(_video: str, _place: int, file: Path, size: Size) -> MapSegments:
        def tell(occurring: list[int]) -> Known:
            if strange := [label for label in occurring if label not in meaning]:
                raise DataError(f"{printable(file)}: value {strange[0]}; wanted 0 to {num_classes}, or 255 for void")
            return {label: meaning[label] for label in occurring}

        return MapSegments(read_labels(file, size), tell)

    return read


def _root(path: Path) -> Path:
    """The folder that holds `data`."""
    for root in (path, path / "VSPW_480p", path / "VSPW"):
        if any((root / "data").glob("*/mask")) or any((root / "data").glob("*/origin")):
            return root
    raise misfit(path, "vspw", "no data/<video>/mask in it; wanted VSPW's folder, with data and val.txt")


def _videos(root: Path, split: str) -> dict[str, Path]:
    """The folder of each video of a split."""
    return find_folders(root / "data", read_list(root / f"{split}.txt"), f"{split}.txt")


def _maps(videos: Mapping[str, Path]) -> dict[str, list[Path]]:
    return {video: frames_in(folder / "mask") for video, folder in videos.items()}


def _vocabulary(root: Path) -> Vocabulary:
    """The set's own classes, where a file says that they are others than VSPW's."""
    if not (root / LABELS).exists():
        return VSPW
    record = read_record(root / LABELS)
    numbers = {}
    for name, number in record.value.items():
        if not str(number).isdecimal():
            raise DataError(f"{record.path(name)}: {printable(number)}; wanted the class's number in the maps")
        numbers[int(number)] = name
    names = [numbers[number] for number in sorted(numbers) if number != _OTHERS]
    if not 0 < len(names) <= _MOST or sorted(numbers)[-len(names) :] != list(range(1, len(names) + 1)):
        raise DataError(f"{record.where}: {len(names)} classes; wanted 1 to {_MOST}, numbered from 1 without a gap")
    if names == [info.name for info in VSPW.classes]:
        return VSPW
    return Vocabulary("classes", tuple(ClassInfo(n, color_of(i), False, i) for i, n in enumerate(names)))


BENCHMARK = Benchmark(
    name="vspw",
    title="VSPW",
    task="vss",
    vocabulary=VSPW,
    read_truth=read_truth,
    read_results=read_results,
    open=open_split,
    splits=("val", "train", "test"),
    server="the truth of test is kept by the PVUW challenge: send in a ZIP of <video>/<frame>.png",
)
