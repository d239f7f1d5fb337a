"""Label maps from PNG files, exact or not at all: each pixel is a number, as data sets and their results have it.

FFmpeg decodes (through PyAV): maps of 1280 × 720 take it 0.7 ms with a palette and 2.6 ms in RGB, of which inflating
is 0.6 and 1.4; Pillow takes 0.9 and 4.7, OpenCV 4.3 and 3.7. The header is looked at before a pixel is decoded,
checksums are checked, and what could only be guessed at (JPEG, alpha, 2-bit grey) is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import Runs
from gvseg_core.types import Size

MAX_PIXELS = 2**26  # 8192 × 8192; a small file can claim to be a huge picture

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"IEND\xae\x42\x60\x82"
_HEADER = 33  # bytes of the signature and the first chunk
_GREY, _RGB, _PALETTE, _RGBA = 0, 2, 3, 6
_KINDS = {_GREY: "grey", _RGB: "RGB", _PALETTE: "palette", 4: "grey with alpha", _RGBA: "RGB with alpha"}


def read_labels(path: Path, size: Size | None = None) -> NDArray[Any]:
    """The numbers of a palette or grey PNG: indices, never colours.

    Args:
        path: 1 to 8 bits a pixel with a palette; 1, 8 or 16 bits of grey.
        size: (H, W) that it must have.

    Returns:
        (H, W) uint8, or uint16 where it has 16 bits.

    Raises:
        DataError: missing, empty, cut short, damaged, no PNG, a colour picture, too large or of another size.
    """
    data, kind, depth = _read(path, size)
    if kind not in {_GREY, _PALETTE} or (kind == _GREY and depth in {2, 4}):
        raise DataError(
            f"{printable(path)}: a PNG of {depth}-bit {_KINDS[kind]}; wanted 8-bit palette, or 8- or 16-bit grey, "
            "whose pixels are numbers"
        )
    frame = _decode(path, data)
    if depth == 16:
        return _pixels(frame, ">u2").astype(np.uint16)
    if frame.format.name == "monob":  # 1-bit grey, eight pixels a byte
        return np.unpackbits(_pixels(frame, np.uint8, -(-frame.width // 8)), axis=1, count=frame.width)
    if frame.format.name == "ya8":  # one grey of it is declared transparent
        return np.ascontiguousarray(_pixels(frame, np.uint8, 2 * frame.width)[:, ::2])
    return _pixels(frame, np.uint8)


def read_ids(path: Path, size: Size | None = None) -> NDArray[np.uint32]:
    """The numbers of a colour PNG: R + 256 G + 65536 B.

    Args:
        path: 8-bit RGB; alpha is not looked at.
        size: (H, W) that it must have.

    Returns:
        (H, W) uint32.

    Raises:
        DataError: missing, empty, cut short, damaged, no PNG, not RGB, too large or of another size.
    """
    return read_id_runs(path, size).labels


def read_id_runs(path: Path, size: Size | None = None) -> Runs:
    """The same as runs, without the map: what comparing needs."""
    data, kind, depth = _read(path, size)
    if kind not in {_RGB, _RGBA} or depth != 8:
        raise DataError(
            f"{printable(path)}: a PNG of {depth}-bit {_KINDS[kind]}; wanted 8-bit RGB, whose colours are ids"
        )
    frame = _decode(path, data)
    num_channels = 4 if frame.format.name == "rgba" else 3  # also where one colour is declared transparent
    bytes_of = _pixels(frame, np.uint8, num_channels * frame.width)
    colors = bytes_of.reshape(frame.height, frame.width, num_channels)[..., :3]
    return Runs.of_colors(np.ascontiguousarray(colors))


def read_size(path: Path) -> Size:
    """(H, W) of a PNG, by its header.

    Raises:
        DataError: missing, empty, cut short, no PNG or too large.
    """
    with _explained(path), path.open("rb") as file:
        head = file.read(_HEADER)
    width, height, _, _ = _header(path, head)
    return height, width


def _read(path: Path, size: Size | None) -> tuple[bytes, int, int]:
    """A file's bytes, colour type and bits, as its header has them."""
    with _explained(path):
        data = path.read_bytes()
    width, height, depth, kind = _header(path, data)
    name = printable(path)
    if _END not in data[-64:]:
        raise DataError(f"{name}: cut short: {len(data)} bytes and no end of a PNG; copy or make it again")
    if size is not None and (height, width) != size:
        raise DataError(f"{name}: {width}×{height}, wanted {size[1]}×{size[0]}")
    if kind not in _KINDS:
        raise DataError(f"{name}: a PNG of unknown kind {kind}; wanted a PNG of labels")
    return data, kind, depth


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in one line why a file cannot be read."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{printable(path)}: no such file; wanted a PNG of labels") from None
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror}; wanted a PNG of labels") from None


def _header(path: Path, data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits and colour type."""
    name = printable(path)
    if not data:
        raise DataError(f"{name}: an empty file; wanted a PNG of labels")
    if not data.startswith(_SIGNATURE):
        found = "a JPEG, which does not keep numbers" if data.startswith(b"\xff\xd8") else "not a PNG"
        raise DataError(f"{name}: {found}; wanted a PNG of labels")
    if len(data) < _HEADER:
        raise DataError(f"{name}: cut short: {len(data)} bytes; copy or make it again")
    width, height, depth, kind = struct.unpack_from(">IIBB", data, 16)
    if not 0 < width * height <= MAX_PIXELS:
        raise DataError(f"{name}: {width}×{height} pixels; wanted 1 to {MAX_PIXELS}")
    return width, height, depth, kind


def _decode(path: Path, data: bytes) -> av.VideoFrame:
    codec = av.CodecContext.create("png", "r")  # a new one each time: FFmpeg adds a next picture to the one before
    codec.thread_count = 1
    codec.options = {"err_detect": "crccheck+explode"}
    try:
        (frame,) = codec.decode(av.Packet(data))
    except (av.FFmpegError, ValueError):
        raise DataError(f"{printable(path)}: a damaged PNG; copy or make it again") from None
    assert isinstance(frame, av.VideoFrame)
    return frame


def _pixels(frame: av.VideoFrame, dtype: Any, columns: int | None = None) -> NDArray[Any]:
    """(H, columns) of its first plane; a view of the frame where its rows have no padding."""
    array = np.frombuffer(memoryview(frame.planes[0]), dtype).reshape(frame.height, -1)
    return np.ascontiguousarray(array[:, : columns or frame.width])
