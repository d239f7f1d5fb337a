"""KITTI-STEP: classes and tracks in colours, crowds, and the set as KITTI and deeplab2 lay it out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.kitti_step import BENCHMARK, KITTI_STEP
from gvseg_core.errors import DataError
from gvseg_core.ops.label_maps import Regions, regions_of
from gvseg_core.types import VOID
from tests.bench.eval_maps import kitti_step
from tests.conftest import shared

MAPS = "gt/panoptic_maps/val"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kitti_step")
    kitti_step(folder, videos=2, frames=2, size=(20, 30))
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def paint(path: Path, *colors: tuple[int, int, int]) -> None:
    """Equal columns of colours."""
    Image.fromarray(np.repeat(np.repeat(np.array([colors], np.uint8), 20, 0), 30 // len(colors), 1)).save(path)


def first(folder: Path, *, results: bool = False) -> Regions:
    truth = BENCHMARK.read_truth(folder / "gt")
    answers = BENCHMARK.read_results(folder / "pred", truth) if results else truth
    return regions_of(answers.answer("0000").frames[0])


def test_red_is_the_class_and_green_and_blue_the_track(own: Path) -> None:
    paint(own / MAPS / "0000/000000.png", (13, 3, 231), (11, 3, 231), (10, 0, 0), (255, 7, 7), (13, 0, 1))
    regions = first(own)
    told = dict(zip(regions.track_ids.tolist(), regions.class_ids.tolist(), strict=True))
    assert told == {0: VOID, 14 + 19 * 999: 13, 12 + 19 * 999: 11, 11: 10, 14 + 19: 13}
    assert regions.areas.tolist()[0] == 120
    assert not regions.ignore.any()


def test_track_0_of_a_thing_is_a_crowd_in_the_truth_alone(own: Path) -> None:
    for folder in (own / MAPS, own / "pred"):
        paint(folder / "0000/000000.png", (13, 0, 0), (2, 0, 0))
    told = [[0, VOID, False], [3, 2, False], [14, 13, True]]
    for results in (False, True):
        found = first(own, results=results)
        columns = zip(found.track_ids.tolist(), found.class_ids.tolist(), found.ignore.tolist(), strict=True)
        assert sorted(map(list, columns)) == [[t, c, crowd and not results] for t, c, crowd in told]


@pytest.mark.parametrize("folder", [MAPS, "pred"])
def test_a_class_that_there_is_not_is_refused_with_value_and_file(own: Path, folder: str) -> None:
    paint(own / folder / "0000/000000.png", (19, 0, 0))
    said = r"0000/000000\.png: class 19 in the red channel; wanted 0 to 18, or 255 for void$"
    with pytest.raises(DataError, match=said):
        first(own, results=folder == "pred")


def test_maps_in_a_palette_are_refused(own: Path) -> None:
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(own / "pred/0000/000000.png")
    with pytest.raises(DataError, match="a PNG of 8-bit grey; wanted 8-bit RGB"):
        first(own, results=True)


@pytest.mark.parametrize("place", ["", "panoptic_maps", "panoptic_maps/val", "kitti-step"])
def test_the_truth_is_found_from_any_folder_above_it(own: Path, place: str) -> None:
    if place == "kitti-step":
        (own / "gt").rename(own / "other")
        (own / "gt").mkdir()
        (own / "other").rename(own / "gt/kitti-step")
        place = ""
    truth = BENCHMARK.read_truth(own / "gt" / place)
    assert (truth.videos, truth.vocabulary) == (("0000", "0001"), KITTI_STEP)
    assert truth.notes[0].startswith("2 sequences; the official validation set has the nine 0002, 0006, ")


def test_the_official_sequences_are_nothing_to_speak_of(own: Path) -> None:
    maps = own / MAPS
    for name in ("0002", "0006", "0007", "0008", "0010", "0013", "0014", "0016", "0018"):
        shutil.copytree(maps / "0000", maps / name)
    for name in ("0000", "0001"):
        shutil.rmtree(maps / name)
    assert BENCHMARK.read_truth(own / "gt").notes == []


def test_what_is_missing_is_named(own: Path) -> None:
    shutil.rmtree(own / MAPS)
    with pytest.raises(DataError, match=r"gt: no panoptic_maps/val in it; wanted KITTI-STEP's folder$"):
        BENCHMARK.read_truth(own / "gt")


@pytest.mark.parametrize(
    ("place", "bench"),
    [
        ("vipseg/basic/gt", "vipseg"),
        ("vipseg/basic/gt/panoptic_gt_VIPSeg_val.json", "vipseg"),
        ("vspw/basic/gt", "vspw"),
        ("davis/basic/gt", "davis17"),
    ],
)
def test_another_set_is_named_with_the_right_bench(place: str, bench: str) -> None:
    with pytest.raises(DataError, match=f"this looks like another set: use --bench {bench}$"):
        BENCHMARK.read_truth(shared("golden") / place)


@pytest.mark.parametrize("place", ["images/val", "training/image_02", "training/image_2", "image_02"])
def test_pictures_are_where_kitti_or_deeplab2_has_them(own: Path, place: str) -> None:
    root = own / "gt"
    for path in root.glob("panoptic_maps/val/*/*.png"):
        picture = root / place / path.parent.name / path.name
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(picture)
    shutil.copytree(root / place / "0000", root / place / "0003")  # of train
    footage = BENCHMARK.open(root, "val")
    assert footage.truth is not None
    assert footage.videos == ("0000", "0001")
    frames = list(footage.open("0001"))
    assert [footage.frame_name("0001", frame) for frame in frames] == ["000000", "000001"]
    (root / place / "0001/000001.png").unlink()
    with pytest.raises(DataError, match=r"0001: 1 of 2 frames are missing: 000001\.jpg$"):
        BENCHMARK.open(root, "val")


def test_the_truth_of_test_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "testing/image_02/0000").mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(tmp_path / "testing/image_02/0000/000000.png")
    footage = BENCHMARK.open(tmp_path, "test")
    assert (footage.videos, footage.truth) == (("0000",), None)
    assert footage.hidden.startswith("no maps of test; ")
    with pytest.raises(DataError, match=r"no images/train or training/image_02 in it; wanted the pictures$"):
        BENCHMARK.open(tmp_path, "train")


def test_pictures_without_maps_are_no_validation_set(tmp_path: Path) -> None:
    (tmp_path / "training/image_02/0002").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no panoptic_maps/val in it; wanted KITTI-STEP's folder"):
        BENCHMARK.open(tmp_path, "val")
