"""Files appear whole or not at all, and nothing else is touched."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core import files
from gvseg_core.errors import OutputError
from gvseg_core.files import PartFile, PartFolder, check_target, printable, same_file, writing


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def make_folder(path: Path, *members: str) -> Path:
    for member in members:
        (path / member).parent.mkdir(parents=True, exist_ok=True)
        (path / member).write_text(f"old {member}")
    return path


# --- one file -----------------------------------------------------------------------------------------------------


def test_a_file_appears_at_commit_and_its_part_is_gone(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "clip.json", overwrite=False)
    part.path.write_text("all")
    assert not (tmp_path / "clip.json").exists()
    part.commit()
    part.abort()  # too late to matter
    assert names(tmp_path) == {"clip.json"}
    assert (tmp_path / "clip.json").read_text() == "all"


def test_an_aborted_file_leaves_nothing(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "new" / "clip.json", overwrite=False)
    assert part.path.parent == tmp_path / "new"
    part.abort()
    part.abort()
    assert names(tmp_path) == set()


def test_a_folder_that_was_made_stays_while_another_output_lies_in_it(tmp_path: Path) -> None:
    one, other = (PartFile(tmp_path / "new" / name, overwrite=False) for name in ("a", "b"))
    one.abort()
    other.commit()
    assert names(tmp_path) == {"new", "new/b"}


def test_as_a_context_the_end_decides(tmp_path: Path) -> None:
    with PartFile(tmp_path / "good", overwrite=False) as part:
        part.path.write_text("all")
    with pytest.raises(KeyboardInterrupt), PartFile(tmp_path / "bad", overwrite=False):
        raise KeyboardInterrupt
    assert names(tmp_path) == {"good"}


@pytest.mark.parametrize("kind", [PartFile, PartFolder])
def test_parts_are_private_and_unpredictable_and_the_result_obeys_the_umask(tmp_path: Path, kind: type) -> None:
    before = os.umask(0o027)
    try:
        parts = [kind(tmp_path / "out", overwrite=False) for _ in range(2)]
        assert parts[0].path != parts[1].path
        assert all(p.path.name.startswith(".out.") and p.path.name.endswith(".gvseg-part") for p in parts)
        assert stat.S_IMODE(parts[0].path.stat().st_mode) in {0o600, 0o700}
        parts[0].commit()
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) in {0o640, 0o750}
    finally:
        os.umask(before)


def test_what_exists_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "clip.json"
    target.write_text("precious")
    with pytest.raises(OutputError, match="exists already; -y to overwrite, -n to skip"):
        PartFile(target, overwrite=False)
    assert target.read_text() == "precious"
    assert names(tmp_path) == {"clip.json"}


def test_what_exists_is_replaced_at_the_end_when_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "clip.json"
    target.write_text("old")
    with PartFile(target, overwrite=True) as part:
        part.path.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("has_links", [True, False])
def test_what_appears_during_the_run_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:  # as FAT
        monkeypatch.setattr(os, "link", raises(errno.EPERM))
    part = PartFile(tmp_path / "clip.json", overwrite=False)
    (tmp_path / "clip.json").write_text("another run's")
    with pytest.raises(OutputError, match="appeared during the run"):
        part.commit()
    assert names(tmp_path) == {"clip.json"}
    assert (tmp_path / "clip.json").read_text() == "another run's"


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", raises(errno.EPERM))
    with PartFile(tmp_path / "clip.json", overwrite=False) as part:
        part.path.write_text("all")
    assert (tmp_path / "clip.json").read_text() == "all"
    assert names(tmp_path) == {"clip.json"}


def raises(*codes: int):
    """A stand-in that fails once for each code, then works."""
    left, link = list(codes), os.link

    def stand_in(*args: object, **kwargs: object) -> None:
        if left:
            raise OSError(left.pop(0), "as the test wants it")
        link(*args, **kwargs)

    return stand_in


def test_a_fault_that_passes_is_sat_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "link", raises(errno.ESTALE, errno.EIO))
    PartFile(tmp_path / "clip.json", overwrite=False).commit()
    assert names(tmp_path) == {"clip.json"}
    monkeypatch.setattr(os, "link", raises(*[errno.EIO] * 3))
    with pytest.raises(OutputError, match="the disk or network drive reports an error"):
        PartFile(tmp_path / "other.json", overwrite=False).commit()
    assert names(tmp_path) == {"clip.json"}


def test_a_folder_that_vanishes_during_the_run_is_named(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "out" / "clip.json", overwrite=False)
    part.path.unlink()
    (tmp_path / "out").rmdir()
    with pytest.raises(OutputError, match=r"clip\.json: its folder is gone"):
        part.commit()


def test_the_null_device_takes_everything(tmp_path: Path) -> None:
    with PartFile(Path(os.devnull), overwrite=False) as part:
        part.path.write_bytes(b"all")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize(
    "name", ["a" * 255, "ж" * 127, "with space", "-rf", "quote'\"", "new\nline", "😀", "\udcff\udc80"]
)
def test_any_name_that_a_file_may_have_works(tmp_path: Path, name: str) -> None:
    with PartFile(tmp_path / name, overwrite=False) as part:
        part.path.write_text("all")
    assert (tmp_path / name).read_text() == "all"
    with PartFolder(tmp_path / "folders" / name, overwrite=False) as folder:
        (folder.path / "0.png").write_text("all")
    assert (tmp_path / "folders" / name / "0.png").read_text() == "all"


# --- what is refused before any work ------------------------------------------------------------------------------


def test_the_check_touches_nothing(tmp_path: Path) -> None:
    check_target(tmp_path / "new" / "clip.json", overwrite=False)
    assert names(tmp_path) == set()


def test_targets_that_cannot_be_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, "folder/member", "file")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    refused = {
        tmp_path / "folder": "is a folder; a file of that name is wanted",
        tmp_path / "link": "is a symbolic link",
        tmp_path / "dangling": "is a symbolic link",
        tmp_path / "pipe": "is a device or pipe",
        Path("/dev/full"): "is a device or pipe",
        tmp_path / "no" / "such" / "clip.json": "there is no folder",
        tmp_path / "file" / "clip.json": "there is no folder",
        tmp_path / ("x" * 256): "the name is too long",
    }
    for target, message in refused.items():
        for overwrite in (False, True):
            with pytest.raises(OutputError, match=message):
                check_target(target, overwrite)
    for target, message in {"file": "is a file; a folder", "link": "symbolic link"}.items():
        with pytest.raises(OutputError, match=message):
            check_target(tmp_path / target, True, folder=True)
    assert (tmp_path / "file").read_text() == "old file"


def test_a_folder_that_may_not_be_written_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests may be allowed everything
    with pytest.raises(OutputError, match="no permission to write in"):
        check_target(tmp_path / "clip.json", overwrite=False)


# --- folders ------------------------------------------------------------------------------------------------------


def test_a_folder_appears_at_commit(tmp_path: Path) -> None:
    part = PartFolder(tmp_path / "clip.png", overwrite=False)
    make_folder(part.path, "0.png", "sub/1.png")
    assert not (tmp_path / "clip.png").exists()
    part.commit()
    assert names(tmp_path) == {"clip.png", "clip.png/0.png", "clip.png/sub", "clip.png/sub/1.png"}


def test_an_aborted_folder_leaves_nothing(tmp_path: Path) -> None:
    part = PartFolder(tmp_path / "new" / "clip.png", overwrite=False)
    make_folder(part.path, "0.png")
    part.abort()
    assert names(tmp_path) == set()


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with PartFolder(tmp_path / "empty", overwrite=False) as part:
        make_folder(part.path, "0.png")
    with pytest.raises(OutputError, match="exists already"):
        PartFolder(tmp_path / "empty", overwrite=False)
    assert names(tmp_path) == {"empty", "empty/0.png"}


def test_a_folder_that_fills_during_the_run_is_not_replaced(tmp_path: Path) -> None:
    part = PartFolder(tmp_path / "clip.png", overwrite=False)
    make_folder(tmp_path / "clip.png", "other.png")
    with pytest.raises(OutputError, match="exists already"):
        part.commit()
    assert names(tmp_path) == {"clip.png", "clip.png/other.png"}


def test_a_replaced_folder_holds_the_new_frames_only_and_nothing_else_is_lost(tmp_path: Path) -> None:
    target = make_folder(tmp_path / "clip.png", "0.png", "1.png", "sub/0.png", "notes.txt")
    with PartFolder(target, overwrite=True) as part:
        (part.path / "sub").mkdir()
        for name in ("0.png", "sub/0.png"):
            (part.path / name).write_text("new")
    assert names(target) == {"0.png", "sub", "sub/0.png"}
    assert (target / "0.png").read_text() == "new"
    assert names(tmp_path / "clip.png.old") == {"1.png", "notes.txt"}


def test_a_folder_replaced_by_the_same_frames_leaves_no_old_one(tmp_path: Path) -> None:
    target = make_folder(tmp_path / "clip.png", "0.png", "sub/1.png")
    with PartFolder(target, overwrite=True) as part:
        make_folder(part.path, "0.png", "sub/1.png", "2.png")
    assert names(tmp_path) == {"clip.png", *(f"clip.png/{n}" for n in ("0.png", "sub", "sub/1.png", "2.png"))}


def test_an_older_old_folder_is_kept(tmp_path: Path) -> None:
    target = make_folder(tmp_path / "clip.png", "1.png")
    make_folder(tmp_path / "clip.png.old", "2.png")
    with PartFolder(target, overwrite=True) as part:
        make_folder(part.path, "0.png")
    assert names(tmp_path / "clip.png.old") == {"2.png"}
    assert names(tmp_path / "clip.png.old-2") == {"1.png"}


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "reports an error"),
        (errno.EFBIG, "larger than a file may be"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EDOM, "as it says"),
    ],
)
def test_a_write_that_fails_says_what_and_why_in_one_line(code: int, words: str) -> None:
    with pytest.raises(OutputError, match=words) as caught, writing("out\n.json"):
        raise OSError(code, "as it says")
    assert str(caught.value).startswith(r"cannot write out\n.json: ")
    assert caught.value.exit_code == 4


def test_a_reader_that_went_away_is_no_fault() -> None:
    with pytest.raises(BrokenPipeError), writing("stdout"):
        raise BrokenPipeError(errno.EPIPE, "gone")


@given(st.text(st.characters(exclude_categories=())))
def test_printable_text_is_one_safe_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r", r"a\nb\r"),
        ("\x1b]52;c;Zg==\x07", r"\x1b]52;c;Zg==\x07"),
        ("gpj\u202e.exe", r"gpj\u202e.exe"),
        ("bad\udcff", r"bad\udcff"),
        ("café 人 😀", "café 人 😀"),
    ],
)
def test_what_would_act_on_a_terminal_is_shown_instead(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_one_file_is_recognised_under_its_other_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, "a", "b", "sub/c")
    (tmp_path / "soft").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "hard")
    monkeypatch.chdir(tmp_path)
    for other in ("a", "soft", "hard", "sub/../a"):
        assert same_file(Path("a"), tmp_path / other)
    assert not same_file(Path("a"), Path("b"))
    assert same_file(Path("new"), tmp_path / "sub" / ".." / "new")  # neither exists
    assert not same_file(Path("a"), Path("new"))
