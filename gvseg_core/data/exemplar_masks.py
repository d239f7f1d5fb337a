"""One exemplar's picture, from whatever a paint tool, a data set or another model saved, to a number for every pixel.

Meant to be an indexed PNG as DAVIS has it: pixel values are object ids, 0 is background, 255 is void. Read as well:
plain and 16-bit grey (values are ids), black and white (one object), and pictures of a few colours (each an object,
with the id that the DAVIS palette gives its colour). What has lost its numbers, by JPEG or soft edges, is refused.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.errors import DataError
from gvseg_core.types import Size

MAX_PIXELS = 2**26  # checked before a pixel is decoded: a small file can claim to be a huge picture
VOID = 255
WHITE = "white"
_SOFT_LEVELS = 8  # more greys than this, together covering less than the white, are soft edges and not ids

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ObjectMap:
    """What a picture says: a number for every pixel."""

    labels: Labels  # (H, W); 0 is nobody
    names: dict[int, int | str]  # of each label: the object's id; else its colour, or WHITE where there is but one
    note: str = ""  # what had to be guessed


def read_object_map(path: Path) -> ObjectMap:
    """Read a picture of objects.

    Raises:
        DataError: not a picture, too large, without an object, or no longer exact.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise DataError(f"{path}: {width} × {height} pixels are more than the {MAX_PIXELS} of an exemplar")
                _refuse_lossy(path, picture)
                picture.load()
                found = _objects(path, picture)
        except Image.DecompressionBombError:
            raise DataError(f"{path}: more pixels than the {MAX_PIXELS} of an exemplar") from None
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            reason = "no such file" if not path.exists() else "not a picture that can be read"
            raise DataError(f"{path}: {reason}; wanted an indexed PNG, one object per index") from None
    if not found.labels.any():
        raise DataError(f"{path}: no object in it, only background or void; wanted pixels with an index of 1 … 254")
    return found


def _refuse_lossy(path: Path, picture: Image.Image) -> None:
    if picture.format in {"JPEG", "MPO", "JPEG2000"} or picture.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
        raise DataError(f"{path}: looks lossy ({picture.format}, {picture.mode}): save as an indexed PNG")


def _objects(path: Path, picture: Image.Image) -> ObjectMap:
    if picture.mode == "P":
        return _by_id(np.asarray(picture, dtype=np.int64), VOID)
    if picture.mode == "1":
        return ObjectMap(np.asarray(picture, dtype=np.int64), {1: WHITE})
    if picture.mode.startswith("I"):
        return _by_grey(path, np.asarray(picture, dtype=np.int64), 2**16 - 1)
    if picture.mode in {"L", "LA"}:
        return _by_grey(path, np.asarray(picture.getchannel("L"), dtype=np.int64), VOID)
    if picture.mode in {"RGB", "RGBA", "PA"}:
        rgba = np.asarray(picture.convert("RGBA"), dtype=np.int64)
        red, green, blue = (np.where(rgba[..., 3] > 0, rgba[..., i], 0) for i in range(3))
        if (red == green).all() and (green == blue).all():
            return _by_grey(path, red, VOID)
        return _by_color(path, red << 16 | green << 8 | blue)
    raise DataError(f"{path}: pixels of kind {picture.mode}; save as an indexed PNG")


def _by_id(values: Labels, void: int) -> ObjectMap:
    labels = np.where(values == void, 0, values)
    return ObjectMap(labels, {int(v): int(v) for v in np.unique(labels) if v > 0})


def _by_grey(path: Path, values: Labels, white: int) -> ObjectMap:
    """Greys are ids, unless the picture is black and white."""
    levels, counts = np.unique(values, return_counts=True)
    if levels.tolist() == [0, white]:
        note = f"{path}: black and white: taken as one object"
        return ObjectMap((values > 0).astype(np.int64), {1: WHITE}, note)
    bright = levels > 0.9 * white
    between = (levels > 0) & ~bright
    if between.sum() > _SOFT_LEVELS and counts[between].sum() < counts[bright].sum():
        raise DataError(f"{path}: looks lossy ({between.sum()} greys between black and white): save as an indexed PNG")
    return _by_id(values, white)


def _by_color(path: Path, values: Labels) -> ObjectMap:
    """Colours are objects."""
    colors, labels = np.unique(values, return_inverse=True)
    if len(colors) > 256:
        raise DataError(f"{path}: looks lossy ({len(colors)} colours): save as an indexed PNG")
    palette = {davis_color(i): i for i in range(256)}
    names: dict[int, int | str] = {}
    numbers = np.zeros(len(colors), dtype=np.int64)
    for place, color in enumerate(colors.tolist()):
        index = palette.get(color)
        if index in {0, VOID}:
            continue
        numbers[place] = place + 1
        names[place + 1] = f"#{color:06x}" if index is None else index
    note = f"{path}: not an indexed PNG: each of its {len(names)} colours is taken as an object"
    return ObjectMap(numbers[labels.reshape(values.shape)], names, note)


def davis_color(index: int) -> int:
    """0xRRGGBB of an entry of the DAVIS palette (PASCAL VOC's): the index's bits, dealt to the colours from the top."""
    red = green = blue = 0
    for place in (7, 6, 5):
        red |= (index & 1) << place
        green |= (index >> 1 & 1) << place
        blue |= (index >> 2 & 1) << place
        index >>= 3
    return red << 16 | green << 8 | blue


def fitted(labels: Labels, size: Size) -> Labels | None:
    """The labels at another size by nearest neighbour; None when the aspect is another one by more than rounding."""
    (height, width), (rows, columns) = labels.shape, size
    if (height, width) == size:
        return labels
    if abs(height * columns - width * rows) > max(height, width, rows, columns):
        return None
    y = (np.arange(rows) * 2 + 1) * height // (2 * rows)
    x = (np.arange(columns) * 2 + 1) * width // (2 * columns)
    return np.asarray(labels[y[:, None], x])
