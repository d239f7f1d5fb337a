"""A JSON file on its way through Python's decoder, value by value, in a window of the file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from gvseg_core.data.json_faults import first_fault, foreign, half_a_pair, line_and_column, why_unreadable
from gvseg_core.data.json_records import Record
from gvseg_core.errors import DataError
from gvseg_core.files import printable

_CHUNK = 2**20  # bytes
_NUMBER_GOES_ON = 3  # characters after which it would have been read on: ".5", "e+9"
_MAX_ELEMENT = 2**27  # characters of one element; more is no annotation of one object
_MARGIN = 16  # characters; a token cut off is shorter, unless it is a string
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonReader:
    """A window that slides over a JSON file, and the decoder within (a context manager).

    Raises:
        DataError: here, the file cannot be opened, or is plainly something else; later, it is not strict JSON.
    """

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
            raise DataError(why_unreadable(path, error)) from None
        if what := foreign(head):
            self._file.close()
            raise DataError(f"{printable(path)} {what}")

    def __enter__(self) -> JsonReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    # --- the window ---

    def more(self, num_bytes: int) -> None:
        """Let go of what has been passed, and read on; to the end if `num_bytes` is negative."""
        self.passed += self.at
        self.text = self.text[self.at :]
        self.at = 0
        try:
            chunk = self._file.read(num_bytes)
        except OSError as error:
            raise DataError(why_unreadable(self.path, error)) from None
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
            self.more(_CHUNK)

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
                # What is read of a number may be all there is yet: 0 of 0.5, 1 of 1e+9.
                rest = self.text[end : end + _NUMBER_GOES_ON]
                if self.ended or (rest and (rest[0] not in ".eE" or len(rest) == _NUMBER_GOES_ON)):
                    break
            if len(self.text) > _MAX_ELEMENT:
                raise DataError(f"{self.place(self.at)}: one value of more than {_MAX_ELEMENT} characters")
            size *= 2  # so that a long value is tried a few times only
            self.more(size)
        if half_a_pair(self.text, self.at, end):
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
        return f"{printable(self.path)}: {line_and_column(self.path, self.passed + at)}"

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
        where, there = line_and_column(self.path, at), line_and_column(self.path, before)
        raise DataError(f"{printable(self.path)}: {where}: the key {key!a} stands at {there} as well")

    def _fail_refused(self) -> NoReturn:
        at, what, before = first_fault(self.text, self.at)
        also = "" if before is None else f" stands at {line_and_column(self.path, self.passed + before)} as well"
        raise DataError(f"{self.place(at)}: {what}{also}") from None


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
