"""What an annotation file says of one thing, asked for by name and type; a wrong answer is an error with its place."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

from gvseg_core.errors import DataError
from gvseg_core.files import printable

_KINDS = {dict: "an object", list: "a list", bool: "true or false", type(None): "null"}
_LISTED = 3  # of many things that are wrong alike, so many are named

Id = TypeVar("Id", bound=Hashable)
T = TypeVar("T")


class Record:
    """One JSON object and where it stands.

    Args:
        value: as it was read.
        file: its file, for messages.
        place: its JSON path in that file, as in `videos[3]`; empty for the whole.

    Raises:
        DataError: here, `value` is no object; of each question, the field is missing or of another kind.
    """

    __slots__ = ("file", "place", "value")

    def __init__(self, value: object, file: str, place: str = "") -> None:
        self.file = file
        self.place = place
        if type(value) is not dict:
            raise DataError(f"{self.where}: wanted an object, found {kind_of(value)}")
        self.value: Mapping[str, Any] = value

    def __contains__(self, name: str) -> bool:
        """Whether it has the field, and something other than null in it."""
        return self.value.get(name) is not None

    @property
    def where(self) -> str:
        """File and place, as in `instances.json: videos[3]`."""
        return f"{self.file}: {self.place}" if self.place else self.file

    def path(self, name: str) -> str:
        """Where a field stands, as in `instances.json: videos[3].width`."""
        return f"{self.file}: {self._place(name)}"

    def integer(self, name: str, least: int | None = None) -> int:
        """A whole number, written without a point; at least `least`."""
        found = self._of(name, int, "a whole number")
        if least is not None and found < least:
            raise DataError(f"{self.path(name)}: {kind_of(found)}, wanted at least {least}")
        return found

    def number(self, name: str) -> float:
        """A finite number, whole or not."""
        found = self._field(name)
        if type(found) not in (int, float):
            raise self._wrong(name, "a number", found)
        try:
            value = float(found)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise DataError(f"{self.path(name)}: a number beyond what a computer holds")
        return value

    def flag(self, name: str) -> bool:
        """0 or 1, false or true; false when it is missing."""
        found = self.value.get(name, False)
        if type(found) not in (int, bool) or found not in (0, 1):
            raise self._wrong(name, "0 or 1", found)
        return bool(found)

    def text(self, name: str) -> str:
        """Text that is not empty."""
        found = self._of(name, str, "text")
        if not found:
            raise DataError(f"{self.path(name)}: is empty")
        return found

    def items(self, name: str, length: int | None = None, per: str = "") -> list[Any]:
        """A list; of `length` entries, one per `per`."""
        found: list[Any] = self._of(name, list, "a list")
        if length is not None and len(found) != length:
            what = f", one per {per}" if per else ""
            raise DataError(f"{self.path(name)}: has {len(found)} entries, wanted {length}{what}")
        return found

    def texts(self, name: str, length: int | None = None, per: str = "") -> list[str]:
        """A list of texts, none of which is empty."""
        found = self.items(name, length, per)
        for i, item in enumerate(found):
            if type(item) is not str or not item:
                raise self._wrong(f"{name}[{i}]", "text", item)
        return found

    def record(self, name: str) -> Record:
        """An object."""
        return Record(self._field(name), self.file, self._place(name))

    def records(self, name: str, length: int | None = None, per: str = "") -> list[Record]:
        """A list of objects."""
        place = self._place(name)
        return [Record(v, self.file, f"{place}[{i}]") for i, v in enumerate(self.items(name, length, per))]

    def _place(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _field(self, name: str) -> Any:
        if name not in self.value:
            raise DataError(f"{self.where}: {name!r} is missing")
        return self.value[name]

    def _of(self, name: str, kind: type[T], wanted: str) -> T:
        found = self._field(name)
        if type(found) is not kind:
            raise self._wrong(name, wanted, found)
        return found

    def _wrong(self, name: str, wanted: str, found: object) -> DataError:
        return DataError(f"{self.path(name)}: wanted {wanted}, found {kind_of(found)}")


def kind_of(found: object) -> str:
    """What was found, for a message: its kind, and texts and numbers as they are, unless they are long."""
    if type(found) in _KINDS:
        return _KINDS[type(found)]
    shown = printable(ascii(found)) if isinstance(found, str) else printable(found)
    shown = shown if len(shown) <= 40 else shown[:37] + "…"
    return f"the text {shown}" if isinstance(found, str) else f"the number {shown}"


def claim(taken: dict[Id, str], what: str, value: Id, record: Record) -> None:
    """Note in `taken` that a record has `value`, which no other may have.

    Raises:
        DataError: another has it; both places are named.
    """
    if value in taken:
        raise DataError(f"{record.where}: {what} {kind_of(value)} is taken already, by {taken[value]}")
    taken[value] = record.place


def refuse_undeclared(where: object, what: str, found: Iterable[object], declared: str) -> None:
    """Refuse what nothing declares; the first three are named.

    Raises:
        DataError: `found` is not empty.
    """
    names = list(dict.fromkeys(map(ascii, found)))
    if names:
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise DataError(f"{where}: {what} {', '.join(names[:_LISTED])}{more} not among the {declared}")
