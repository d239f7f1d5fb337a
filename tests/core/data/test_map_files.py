"""PNG files of labels: the numbers that were written, whatever the PNG's kind, or one line that says why not."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.data.map_files import MAX_PIXELS, read_id_runs, read_ids, read_labels, read_size
from gvseg_core.errors import DataError

PALETTE = bytes(range(48))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *more: bytes, level: int = 6) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *more,
            chunk(b"IDAT", zlib.compress(rows, level)),
            chunk(b"IEND", b""),
        )
    )


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def written(folder: Path, pixels: NDArray[Any], mode: str | None = None) -> Path:
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette(bytes(range(256)) * 3)
    image.save(folder / "map.png")
    return folder / "map.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("png")


@st.composite
def blocks(draw: st.DrawFn) -> NDArray[Any]:
    """A map of rectangles, as labels are, of any size."""
    h, w = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    labels = np.zeros((h, w), np.uint32)
    for _ in range(draw(st.integers(0, 6))):
        y, x = draw(st.integers(0, h - 1)), draw(st.integers(0, w - 1))
        labels[y:, x : x + draw(st.integers(1, w))] = draw(st.integers(0, 2**24 - 1))
    return labels


@given(blocks())
def test_every_kind_of_png_gives_back_the_numbers_that_were_written(folder: Path, ids: NDArray[Any]) -> None:
    grey, deep = ids.astype(np.uint8), ids.astype(np.uint16)
    for pixels, mode in ((grey, "L"), (grey, "P"), (deep, None)):
        found = read_labels(written(folder, pixels, mode), ids.shape)
        assert found.dtype == pixels.dtype
        assert np.array_equal(found, pixels)
    rgb = np.stack((ids & 255, ids >> 8 & 255, ids >> 16), axis=-1).astype(np.uint8)
    found = read_ids(written(folder, rgb), ids.shape)
    assert found.dtype == np.uint32
    assert np.array_equal(found, ids)
    rgba = np.dstack((rgb, np.full(ids.shape, 7, np.uint8)))
    assert np.array_equal(read_ids(written(folder, rgba)), ids)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_small_palettes_are_indices_too(tmp_path: Path, depth: int) -> None:
    rows = b"\0\x1b\xe4" * 3
    wanted = [int(bits, 2) for bits in re.findall("." * depth, f"{0x1BE4:016b}")]
    found = read_labels(saved(tmp_path / "a.png", png(16 // depth, 3, depth, 3, rows, chunk(b"PLTE", PALETTE))))
    assert found.tolist() == [wanted] * 3


def test_black_and_white_is_0_and_1(tmp_path: Path) -> None:
    mask = np.array([[1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1]], bool)
    Image.fromarray(mask).save(tmp_path / "a.png")
    assert read_labels(tmp_path / "a.png").tolist() == mask.astype(int).tolist()


def test_a_transparent_grey_or_colour_changes_no_number(tmp_path: Path) -> None:
    grey = png(3, 1, 8, 0, b"\0\5\6\7", chunk(b"tRNS", b"\0\6"))
    assert read_labels(saved(tmp_path / "a.png", grey)).tolist() == [[5, 6, 7]]
    colour = png(2, 1, 8, 2, b"\0\1\2\3\4\5\6", chunk(b"tRNS", b"\0\1\0\2\0\3"))
    assert read_ids(saved(tmp_path / "b.png", colour)).tolist() == [[0x030201, 0x060504]]


def test_reading_one_file_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    path = written(tmp_path, np.full((4, 5), 9, np.uint8))
    assert [read_labels(path).max() for _ in range(3)] == [9, 9, 9]


GREY = png(4, 2, 8, 0, b"\0\1\2\3\4" * 2, level=0)
JPEG = io.BytesIO()
Image.new("L", (4, 2)).save(JPEG, "JPEG")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file"),
        (b"text", "not a PNG"),
        (JPEG.getvalue(), "a JPEG, which does not keep numbers"),
        (GREY[:-20], "cut short"),
        (GREY[:20], "cut short"),
        (GREY.replace(b"\2\3", b"\2\5"), "a damaged PNG"),
        (png(4, 2, 8, 0, b"").replace(b"IDAT", b"JDAT"), "a damaged PNG"),
        (png(4, 2, 8, 7, b""), "unknown kind 7"),
        (png(0, 2, 8, 0, b""), f"0×2 pixels; wanted 1 to {MAX_PIXELS}"),
        (png(100_000, 100_000, 8, 0, b""), f"100000×100000 pixels; wanted 1 to {MAX_PIXELS}"),
        (png(2, 1, 8, 2, b"\0\1\2\3\4\5\6"), "a PNG of 8-bit RGB; wanted 8-bit palette"),
        (png(4, 1, 2, 0, b"\0\x1b"), "a PNG of 2-bit grey; wanted 8-bit palette"),
        (png(2, 1, 8, 4, b"\0\1\2\3\4"), "a PNG of 8-bit grey with alpha"),
    ],
)
def test_what_holds_no_labels_is_refused_in_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    path = saved(tmp_path / "frame.png", data)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .*{re.escape(said)}[^\n]*$"):
        read_labels(path)


def test_indices_are_not_taken_for_ids(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a PNG of 8-bit grey; wanted 8-bit RGB, whose colours are ids"):
        read_ids(saved(tmp_path / "a.png", GREY))


def test_the_size_is_read_off_the_header(tmp_path: Path) -> None:
    assert read_size(saved(tmp_path / "a.png", png(4, 2, 8, 0, b"no pixels"))) == (2, 4)
    for data, said in ((b"", "an empty file"), (GREY[:20], "cut short"), (b"text", "not a PNG")):
        with pytest.raises(DataError, match=said):
            read_size(saved(tmp_path / "b.png", data))


def test_runs_of_ids_are_those_of_the_map(tmp_path: Path) -> None:
    runs = read_id_runs(saved(tmp_path / "a.png", png(2, 2, 8, 2, b"\0\1\0\0\1\0\0" * 2, level=0)))
    assert (runs.size, runs.starts.tolist(), runs.values.tolist()) == ((2, 2), [0], [1])


def test_another_size_is_refused_before_a_pixel_is_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", png(4, 2, 8, 0, b"no pixels"))
    with pytest.raises(DataError, match=r"a\.png: 4×2, wanted 8×2"):
        read_labels(path, (2, 8))


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_labels(tmp_path / "missing.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_ids(tmp_path)
