"""Folders of frames: what lies in them, found by the names that a set has for its videos and frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gvseg_core.data.names import pair_names
from gvseg_core.errors import DataError
from gvseg_core.files import printable

PICTURES = (".jpg", ".png", ".jpeg", ".webp", ".bmp")
"""Suffixes of pictures; of two with one name the earlier is taken."""

MAPS = (".png",)
_LISTED = 3  # of many names, so many are shown


def read_list(path: Path) -> list[str]:
    """The names in a text file, one a line.

    Raises:
        DataError: it cannot be read, is empty, or holds a name twice or one that leads elsewhere.
    """
    name = printable(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise DataError(f"{name}: cannot be read; wanted a list of videos, one a line") from None
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise DataError(f"{name}: lists no video; wanted their names, one a line")
    taken: set[str] = set()
    for video in names:
        if video in taken or not is_plain(video):
            fault = "stands twice" if video in taken else "is not the name of a folder"
            raise DataError(f"{name}: {printable(video)} {fault}; wanted each video's name once, one a line")
        taken.add(video)
    return names


def is_plain(name: str) -> bool:
    """Whether it names something in a folder, and leads nowhere else."""
    return name not in {"", ".", ".."} and not any(c in name for c in "/\\\0")


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, hidden ones left out; none where there is no such folder."""
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".") if folder.is_dir() else []


def find_folders(folder: Path, names: Sequence[str], listed_by: str) -> dict[str, Path]:
    """The folder of each video, in the order of `names`.

    Args:
        listed_by: what says that they are there, for the message.

    Raises:
        DataError: some are not.
    """
    pairs = pair_names(names, folders_in(folder), folder)
    if missing := [name for name in names if name not in pairs]:
        raise DataError(f"{printable(folder)}: no folder of {shown(missing)}, listed by {printable(listed_by)}")
    return {name: folder / pairs[name] for name in names}


def frames_in(folder: Path, suffixes: Sequence[str] = MAPS) -> list[Path]:
    """The files of a folder that have one of the suffixes, one a frame, sorted by name.

    Raises:
        DataError: there are none.
    """
    by_stem = _by_stem(folder, suffixes)
    if not by_stem:
        what = "none is in it" if folder.is_dir() else "there is no such folder"
        raise DataError(f"{printable(folder)}: wanted a {suffixes[0]} file for each frame, {what}")
    return [by_stem[stem] for stem in sorted(by_stem)]


def find_frames(folder: Path, stems: Sequence[str], suffixes: Sequence[str] = MAPS) -> list[Path]:
    """The file of each frame.

    Raises:
        DataError: the folder is missing, or a frame has no file in it.
    """
    if not folder.is_dir():
        raise DataError(f"{printable(folder)}: there is no such folder; wanted one of {len(stems)} frames")
    by_stem = _by_stem(folder, suffixes)
    pairs = pair_names(stems, by_stem, folder)
    if missing := [f"{stem}{suffixes[0]}" for stem in stems if stem not in pairs]:
        raise DataError(f"{printable(folder)}: {len(missing)} of {len(stems)} frames are missing: {shown(missing)}")
    return [by_stem[pairs[stem]] for stem in stems]


def _by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    if folder.is_dir():
        paths = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] != "."]
        for path in sorted(paths, key=lambda path: suffixes.index(path.suffix.lower())):
            found.setdefault(path.stem, path)
    return found


def shown(names: Iterable[str]) -> str:
    """The first of many names, fit to be shown."""
    listed = list(map(printable, names))
    more = len(listed) - _LISTED
    return ", ".join(listed[:_LISTED]) + (f" and {more} more" if more > 0 else "")
