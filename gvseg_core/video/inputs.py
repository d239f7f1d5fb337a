"""What a command's INPUT words stand for: files, folders, globs, lists, streams (the forms of `predict INPUT...`)."""

from __future__ import annotations

import difflib
import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal
from urllib.parse import unquote, urlsplit

from gvseg_core.errors import UsageError, VideoError

Kind = Literal["file", "frames", "stdin", "camera", "url", "demo"]

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
# fmt: off
VIDEOS = frozenset({
    ".3g2", ".3gp", ".apng", ".asf", ".avi", ".dv", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m2ts",
    ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".obu", ".ogv", ".qt",
    ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})
# fmt: on
SCHEMES = ("rtsp", "rtsps", "http", "https")


@dataclass(frozen=True, slots=True)
class Input:
    """One video to be read."""

    kind: Kind
    spec: str = field(repr=False)  # as it is opened; a URL may hold a password: show `shown` instead
    name: str  # for output names: the file's stem, the folder's name, "stdin", "camera0", "demo"
    folder: PurePath = field(default_factory=PurePath)  # under the folder or glob that was named; outputs mirror it
    path: Path | None = None  # the file or folder, where there is one
    note: str = ""  # what should be said about how it was understood

    @property
    def shown(self) -> str:
        """`spec` for people and logs: user names and passwords of URLs are masked."""
        return masked(self.spec) if self.kind == "url" else self.spec


