"""KITTI-STEP: panoptic maps of `panoptic_maps/<split>/<sequence>/<frame>.png`, and the 19 classes of Cityscapes.

Classes are under their training numbers; person (11) and car (13) are things. In the PNG files R is the class, 255 for
void, and 256 G + B the track, which belongs to its class: person 3 and car 3 are two tracks. Of a thing, track 0 in the
ground truth is a crowd, in results a track like others. Results are `<sequence>/<frame>.png`, made the same way.

A segment's track id here is class + 1 + 19 × track, one number for both, and class + 1 where there is no track.

Source: google-research/deeplab2, `data/dataset.py` (`KITTI_STEP_INFORMATION`) and `g3doc/setup/kitti_step.md`; the
colours are Cityscapes', as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.cityscapes import CITYSCAPES
from gvseg_core.data.folders import PICTURES, find_folders, find_frames, folders_in, frames_in
from gvseg_core.data.map_files import read_id_runs
from gvseg_core.data.map_videos import MapFootage, MapResults, MapTruth, Read
from gvseg_core.data.recognition import misfit
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import Known, MapSegments
from gvseg_core.types import Size, Truth, Vocabulary

THINGS = (11, 13)

KITTI_STEP = Vocabulary(
    "kitti_step",
    tuple(replace(c, is_thing=i in THINGS, dataset_id=i) for i, c in enumerate(CITYSCAPES.classes)),
)

RATE = Fraction(10)
VALIDATION = ("0002", "0006", "0007", "0008", "0010", "0013", "0014", "0016", "0018")
"""The sequences of val; those of train are the others of KITTI's 21."""

_VOID = 255


def read_truth(path: Path) -> MapTruth:
    """The ground truth of val.

    Args:
        path: the folder with `panoptic_maps`, one with that folder in it, or the folder of sequences itself.

    Raises:
        DataError: something is missing, or it is another set.
    """
    maps = _maps(path, "val")
    if maps is None:
        raise misfit(path, "kitti_step", "no panoptic_maps/val in it; wanted KITTI-STEP's folder")
    return _truth(maps, "val")


def read_results(path: Path, truth: Truth) -> MapResults:
    """Results in `<sequence>/<frame>.png`.

    Raises:
        DataError: see `MapResults`.
    """
    return MapResults(path, truth, _reader(crowds=False), "kitti_step")


def open_split(path: Path, split: str) -> MapFootage:
    """The pictures of a split, as KITTI has them or as deeplab2 moves them; those that have a map, where any has.

    Raises:
        DataError: something is missing.
    """
    maps = _maps(path, split)
    part = "testing" if split == "test" else "training"
    places = [f"images/{split}", f"{part}/image_02", f"{part}/image_2", "image_02", "image_2"]
    folder = next((path / p for p in places if folders_in(path / p)), None)
    if folder is None:
        raise misfit(path, "kitti_step", f"no images/{split} or {part}/image_02 in it; wanted the pictures")
    if maps is None:
        if split != "test":
            raise misfit(path, "kitti_step", f"no panoptic_maps/{split} in it; wanted KITTI-STEP's folder")
        pictures = {name: frames_in(folder / name, PICTURES) for name in folders_in(folder)}
        return MapFootage(KITTI_STEP, pictures, RATE, None, f"no maps of {split}; {BENCHMARK.server}")
    truth = _truth(maps, split)
    videos = find_folders(folder, truth.videos, "panoptic_maps")
    pictures = {name: find_frames(place, truth.frame_names(name), PICTURES) for name, place in videos.items()}
    return MapFootage(KITTI_STEP, pictures, RATE, truth)


def _maps(path: Path, split: str) -> dict[str, list[Path]] | None:
    """The maps of each sequence; None where there are none of the split."""
    places = [path / "panoptic_maps" / split, path / "kitti-step" / "panoptic_maps" / split]
    if path.name == "panoptic_maps":
        places.append(path / split)
    for folder in places:
        if names := folders_in(folder):
            return {name: frames_in(folder / name) for name in names}
    names = [name for name in folders_in(path) if len(name) == 4 and name.isdecimal()]
    if names and any((path / names[0]).glob("*.png")):
        return {name: frames_in(path / name) for name in names}
    return None


def _truth(maps: Mapping[str, list[Path]], split: str) -> MapTruth:
    notes = []
    if split == "val" and set(maps) != set(VALIDATION):
        notes.append(f"{len(maps)} sequences; the official validation set has the nine {', '.join(VALIDATION)}")
    return MapTruth(KITTI_STEP, maps, _reader(crowds=True), notes=notes)


def _reader(*, crowds: bool) -> Read:
    """Reads maps in which a thing's track 0 is a crowd, or is not."""

    def read(_video: str, _place: int, file: Path, size: Size) -> MapSegments:
        return MapSegments(read_id_runs(file, size), partial(_tell, file, crowds))

    return read


def _tell(file: Path, crowds: bool, occurring: list[int]) -> Known:
    num_classes = len(KITTI_STEP)
    known = {}
    for color in occurring:
        class_id, track = color & 255, (color >> 8 & 255) << 8 | color >> 16
        if class_id == _VOID:
            continue
        if class_id >= num_classes:
            wanted = f"wanted 0 to {num_classes - 1}, or {_VOID} for void"
            raise DataError(f"{printable(file)}: class {class_id} in the red channel; {wanted}")
        crowd = crowds and class_id in THINGS and track == 0
        known[color] = class_id + 1 + num_classes * track, class_id, crowd
    return known


BENCHMARK = Benchmark(
    name="kitti_step",
    title="KITTI-STEP",
    task="vps",
    vocabulary=KITTI_STEP,
    read_truth=read_truth,
    read_results=read_results,
    open=open_split,
    splits=("val", "train", "test"),
    server="the truth of test is kept by cvlibs.net (eval_step): send in a ZIP of <sequence>/<frame>.png",
)
