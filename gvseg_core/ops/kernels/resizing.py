"""The way from cells of mask logits to pixels of the source, one pixel at a time: no picture is made in between.

Two bilinear resizes one after the other (cells → padded input, source ← input) make a source pixel of 2 × 2 input
pixels, each of 2 × 2 cells. What these are, and their weights, is looked up in tables for each row and each column.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from gvseg_core.ops.constants import kept
from gvseg_core.ops.regions import Grid
from gvseg_core.ops.resize import taps

TILE = (32, 32)  # rows and columns of source pixels that a program makes at once


class Axis(NamedTuple):
    """What each of n source rows, or columns, is made of."""

    cells: Tensor  # (n, 2, 2) int32: the two input rows', each of two cells
    near: Tensor  # (n, 2, 2) float32: weights of the cells
    far: Tensor  # (n, 2) float32: weights of the input rows


@kept(8)
def axes(grid: Grid, device: torch.device) -> tuple[Axis, Axis]:
    """Rows and columns of a grid."""
    down, across = (_axis(grid.cells[a], grid.padded_size[a], grid.input_size[a], grid.source_size[a]) for a in (0, 1))
    return Axis(*(x.to(device) for x in down)), Axis(*(x.to(device) for x in across))


@lru_cache(maxsize=16)
def _axis(cells: int, padded: int, inside: int, source: int) -> Axis:
    cell, near = taps(cells, padded)
    pixel, far = taps(inside, source)
    return Axis(
        torch.from_numpy(cell[pixel].astype(np.int32)),
        torch.from_numpy(np.ascontiguousarray(near[pixel])),
        torch.from_numpy(np.ascontiguousarray(far)),
    )


def tiles(size: tuple[int, int], tile: tuple[int, int] = TILE) -> tuple[int, int]:
    """How many tiles there are along each axis of a picture."""
    return triton.cdiv(size[0], tile[0]), triton.cdiv(size[1], tile[1])


@triton.jit
def at_source(
    logits,
    width,
    y,
    x,
    down_cells,
    down_near,
    down_far,
    across_cells,
    across_near,
    across_far,
    SIGMOID: tl.constexpr,
):
    """Values at source pixels, of the shape that y and x (which must be inside) have when broadcast.

    `logits` points at a map of `width` columns, or at several. With SIGMOID input pixels are probabilities.
    """
    pixel = 0.0
    for a in tl.static_range(2):
        row = 0.0
        for b in tl.static_range(2):
            value = 0.0
            for i in tl.static_range(2):
                line = 0.0
                start = tl.load(down_cells + y * 4 + a * 2 + i) * width
                for j in tl.static_range(2):
                    cell = start + tl.load(across_cells + x * 4 + b * 2 + j)
                    line += tl.load(across_near + x * 4 + b * 2 + j) * tl.load(logits + cell).to(tl.float32)
                value += tl.load(down_near + y * 4 + a * 2 + i) * line
            if SIGMOID:
                value = 1 / (1 + tl.exp(-value))
            row += tl.load(across_far + x * 2 + b) * value
        pixel += tl.load(down_far + y * 2 + a) * row
    return pixel