def masked(url: str) -> str:
    """`url` with "***" for the user name and password before its host, and for the values of its query."""
    url = re.sub(r"(?<=://)[^/?#]*@", "***@", url)
    return re.sub(r"(?<==)[^&#]+", "***", url)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts names as people count: 1, 2, 10."""
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", name) if p]


def expand(inputs: Sequence[str], *, recursive: bool = False) -> tuple[Input, ...]:
    """Every video the words in `inputs` stand for, in their order; folders in natural order.

    A word is a file, a folder (of frames: one video; of videos: each), a glob, `@list.txt` (a name a line, from the
    working directory; or NUL-separated), `-`, a camera's number, a URL, or `demo`, alone or with its settings
    (`demo:seed=3`). The words `-` and `demo` win over files of that name (`./demo` is the file); any other existing
    file wins over a glob or a camera.

    Args:
        inputs: as typed.
        recursive: look into the folders inside folders.

    Raises:
        VideoError: nothing there, or nothing in it that is a video.
        UsageError: a URL of another kind than `SCHEMES`, an unreadable list.
    """
    return tuple(found for word in with_lists_read(inputs) for found in _expand_one(word, recursive))


def with_lists_read(inputs: Iterable[str]) -> list[str]:
    """The words, with what a list names in place of `@list.txt`.

    Raises:
        UsageError: an unreadable list.
    """
    words: list[str] = []
    for word in inputs:
        words += _lines(word[1:]) if word.startswith("@") and not os.path.lexists(word) else [word]
    return words


def _expand_one(word: str, recursive: bool) -> list[Input]:
    if word == "-":
        return [Input("stdin", word, "stdin")]
    if word == "demo" or word.startswith("demo:"):
        return [Input("demo", word, "demo")]
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", word):
        return [_url(word, scheme[1].lower())]
    if not word or "\0" in word:
        raise VideoError(f"{word!r}: not the name of a file")
    if os.path.lexists(word):
        path = Path(word)
        return _in_folder(path, PurePath(), recursive) if path.is_dir() else [_file(path, PurePath())]
    if word.isdecimal() and len(word) <= 2:
        return [Input("camera", word, f"camera{int(word)}")]
    if glob.has_magic(word):
        return _globbed(word, recursive)
    raise VideoError(_missing(word))


def _url(word: str, scheme: str) -> Input:
    if scheme not in SCHEMES:
        raise UsageError(f"{masked(word)}: cannot read {scheme}://; known: {', '.join(SCHEMES)}")
    try:
        parts = urlsplit(word)
        host = parts.hostname or ""
    except ValueError as error:
        raise UsageError(f"{masked(word)}: not a URL ({error})") from None
    if not host:
        raise UsageError(f"{masked(word)}: a URL without a host")
    stem = PurePath(unquote(parts.path).replace("\0", "")).stem
    name = re.sub(r"[^\w.-]+", "_", stem if stem not in {"", ".", ".."} else host)
    return Input("url", word, name)


def _file(path: Path, folder: PurePath) -> Input:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise VideoError(f"{path}: a link to a file that is not there") from None
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from None
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise VideoError(f"{path}: not a file but a {_kind_of(mode)}")
    return Input("file", str(path), path.stem, folder, path)


def _in_folder(root: Path, folder: PurePath, recursive: bool) -> list[Input]:
    inputs = list(_walk(root, folder, recursive))
    if not inputs:
        deeper = not recursive and any(entry.is_dir() for entry in _entries(root))
        hint = "; its folders are looked into with --recursive" if deeper else ""
        raise VideoError(f"{root}: a folder with neither videos nor pictures in it{hint}")
    return inputs


def _walk(root: Path, folder: PurePath, recursive: bool) -> Iterator[Input]:
    entries = _entries(root)
    videos = [e for e in entries if e.suffix.lower() in VIDEOS and e.is_file()]
    pictures = pictures_among(entries)
    if videos:
        # A preview among frames or a cover among videos: the file that says "video" by its name is believed.
        note = f"{root}: {len(pictures)} pictures beside the videos are left out" if pictures else ""
        for video in videos:
            yield Input("file", str(video), video.stem, folder, video, note if video is videos[0] else "")
    elif pictures:
        yield Input("frames", str(root), root.resolve().name or "frames", folder, root)
    if recursive:
        for inner in entries:
            if inner.is_dir() and not inner.is_symlink():
                yield from _walk(inner, folder / inner.name, recursive)


def _entries(root: Path) -> list[Path]:
    try:
        names = os.listdir(root)
    except OSError as error:
        raise VideoError(f"{root}: cannot be listed: {error.strerror}") from None
    return [root / name for name in sorted(names, key=natural_key) if not name.startswith(".")]


def pictures_among(entries: Iterable[Path]) -> list[Path]:
    """The still pictures in `entries`, going by their names; hidden ones (`.DS_Store`, `._1.jpg`) are none."""
    return [e for e in entries if e.suffix.lower() in PICTURES and not e.name.startswith(".") and e.is_file()]


def _globbed(pattern: str, recursive: bool) -> list[Input]:
    base = Path(*_fixed_parts(PurePath(pattern)))
    matches = sorted(glob.glob(pattern, recursive=True), key=natural_key)
    found: list[Input] = []
    for match in map(Path, matches):
        if match.is_dir():
            found += _walk(match, match.relative_to(base), recursive)
        else:
            found.append(_file(match, match.parent.relative_to(base)))
    if not found:
        raise VideoError(f"{pattern}: " + ("nothing it matches is a video" if matches else "matches no file"))
    return found


def _fixed_parts(pattern: PurePath) -> Iterator[str]:
    for part in pattern.parts:
        if glob.has_magic(part):
            return
        yield part


def _lines(name: str) -> list[str]:
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"@{name}: the list of inputs cannot be read: {error.strerror}") from None
    lines = content.split(b"\0") if b"\0" in content else content.splitlines()
    words = [os.fsdecode(line) for line in lines if line.strip() and not line.startswith(b"#")]
    if not words:
        raise UsageError(f"@{name}: the list of inputs is empty")
    return words


def _missing(word: str) -> str:
    parent = Path(word).parent
    if not parent.is_dir():
        return f"{word}: no such file; the folder {parent} does not exist either"
    near = difflib.get_close_matches(Path(word).name, os.listdir(parent), n=1)
    return f"{word}: no such file or folder" + (f"; did you mean {str(parent / near[0])!r}?" if near else "")


def _kind_of(mode: int) -> str:
    kinds = ((stat.S_ISSOCK, "socket"), (stat.S_ISBLK, "block device"), (stat.S_ISCHR, "character device"))
    return next((name for test, name in kinds if test(mode)), "special file")
