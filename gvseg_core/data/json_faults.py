"""What is wrong with a JSON file, and where: in words, once something is known to be wrong.

Python's own decoder takes more than JSON and says less than users need: it passes NaN, halves of surrogate pairs and
keys that stand twice, and runs out of stack in nested brackets. It is fast, though, so it reads everything; only where
something is wrong does a slow walk over the same text find out what, and where.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from gvseg_core.files import printable

_CHUNK = 2**20  # characters
_MAX_DEPTH = 500
_MAX_DIGITS = 1000

# What is not JSON by its first bytes, and what it is.
_FOREIGN = {
    b"\xef\xbb\xbf": "starts with a byte-order mark; save it as UTF-8 without one",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`",
    b"<": "is a web page or XML, not JSON; did the download ask for a login?",
    b"PK": "is a ZIP archive, not JSON; unpack it first",
    b"\x1f\x8b": "is compressed (gzip), not JSON; unpack it first",
    b"\x80": "is a pickle, not JSON",
}
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|[{}\[\]]|-?Infinity|NaN|-?\d[\d.eE+-]*')
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)")


def foreign(head: bytes) -> str:
    """What a file is by its first bytes, if not JSON; else empty."""
    return next((what for start, what in _FOREIGN.items() if head.lstrip().startswith(start)), "")


def why_unreadable(path: Path, error: OSError) -> str:
    """Why a file could not be opened, one line."""
    if isinstance(error, FileNotFoundError):
        return f"{printable(path)}: there is no such file"
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return f"{printable(path)} is a folder; a JSON file is wanted"
    return f"{printable(path)} cannot be read: {error.strerror}"


def half_a_pair(text: str, start: int, end: int) -> bool:
    """Whether an escape in a part of JSON stands for half a surrogate pair."""
    return text.find("\\u", start, end) >= 0 and any(m[1] for m in _ESCAPE.finditer(text, start, end))


def first_fault(text: str, start: int) -> tuple[int, str, int | None]:
    """What the decoder only knows to be wrong somewhere in the value that begins at `start`.

    Returns:
        Where it is, what it is, and where else it stands, if it is a key that stands twice.
    """
    objects: list[dict[str, int]] = []
    for token in _TOKEN.finditer(text, start):
        found, at = token[0], token.start()
        if found in "{[":
            objects.append({})
            if len(objects) > _MAX_DEPTH:
                return at, "brackets nested too deeply", None
        elif found in "}]":
            objects.pop()
        elif token[1] is None:
            if what := _what_of_number(found):
                return at, what, None
        elif any(m[1] for m in _ESCAPE.finditer(found)):
            return at, "half a surrogate pair in a text", None
        elif token[2] is not None:
            key = json.loads(token[1])
            if key in objects[-1]:
                return at, f"the key {key!a}", objects[-1][key]
            objects[-1][key] = at
    return start, "not JSON", None


def line_and_column(path: Path, position: int) -> str:
    """Of the character at `position` of a file, both counted from 1."""
    line, column = 1, 1
    with path.open(encoding="utf-8", newline="", errors="replace") as file:
        while position > 0:
            chunk = file.read(min(position, _CHUNK))
            if not chunk:
                break
            position -= len(chunk)
            line += chunk.count("\n")
            column = len(chunk) - chunk.rfind("\n") if "\n" in chunk else column + len(chunk)
    return f"line {line}, column {column}"


def _what_of_number(text: str) -> str:
    if text.lstrip("-") in ("NaN", "Infinity"):
        return f"{text} is not a number of JSON"
    try:
        is_held = abs(float(text)) < float("inf") and len(text) < _MAX_DIGITS
    except ValueError:
        return ""
    return "" if is_held else "a number beyond what a computer holds"
