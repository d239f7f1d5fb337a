"""Annotation files, read strictly: what is not plain JSON is refused with line and column, before anything is used.

`read_json` holds a whole file. `iterate` walks the elements of its top-level lists in the memory of one element, which
is how the hundreds of megabytes that video instance results come to are read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator
from pathlib import Path
from typing import Any

from gvseg_core.data.json_reader import JsonReader
from gvseg_core.data.json_records import Record, kind_of
from gvseg_core.errors import DataError
from gvseg_core.files import printable

_BYTES_PER_BYTE = 8  # memory that a byte of JSON takes once read: lists of small numbers, the worst there is


def read_json(path: Path) -> Any:
    """Everything a JSON file holds.

    Raises:
        DataError: it cannot be read, is not strict JSON, names a key twice, or is too large for this machine's memory.
    """
    _check_memory(path)
    with JsonReader(path) as reader:
        value = reader.value(whole=True)
        reader.finish()
    return value


def read_record(path: Path) -> Record:
    """The object that a JSON file holds.

    Raises:
        DataError: as `read_json`, or it holds something else.
    """
    return Record(read_json(path), printable(path))


def iterate(path: Path, keys: Collection[str] = ()) -> Generator[tuple[str, Record], None, None]:
    """The objects that the top-level lists of a JSON file hold, one at a time, in the order of the file.

    Args:
        keys: whose lists are wanted, where the file is an object; whatever else it holds is checked and passed over.
            Where the file is a list itself, its key is ""; with no keys, it must be one.

    Yields:
        The key of the list, and one of its objects.

    Raises:
        DataError: it cannot be read, is not strict JSON, names a key twice; or a list of `keys` is neither list nor
            null, or holds anything but objects.
    """
    name = printable(path)
    with JsonReader(path) as reader:
        start = reader.peek()
        if start == "[":
            yield from reader.records("", name)
        elif start == "{" and keys:
            for key in reader.members():
                if key not in keys:
                    reader.skip()
                elif reader.peek() == "[":
                    yield from reader.records(key, name)
                elif (found := reader.value()) is not None:
                    raise DataError(f"{name}: {key}: wanted a list, found {kind_of(found)}")
        else:
            wanted = "an object or a list" if keys else "a list"
            raise DataError(
                f"{name}: wanted {wanted}, found {'an object' if start == '{' else kind_of(reader.value())}"
            )
        reader.finish()


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
