"""From mask logits at stride 4 to masks in source pixels, exactly as the official post-processing has them, but fast.

Source: Mask2Former-VIS, MinVIS and DVIS resize twice: cells → padded input, crop, → source; bilinear, without
antialiasing. Instances are the logits > 0 at the end of both. Panoptic and semantic maps take the sigmoid in between,
and that order is seen in the result. The masks are theirs pixel by pixel; what differs is the work:

- Both resizes of an instance are one product with a banded matrix for each axis, of the box around the mask's positive
  cells only: weights are positive, so that a pixel whose cells are all ≤ 0 is ≤ 0. What lies within rounding of 0 is
  computed again as the definition has it, at those pixels alone. Nothing of full size is ever made but the crop.
- The semantic product of queries and classes is taken at input size (resizing is linear, and comes after the sigmoid),
  in strips that fit the cache, and only of classes that can win somewhere in a strip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gvseg_core.ops import rle
from gvseg_core.ops.regions import Grid
from gvseg_core.ops.resize import Band, band, taps
from gvseg_core.types import Rle, Size

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_STRIP = 16  # rows of the input that a semantic map is made of at once
_BLOCK = 8  # columns of cells that are asked together which classes may win there
_ROUNDING = 2e-6  # of a logit, relative to the largest one: twice what float32 can lose on either way


# --- instances ----------------------------------------------------------------------------------------------------


def instance_masks(logits: Tensor, grid: Grid) -> list[Rle | None]:
    """Where the logits, resized to the source, are above 0.

    Args:
        logits: (N, h, w) on any device.
        grid: how the cells lie over the picture.

    Returns:
        N masks at source size; None where empty.
    """
    logits = logits.detach().float().cpu()
    rows, columns = (logits.amax(2) > 0).numpy(), (logits.amax(1) > 0).numpy()
    return [
        _instance_mask(logits[n], _span(rows[n]), _span(columns[n]), grid) if rows[n].any() else None
        for n in range(len(logits))
    ]


def _span(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Begin and end of the shortest stretch that holds every True."""
    return int(flags.argmax()), len(flags) - int(flags[::-1].argmax())


def _instance_mask(logits: Tensor, rows: tuple[int, int], columns: tuple[int, int], grid: Grid) -> Rle | None:
    """One mask (h, w) whose positive cells lie in `rows` and `columns`."""
    vertical, horizontal = _whole_way(grid, 0), _whole_way(grid, 1)
    (top, bottom), (left, right) = vertical.reach(*rows), horizontal.reach(*columns)
    if top == bottom or left == right:  # a source smaller than the cells may step over them
        return None
    (i, j), (k, m) = vertical.needs(top, bottom), horizontal.needs(left, right)
    cells = logits[i:j, k:m]
    values = vertical.rows(horizontal.columns(cells, left, right), top, bottom).numpy()
    mask = values > 0
    doubtful = np.abs(values, out=values) <= float(cells.abs().max()) * _ROUNDING
    if doubtful.any():
        y, x = np.divmod(np.flatnonzero(doubtful), values.shape[1])
        mask[y, x] = _as_defined(logits.numpy(), y + top, x + left, grid) > 0
    return rle.encode(mask, size=grid.source_size, origin=(top, left)) if mask.any() else None


def _whole_way(grid: Grid, axis: int) -> Band:
    return band(grid.cells[axis], grid.padded_size[axis], -grid.input_size[axis], grid.source_size[axis])


