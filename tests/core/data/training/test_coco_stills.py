"""COCO's forms: every kind of mask covers its colour, and nothing is believed unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gvseg_core.data.coco import COCO, COCO_PANOPTIC
from gvseg_core.data.training.coco_stills import coco_instances, coco_panoptic
from gvseg_core.data.training.videos import Scene
from gvseg_core.errors import DataError
from tests.conftest import shared
from tests.core.data.training.sets import COLORS, write_coco, write_panoptic


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


# --- instances ----------------------------------------------------------------------------------------------------


def test_polygons_and_runs_cover_their_colours(tmp_path: Path) -> None:
    stills = coco_instances(write_coco(tmp_path), tmp_path / "images" / "train")
    for video in range(3):
        (scene,) = stills.load(video, [0])
        owners = scene.regions.paint(scene.regions.track_ids)
        for number, color in enumerate(COLORS[:3], start=1):
            assert np.array_equal(owners == number, (scene.picture == color).all(-1))
        assert scene.regions.class_ids.tolist() == [-1, 1, 0, 0]  # in the order of the file's categories
        assert scene.regions.ignore.tolist() == [False, False, False, True]


def test_pictures_without_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    stills = coco_instances(write_coco(tmp_path), tmp_path / "images" / "train")
    assert [stills.name(i) for i in range(len(stills))] == ["000.png", "001.png", "002.png"]
    assert stills.notes == ("instances_train.json: 1 of 4 pictures show nothing, and were left out",)
    assert [info.name for info in stills.vocabulary.classes] == ["disc", "square"]
    assert stills.vocabulary.name == "instances_train"
    assert stills.tasks == {"vis", "evs"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f["annotations"][1].update(category_id=5), r"annotations\[1\]: category 5 is not among"),
        (lambda f: f["annotations"][1].update(image_id=5), "annotations of image 5, which is not among its images"),
        (lambda f: f["images"].append(f["images"][0]), "image id .*10.* is taken already"),
        (lambda f: f["annotations"][0].pop("segmentation"), r"annotations\[0\]\.segmentation: wanted polygons or run"),
        (lambda f: f.pop("categories"), "no categories in it"),
        (lambda f: f.pop("images"), "no images in it"),
        (lambda f: f.pop("annotations"), "no annotations in it; training needs a split whose labels are public"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, change: Callable[..., object], words: str) -> None:
    path = write_coco(tmp_path)
    rewrite(path, change)
    with pytest.raises(DataError, match=words):
        coco_instances(path, tmp_path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [({"size": [4, 4], "counts": [16]}, "RLE: a mask of 4 × 4"), ([[1, 2, 3]], "polygon 0: wanted a list of numbers")],
)
def test_a_mask_that_is_none_is_named(tmp_path: Path, shape: object, words: str) -> None:
    path = write_coco(tmp_path, num=1)
    rewrite(path, lambda f: f["annotations"][2].update(segmentation=shape))
    stills = coco_instances(path, tmp_path / "images" / "train")
    with pytest.raises(DataError, match=rf"instances_train\.json: annotation 3 of 000\.png: {words}"):
        stills.load(0, [0])


def test_a_mask_without_a_pixel_is_no_region(tmp_path: Path) -> None:
    path = write_coco(tmp_path, num=1)
    rewrite(path, lambda f: f["annotations"][0].update(segmentation=[[1, 1, 2, 2]]))
    (scene,) = coco_instances(path, tmp_path / "images" / "train").load(0, [0])
    assert scene.regions.track_ids.tolist() == [0, 2, 3]


# --- panoptic maps ------------------------------------------------------------------------------------------------


def test_colours_of_a_panoptic_map_are_its_segments(tmp_path: Path) -> None:
    path = write_panoptic(tmp_path)
    stills = coco_panoptic(path, path.with_suffix(""), tmp_path / "images")
    (scene,) = stills.load(0, [0])
    owners = scene.regions.paint(scene.regions.class_ids)
    assert (owners[5:15, 8:20] == 0).all()
    assert (owners[0], owners[47, 0]) == (pytest.approx(1), -1)
    assert [info.is_thing for info in stills.vocabulary.classes] == [True, False]
    assert stills.vocabulary.classes[1].color == (4, 5, 6)


def test_two_maps_of_one_picture_are_refused(tmp_path: Path) -> None:
    path = write_panoptic(tmp_path)
    rewrite(path, lambda f: f["annotations"].append(f["annotations"][0]))
    with pytest.raises(DataError, match=r"2 annotations of a\.jpg, wanted one"):
        coco_panoptic(path, path.with_suffix(""), tmp_path / "images").load(0, [0])


# --- real files ---------------------------------------------------------------------------------------------------


def test_cocos_own_classes_are_known(tmp_path: Path) -> None:
    folder = shared("data", "coco-mini")
    instances = coco_instances(folder / "annotations" / "instances_train.json", folder / "images" / "train")
    assert instances.vocabulary is COCO
    maps = folder / "annotations" / "panoptic_train"
    panoptic = coco_panoptic(maps.with_suffix(".json"), maps, folder / "images" / "train")
    assert panoptic.vocabulary is COCO_PANOPTIC


def test_things_of_both_forms_of_real_pictures_agree() -> None:
    """Polygons were drawn apart from maps, and then smoothed; where masks were made of the maps they are the same."""
    folder = shared("data", "coco-mini")
    instances = coco_instances(folder / "annotations" / "instances_train.json", folder / "images" / "train")
    maps = folder / "annotations" / "panoptic_train"
    panoptic = coco_panoptic(maps.with_suffix(".json"), maps, folder / "images" / "train")
    places = {instances.name(i): i for i in range(len(instances))}
    shares = []
    for video in range(len(panoptic)):
        if panoptic.name(video) in places:
            (one,), (other,) = panoptic.load(video, [0]), instances.load(places[panoptic.name(video)], [0])
            shares.append(float((things_of(one) == things_of(other)).mean()))
    assert len(shares) == 76
    assert min(shares) > 0.99
    assert shares.count(1.0) == 8


def things_of(scene: Scene) -> NDArray[np.int64]:
    """The class of each pixel, -1 where there is no thing."""
    classes = scene.regions.paint(np.where(scene.regions.ignore, -1, scene.regions.class_ids))
    return np.where(classes < len(COCO), classes, -1)
