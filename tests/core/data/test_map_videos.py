"""Videos of label maps: read when asked for, found by name, and what does not fit is named."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.map_files import read_labels
from gvseg_core.data.map_videos import MapFootage, MapResults, MapTruth
from gvseg_core.data.unseen import unseen_frame
from gvseg_core.errors import DataError
from gvseg_core.ops.label_maps import MapSegments, regions_of
from gvseg_core.types import Answer, FrameResult, Size, Vocabulary

EMPTY = Vocabulary("none", ())


def read(video: str, place: int, file: Path, size: Size) -> MapSegments:
    return MapSegments(read_labels(file, size), {label: (label, 0, False) for label in range(1, 9)})


def write(folder: Path, names: list[str], size: tuple[int, int] = (2, 3)) -> list[Path]:
    """One map a frame; frame n is full of label n + 1."""
    folder.mkdir(parents=True)
    for label, name in enumerate(names, start=1):
        Image.fromarray(np.full(size, label, np.uint8)).save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in names]


def truth_of(folder: Path, **videos: list[str]) -> MapTruth:
    return MapTruth(EMPTY, {video: write(folder / video, names) for video, names in videos.items()}, read)


def labels_of(answer: Answer) -> list[list[int]]:
    return [regions_of(frame).track_ids.tolist()[1:] for frame in answer.frames]


def test_frames_are_read_one_by_one_in_any_order(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, a=["0", "1", "2"])
    frames = truth.answer("a").frames
    assert not isinstance(frames, tuple)
    (tmp_path / "a" / "1.png").unlink()
    assert regions_of(frames[2]).track_ids[1] == 3
    assert [frame.frame.index for frame in frames[0:3:2]] == [0, 2]
    assert frames[-1].frame.image.shape == (3, 2, 3)
    with pytest.raises(DataError, match=r"1\.png: no such file"):
        frames[1]
    with pytest.raises(IndexError):
        frames[3]


def test_every_map_of_a_video_has_the_size_of_the_first(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, a=["0", "1"])
    Image.fromarray(np.ones((3, 3), np.uint8)).save(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match=r"a/1\.png: 3×3, wanted 3×2"):
        list(truth.answer("a").frames)


def test_results_are_found_by_the_names_of_frames_and_may_hold_more(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "gt", a=["1", "3"])
    write(tmp_path / "pred" / "a", ["0", "1", "2", "3"])
    results = MapResults(tmp_path / "pred", truth, read, "vspw")
    assert labels_of(results.answer("a")) == [[2], [4]]
    assert results.notes == []


def test_a_video_without_results_is_empty_and_counted(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "gt", a=["0"], b=["0", "1"], c=["0"])
    write(tmp_path / "pred" / "a", ["0"])
    results = MapResults(tmp_path / "pred", truth, read, "vspw")
    assert labels_of(results.answer("b")) == [[], []]
    assert [frame.frame.image.shape for frame in results.answer("b").frames] == [(3, 2, 3)] * 2
    assert results.notes == ["no results of 2 videos, counted as empty: b, c"]


def test_names_of_videos_and_frames_may_be_spelt_otherwise(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "gt", Clip_A=["Frame1"])
    write(tmp_path / "pred" / "clip_a", ["frame1"])
    assert labels_of(MapResults(tmp_path / "pred", truth, read, "vspw").answer("Clip_A")) == [[1]]


def test_results_of_another_size_are_refused(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "gt", a=["0"])
    write(tmp_path / "pred" / "a", ["0"], (4, 6))
    with pytest.raises(DataError, match=r"pred/a/0\.png: 6×4, wanted 3×2"):
        list(MapResults(tmp_path / "pred", truth, read, "vspw").answer("a").frames)


@pytest.mark.parametrize(
    ("videos", "said"),
    [
        ({"a": ["0"], "x": ["0"], "y": ["0"]}, "results of videos that the ground truth does not have: x, y$"),
        ({}, "no results of any video; wanted folders such as a, b$"),
    ],
)
def test_results_of_other_videos_are_refused(tmp_path: Path, videos: dict[str, list[str]], said: str) -> None:
    truth = truth_of(tmp_path / "gt", a=["0"], b=["0"])
    (tmp_path / "pred").mkdir()
    for video, names in videos.items():
        write(tmp_path / "pred" / video, names)
    with pytest.raises(DataError, match=said):
        MapResults(tmp_path / "pred", truth, read, "vspw")


def test_a_missing_frame_is_named(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "gt", a=["0", "1"])
    write(tmp_path / "pred" / "a", ["0"])
    with pytest.raises(DataError, match=r"pred/a: 1 of 2 frames are missing: 1\.png$"):
        MapResults(tmp_path / "pred", truth, read, "vspw").answer("a")


def test_a_missing_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pred: there is no such file or folder$"):
        MapResults(tmp_path / "pred", truth_of(tmp_path / "gt", a=["0"]), read, "vspw")


class OtherTruth:
    """A truth without names for its frames, as rendered videos have it."""

    vocabulary, notes = EMPTY, list[str]()
    videos = ("a",)

    def answer(self, video: str) -> Answer:
        return Answer(video, [FrameResult(unseen_frame(i, (2, 3)), ()) for i in range(2)])


def test_without_names_frames_are_taken_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "pred" / "a", ["10", "11"])
    assert labels_of(MapResults(tmp_path / "pred", OtherTruth(), read, "vspw").answer("a")) == [[1], [2]]
    shutil.copy(tmp_path / "pred" / "a" / "10.png", tmp_path / "pred" / "a" / "12.png")
    with pytest.raises(DataError, match=r"pred/a: 3 frames; the ground truth has 2$"):
        MapResults(tmp_path / "pred", OtherTruth(), read, "vspw").answer("a")


def test_pictures_are_those_of_the_truth(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "gt", a=["7", "9"])
    pictures = [tmp_path / f"{name}.jpg" for name in ("7", "9")]
    for path in pictures:
        Image.new("RGB", (3, 2), (200, 10, 10)).save(path)
    footage = MapFootage(EMPTY, {"a": pictures}, Fraction(10), truth)
    source = footage.open("a")
    frames = list(source)
    assert [footage.frame_name("a", frame) for frame in frames] == ["7", "9"]
    assert [frame.time for frame in frames] == [0, Fraction(1, 10)]
    assert source.info.size == (2, 3)
    assert (footage.truth, footage.hidden, footage.videos, footage.facts("a")) == (truth, "", ("a",), {})
