"""Reading `.safetensors` files that nobody vouches for.

The header is checked here before the safetensors library opens the file: its size, its number of tensors, and that
the tensors' bytes fill the rest of the file without hole or overlap. All of that is arithmetic on a short text, so a
header made to exhaust memory or time is refused at once. A changed byte among the numbers is not seen by the format;
our own files carry a hash for that.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from gvseg_core.errors import ModelError

MAX_HEADER = 2 * 2**20  # bytes; Mask2Former with Swin-L needs about 130,000
MAX_TENSORS = 10_000  # Swin-L has 800
ITEM_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 1),
}


@dataclass(frozen=True)
class Header:
    """What the front of the file says."""

    names: tuple[str, ...]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the file's length.

    Raises:
        ModelError: cut off, too large, or not consistent; the message says which.
    """
    total = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (0,)
        if length > MAX_HEADER:
            raise ModelError(f"{path}: claims a header of {length:,} bytes, wanted at most {MAX_HEADER:,}")
        text = file.read(length)
    if len(text) < length or length < 2:
        raise ModelError(f"{path}: cut off inside its header, {total:,} bytes are there; download it again")
    try:
        entries = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its header is not what safetensors writes ({error}); download it again") from None
    if not isinstance(entries, dict):
        raise ModelError(f"{path}: its header is not a table of tensors; download it again")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelError(f"{path}: its metadata is not a table of texts")
    if len(entries) > MAX_TENSORS:
        raise ModelError(f"{path}: lists {len(entries):,} tensors, wanted at most {MAX_TENSORS:,}")
    _check_layout(entries, total - 8 - length, path)
    return Header(tuple(entries), metadata)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """All tensors of the file, and its metadata.

    They are copies: views of the mapped file would keep all of it resident for as long as one of them is used, and end
    the process if the file were cut.

    Raises:
        ModelError: as `read_header`.
    """
    header = read_header(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name).clone() for name in header.names}, header.metadata
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: {error}; download it again") from error


def _check_layout(entries: dict[str, Any], available: int, path: Path) -> None:
    """Each tensor's bytes are as many as its shape says, and together they fill the file exactly."""
    spans = []
    for name, entry in entries.items():
        try:
            shape, (begin, end), item = entry["shape"], entry["data_offsets"], ITEM_BYTES[entry["dtype"]]
            sound = all(type(n) is int and n >= 0 for n in (*shape, begin, end)) and len(shape) <= 8
        except (KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise ModelError(f"{path}: tensor {name[:80]!r} is described wrongly in the header")
        if end - begin != prod(shape) * item:
            raise ModelError(f"{path}: tensor {name[:80]!r} has {end - begin} bytes for shape {tuple(shape)}")
        spans.append((begin, end, name))
    filled = 0
    for begin, end, name in sorted(spans):
        if begin != filled:
            raise ModelError(f"{path}: tensor {name[:80]!r} overlaps another or leaves a hole before it")
        filled = end
    if filled > available:
        raise ModelError(f"{path}: cut off: {available:,} of {filled:,} bytes of weights are there; download it again")
    if filled < available:
        raise ModelError(f"{path}: {available - filled:,} bytes too many at its end; download it again")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name stands twice")
    return table
