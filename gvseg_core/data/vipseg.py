"""VIPSeg: panoptic maps of `panomasksRGB/<video>/<frame>.png` and a JSON that says what they show, or raw `panomasks`.

Results are `pred.json`, and `pan_pred/<video>/<frame>.png` whose colours are segment ids. Raw maps (16 bits) say it all
by themselves, as the set's converter reads them: 0 is void, a value below 125 a class and one segment of it, any other
the class times 100 and the object.

Source: VIPSeg-Dataset/VIPSeg-Dataset, `create_panoptic_video_labels.py`, `ClipPanoFCN/eval_vpq_vspw.py`. How we differ:
frames are paired by name, not by place, where they have names; and areas that are not those of the PNG are refused,
where the set's program would count with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.folders import (
    PICTURES,
    find_folders,
    find_frames,
    folders_in,
    frames_in,
    is_plain,
    read_list,
    shown,
)
from gvseg_core.data.json_files import read_json, read_record
from gvseg_core.data.json_records import Record
from gvseg_core.data.map_files import read_id_runs, read_labels
from gvseg_core.data.map_videos import MapFootage, MapResults, MapTruth
from gvseg_core.data.names import pair_names, stem_of
from gvseg_core.data.panoptic_json import PanopticList, read_categories
from gvseg_core.data.recognition import misfit, recognise
from gvseg_core.data.vipseg_classes import VIPSEG
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import Known, MapSegments
from gvseg_core.types import Size, Truth, Vocabulary

RATE = Fraction(5)  # annotated frames a second
CATEGORIES = "panoVIPSeg_categories.json"
_FIRST_OBJECT = 125  # raw values from here on are class × 100 + object


@dataclass(frozen=True, slots=True)
class _Files:
    """Where a split lies."""

    root: Path
    split: str
    listing: Path | None  # the JSON that goes with panomasksRGB; None where raw maps are read

    @property
    def names(self) -> Path:
        """The list of the split's videos, which goes with raw maps."""
        return self.root / f"{self.split}.txt"


def read_truth(path: Path) -> MapTruth:
    """The ground truth of val.

    Args:
        path: the folder with `panoptic_gt_VIPSeg_val.json` and `panomasksRGB`, or with `panomasks` alone; one with that
            folder in it; or the JSON.

    Raises:
        DataError: something is missing, or it is another set.
    """
    return _truth(_find(path, "val"))


def read_results(path: Path, truth: Truth) -> MapResults:
    """Results in `pred.json` and `pan_pred`.

    Raises:
        DataError: something is missing; a video, frame or category that `truth` does not have; or see `MapResults`.
    """
    if not (path / "pred.json").is_file():
        raise misfit(path, "vipseg", "no pred.json in it; wanted the folder of pred.json and pan_pred")
    listed = PanopticList(read_record(path / "pred.json"), truth.vocabulary)
    spelt = pair_names(truth.videos, listed.videos, path / "pred.json")

    def read(video: str, place: int, file: Path, size: Size) -> MapSegments:
        names = truth.frame_names(video) if isinstance(truth, MapTruth) else None
        frames = listed.frames(spelt[video], names)
        if place >= len(frames):
            raise DataError(f"{printable(path / 'pred.json')}: {printable(video)} has only {len(frames)} frames")
        return MapSegments(read_id_runs(file, size), lambda occurring: frames[place].check(occurring, file))

    return MapResults(path / "pan_pred", truth, read, "vipseg", listed.videos)


def open_split(path: Path, split: str) -> MapFootage:
    """The pictures of a split, `imgs/<video>/<frame>.jpg` or `images/…`; those that have a map, where any has.

    Raises:
        DataError: something is missing.
    """
    files = _find(path, split)
    folder = next((files.root / name for name in ("imgs", "images") if (files.root / name).is_dir()), None)
    if folder is None:
        raise misfit(files.root, "vipseg", "no imgs or images in it; wanted the pictures, a folder for each video")
    if files.listing is None and files.names.is_file():
        videos = find_folders(folder, read_list(files.names), files.names.name)
        if not any((files.root / "panomasks" / place.name).is_dir() for place in videos.values()):
            pictures = {video: frames_in(place, PICTURES) for video, place in videos.items()}
            return MapFootage(_categories(files.root), pictures, RATE, None, f"no maps of {split}; {BENCHMARK.server}")
    truth = _truth(files)
    videos = find_folders(folder, truth.videos, "the ground truth")
    pictures = {video: find_frames(place, truth.frame_names(video), PICTURES) for video, place in videos.items()}
    return MapFootage(truth.vocabulary, pictures, RATE, truth)


