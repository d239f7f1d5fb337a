"""Benchmarks as training data: the frames asked for, with their own labels."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.training.footage import BenchmarkVideos
from gvseg_core.errors import DataError
from gvseg_core.types import TaskName
from tests.conftest import shared
from tests.core.data.training.sets import COLORS, write_davis, write_vspw, write_ytvis

FRAMES = [4, 2]


@pytest.fixture
def davis(tmp_path: Path) -> BenchmarkVideos:
    write_davis(tmp_path)
    return BenchmarkVideos("davis17", tmp_path, "train")


def test_a_frame_has_its_own_labels(davis: BenchmarkVideos) -> None:
    for scene, frame in zip(davis.load(0, FRAMES), FRAMES, strict=True):
        owners = scene.regions.paint(scene.regions.track_ids)
        assert np.array_equal(owners == 1, (scene.picture == COLORS[0]).all(-1))
        assert np.array_equal(owners == 2, (scene.picture == COLORS[1]).all(-1))
        assert (2 in owners) == (frame < 3)


def test_nothing_but_the_frames_asked_for_is_read(davis: BenchmarkVideos, tmp_path: Path) -> None:
    for name in ("JPEGImages", "Annotations"):
        for frame in (1, 3, 5):
            path = next((tmp_path / name / "480p" / "one").glob(f"{frame:05d}.*"))
            path.write_bytes(b"")
    assert len(davis.load(0, FRAMES)) == 2
    with pytest.raises(DataError, match=r"00003\.png"):
        davis.load(0, [3])


def test_semantic_maps_have_void_and_classes(tmp_path: Path) -> None:
    write_vspw(tmp_path)
    videos = BenchmarkVideos("vspw", tmp_path, "train")
    (scene,) = videos.load(0, [2])
    owners = scene.regions.paint(np.where(scene.regions.ignore, -1, scene.regions.class_ids))
    assert np.array_equal(owners == 0, (scene.picture == COLORS[0]).all(-1))
    assert (owners[30:] == 1).all()
    assert (owners[0] == -1).all()
    assert (videos.tasks, videos.shown(0), videos.num_frames(0)) == ({"vss"}, None, 6)


def test_frames_that_show_something_are_known_from_the_areas(tmp_path: Path) -> None:
    write_ytvis(tmp_path)
    videos = BenchmarkVideos("ytvis21", tmp_path, "train")
    assert videos.shown(0) == [2, 3, 4, 5]
    (scene,) = videos.load(0, [2])
    owners = scene.regions.paint(np.where(scene.regions.ignore, -1, scene.regions.class_ids))
    assert np.array_equal(owners == 1, (scene.picture == COLORS[0]).all(-1))
    assert (owners[40:, :10] == -1).all()


def test_another_process_opens_it_anew(davis: BenchmarkVideos) -> None:
    (mine,), (theirs,) = davis.load(0, [2]), pickle.loads(pickle.dumps(davis)).load(0, [2])
    assert np.array_equal(mine.picture, theirs.picture)


def test_labels_of_another_size_than_the_picture_are_refused(davis: BenchmarkVideos, tmp_path: Path) -> None:
    path = tmp_path / "JPEGImages" / "480p" / "one" / "00002.png"
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(path)
    with pytest.raises(DataError, match=r"00002\.png: 32×24, wanted 64×48"):
        davis.load(0, [2])


def test_a_split_whose_truth_is_hidden_teaches_nothing() -> None:
    with pytest.raises(DataError, match="no labels to train on: "):
        BenchmarkVideos("ytvos18", shared("data", "vos-extra"), "valid")


@pytest.mark.parametrize(
    ("name", "folder", "split", "num", "tasks"),
    [
        ("ytvos18", "ytvos-mini", "train", 13, {"evs"}),
        ("ytvos18", "vos-extra", "train", 13, {"evs"}),
        ("ytvis21", "ytvos-mini", "train", 8, {"vis", "evs"}),
        ("davis17", "davis-mini", "val", 5, {"evs"}),
        ("vspw", "camvid-vss", "train", 3, {"vss"}),
        ("vipseg", "camvid-vps", "val", 1, {"vis", "vss", "vps", "evs"}),
    ],
)
def test_real_sets_open_and_every_video_has_a_frame(
    name: str, folder: str, split: str, num: int, tasks: set[TaskName]
) -> None:
    videos = BenchmarkVideos(name, shared("data", folder), split)
    assert (len(videos), videos.tasks) == (num, tasks)
    for video in range(num):
        last = videos.num_frames(video) - 1
        for scene in videos.load(video, [0, last]):
            assert scene.picture.shape[:2] == scene.regions.size
        assert len(videos.load(video, [last // 2])[0].regions) >= 1 or folder == "vos-extra"
