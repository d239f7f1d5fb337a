"""What is said of a file that is no video."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gvseg_core.errors import VideoError
from gvseg_core.video.diagnosis import HEAD, why_unreadable
from gvseg_core.video.source import open_video
from tests.core.video.making import make_clip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "run `git lfs pull`"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"just words, \xc3\xa9\n", "not a video but text"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "playlists are read from URLs only"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "playlists are read from URLs only"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (bytes(range(256)) * 4, "not a video that can be read"),
    ],
)
def test_the_bytes_tell_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        open_video(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_a_recording_without_its_index_is_said_to_be_cut(tmp_path: Path, share: float) -> None:
    path = tmp_path / "clip.mp4"
    make_clip(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(content.index(b"moov") * share)])
    with pytest.raises(VideoError, match=r"no index \(moov\): the recording was cut"):
        open_video(path)


def test_text_cut_inside_a_character_is_still_text() -> None:
    head = b"x" + "é".encode() * HEAD
    assert why_unreadable(head[:HEAD], io.BytesIO(head)) == "not a video but text"
