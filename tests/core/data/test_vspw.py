"""VSPW: classes, two voids, results without void, and the set as it is downloaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.vspw import BENCHMARK, LABELS, VSPW
from gvseg_core.errors import DataError
from gvseg_core.metrics.miou import MeanIou
from gvseg_core.metrics.mvc import VideoConsistency
from gvseg_core.ops.label_maps import regions_of
from gvseg_core.types import VOID
from tests.bench.eval_maps import vspw
from tests.conftest import shared
from tests.core.metrics.golden import score

FIRST = "data/0_video/mask/00000000.png"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vspw")
    vspw(folder, videos=2, frames=2, size=(20, 30))
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def paint(path: Path, value: int, dtype: Any = np.uint8) -> None:
    Image.fromarray(np.full((20, 30), value, dtype)).save(path)


def add_pictures(root: Path) -> None:
    """A picture for each map, and one that has no map."""
    for path in [*root.glob("data/*/mask/*.png"), root / "data/1_video/mask/99.png"]:
        picture = path.parent.parent / "origin" / f"{path.stem}.jpg"
        picture.parent.mkdir(exist_ok=True)
        Image.new("RGB", (30, 20)).save(picture)


def test_class_n_of_the_files_is_class_n_less_1_and_both_voids_are_regions_of_no_class(own: Path) -> None:
    map_of = np.zeros((20, 30), np.uint8)
    map_of[:, 10:20], map_of[:, 20:] = 124, 255
    Image.fromarray(map_of).save(own / "gt" / FIRST)
    truth = BENCHMARK.read_truth(own / "gt")
    assert truth.vocabulary is VSPW
    assert truth.videos == ("0_video", "1_video")
    regions = regions_of(truth.answer("0_video").frames[0])
    assert regions.track_ids.tolist() == [0, 125, 124, 126]
    assert regions.class_ids.tolist() == [VOID, VOID, 123, VOID]
    assert regions.ignore.tolist() == [False, True, False, True]
    assert regions.areas.tolist() == [0, 200, 200, 200]


def test_results_are_class_numbers_from_0(own: Path) -> None:
    paint(own / "pred/0_video/00000000.png", 123)
    truth = BENCHMARK.read_truth(own / "gt")
    regions = regions_of(BENCHMARK.read_results(own / "pred", truth).answer("0_video").frames[0])
    assert (regions.track_ids.tolist(), regions.class_ids.tolist()) == ([0, 124], [VOID, 123])


@pytest.mark.parametrize(
    ("value", "dtype", "said"),
    [
        (124, np.uint8, r"pred/0_video/00000000\.png: class 124; wanted 0 to 123$"),
        (255, np.uint8, r"pred/0_video/00000000\.png: class 255; wanted 0 to 123; there is no void in results$"),
        (700, np.uint16, r"pred/0_video/00000000\.png: class 700; wanted 0 to 123$"),
    ],
)
def test_a_class_that_there_is_not_is_refused_with_value_and_file(own: Path, value: int, dtype: Any, said: str) -> None:
    paint(own / "pred/0_video/00000000.png", value, dtype)
    truth = BENCHMARK.read_truth(own / "gt")
    with pytest.raises(DataError, match=said):
        score(MeanIou(truth.vocabulary), truth, BENCHMARK.read_results(own / "pred", truth))


def test_a_value_of_the_truth_that_is_no_class_is_refused_with_value_and_file(own: Path) -> None:
    paint(own / "gt" / FIRST, 125)
    truth = BENCHMARK.read_truth(own / "gt")
    with pytest.raises(DataError, match=r"mask/00000000\.png: value 125; wanted 0 to 124, or 255 for void$"):
        regions_of(truth.answer("0_video").frames[0])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("val.txt", r"val\.txt: cannot be read; wanted a list of videos"),
        ("data/0_video", r"gt/data: no folder of 0_video, listed by val\.txt$"),
        ("data/0_video/mask", r"mask: wanted a \.png file for each frame, there is no such folder$"),
        ("data", r"gt: no data/<video>/mask in it; wanted VSPW's folder, with data and val\.txt$"),
    ],
)
def test_what_is_missing_is_named(own: Path, broken: str, said: str) -> None:
    place = own / "gt" / broken
    place.unlink() if place.is_file() else shutil.rmtree(place)
    with pytest.raises(DataError, match=said):
        BENCHMARK.read_truth(own / "gt")


def test_another_set_is_named_with_the_right_bench() -> None:
    with pytest.raises(DataError, match="this looks like another set: use --bench vipseg"):
        BENCHMARK.read_truth(shared("golden", "vipseg/basic/gt"))
    truth = BENCHMARK.read_truth(shared("golden", "vspw/basic/gt"))
    with pytest.raises(DataError, match="this looks like another set: use --bench vipseg"):
        BENCHMARK.read_results(shared("golden", "vipseg/basic/pred"), truth)


def test_the_folder_may_be_called_as_vspw_calls_it(own: Path) -> None:
    (own / "gt").rename(own / "VSPW_480p")
    assert BENCHMARK.read_truth(own).videos == ("0_video", "1_video")


def test_classes_of_ones_own_are_those_of_the_list(own: Path) -> None:
    (own / "gt" / LABELS).write_text(json.dumps({"others": "0", "tree": "2", "sky": "1"}))
    vocabulary = BENCHMARK.read_truth(own / "gt").vocabulary
    assert [(c.name, c.dataset_id, c.is_thing) for c in vocabulary.classes] == [("sky", 0, False), ("tree", 1, False)]
    (own / "gt" / LABELS).write_text(json.dumps({c.name: str(c.dataset_id + 1) for c in VSPW.classes}))
    assert BENCHMARK.read_truth(own / "gt").vocabulary is VSPW


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"sky": "1", "tree": "3"}, "2 classes; wanted 1 to 253, numbered from 1 without a gap"),
        ({"others": "0"}, "0 classes; wanted"),
        ({"sky": "one"}, "label_num_dic_final.json: sky: one; wanted the class's number in the maps"),
    ],
)
def test_a_list_of_classes_with_a_gap_is_refused(own: Path, labels: dict[str, str], said: str) -> None:
    (own / "gt" / LABELS).write_text(json.dumps(labels))
    with pytest.raises(DataError, match=said):
        BENCHMARK.read_truth(own / "gt")


def test_pictures_are_those_that_have_a_map(own: Path) -> None:
    add_pictures(own / "gt")
    footage = BENCHMARK.open(own / "gt", "val")
    assert footage.truth is not None
    for video in footage.videos:
        frames = list(footage.open(video))
        assert [footage.frame_name(video, frame) for frame in frames] == ["00000000", "00000001"]
        assert len(frames) == len(footage.truth.answer(video).frames)


def test_where_there_is_no_map_truth_is_hidden_and_all_pictures_are_wanted(own: Path) -> None:
    add_pictures(own / "gt")
    shutil.copy(own / "gt/val.txt", own / "gt/test.txt")
    for video in ("0_video", "1_video"):
        shutil.rmtree(own / "gt/data" / video / "mask")
    footage = BENCHMARK.open(own / "gt", "test")
    assert footage.truth is None
    assert footage.hidden.startswith("no masks of test; ")
    assert len(list(footage.open("1_video"))) == 3


def test_missing_pictures_are_named(own: Path) -> None:
    add_pictures(own / "gt")
    (own / "gt/data/0_video/origin/00000001.jpg").unlink()
    with pytest.raises(DataError, match=r"origin: 1 of 2 frames are missing: 00000001\.jpg$"):
        BENCHMARK.open(own / "gt", "val")


@pytest.mark.parametrize("split", ["val", "train"])
def test_camvid_opens_with_its_own_classes(split: str) -> None:
    footage = BENCHMARK.open(shared("data", "camvid-vss"), split)
    assert footage.truth is not None
    assert [c.name for c in footage.vocabulary.classes][:2] == ["sky", "building"]
    assert len(footage.vocabulary) == 11
    for video in footage.videos:
        source = footage.open(video)
        frames = footage.truth.answer(video).frames
        assert source.info.num_frames == len(frames)
        assert source.info.size == regions_of(frames[0]).size == (360, 480)


def test_camvid_is_perfect_by_itself() -> None:
    truth = BENCHMARK.read_truth(shared("data", "camvid-vss"))
    assert score(MeanIou(truth.vocabulary), truth, truth).metrics["mIoU"] == 1
    assert score(VideoConsistency(), truth, truth).metrics == {"mVC8": 1, "mVC16": 1}
