"""Folders of frames: what is in them is found, and what is missing is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gvseg_core.data.folders import (
    PICTURES,
    find_folders,
    find_frames,
    folders_in,
    frames_in,
    is_plain,
    read_list,
    shown,
)
from gvseg_core.errors import DataError


def filled(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_a_list_has_one_name_a_line_whatever_ends_it(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_bytes(b"\xef\xbb\xbfone\r\n\n two \nthree")
    assert read_list(tmp_path / "val.txt") == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "lists no video"),
        (b"one\none\n", "one stands twice"),
        (b"../one\n", "../one is not the name of a folder"),
        (b"..\n", ".. is not the name of a folder"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_list_of_anything_else_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "val.txt").write_bytes(text)
    with pytest.raises(DataError, match=f"val.txt: {re.escape(said)}"):
        read_list(tmp_path / "val.txt")


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"val\.txt: cannot be read; wanted a list of videos"):
        read_list(tmp_path / "val.txt")


def test_names_that_lead_elsewhere_are_not_plain() -> None:
    assert is_plain("0016E5_15hz_a")
    assert not any(map(is_plain, ("", ".", "..", "a/b", "a\\b", "a\0")))


def test_hidden_folders_and_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("b", "a", ".git"):
        (tmp_path / name).mkdir()
    assert folders_in(filled(tmp_path, "file", ".DS_Store.png")) == ["a", "b"]
    assert folders_in(tmp_path / "missing") == []
    with pytest.raises(DataError, match=r"wanted a \.png file for each frame, none is in it"):
        frames_in(tmp_path)


def test_frames_come_sorted_and_of_two_files_of_a_frame_the_usual_one(tmp_path: Path) -> None:
    folder = filled(tmp_path / "v", "2.PNG", "1.jpg", "1.png", "3.txt")
    assert [path.name for path in frames_in(folder, PICTURES)] == ["1.jpg", "2.PNG"]
    assert [path.name for path in frames_in(folder)] == ["1.png", "2.PNG"]


def test_each_frame_has_its_file_in_the_order_asked_for(tmp_path: Path) -> None:
    folder = filled(tmp_path / "v", "a.png", "B.png", "c.png")
    assert [path.name for path in find_frames(folder, ["b", "a"])] == ["B.png", "a.png"]


def test_each_video_has_its_folder_however_it_is_spelt(tmp_path: Path) -> None:
    for name in ("B", "a"):
        (tmp_path / name).mkdir()
    assert list(find_folders(tmp_path, ["b", "a"], "val.txt").items()) == [("b", tmp_path / "B"), ("a", tmp_path / "a")]
    with pytest.raises(DataError, match=r"no folder of c, d, listed by val\.txt$"):
        find_folders(tmp_path, ["a", "c", "d"], "val.txt")


def test_missing_frames_are_counted_and_the_first_named(tmp_path: Path) -> None:
    folder = filled(tmp_path / "v", "1.png")
    with pytest.raises(DataError, match=r"v: 4 of 5 frames are missing: 2\.png, 3\.png, 4\.png and 1 more$"):
        find_frames(folder, list("12345"))
    with pytest.raises(DataError, match="w: there is no such folder; wanted one of 2 frames"):
        find_frames(tmp_path / "w", ["1", "2"])
    with pytest.raises(DataError, match=r"w: wanted a \.png file for each frame, there is no such folder"):
        frames_in(tmp_path / "w")


def test_names_are_shown_without_their_control_characters() -> None:
    assert shown(["a\n", "b"]) == "a\\n, b"
