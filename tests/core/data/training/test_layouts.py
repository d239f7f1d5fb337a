"""Folders of any known layout are recognised, one's own classes included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.training.layouts import LAYOUTS, open_videos, recognise
from gvseg_core.data.training.videos import TrainingVideos
from gvseg_core.errors import DataError
from gvseg_core.recipes import SourceSettings
from gvseg_core.types import TaskName
from tests.core.data.training.sets import (
    write_coco,
    write_davis,
    write_panoptic,
    write_vspw,
    write_ytvis,
)

AUTO = SourceSettings(benchmark="auto")


def write_regions(folder: Path) -> None:
    for name in ("images", "regions"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "images" / "a.png")
    Image.fromarray(np.ones((4, 4), np.uint8)).save(folder / "regions" / "a.png")


def write_ytvos(folder: Path) -> None:
    write_davis(folder / "davis")
    for name in ("JPEGImages", "Annotations"):
        (folder / "davis" / name / "480p").rename(folder / name)
    (folder / "meta.json").write_text(
        '{"videos": {"one": {"objects": {"1": {"category": "square", "frames": ["00000", "00001", "00002", "00003", '
        '"00004", "00005"]}, "2": {"category": "blob", "frames": ["00000", "00001", "00002"]}}}}}'
    )


OWN: dict[str, tuple[Callable[[Path], object], TaskName, str]] = {
    "coco": (write_coco, "vis", "COCO instances"),
    "panoptic": (write_panoptic, "vps", "COCO panoptic form"),
    "ytvis": (write_ytvis, "vis", "YouTube-VIS form"),
    "vspw": (write_vspw, "vss", "VSPW layout"),
    "davis": (write_davis, "evs", "DAVIS layout"),
    "ytvos": (write_ytvos, "evs", "YouTube-VOS layout"),
    "regions": (write_regions, "evs", "region maps"),
}


def opened(name: str, root: Path, task: TaskName | None = None) -> TrainingVideos:
    write, own, _ = OWN[name]
    write(root / name)
    return open_videos(SourceSettings(benchmark="auto", path=name), root, task or own)


@pytest.mark.parametrize("name", OWN)
def test_a_folder_is_recognised_and_said_to_be_what_it_is(tmp_path: Path, name: str) -> None:
    videos = opened(name, tmp_path)
    _, task, title = OWN[name]
    assert len(videos) >= 1
    assert task in videos.tasks
    assert videos.notes[-1].startswith(f"{tmp_path / name}: taken as {title}, for it has ")
    scene = videos.load(0, [0])[0]
    assert scene.picture.shape[:2] == scene.regions.size


@pytest.mark.parametrize(
    ("name", "names"), [("vspw", ["square", "floor"]), ("ytvis", ["blob", "square"]), ("coco", ["disc", "square"])]
)
def test_ones_own_classes_are_those_of_the_files(tmp_path: Path, name: str, names: list[str]) -> None:
    assert [info.name for info in opened(name, tmp_path).vocabulary.classes] == names


def test_of_several_forms_the_one_that_teaches_the_task_is_taken(tmp_path: Path) -> None:
    write_coco(tmp_path)
    write_panoptic(tmp_path)
    assert recognise(tmp_path, "train", "vis").title == "COCO instances"
    assert recognise(tmp_path, "train", "vps").title == "COCO panoptic form"


def test_what_is_there_but_teaches_something_else_is_named(tmp_path: Path) -> None:
    write_coco(tmp_path)
    with pytest.raises(DataError, match="found COCO instances, for evs, vis; none of it teaches vss"):
        open_videos(AUTO, tmp_path, "vss")


def test_an_unknown_folder_is_told_what_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    with pytest.raises(
        DataError, match="nothing of train in it that is known; to teach vss, wanted one of: "
    ) as caught:
        open_videos(AUTO, tmp_path, "vss")
    for layout in LAYOUTS:
        assert (layout.marks in str(caught.value)) == ("vss" in layout.tasks)


def test_a_json_that_is_damaged_is_named_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "instances_train.json").write_text('{"annotations": [')
    with pytest.raises(DataError, match=r"instances_train\.json: .*ends in the middle"):
        open_videos(AUTO, tmp_path, "vis")


def test_synth_is_rendered_by_its_settings_and_has_many_videos(tmp_path: Path) -> None:
    assert len(open_videos(SourceSettings(benchmark="synth"), tmp_path, "vis")) == 4096
    few = open_videos(SourceSettings(benchmark="synth", path="videos=3,frames=7"), tmp_path, "vis")
    assert (len(few), few.num_frames(0)) == (3, 7)


def test_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    write_coco(tmp_path / "set")
    (tmp_path / "set" / "images").rename(tmp_path / "far")
    settings = SourceSettings(benchmark="coco", path="set", pictures="../far/train")
    assert open_videos(settings, tmp_path, "vis").load(0, [0])[0].picture.shape == (48, 64, 3)
