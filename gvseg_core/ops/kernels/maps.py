"""Maps in which every pixel has one owner, straight from logits: the panoptic contest and the semantic product."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gvseg_core.ops.kernels import beside
from gvseg_core.ops.kernels.resizing import at_source, axes, tiles
from gvseg_core.ops.regions import Grid

_SUMS = 4096  # of classes × pixels that a program keeps at once
_TILE = (16, 16)
_QUERIES = 16  # at a time; the fewest that a product takes


@triton.jit
def _compete(
    logits,
    scores,
    labels,
    won,
    own,
    num,
    h,
    w,
    height,
    width,
    down_cells,
    down_near,
    down_far,
    across_cells,
    across_near,
    across_far,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    y = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None]
    x = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    there = (y < height) & (x < width)
    best = tl.full((ROWS, COLUMNS), -1.0, tl.float32)
    winner = tl.zeros((ROWS, COLUMNS), tl.int32)
    covered = tl.zeros((ROWS, COLUMNS), tl.int1)
    for row in range(num):
        probs = at_source(
            logits + row * h * w,
            w,
            tl.minimum(y, height - 1),
            tl.minimum(x, width - 1),
            down_cells,
            down_near,
            down_far,
            across_cells,
            across_near,
            across_far,
            SIGMOID=True,
        )
        inside = (probs >= 0.5) & there
        tl.atomic_add(own + row, tl.sum(inside.to(tl.int32)), sem="relaxed")
        claim = probs * tl.load(scores + row)
        better = claim > best
        best = tl.where(better, claim, best)
        winner = tl.where(better, row, winner)
        covered = (better & inside) | (covered & ~better)
    for row in range(num):
        tl.atomic_add(won + row, tl.sum(((winner == row) & there).to(tl.int32)), sem="relaxed")
    tl.store(labels + y * width + x, tl.where(covered, winner + 1, 0).to(tl.int16), mask=there)


def compete(logits: Tensor, scores: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """The contest of (N, h, w) logits with (N,) float32 scores, N below 32768: as `gvseg_core.ops.maps.compete`.

    Returns:
        (H, W) int16 labels; (N,) int32 pixels won, and pixels of each mask. The same but where two claims, or a
        probability and ½, are within 1e-6 of each other.
    """
    logits = logits.contiguous()
    labels = torch.zeros(grid.source_size, dtype=torch.int16, device=logits.device)
    won, own = torch.zeros(2, len(logits), dtype=torch.int32, device=logits.device)
    down, across = axes(grid, logits.device)
    if len(logits):
        tensors = (logits, scores, labels, won, own)
        sides = (len(logits), *grid.cells, *grid.source_size)
        with beside(logits):
            _compete[tiles(grid.source_size, _TILE)](*tensors, *sides, *down, *across, ROWS=_TILE[0], COLUMNS=_TILE[1])
    return labels, won, own


@triton.jit
def _semantic(
    logits,
    weights,
    classes,
    num_queries,
    num_classes,
    h,
    w,
    width,
    down_cells,
    down_near,
    down_far,
    across_cells,
    across_near,
    across_far,
    CLASSES: tl.constexpr,
    QUERIES: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    y = tl.program_id(0)
    x = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    each = tl.arange(0, CLASSES)
    sums = tl.zeros((CLASSES, COLUMNS), tl.float32)
    for first in range(0, num_queries, QUERIES):
        query = first + tl.arange(0, QUERIES)
        probs = at_source(
            logits + tl.minimum(query, num_queries - 1)[:, None] * h * w,
            w,
            y,
            tl.minimum(x, width - 1)[None, :],
            down_cells,
            down_near,
            down_far,
            across_cells,
            across_near,
            across_far,
            SIGMOID=True,
        )
        there = (query < num_queries)[None, :] & (each < num_classes)[:, None]
        mix = tl.load(weights + query[None, :] * num_classes + each[:, None], mask=there, other=0.0)
        sums = tl.dot(mix, probs, sums, input_precision="ieee")
    sums = tl.where((each < num_classes)[:, None], sums, float("-inf"))
    best = tl.argmax(sums, 0)
    tl.store(classes + y * width + x, best.to(tl.int16), mask=x < width)


def semantic_map(logits: Tensor, weights: Tensor, grid: Grid) -> Tensor:
    """(Q, h, w) logits and (Q, K) float32 weights → (H, W) int16: as `gvseg_core.ops.maps.semantic_map`.

    The same but where the sums of two classes are within rounding of each other, 1e-6 of the largest possible sum. K is
    at most 512: beyond, the sums of a tile would not fit a program's registers.
    """
    logits, weights = logits.contiguous(), weights.contiguous()
    height, width = grid.source_size
    classes = torch.empty(grid.source_size, dtype=torch.int16, device=logits.device)
    padded = max(triton.next_power_of_2(weights.shape[1]), 16)
    columns = min(max(_SUMS // padded, 16), 64)
    down, across = axes(grid, logits.device)
    sides = (*weights.shape, *grid.cells, width)
    sizes = {"CLASSES": padded, "QUERIES": _QUERIES, "COLUMNS": columns}
    with beside(logits):
        _semantic[(height, triton.cdiv(width, columns))](logits, weights, classes, *sides, *down, *across, **sizes)
    return classes
