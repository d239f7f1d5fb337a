"""Sets of video JSON are found where they lie, with the pictures that their files name."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from gvseg_core.data import ovis, ytvis19, ytvis21
from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.vocabularies import VOCABULARIES
from gvseg_core.errors import DataError, UsageError
from gvseg_core.types import Footage
from tests.conftest import shared
from tests.core.data.video_files import results, truth, with_pictures, written

YTVIS21 = ytvis21.BENCHMARK


def hidden() -> dict[str, Any]:
    return {key: value for key, value in truth().items() if key != "annotations"}


def greys(footage: Footage, video: str) -> list[int]:
    return [int(frame.image[0, 0, 0]) for frame in footage.open(video)]


@pytest.mark.parametrize(
    ("annotations", "pictures"),
    [
        ("valid/instances.json", "valid/JPEGImages"),  # YouTube-VIS 2021, and 2019 as Mask2Former-VIS has it
        ("valid.json", "valid/JPEGImages"),  # YouTube-VIS 2019
        ("annotations/instances_valid_sub.json", "valid/JPEGImages"),
        ("instances_val_sub.json", "JPEGImages"),
        ("annotations_valid.json", "valid"),  # OVIS
        ("annotations/valid.json", "valid"),
        ("OVIS/annotations_valid.json", "OVIS/valid"),
        ("instances_val.json", "JPEGImages/480p"),
        ("instances.json", "JPEGImages"),
    ],
)
@pytest.mark.parametrize("split", ["val", "valid"])
def test_official_folders_are_read_as_they_are_downloaded(
    annotations: str, pictures: str, split: str, tmp_path: Path
) -> None:
    written(tmp_path / annotations, truth())
    with_pictures(tmp_path / pictures, truth())
    footage = ovis.BENCHMARK.open(tmp_path, split)
    assert list(footage.videos) == ["a", "b"]
    assert footage.truth is not None
    assert footage.hidden == ""
    assert greys(footage, "b") == [0, 10, 20]
    frames = list(footage.open("b"))
    assert [footage.frame_name("b", frame) for frame in frames] == ["00000", "00005", "00010"]
    assert (footage.facts("b"), footage.facts("a")) == ({"number": 9}, {"number": 3})
    assert [result.frame.index for result in footage.truth.answer("b").frames] == [0, 1, 2]


def test_splits_are_kept_apart(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        content = truth()
        content["videos"] = content["videos"][: 1 if split == "train" else 2]
        content["annotations"] = content["annotations"][:2]
        written(tmp_path / split / "instances.json", content)
        with_pictures(tmp_path / split / "JPEGImages", content)
    assert list(YTVIS21.open(tmp_path, "train").videos) == ["b"]
    assert list(YTVIS21.open(tmp_path, "val").videos) == ["a", "b"]
    with pytest.raises(DataError, match="no annotations of test, only of val, train"):
        YTVIS21.open(tmp_path, "test")
    with pytest.raises(UsageError, match="unknown split 'vall'; did you mean 'val'"):
        YTVIS21.open(tmp_path, "vall")


@pytest.mark.parametrize(("bench", "number"), [(ytvis19, "7682"), (ytvis21, "7680"), (ovis, "5857")])
def test_where_truth_is_hidden_it_says_where_to_submit(bench: Any, number: str, tmp_path: Path) -> None:
    path = written(tmp_path / "valid" / "instances.json", hidden())
    with_pictures(tmp_path / "valid" / "JPEGImages", truth())
    footage = bench.BENCHMARK.open(tmp_path, "val")
    assert footage.truth is None
    assert "hidden" in footage.hidden
    assert number in footage.hidden
    assert greys(footage, "a") == [30]
    with pytest.raises(DataError, match=f"hidden .*{number}"):
        bench.BENCHMARK.read_truth(path)


def test_names_may_be_spelt_as_other_systems_spell_them(tmp_path: Path) -> None:
    content = truth()
    content["videos"][0]["file_names"] = [f"Caf\u00e9\\IMG_{n}.JPG" for n in (2, 1, 3)]
    written(tmp_path / "valid.json", content)
    there = truth()
    name = unicodedata.normalize("NFD", "caf\u00e9")
    there["videos"][0]["file_names"] = [f"{name}/img_{n}.jpg" for n in (2, 1, 3)]
    with_pictures(tmp_path / "valid" / "JPEGImages", there)
    footage = YTVIS21.open(tmp_path, "val")
    assert list(footage.videos) == ["a", "Caf\u00e9"]
    assert greys(footage, "Caf\u00e9") == [0, 10, 20]
    assert greys(footage, "a") == [30]


def test_frames_that_are_missing_are_named(tmp_path: Path) -> None:
    written(tmp_path / "valid.json", truth())
    pictures = with_pictures(tmp_path / "valid" / "JPEGImages", truth())
    (pictures / "b" / "00005.jpg").unlink()
    with pytest.raises(DataError, match=r"JPEGImages/b: 1 of 3 frames are missing: 00005\.jpg"):
        YTVIS21.open(tmp_path, "val").open("b")
    (pictures / "b" / "00005.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"00005\.jpg"):
        list(YTVIS21.open(tmp_path, "val").open("b"))


def test_pictures_of_another_size_than_the_file_says_are_refused(tmp_path: Path) -> None:
    content = truth()
    content["videos"][1].update(height=6, width=4)
    content["annotations"].pop()
    written(tmp_path / "valid.json", content)
    with_pictures(tmp_path / "valid" / "JPEGImages", content)
    with pytest.raises(DataError, match="6×4, wanted 4×6"):
        list(YTVIS21.open(tmp_path, "val").open("a"))


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no annotations of val; wanted one of val/instances\.json, val\.json"):
        YTVIS21.open(tmp_path, "val")
    with pytest.raises(DataError, match="there is no such file or folder"):
        YTVIS21.open(tmp_path / "none", "val")
    written(tmp_path / "valid.json", truth())
    with pytest.raises(DataError, match=r"no pictures of the video a, which valid\.json lists; wanted them in JPEG"):
        YTVIS21.open(tmp_path, "val")
    pictures = with_pictures(tmp_path / "JPEGImages", truth())
    (pictures / "b").rename(pictures / "c")
    with pytest.raises(DataError, match="JPEGImages: no pictures of 1 of the videos: b"):
        YTVIS21.open(tmp_path, "val")


@pytest.mark.parametrize("name", ["../b/0.jpg", "/b/0.jpg", "C:\\b\\0.jpg"])
def test_names_that_lead_out_of_the_set_are_refused(name: str, tmp_path: Path) -> None:
    content = truth()
    content["videos"][1]["file_names"] = [name]
    written(tmp_path / "valid.json", content)
    with_pictures(tmp_path / "JPEGImages", truth())
    with pytest.raises(DataError, match=r"video 3: its frames are in .*, outside of the set"):
        YTVIS21.open(tmp_path, "val")


# --- whose classes ------------------------------------------------------------------------------------------------


def with_classes(name: str) -> dict[str, Any]:
    classes = VOCABULARIES[name].classes
    return {**truth(), "categories": [{"id": info.dataset_id, "name": info.name} for info in classes]}


@pytest.mark.parametrize(
    ("bench", "classes", "fault"),
    [
        (ytvis21.BENCHMARK, "ovis", "these are the 25 classes of ovis, not those of ytvis21; use --bench ovis"),
        (ovis.BENCHMARK, "ytvis19", "these are the 40 classes of ytvis19, not those of ovis; use --bench ytvis19"),
    ],
)
def test_the_classes_of_another_benchmark_are_recognised(
    bench: Benchmark, classes: str, fault: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=fault):
        bench.read_truth(written(tmp_path / "instances.json", with_classes(classes)))


def test_the_two_years_of_youtube_vis_are_scored_alike(tmp_path: Path) -> None:
    read = ytvis19.BENCHMARK.read_truth(written(tmp_path / "instances.json", with_classes("ytvis21")))
    assert len(read.vocabulary) == 40
    assert read.notes == ["these are the 40 classes of ytvis21, not those of ytvis19; both are scored alike"]


def test_a_file_of_another_kind_of_set_is_recognised(tmp_path: Path) -> None:
    vipseg = {"videos": [], "annotations": [{"video_id": "a", "annotations": [{"segments_info": []}]}]}
    with pytest.raises(DataError, match=r"no objects of videos, as YouTube-VIS has them; .* use --bench vipseg"):
        YTVIS21.read_truth(written(tmp_path / "x.json", vipseg))
    (tmp_path / "davis" / "Annotations" / "480p").mkdir(parents=True)
    with pytest.raises(DataError, match=r"wanted instances\.json; .* use --bench davis17"):
        YTVIS21.read_truth(tmp_path / "davis")


# --- files against files ------------------------------------------------------------------------------------------


def test_truth_and_results_may_be_files_or_their_folders(tmp_path: Path) -> None:
    written(tmp_path / "gt" / "instances.json", truth())
    written(tmp_path / "pred" / "results.json", results())
    written(tmp_path / "one" / "anything.json", results())
    for gt in (tmp_path / "gt", tmp_path / "gt" / "instances.json", tmp_path):
        read = YTVIS21.read_truth(gt)
        for pred in ("pred", "pred/results.json", "one"):
            assert len(YTVIS21.read_results(tmp_path / pred, read).answer("b").tracks) == 3
    with pytest.raises(DataError, match=r"gt/none: there is no such file"):
        YTVIS21.read_truth(tmp_path / "gt" / "none")
    written(tmp_path / "two" / "b.json", results())
    written(tmp_path / "two" / "a.json", results())
    with pytest.raises(DataError, match=r"two: no results\.json in it"):
        YTVIS21.read_results(tmp_path / "two", YTVIS21.read_truth(tmp_path / "gt"))


@pytest.mark.parametrize(("path", "split", "num"), [("davis-mini", "val", 5), ("ytvos-mini", "train", 8)])
def test_our_own_sets_open_as_youtube_vis(path: str, split: str, num: int) -> None:
    footage = YTVIS21.open(shared("data", path), split)
    assert len(footage.videos) == num
    assert footage.truth is not None
    first = footage.videos[0]
    assert len(list(footage.open(first))) == len(list(footage.truth.answer(first).frames))
