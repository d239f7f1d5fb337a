"""What INPUT words stand for."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.errors import UsageError, VideoError
from gvseg_core.video.inputs import expand, masked, natural_key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a few files in it; what is in them does not matter here."""
    monkeypatch.chdir(tmp_path)
    for name in ("clip1.mp4", "clip2.MOV", "clip10.mkv", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).touch()
    return tmp_path


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_a_file_is_one_video_named_by_its_stem(folder: Path) -> None:
    (one,) = expand(["clip1.mp4"])
    assert (one.kind, one.name, one.folder, one.path) == ("file", "clip1", PurePath(), Path("clip1.mp4"))


def test_a_folder_of_videos_is_each_of_them_in_natural_order(folder: Path) -> None:
    assert [i.name for i in expand(["."])] == ["clip1", "clip2", "clip10"]


def test_a_folder_of_pictures_is_one_video_named_by_the_folder(folder: Path) -> None:
    make("frames/1.jpg", "frames/2.jpg", "frames/.DS_Store")
    (one,) = expand(["frames"])
    assert (one.kind, one.name) == ("frames", "frames")


def test_the_working_directory_as_frames_has_its_own_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("frames/1.jpg")
    monkeypatch.chdir("frames")
    assert expand(["."])[0].name == "frames"


def test_videos_beside_pictures_are_taken_and_the_pictures_named(folder: Path) -> None:
    make("both/clip.mp4", "both/cover.jpg")
    (one,) = expand(["both"])
    assert one.name == "clip"
    assert "1 pictures beside the videos are left out" in one.note


def test_folders_in_folders_are_looked_into_only_when_asked(folder: Path) -> None:
    make("root/a/1.mp4", "root/b/c/1.png")
    with pytest.raises(VideoError, match="--recursive"):
        expand(["root"])
    found = expand(["root"], recursive=True)
    assert [(i.kind, i.name, i.folder.as_posix()) for i in found] == [("file", "1", "a"), ("frames", "c", "b/c")]


def test_a_glob_mirrors_what_lies_below_its_fixed_part(folder: Path) -> None:
    make("in/a/x2.mp4", "in/a/x10.mp4", "in/b/x1.mp4")
    found = expand(["in/*/x*.mp4"])
    assert [(i.folder.as_posix(), i.name) for i in found] == [("a", "x2"), ("a", "x10"), ("b", "x1")]
    with pytest.raises(VideoError, match=r"zzz\*: matches no file"):
        expand(["zzz*"])


def test_a_file_whose_name_is_a_glob_is_that_file(folder: Path) -> None:
    make("clip[1].mp4")
    assert [i.name for i in expand(["clip[1].mp4"])] == ["clip[1]"]


def test_a_list_names_inputs_line_by_line_or_between_nuls(folder: Path) -> None:
    Path("list.txt").write_text("# made by hand\nclip2.MOV\n\nclip1.mp4\n", encoding="utf-8")
    assert [i.name for i in expand(["@list.txt"])] == ["clip2", "clip1"]
    make("two\nlines.mp4")
    Path("list0").write_bytes(b"two\nlines.mp4\0clip1.mp4\0")
    assert [i.name for i in expand(["@list0"])] == ["two\nlines", "clip1"]


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("", "is empty"), ("# no\n", "is empty")])
def test_a_list_that_gives_nothing_is_refused(folder: Path, content: str | None, message: str) -> None:
    if content is not None:
        Path("list.txt").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        expand(["@list.txt"])


def test_words_with_a_meaning_win_over_files_unless_a_path_is_written(folder: Path) -> None:
    make("demo/1.mp4", "-")
    assert [expand([w])[0].kind for w in ("demo", "-", "./demo", "./-", "0")] == [
        "demo",
        "stdin",
        "file",
        "file",
        "camera",
    ]
    make("0/1.jpg")
    assert expand(["0"])[0].kind == "frames"


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "-dash.mp4",
        "new\nline.mp4",
        "emoji 🎬.mp4",
        "quo'te\".mp4",
        "a:b.mp4",
        "%03d.mp4",
        "ü" * 120 + ".mp4",
    ],
)
def test_any_name_a_file_can_have_works(folder: Path, name: str) -> None:
    make(name)
    assert expand([name])[0].path == Path(name)
    assert Path(name) in [i.path for i in expand([str(folder)])] or folder / name in [
        i.path for i in expand([str(folder)])
    ]


def test_a_name_that_is_not_utf8_works(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    make(name)
    assert expand([name])[0].name == os.fsdecode(b"caf\xe9")


def test_a_missing_file_is_named_with_the_nearest_there_is(folder: Path) -> None:
    with pytest.raises(VideoError, match=r"^clip3\.mp4: no such file or folder; did you mean 'clip1\.mp4'\?"):
        expand(["clip3.mp4"])
    with pytest.raises(VideoError, match="the folder nowhere does not exist either"):
        expand(["nowhere/clip.mp4"])


@pytest.mark.parametrize("word", ["", "a\0b"])
def test_what_cannot_be_a_name_is_refused(word: str) -> None:
    with pytest.raises(VideoError, match="not the name of a file"):
        expand([word])


def test_a_folder_of_nothing_usable_is_refused(folder: Path) -> None:
    make("empty/readme.txt")
    with pytest.raises(VideoError, match="neither videos nor pictures"):
        expand(["empty"])


def test_what_is_no_regular_file_is_refused_but_a_fifo(folder: Path) -> None:
    with pytest.raises(VideoError, match="not a file but a character device"):
        expand(["/dev/null"])
    os.mkfifo("pipe.mkv")
    assert expand(["pipe.mkv"])[0].kind == "file"
    os.symlink("gone.mp4", "link.mp4")
    with pytest.raises(VideoError, match="a link to a file that is not there"):
        expand(["link.mp4"])


def test_a_url_is_opened_as_it_is_and_shown_without_its_secrets() -> None:
    (one,) = expand(["rtsp://me:secret@cam.local:554/door/main.sdp?token=abc"])
    assert (one.kind, one.name) == ("url", "main")
    assert one.spec.endswith("?token=abc")
    assert one.shown == "rtsp://***@cam.local:554/door/main.sdp?token=***"
    assert "secret" not in repr(one)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("ftp://host/a.mp4", "cannot read ftp://"),
        ("file:///etc/passwd", "cannot read file://"),
        ("http://", "without a host"),
    ],
)
def test_other_urls_are_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        expand([word])


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_password_is_never_shown(user: str, password: str) -> None:
    secret = "".join(c for c in password if c not in "/?#@") + "SECRET"
    name = "".join(c for c in user if c not in "/?#@")
    assert "SECRET" not in masked(f"https://{name}:{secret}@host/video.mp4")


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_natural_order_is_the_order_of_the_numbers(numbers: list[int]) -> None:
    names = [f"frame_{n}.png" for n in numbers]
    assert sorted(names, key=natural_key) == [f"frame_{n}.png" for n in sorted(numbers)]
