"""Records put aside while a large file is read, to come back by key: in memory while they are small, else on disk."""

from __future__ import annotations

import marshal
import tempfile
from array import array
from collections.abc import Iterator
from typing import Any

_IN_MEMORY = 2**26  # bytes of all records together
_LENGTH = 8  # bytes that tell a record's length


class Spool:
    """Lists of records by key, in the order in which they were put; all are put before any is taken.

    A record is plain data: numbers, text, bytes, None, tuples and lists of them. It lies in an unnamed file that nobody
    else can reach, in Python's own `marshal` form, which is read by the process that wrote it and by no other.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - lives as long as this
        self._places: dict[int, array[int]] = {}
        self._num = 0

    def put(self, key: int, record: tuple[Any, ...]) -> None:
        """Put one more under `key`."""
        self._places.setdefault(key, array("q")).append(self._file.tell())
        self._num += 1
        data = marshal.dumps(record)
        self._file.write(len(data).to_bytes(_LENGTH, "little") + data)

    def take(self, key: int) -> Iterator[tuple[Any, ...]]:
        """All that was put under `key`; as often as one likes."""
        for place in self._places.get(key, ()):
            self._file.seek(place)
            length = int.from_bytes(self._file.read(_LENGTH), "little")
            record: tuple[Any, ...] = marshal.loads(self._file.read(length))
            yield record

    def __contains__(self, key: int) -> bool:
        return key in self._places

    def __len__(self) -> int:
        """Records."""
        return self._num
