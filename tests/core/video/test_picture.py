"""Colour, alpha, rotation and letterbox of single frames."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.video.picture import Developer, as_tensor, letterboxed, on_black, turned

# Kr, Kb of the matrices, by their number in the stream (ITU-T H.273).
MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
    (200, 60, 30),
    (20, 90, 200),
]


def yuv(colour: tuple[int, int, int], matrix: int, *, full: bool, bits: int) -> list[int]:
    """Y, Cb, Cr by the definition of ITU-R BT.709 §3 and its like."""
    red, green, blue = (c / 255 for c in colour)
    kr, kb = MATRICES[matrix]
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    if full:
        top = 2**bits - 1
        return [min(top, round(v)) for v in (y * top, cb * top + 2 ** (bits - 1), cr * top + 2 ** (bits - 1))]
    scale = 2 ** (bits - 8)
    return [round(v * scale) for v in (16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr)]


def solid(values: list[int], pixel_format: str, size: tuple[int, int] = (48, 64)) -> av.VideoFrame:
    frame = av.VideoFrame(size[1], size[0], pixel_format)
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    for plane, value in zip(frame.planes, values, strict=True):
        plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, value, kind).tobytes())
    return frame


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(
    ("pixel_format", "bits"), [("yuv420p", 8), ("yuv444p", 8), ("yuv420p10le", 10), ("yuv422p12le", 12)]
)
def test_tagged_colours_come_out_within_two_levels(pixel_format: str, bits: int, matrix: int, full: bool) -> None:
    develop = Developer()
    for colour in COLOURS:
        frame = solid(yuv(colour, matrix, full=full, bits=bits), pixel_format)
        frame.colorspace, frame.color_range = matrix, 2 if full else 1
        assert np.abs(develop(frame).astype(int) - colour).max() <= (2 if bits == 8 else 1)


@pytest.mark.parametrize(("size", "matrix"), [((48, 64), 6), ((718, 1278), 6), ((720, 64), 1), ((48, 1280), 1)])
def test_untagged_colours_are_bt709_where_large_and_bt601_where_small(size: tuple[int, int], matrix: int) -> None:
    colour = (200, 60, 30)
    frame = solid(yuv(colour, matrix, full=False, bits=8), "yuv420p", size)
    assert np.abs(Developer()(frame).astype(int) - colour).max() <= 2


@pytest.mark.parametrize(
    ("pixel_format", "value"), [("gray", 77), ("gray16le", 77 * 257), ("gbrp", 77), ("yuvj420p", 77)]
)
def test_grey_comes_out_as_it_is(pixel_format: str, value: int) -> None:
    planes = [value, 128, 128] if pixel_format == "yuvj420p" else [value] * (3 if pixel_format == "gbrp" else 1)
    assert np.abs(Developer()(solid(planes, pixel_format)).astype(int) - 77).max() <= 1


def test_see_through_pixels_are_laid_on_black() -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
    assert on_black(pixels).tolist() == [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels.repeat(2, 0)), format="rgba")
    assert Developer()(frame).tolist() == on_black(pixels.repeat(2, 0)).tolist()


@given(
    st.sampled_from([(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)])
)
def test_each_pixel_goes_where_the_matrix_says(matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = matrix
    stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    shown = turned(stored, matrix)
    assert shown.shape == ((3, 2, 3) if b else (2, 3, 3))
    for y in range(2):
        for x in range(3):
            # The matrix may send pixels to negative places; the picture is then moved back into view.
            column, row = (a * x + c * y) % shown.shape[1], (b * x + d * y) % shown.shape[0]
            column -= 1 if (a < 0 or c < 0) else 0
            row -= 1 if (b < 0 or d < 0) else 0
            assert (shown[row % shown.shape[0], column % shown.shape[1]] == stored[y, x]).all()


def test_a_letterboxed_picture_is_whole_and_centred() -> None:
    boxed = letterboxed(np.full((10, 40, 3), 200, np.uint8), (30, 60))
    assert boxed.shape == (30, 60, 3)
    inside = boxed[..., 0] == 200
    assert inside[8:22, 1:59].all()
    assert not inside[:7].any()
    assert not inside[23:].any()


def test_a_tensor_shares_the_pictures_memory() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    tensor = as_tensor(picture)
    picture[1, 2, 0] = 9
    assert tuple(tensor.shape) == (3, 4, 6)
    assert int(tensor[0, 1, 2]) == 9
