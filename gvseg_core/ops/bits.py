"""Masks of one bit a pixel, the form in which they leave a device, and their runs.

A mask is (W, H // 8 + 1) bytes: its columns one after the other, as in an RLE; eight pixels a byte, the uppermost in
the lowest bit. At least one bit after each column is 0, so that no run goes on from one into the next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops import rle
from gvseg_core.types import Rle, Size

Bits = NDArray[np.uint8]


def pack(mask: NDArray[np.bool_]) -> Bits:
    """(H, W) → (W, H // 8 + 1)."""
    h, w = mask.shape
    columns = np.zeros((w, (h // 8 + 1) * 8), np.bool_)
    columns[:, :h] = mask.T
    return np.packbits(columns, axis=1, bitorder="little")


def encode(bits: Bits, size: Size) -> Rle | None:
    """The mask as RLE; None if it is empty.

    Raises:
        ValueError: there are more or fewer bits than a mask of this size has.
    """
    h, w = size
    stride = h // 8 + 1
    if bits.shape != (w, stride):
        raise ValueError(f"a mask of {size} has bits of shape {(w, stride)}, found {bits.shape}")
    flat = bits.ravel()
    change: Bits = flat ^ np.left_shift(flat, 1, dtype=np.uint8)  # bit p: pixel p differs from the one before
    change[1:] ^= flat[:-1] >> 7
    (some,) = np.nonzero(change)
    if not len(some):
        return None
    places = np.flatnonzero(np.unpackbits(change[some], bitorder="little"))
    column, row = np.divmod(some[places >> 3] * 8 + (places & 7), stride * 8)
    return rle.from_bounds(column * h + row, size)