def _find(path: Path, split: str) -> _Files:
    """Where the split lies: in the folder that has its JSON, else in one that has raw maps or a list of its videos."""
    if path.is_file() and path.suffix == ".json":
        return _Files(path.parent, split, path)
    roots = (path, path / "VIPSeg_720P", path / "VIPSeg")
    for root in roots:
        if (listing := root / f"panoptic_gt_VIPSeg_{split}.json").is_file():
            return _Files(root, split, listing)
    for root in roots:
        files = _Files(root, split, None)
        if (root / "panomasks").is_dir() or (files.names.is_file() and (root / "imgs").is_dir()):
            return files
    missing = f"neither panoptic_gt_VIPSeg_{split}.json nor panomasks in it; wanted VIPSeg's folder"
    raise misfit(path, "vipseg", missing)


def _truth(files: _Files) -> MapTruth:
    if files.listing is None or (not (files.root / "panomasksRGB").is_dir() and (files.root / "panomasks").is_dir()):
        return _raw_truth(files)
    record = read_record(files.listing)
    if not {"videos", "annotations", "categories"} <= record.value.keys() or recognise(files.listing) == "ytvis21":
        raise misfit(files.listing, "vipseg", "wanted videos, annotations of segments_info, and categories")
    vocabulary = read_categories(record.records("categories"), VIPSEG)
    listed = PanopticList(record, vocabulary)
    stems = _frames(record)
    if odd := sorted(stems.keys() ^ set(listed.videos)):
        raise DataError(f"{record.where}: videos and annotations do not list the same: {shown(odd)}")
    folders = find_folders(files.root / "panomasksRGB", list(stems), files.listing.name)
    maps = {video: find_frames(folders[video], names) for video, names in stems.items()}

    def read(video: str, place: int, file: Path, size: Size) -> MapSegments:
        frame = listed.frames(video, stems[video])[place]
        segments = MapSegments(read_id_runs(file, size), lambda occurring: frame.check(occurring, file))
        regions = segments.regions
        stated = [
            frame.areas.get(int(label), area) for label, area in zip(regions.track_ids, regions.areas, strict=True)
        ]
        if (wrong := np.flatnonzero(regions.areas != stated)).size:
            label, area = regions.track_ids[wrong[0]], regions.areas[wrong[0]]
            raise DataError(
                f"{frame.where}: segment {label} has area {stated[wrong[0]]}, but {area} pixels in {printable(file)}"
            )
        return segments

    return MapTruth(vocabulary, maps, read, tracks=lambda video: listed.tracks(video, stems[video]))


def _frames(record: Record) -> dict[str, list[str]]:
    """Video → what its frames are called, in the JSON's order."""
    stems: dict[str, list[str]] = {}
    for video in record.records("videos"):
        name = video.text("video_id")
        if name in stems or not is_plain(name):
            fault = "stands twice" if name in stems else "is not the name of a folder"
            raise DataError(f"{video.path('video_id')}: {printable(name)} {fault}")
        stems[name] = [stem_of(image.text("file_name")) for image in video.records("images")]
        if not stems[name] or len(set(stems[name])) < len(stems[name]):
            raise DataError(f"{video.path('images')}: {'a frame stands twice' if stems[name] else 'no frame in it'}")
    if not stems:
        raise DataError(f"{record.where}: no video in it")
    return stems


def _raw_truth(files: _Files) -> MapTruth:
    """What the raw maps say; a class is known by its number in the set."""
    vocabulary = _categories(files.root)
    class_of = {info.dataset_id: class_id for class_id, info in enumerate(vocabulary.classes)}
    folder = files.root / "panomasks"
    names = read_list(files.names) if files.names.exists() else folders_in(folder)
    if not names:
        raise DataError(f"{printable(folder)}: no video in it; wanted a folder for each")
    maps = {name: frames_in(place) for name, place in find_folders(folder, names, files.names.name).items()}

    def read(_video: str, _place: int, file: Path, size: Size) -> MapSegments:
        return MapSegments(read_labels(file, size), partial(_tell_raw, class_of, file))

    return MapTruth(vocabulary, maps, read, notes=["panomasksRGB is not there: read panomasks, the raw maps"])


def _tell_raw(class_of: dict[int, int], file: Path, occurring: Iterable[int]) -> Known:
    known = {}
    for label in occurring:
        number = (label if label < _FIRST_OBJECT else label // 100) - 1
        if label and number not in class_of:
            raise DataError(f"{printable(file)}: value {label} is of class {number}, which the set does not have")
        if label:
            known[label] = label, class_of[number], False
    return known


def _categories(root: Path) -> Vocabulary:
    """The classes that a file of their own lists, else VIPSeg's."""
    if not (root / CATEGORIES).exists():
        return VIPSEG
    content = {"categories": read_json(root / CATEGORIES)}
    return read_categories(Record(content, printable(root / CATEGORIES)).records("categories"), VIPSEG)


BENCHMARK = Benchmark(
    name="vipseg",
    title="VIPSeg",
    task="vps",
    vocabulary=VIPSEG,
    read_truth=read_truth,
    read_results=read_results,
    open=open_split,
    splits=("val", "train", "test"),
    server="the truth of test is kept by the PVUW challenge: send in a ZIP of pred.json and pan_pred",
)
