"""Plain region maps, and what all sets of stills share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.training.stills import region_maps
from gvseg_core.errors import DataError
from gvseg_core.types import VOID


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images", "regions"):
        (tmp_path / name).mkdir()
    for n, stem in enumerate(("b", "a", "c")):
        Image.fromarray(np.full((4, 6, 3), 50 * n, np.uint8)).save(tmp_path / "images" / f"{stem}.jpg")
        labels = np.array([[0, 1, 1, 2, 2, 2]] * 4, np.uint8)
        Image.fromarray(labels).save(tmp_path / "regions" / f"{stem}.png")
    (tmp_path / "train.txt").write_text("b\na\n")
    return tmp_path


def test_a_region_is_an_object_without_a_class_and_0_is_void(folder: Path) -> None:
    stills = region_maps(folder, "train")
    (scene,) = stills.load(0, [0])
    regions = scene.regions
    assert regions.paint(regions.track_ids)[0].tolist() == [0, 1, 1, 2, 2, 2]
    assert regions.paint(regions.class_ids)[0].tolist() == [VOID, 0, 0, 0, 0, 0]
    assert regions.paint(regions.ignore)[0].tolist() == [True, False, False, False, False, False]
    assert (stills.tasks, stills.is_still, len(stills.vocabulary)) == ({"evs"}, True, 1)


def test_a_list_names_the_split_and_its_order(folder: Path) -> None:
    listed, all_ = region_maps(folder, "train"), region_maps(folder, "val")
    assert [listed.name(i) for i in range(len(listed))] == ["b.jpg", "a.jpg"]
    assert [all_.name(i) for i in range(len(all_))] == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_still_is_read_once_however_often_it_is_asked_for(folder: Path) -> None:
    stills = region_maps(folder, "train")
    one, other = stills.load(1, [0, 0])
    assert one is other
    assert (stills.num_frames(1), stills.shown(1)) == (1, (0,))


def test_what_is_missing_is_named(folder: Path) -> None:
    (folder / "regions" / "a.png").unlink()
    with pytest.raises(DataError, match=r"regions: no a\.png, though .*a\.jpg is there"):
        region_maps(folder, "train")
    (folder / "train.txt").write_text("z")
    with pytest.raises(DataError, match="z is not among the pictures"):
        region_maps(folder, "train")
    with pytest.raises(DataError, match="images: no picture in it"):
        region_maps(folder / "regions", "train")


def test_a_map_of_another_size_is_refused(folder: Path) -> None:
    Image.fromarray(np.ones((5, 6), np.uint8)).save(folder / "regions" / "b.png")
    with pytest.raises(DataError, match=r"b\.png: 6×5, wanted 6×4"):
        region_maps(folder, "train").load(0, [0])
