"""Annotation files, read strictly: what is not plain JSON is refused with line and column, before anything is used.

Python's own decoder takes more than JSON and says less than users need: it passes NaN, halves of surrogate pairs and
keys that stand twice, and runs out of stack in nested brackets. It is fast, though, so it reads everything; only where
something is wrong does a slow walk over the same text find out what, and where.

`read_json` holds a whole file. `iterate` walks the elements of its top-level lists in the memory of one element, which
is how the hundreds of megabytes that video instance results come to are read.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NoReturn

from gvseg_core.data.json_records import Record, kind_of
from gvseg_core.errors import DataError
from gvseg_core.files import printable

_CHUNK = 2**20  # bytes
_MAX_ELEMENT = 2**27  # characters of one element; more is no annotation of one object
_MARGIN = 16  # characters; a token cut off is shorter, unless it is a string
_BYTES_PER_BYTE = 8  # memory that a byte of JSON takes once read: lists of small numbers, the worst there is
_MAX_DEPTH = 500

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
_SPACE = re.compile(r"[ \t\n\r]*")


def read_json(path: Path) -> Any:
    """Everything a JSON file holds.

    Raises:
        DataError: it cannot be read, is not strict JSON, names a key twice, or is too large for this machine's memory.
    """
    _check_memory(path)
    with _Reader(path) as reader:
        value = reader.value(whole=True)
        reader.finish()
    return value


def read_record(path: Path) -> Record:
    """The object that a JSON file holds.

    Raises:
        DataError: as `read_json`, or it holds something else.
    """
    return Record(read_json(path), printable(path))


def iterate(path: Path, keys: Collection[str]) -> Iterator[tuple[str, Record]]:
    """The objects that the top-level lists of a JSON file hold, one at a time, in the order of the file.

    Args:
        keys: whose lists are wanted, where the file is an object; whatever else it holds is checked and passed over.
            Where the file is a list itself, its key is "".

    Yields:
        The key of the list, and one of its objects.

    Raises:
        DataError: it cannot be read, is not strict JSON, names a key twice; or a list of `keys` is none, or holds
            anything but objects.
    """
    name = printable(path)
    with _Reader(path) as reader:
        start = reader.peek()
        if start == "[":
            yield from reader.records("", name)
        elif start == "{":
            for key in reader.members():
                if key not in keys:
                    reader.skip()
                elif reader.peek() == "[":
                    yield from reader.records(key, name)
                else:
                    raise DataError(f"{name}: {key}: wanted a list, found {kind_of(reader.value())}")
        else:
            raise DataError(f"{name}: wanted an object or a list, found {kind_of(reader.value())}")
        reader.finish()


class _Reader:
    """A window that slides over a JSON file, and the decoder within."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = ""
        self.at = 0  # in `text`
        self.passed = 0  # characters before `text`
        self.bytes = 0  # before those that `_decoder` has seen
        self.ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            self._file = path.open("rb")
            head = self._file.read(64)
            self._file.seek(0)
        except OSError as error:
            raise DataError(_why_unreadable(path, error)) from None
        what = next((what for start, what in _FOREIGN.items() if head.lstrip().startswith(start)), "")
        if what:
            self._file.close()
            raise DataError(f"{printable(path)} {what}")

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    # --- the window ---

    def more(self, num_bytes: int = _CHUNK) -> None:
        """Let go of what has been passed, and read on."""
        self.passed += self.at
        self.text = self.text[self.at :]
        self.at = 0
        chunk = self._file.read(num_bytes)
        self.ended = num_bytes < 0 or len(chunk) < num_bytes
        try:
            self.text += self._decoder.decode(chunk, final=self.ended)
        except UnicodeDecodeError as error:
            pending = len(error.object) - len(chunk)
            self.text += error.object[: error.start].decode("utf-8")
            where = self.place(len(self.text))
            raise DataError(f"{where}: not UTF-8 (byte {self.bytes - pending + error.start})") from None
        self.bytes += len(chunk)

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            assert found is not None
            self.at = found.end()
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def take(self, wanted: str) -> str:
        """The next character, which is one of `wanted`."""
        found = self.peek()
        if not found:
            self._fail_cut()
        if found not in wanted:
            raise DataError(f"{self.place(self.at)}: wanted {' or '.join(map(repr, wanted))}, found {found!r}")
        self.at += 1
        return found

    # --- what stands in it ---

    def value(self, *, whole: bool = False) -> Any:
        """The next value, whatever it is."""
        if not self.peek():
            self._fail_cut()
        if whole:
            self.more(-1)
        size = _CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.ended or not self._is_cut(error):
                    self._fail_syntax(error)
            except (ValueError, RecursionError):
                self._fail_refused()
            else:
                if end < len(self.text) or self.ended:
                    break
            if len(self.text) > _MAX_ELEMENT:
                raise DataError(f"{self.place(self.at)}: one value of more than {_MAX_ELEMENT} characters")
            size *= 2  # so that a long value is tried a few times only
            self.more(size)
        if self.text.find("\\u", self.at, end) >= 0 and any(m[1] for m in _ESCAPE.finditer(self.text, self.at, end)):
            self._fail_refused()
        self.at = end
        return value

    def members(self) -> Iterator[str]:
        """The keys of an object; the value of each must be taken before the next one."""
        taken: dict[str, int] = {}
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            if self.peek() != '"':
                self.take('"')
            start = self.passed + self.at
            key = self.value()
            if key in taken:
                self._fail_twice(key, start, taken[key])
            taken[key] = start
            self.take(":")
            yield key
            if self.take(",}") == "}":
                return

    def items(self) -> Iterator[Any]:
        """The elements of a list."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def records(self, key: str, name: str) -> Iterator[tuple[str, Record]]:
        """The objects of a list."""
        for i, item in enumerate(self.items()):
            yield key, Record(item, name, f"{key}[{i}]")

    def skip(self) -> None:
        """Check the next value, and forget it."""
        if self.peek() == "[":
            for _ in self.items():
                pass
        else:
            self.value()

    def finish(self) -> None:
        """Nothing but space may follow."""
        if self.peek():
            raise DataError(f"{self.place(self.at)}: something follows the end of the JSON")

    # --- what is wrong with it ---

    def place(self, at: int) -> str:
        """File, line and column of a character of `text`."""
        return f"{printable(self.path)}: {_line_and_column(self.path, self.passed + at)}"

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether reading on may mend it."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - _MARGIN

    def _fail_cut(self) -> NoReturn:
        if not self.text.strip() and not self.passed:
            raise DataError(f"{printable(self.path)} is empty")
        raise DataError(f"{self.place(len(self.text))}: ends in the middle; is the download complete?")

    def _fail_syntax(self, error: json.JSONDecodeError) -> NoReturn:
        if error.msg.startswith("Unterminated string") or not self.text[error.pos :].strip():
            self._fail_cut()
        raise DataError(f"{self.place(error.pos)}: not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from None

    def _fail_twice(self, key: str, at: int, before: int) -> NoReturn:
        where, there = _line_and_column(self.path, at), _line_and_column(self.path, before)
        raise DataError(f"{printable(self.path)}: {where}: the key {key!r} stands at {there} as well")

    def _fail_refused(self) -> NoReturn:
        """Find what the decoder only knows to be wrong somewhere in the next value."""
        objects: list[dict[str, int]] = []
        for token in _TOKEN.finditer(self.text, self.at):
            text, what = token[0], ""
            if text in "{[":
                objects.append({})
                what = "brackets nested too deeply" if len(objects) > _MAX_DEPTH else ""
            elif text in "}]":
                objects.pop()
            elif token[1] is None:
                what = _what_of_number(text)
            elif any(m[1] for m in _ESCAPE.finditer(token[1])):
                what = "half a surrogate pair in a text"
            elif token[2] is not None:
                key = json.loads(token[1])
                if key in objects[-1]:
                    self._fail_twice(key, self.passed + token.start(), objects[-1][key])
                objects[-1][key] = self.passed + token.start()
            if what:
                raise DataError(f"{self.place(token.start())}: {what}")
        raise DataError(f"{self.place(self.at)}: not JSON")


def _what_of_number(text: str) -> str:
    if text.lstrip("-") in ("NaN", "Infinity"):
        return f"{text} is not a number of JSON"
    try:
        return "" if float(text) - float(text) == 0 and len(text) < 1000 else "a number beyond what a computer holds"
    except ValueError:
        return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)


def _why_unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{printable(path)}: there is no such file"
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return f"{printable(path)} is a folder; a JSON file is wanted"
    return f"{printable(path)} cannot be read: {error.strerror}"


def _line_and_column(path: Path, position: int) -> str:
    """Of the character at `position`, both counted from 1."""
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


def _check_memory(path: Path) -> None:
    """Refuse a file that would not fit once read, where the system says how much memory it has."""
    try:
        size = path.stat().st_size
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):  # said elsewhere, or not said (Windows)
        return
    if size * _BYTES_PER_BYTE > memory:
        needed, has = size * _BYTES_PER_BYTE / 2**30, memory / 2**30
        raise DataError(
            f"{printable(path)}: read, it takes about {needed:.0f} GiB of memory; this machine has {has:.0f}"
        )
