"""The parts of a set, wherever they usually lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gvseg_core.data.finding import (
    Form,
    annotation_files,
    find_annotations,
    find_maps,
    find_pictures,
    form_of,
)
from gvseg_core.errors import DataError
from tests.core.data.training.sets import write_coco, write_panoptic, write_ytvis

INSTANCE = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": []}
PANOPTIC = {"image_id": 1, "file_name": "a.png", "segments_info": []}
OBJECT = {"id": 1, "video_id": 1, "category_id": 1, "segmentations": []}


def write(path: Path, annotation: dict[str, object], name: str = "a.jpg") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": name}], "annotations": [annotation]}))
    return path


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        (INSTANCE, "instances"),
        (PANOPTIC, "panoptic"),
        (OBJECT, "videos"),
        ({"id": 1, "image_id": 1, "caption": "a dog"}, None),
        ({"video_id": "x", "annotations": []}, None),
    ],
)
def test_a_file_is_of_what_its_first_annotation_is(tmp_path: Path, annotation: dict[str, object], form: Form) -> None:
    assert form_of(write(tmp_path / "a.json", annotation)) == form


def test_a_file_without_annotations_is_of_no_form(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"videos": {"a": {}}}')
    assert form_of(tmp_path / "meta.json") is None


@pytest.mark.parametrize(
    "name",
    [
        "annotations/instances_train2017.json",
        "annotations/instances_train.json",
        "train.json",
        "train/instances.json",
        "annotations_train.json",
        "instances.json",
    ],
)
def test_the_file_of_a_split_is_found_by_its_name_or_by_being_alone(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, INSTANCE)
    for other in ("annotations/instances_val2017.json", "valid.json"):
        write(tmp_path / other, INSTANCE)
    assert find_annotations(tmp_path, "train", "instances") == path
    assert find_annotations(path, "train", "instances") == path
    assert find_annotations(tmp_path, "train", "panoptic") is None


def test_val_and_valid_are_one_split(tmp_path: Path) -> None:
    path = write(tmp_path / "valid.json", INSTANCE)
    assert annotation_files(tmp_path, "val") == annotation_files(tmp_path, "valid") == [path]


def test_files_named_after_their_form_are_preferred_and_others_must_be_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "annotations" / "instances_train.json", INSTANCE)
    write(tmp_path / "annotations" / "person_keypoints_train.json", INSTANCE)
    assert find_annotations(tmp_path, "train", "instances") == path
    write(tmp_path / "annotations" / "instances_train_again.json", INSTANCE)
    with pytest.raises(DataError, match=r"instances_train\.json, instances_train_again\.json; let `path` name one"):
        find_annotations(tmp_path, "train", "instances")


@pytest.mark.parametrize(
    "place", ["images/train", "train2017", "images/train2017", "train", "images", "JPEGImages", "."]
)
def test_pictures_are_found_in_all_usual_places(tmp_path: Path, place: str) -> None:
    path = write(tmp_path / "annotations" / "instances_train.json", INSTANCE, "deep/a.jpg")
    (tmp_path / place / "deep").mkdir(parents=True)
    (tmp_path / place / "deep" / "a.jpg").touch()
    assert find_pictures(path, tmp_path, "train") == tmp_path / place


def test_pictures_that_are_nowhere_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "annotations" / "instances_train.json", INSTANCE)
    (tmp_path / "images").mkdir()
    words = r"instances_train\.json names a\.jpg, which is in none of .*images.*; say with `pictures` where they are"
    with pytest.raises(DataError, match=words):
        find_pictures(path, tmp_path, "train")


def test_maps_lie_beside_their_list(tmp_path: Path) -> None:
    path = write_panoptic(tmp_path)
    assert find_maps(path, tmp_path) == path.with_suffix("")
    (path.with_suffix("") / "a.png").unlink()
    with pytest.raises(DataError, match=r"names the map a\.png, which is in none of"):
        find_maps(path, tmp_path)


def test_real_layouts_are_told_apart(tmp_path: Path) -> None:
    assert form_of(write_coco(tmp_path / "coco")) == "instances"
    assert form_of(write_panoptic(tmp_path / "panoptic")) == "panoptic"
    write_ytvis(tmp_path / "ytvis")
    assert find_annotations(tmp_path / "ytvis", "train", "videos") == tmp_path / "ytvis" / "train" / "instances.json"