def _as_defined(logits: Floats, y: Ints, x: Ints, grid: Grid) -> Floats:
    """The two resizes at a few source pixels, rounded where `F.interpolate` rounds (it uses fused multiply-adds).

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
        return resized(lambda i, j: logits[i, j], y, x, (grid.cells, grid.padded_size))

    return resized(at_input, y, x, (grid.input_size, grid.source_size))


# --- maps in which every pixel has one owner ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contest:
    """Who gets each pixel of one frame."""

    labels: NDArray[np.int32]  # (H, W): row + 1 of the winner where its own mask covers the pixel, else 0
    won: Ints  # (N,) pixels won, also outside of the winner's own mask
    own: Ints  # (N,) pixels of each mask, won or not


def compete(logits: Tensor, scores: Sequence[float], grid: Grid) -> Contest:
    """Each pixel to the first row with the largest score × mask probability.

    Args:
        logits: (N, h, w) on any device.
        scores: N weights, one per row, in [0, 1].
        grid: how the cells lie over the picture.

    Source: `inference_video_vps` of DVIS: sigmoid at input size, then resized; equal to the last bit.
    """
    device = logits.device
    best = torch.full(grid.source_size, -1.0, device=device)
    winner = torch.zeros(grid.source_size, dtype=torch.int32, device=device)
    covered = torch.zeros(grid.source_size, dtype=torch.bool, device=device)
    own = []
    for row, score in enumerate(scores):
        probs = _at_source(_at_input(logits[row : row + 1], grid).sigmoid(), grid)[0]
        inside = probs >= 0.5
        own.append(inside.sum())
        probs *= score
        better = probs > best
        torch.maximum(best, probs, out=best)
        winner.masked_fill_(better, row)
        covered = torch.where(better, inside, covered)
    won = torch.bincount(winner.flatten(), minlength=len(own)) if own else winner.new_zeros(0)
    return Contest(
        labels=torch.where(covered, winner + 1, 0).cpu().numpy(),
        won=won.cpu().numpy(),
        own=np.array([int(count) for count in own], np.int64),
    )


def semantic_map(logits: Tensor, weights: Tensor, grid: Grid) -> NDArray[np.int32]:
    """The class of every pixel: argmax over K of Σ weight × mask probability.

    Args:
        logits: (Q, h, w) on any device.
        weights: (Q, K) float32 class probabilities of the queries, without "no object".
        grid: how the cells lie over the picture.

    Returns:
        (H, W) in 0 … K - 1.

    Source: `inference_video_vss` of DVIS, which resizes first and multiplies after; equal but for float32 rounding.
    """
    down, across = band(grid.input_size[0], grid.source_size[0]), band(grid.input_size[1], grid.source_size[1])
    into, along = (band(grid.cells[a], grid.padded_size[a], -grid.input_size[a]) for a in (0, 1))
    left, right = across.needs(0, grid.source_size[1])
    near, far = along.needs(left, right)
    wide = along.columns(logits[..., near:far].float(), left, right)
    mix = weights.T.to(wide)
    strips = []
    begin = 0
    while begin < grid.source_size[0]:
        top = int(down.first[begin])
        end = max(int(np.searchsorted(down.last, top + _STRIP)), begin + 1)
        low, high = down.needs(begin, end)
        i, j = into.needs(low, high)
        able = _able_to_win(logits[:, i:j, near:far].float(), mix)
        probs = into.rows(wide[:, i:j], low, high).sigmoid_()
        scores = (mix[able] @ probs.flatten(1)).view(len(able), high - low, -1)
        fine = down.rows(across.columns(scores, 0, grid.source_size[1]), begin, end)
        strips.append(able[_first_largest(fine)])
        begin = end
    return torch.cat(strips).to(torch.int32).cpu().numpy()


def _able_to_win(logits: Tensor, mix: Tensor) -> Tensor:
    """The classes, ascending, that may have the largest score somewhere in a strip.

    Every probability in a block lies between those of its lowest and its highest cell, and so does every mean of them.
    Whose sum of the highest is below another's sum of the lowest is out. Blocks overlap by two cells: a pixel beside
    the border is made of one across it, and so is a mean across the border.

    Args:
        logits: (Q, r, w) cells of the strip.
        mix: (K, Q) weights, none negative.
    """

    def pooled(values: Tensor) -> Tensor:
        return F.max_pool1d(values.amax(1), _BLOCK + 4, _BLOCK, padding=2, ceil_mode=True)

    most, least = mix @ pooled(logits).sigmoid(), mix @ (-pooled(-logits)).sigmoid()
    able = (most >= least.amax(0) * (1 - 1e-5)).any(1)
    return able.nonzero()[:, 0]


def _first_largest(values: Tensor) -> Tensor:
    """(K, H, W) → argmax over K, the first where two are equal; several times as fast as `Tensor.argmax` there."""
    best, winner = values[0], torch.zeros(values.shape[1:], dtype=torch.int64, device=values.device)
    for row in range(1, len(values)):
        winner.masked_fill_(values[row] > best, row)
        best = torch.maximum(best, values[row])
    return winner


def _at_input(logits: Tensor, grid: Grid) -> Tensor:
    """(N, h, w) → (N, *input_size)."""
    padded = F.interpolate(logits.float()[None], grid.padded_size, mode="bilinear", align_corners=False)[0]
    return padded[:, : grid.input_size[0], : grid.input_size[1]]


def _at_source(values: Tensor, grid: Grid) -> Tensor:
    """(N, *input_size) → (N, H, W)."""
    return F.interpolate(values[None], grid.source_size, mode="bilinear", align_corners=False)[0]
