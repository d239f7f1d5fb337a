"""From mask logits at stride 4 to masks in source pixels, exactly as the official post-processing has them, but fast.

Source: Mask2Former-VIS, MinVIS and DVIS resize twice: cells → padded input, crop, → source; bilinear, without
antialiasing. Instances are the logits > 0 at the end of both (`maps` has results in which every pixel has one owner).
The masks are theirs pixel by pixel; what differs is the work:

- Both resizes are one product with a banded matrix for each axis, of the box around the mask's positive cells only:
  weights are positive, so that a pixel whose cells are all ≤ 0 is ≤ 0. What lies within rounding of 0 is computed again
  as the definition has it, at those pixels alone. Nothing of full size is ever made but the crop.
- On a CUDA device a Triton kernel resizes, decides and packs in one pass (`kernels.masks`), so that only bits leave it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gvseg_core.ops import bits, kernels, rle
from gvseg_core.ops.regions import Grid
from gvseg_core.ops.resize import Band, band, taps
from gvseg_core.types import Rle, Size

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_ROUNDING = 2e-6  # of a logit, relative to the largest one: twice what float32 can lose on either way


def instance_masks(logits: Tensor, grid: Grid) -> list[Rle | None]:
    """Where the logits, resized to the source, are above 0.

    Args:
        logits: (N, h, w) on any device.
        grid: how the cells lie over the picture.

    Returns:
        N masks at source size; None where empty.
    """
    logits = logits.detach()
    if kernels.usable(logits):
        return kernels.or_portable(
            "masks", lambda: _instances_by_kernel(logits, grid), lambda: _instances(logits, grid)
        )
    return _instances(logits, grid)


def _instances_by_kernel(logits: Tensor, grid: Grid) -> list[Rle | None]:
    from gvseg_core.ops.kernels.masks import pack

    return [bits.encode(mask, grid.source_size) for mask in pack(logits, grid).cpu().numpy()]


def _instances(logits: Tensor, grid: Grid) -> list[Rle | None]:
    masks: list[Rle | None] = [None] * len(logits)
    for crop in crops(logits, grid):
        if crop.mask.any():
            masks[crop.row] = rle.encode(crop.mask, size=grid.source_size, origin=crop.origin)
    return masks


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of one mask outside of which nothing is inside."""

    row: int  # whose mask
    origin: tuple[int, int]  # (y, x) of its first pixel in the source
    mask: NDArray[np.bool_]  # (h, w)


def crops(logits: Tensor, grid: Grid) -> list[Crop]:
    """As `instance_masks`, on the CPU and without making runs; a crop may be empty, or missing where nothing is."""
    logits = logits.float().cpu()
    rows, columns = (logits.amax(2) > 0).numpy(), (logits.amax(1) > 0).numpy()
    found, doubtful = [], []
    for n in np.flatnonzero(rows.any(1)).tolist():
        made = _crop(logits[n], n, _span(rows[n]), _span(columns[n]), grid)
        if made is not None:
            found.append(made[0])
            doubtful.append(made[1])
    lengths = [len(places) for places in doubtful]
    if any(lengths):  # once for all masks: it is quick for a pixel, and slow to begin with
        width = np.repeat([crop.mask.shape[1] for crop in found], lengths)
        y, x = np.divmod(np.concatenate(doubtful), width)
        top, left = (np.repeat([crop.origin[axis] for crop in found], lengths) for axis in (0, 1))
        inside = _as_defined(logits.numpy(), np.repeat([c.row for c in found], lengths), y + top, x + left, grid) > 0
        for crop, places, decided in zip(found, doubtful, np.split(inside, np.cumsum(lengths)[:-1]), strict=True):
            crop.mask.reshape(-1)[places] = decided
    return found


def _span(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Begin and end of the shortest stretch that holds every True."""
    return int(flags.argmax()), len(flags) - int(flags[::-1].argmax())


def _crop(
    logits: Tensor, row: int, rows: tuple[int, int], columns: tuple[int, int], grid: Grid
) -> tuple[Crop, Ints] | None:
    """One mask (h, w) whose positive cells lie in `rows` and `columns`; and the pixels of it that rounding decided."""
    vertical, horizontal = _whole_way(grid, 0), _whole_way(grid, 1)
    (top, bottom), (left, right) = vertical.reach(*rows), horizontal.reach(*columns)
    if top == bottom or left == right:  # a source smaller than the cells may step over them
        return None
    (i, j), (k, m) = vertical.needs(top, bottom), horizontal.needs(left, right)
    cells = logits[i:j, k:m]
    values = vertical.rows(horizontal.columns(cells, left, right), top, bottom).numpy()
    mask = values > 0
    doubtful = np.flatnonzero(np.abs(values, out=values) <= float(cells.abs().max()) * _ROUNDING)
    return Crop(row, (top, left), mask), doubtful


def _whole_way(grid: Grid, axis: int) -> Band:
    return band(grid.cells[axis], grid.padded_size[axis], -grid.input_size[axis], grid.source_size[axis])


def _as_defined(logits: Floats, row: Ints, y: Ints, x: Ints, grid: Grid) -> Floats:
    """The two resizes at P pixels, each of its own row, rounded where `F.interpolate` rounds (fused multiply-adds).

    Equal to the last bit for maps of more than 128 rows and columns together; below, PyTorch has another kernel.
    """

    def sum_of_products(a: Floats, u: Floats, b: Floats, v: Floats) -> Floats:
        rounded = (b * v).astype(np.float64)
        return (a.astype(np.float64) * u + rounded).astype(np.float32)

    def resized(at: Callable[[Ints, Ints], Floats], y: Ints, x: Ints, sizes: tuple[Size, Size]) -> Floats:
        rows, columns = zip(*sizes, strict=True)
        (iy, wy), (ix, wx) = taps(*rows), taps(*columns)
        (top, bottom), (left, right) = iy[y].T, ix[x].T
        (up, down), (near, far) = wy[y].T, wx[x].T
        above = sum_of_products(at(top, left), near, at(top, right), far)
        below = sum_of_products(at(bottom, left), near, at(bottom, right), far)
        return sum_of_products(above, up, below, down)

    def at_input(y: Ints, x: Ints) -> Floats:
        return resized(lambda i, j: logits[row, i, j], y, x, (grid.cells, grid.padded_size))

    return resized(at_input, y, x, (grid.input_size, grid.source_size))
