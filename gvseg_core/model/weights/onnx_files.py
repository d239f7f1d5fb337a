"""What an ONNX file says of itself, and whether it may be opened: asked before onnxruntime sees it.

A tensor of an ONNX model may lie in another file, whose name is in the model: that is how a model is made to read any
file of the machine. Our own exports are whole, so any tensor that lies elsewhere is refused, wherever in the model it
is: in graphs within nodes, and in functions, too. The file is mapped, not read; numbers of weights are skipped.

Source: onnx/onnx (Apache-2.0), `onnx/onnx.proto`: field numbers only. A message is a list of fields, each a number
and a way of storing it (protobuf's "wire type"): a varint, eight bytes, a length and so many bytes, or four bytes.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from gvseg_core.errors import ModelError

MAX_BYTES = 2 * 2**30 - 1  # what protobuf allows a message
MAX_DEPTH = 32  # of graphs within nodes; ours have none
MAX_TEXT = 16 * 2**20  # bytes of metadata

# Which fields of a message hold messages in which tensors may lie: kind → field → kind.
_INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_METADATA = 14  # of a model: keys and values
_EXTERNAL, _LOCATION = 13, 14  # of a tensor: where else it is, and that it is elsewhere


def looks_like_onnx(head: bytes) -> bool:
    """Whether a file that begins so may be a model: its first field is its version, a small number."""
    return len(head) > 2 and head[0] == 0x08 and 3 <= head[1] < 32 and head[2] in {0x12, 0x1A, 0x22, 0x2A, 0x3A}


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of an ONNX model, once all of it has been looked over.

    Raises:
        ModelError: a tensor lies in another file, the file is too large, damaged or cut off.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelError(f"{path}: {size:,} bytes, an ONNX file has at most {MAX_BYTES:,}; export a smaller model")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            _look_over(data, 0, len(data), "model", 0, path)
            return dict(_entries(data))
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: damaged or cut off ({error}); export it again") from None


def _look_over(data: mmap.mmap, begin: int, end: int, kind: str, depth: int, path: Path) -> None:
    if depth > MAX_DEPTH:
        raise ModelError(f"{path}: graphs within graphs, more than {MAX_DEPTH} deep; wanted what gvseg export writes")
    for number, start, stop in _fields(data, begin, end):
        if kind == "tensor" and (number == _EXTERNAL or (number == _LOCATION and stop != 0)):
            raise ModelError(
                f"{path}: one of its tensors lies in another file, which could be any file of this machine; nothing "
                "was opened; wanted one whole file, as gvseg export writes it"
            )
        if start and (inner := _INSIDE[kind].get(number)) is not None:
            _look_over(data, start, stop, inner, depth + 1, path)


def _entries(data: mmap.mmap) -> Iterator[tuple[str, str]]:
    for number, start, stop in _fields(data, 0, len(data)):
        if number == _METADATA and stop - start <= MAX_TEXT:
            texts = {n: bytes(data[a:b]).decode("utf-8") for n, a, b in _fields(data, start, stop)}
            yield texts.get(1, ""), texts.get(2, "")


def _fields(data: mmap.mmap, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, where its bytes begin, where they end) of each field; for a varint (number, 0, value)."""
    at = begin
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at, end)
            yield number, 0, value
            continue
        if wire == 2:
            length, at = _varint(data, at, end)
        elif wire in {1, 5}:
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"a field of unknown kind at byte {at:,}")
        if length > end - at:
            raise ValueError(f"a field at byte {at:,} claims {length:,} bytes, {end - at:,} are left")
        yield number, at, at + length
        at += length


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError(f"a number without end at byte {at:,}")
