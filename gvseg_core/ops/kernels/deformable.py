"""Deformable attention in Triton: forward, and the gradients of values, places and logits.

One program looks after a tile of queries of one head. It takes the softmax over the samples itself, and for each sample
gathers four rows of D channels, adding up in float32 whatever the type of the values. Neighbouring queries look at
neighbouring cells, so that rows are mostly found in the cache. Going back, each query's gradients are its program's
alone; those of the values are met by many, and are added up atomically, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from gvseg_core.ops.constants import kept
from gvseg_core.ops.kernels import beside
from gvseg_core.ops.kernels.tuning import tuned


@triton.jit
def _softmax(logits, row, queries_exist, SAMPLES: tl.constexpr, PADDED: tl.constexpr):
    """Per query of the tile: its largest logit and the sum of exponentials, as (BLOCK,) each."""
    each = tl.arange(0, PADDED)
    there = queries_exist[:, None] & (each[None, :] < SAMPLES)
    values = tl.load(logits + row[:, None] * SAMPLES + each[None, :], mask=there, other=float("-inf"))
    values = tl.where(queries_exist[:, None], values, 0.0)
    highest = tl.max(values, 1)
    return highest, tl.sum(tl.exp(values - highest[:, None]), 1)


@triton.jit
def _corner(cells, x, y, w, h, line, channels, exist):
    """One corner of a sample: (BLOCK, D) float32 of the cell at (x, y), 0 outside of the level; where it is; if it is.

    x and y are whole numbers held in float32: they may be far outside, or not a number at all.
    """
    inside = exist & (x >= 0) & (x < w) & (y >= 0) & (y < h)
    cell = tl.where(inside, y, 0.0).to(tl.int32) * w + tl.where(inside, x, 0.0).to(tl.int32)
    at = cell[:, None] * line + channels[None, :]
    return tl.load(cells + at, mask=inside[:, None], other=0.0).to(tl.float32), at, inside


@tuned(["D", "SAMPLES"], tiles=[512, 1024, 2048])
@triton.jit
def _attend(
    value,
    levels,
    places,
    logits,
    out,
    num_cells,
    num_queries,
    HEADS: tl.constexpr,
    POINTS: tl.constexpr,
    SAMPLES: tl.constexpr,
    PADDED: tl.constexpr,
    D: tl.constexpr,
    TILE: tl.constexpr,
):
    BLOCK: tl.constexpr = TILE // D
    query = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    head, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    exist = query < num_queries
    channels = tl.arange(0, D)
    line: tl.constexpr = HEADS * D

    row = query * HEADS + head
    logits += image * num_queries * HEADS * SAMPLES
    xs = places + image * num_queries * 2 * HEADS * SAMPLES + (query * 2 * HEADS + head) * SAMPLES
    value += image * num_cells * line + head * D
    highest, total = _softmax(logits, row, exist, SAMPLES, PADDED)

    seen = tl.zeros((BLOCK, D), tl.float32)
    for sample in range(SAMPLES):
        level = levels + sample // POINTS * 3
        h, w, first = tl.load(level), tl.load(level + 1), tl.load(level + 2)
        cells = value + first * line
        weight = tl.exp(tl.load(logits + row * SAMPLES + sample, mask=exist, other=0.0) - highest) / total
        x = tl.load(xs + sample, mask=exist, other=0.0)
        y = tl.load(xs + HEADS * SAMPLES + sample, mask=exist, other=0.0)
        left, top = tl.floor(x), tl.floor(y)
        fx, fy = x - left, y - top
        right = weight * fx
        rest = weight - right
        below_left, below_right = rest * fy, right * fy
        corner, _, _ = _corner(cells, left, top, w, h, line, channels, exist)
        seen += (rest - below_left)[:, None] * corner
        corner, _, _ = _corner(cells, left + 1, top, w, h, line, channels, exist)
        seen += (right - below_right)[:, None] * corner
        corner, _, _ = _corner(cells, left, top + 1, w, h, line, channels, exist)
        seen += below_left[:, None] * corner
        corner, _, _ = _corner(cells, left + 1, top + 1, w, h, line, channels, exist)
        seen += below_right[:, None] * corner
    at = (image * num_queries * HEADS + row)[:, None] * D + channels[None, :]
    tl.store(out + at, seen.to(out.dtype.element_ty), mask=exist[:, None])


@tuned(["D", "SAMPLES", "LEARNS_VALUE"], tiles=[512, 1024], sums=["to_value"])
@triton.jit
def _learn(
    gradient,
    value,
    levels,
    places,
    logits,
    to_value,
    to_places,
    to_logits,
    num_cells,
    num_queries,
    LEARNS_VALUE: tl.constexpr,
    HEADS: tl.constexpr,
    POINTS: tl.constexpr,
    SAMPLES: tl.constexpr,
    PADDED: tl.constexpr,
    D: tl.constexpr,
    TILE: tl.constexpr,
):
    BLOCK: tl.constexpr = TILE // D
    query = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    head, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    exist = query < num_queries
    channels = tl.arange(0, D)
    each = tl.arange(0, PADDED)
    line: tl.constexpr = HEADS * D

    row = query * HEADS + head
    of_logits = image * num_queries * HEADS * SAMPLES
    of_places = image * num_queries * 2 * HEADS * SAMPLES + (query * 2 * HEADS + head) * SAMPLES
    of_value = image * num_cells * line + head * D
    logits += of_logits
    highest, total = _softmax(logits, row, exist, SAMPLES, PADDED)
    at_query = (image * num_queries * HEADS + row)[:, None] * D + channels[None, :]
    wanted = tl.load(gradient + at_query, mask=exist[:, None], other=0.0).to(tl.float32)

    weights = tl.zeros((BLOCK, PADDED), tl.float32)
    worths = tl.zeros((BLOCK, PADDED), tl.float32)  # what more weight for a sample would bring
    for sample in range(SAMPLES):
        level = levels + sample // POINTS * 3
        h, w, first = tl.load(level), tl.load(level + 1), tl.load(level + 2)
        cells, learnt = value + of_value + first * line, to_value + of_value + first * line
        weight = tl.exp(tl.load(logits + row * SAMPLES + sample, mask=exist, other=0.0) - highest) / total
        x = tl.load(places + of_places + sample, mask=exist, other=0.0)
        y = tl.load(places + of_places + HEADS * SAMPLES + sample, mask=exist, other=0.0)
        left, top = tl.floor(x), tl.floor(y)
        fx, fy = x - left, y - top
        share = weight[:, None] * wanted

        corner, at, inside = _corner(cells, left, top, w, h, line, channels, exist)
        top_left = tl.sum(wanted * corner, 1)
        if LEARNS_VALUE:
            tl.atomic_add(learnt + at, ((1 - fx) * (1 - fy))[:, None] * share, mask=inside[:, None], sem="relaxed")
        corner, at, inside = _corner(cells, left + 1, top, w, h, line, channels, exist)
        top_right = tl.sum(wanted * corner, 1)
        if LEARNS_VALUE:
            tl.atomic_add(learnt + at, (fx * (1 - fy))[:, None] * share, mask=inside[:, None], sem="relaxed")
        corner, at, inside = _corner(cells, left, top + 1, w, h, line, channels, exist)
        below_left = tl.sum(wanted * corner, 1)
        if LEARNS_VALUE:
            tl.atomic_add(learnt + at, ((1 - fx) * fy)[:, None] * share, mask=inside[:, None], sem="relaxed")
        corner, at, inside = _corner(cells, left + 1, top + 1, w, h, line, channels, exist)
        below_right = tl.sum(wanted * corner, 1)
        if LEARNS_VALUE:
            tl.atomic_add(learnt + at, (fx * fy)[:, None] * share, mask=inside[:, None], sem="relaxed")

        above, below = top_left + fx * (top_right - top_left), below_left + fx * (below_right - below_left)
        across = top_right - top_left + fy * (below_right - below_left - top_right + top_left)
        tl.store(to_places + of_places + sample, weight * across, mask=exist)
        tl.store(to_places + of_places + HEADS * SAMPLES + sample, weight * (below - above), mask=exist)
        mine = each[None, :] == sample
        weights = tl.where(mine, weight[:, None], weights)
        worths = tl.where(mine, (above + fy * (below - above))[:, None], worths)
    worths -= tl.sum(weights * worths, 1)[:, None]
    at_logits = row[:, None] * SAMPLES + each[None, :]
    there = exist[:, None] & (each[None, :] < SAMPLES)
    tl.store(to_logits + of_logits + at_logits, weights * worths, mask=there)


def attend(value: Tensor, places: Tensor, logits: Tensor, sides: Sequence[int]) -> Tensor:
    """(B, N, M, D), (B, Q, 2, M, L, P), (B, Q, M, L, P), h and w of each level → (B, Q, M·D) in `value`'s type."""
    value, places, logits = value.contiguous(), places.contiguous(), logits.contiguous()
    (b, _, heads, d), q = value.shape, places.shape[1]
    out = value.new_empty(b, q, heads * d)
    shape = _shape(value, logits)
    levels = _levels(tuple(sides), value.device)
    with beside(value):
        _attend[_grid(b, q, heads, d)](value, levels, places, logits, out, value.shape[1], q, **shape)
    return out


def learn(
    gradient: Tensor, value: Tensor, places: Tensor, logits: Tensor, sides: Sequence[int], *, learns_value: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of `attend`'s result → those of value ((0,) unless `learns_value`), places and logits."""
    value, places, logits = value.contiguous(), places.contiguous(), logits.contiguous()
    (b, _, heads, d), q = value.shape, places.shape[1]
    to_value = torch.zeros(value.shape if learns_value else 0, dtype=torch.float32, device=value.device)
    to_places, to_logits = torch.empty_like(places), torch.empty_like(logits)
    levels = _levels(tuple(sides), value.device)
    tensors = (gradient.contiguous(), value, levels, places, logits, to_value, to_places, to_logits)
    with beside(value):
        _learn[_grid(b, q, heads, d)](*tensors, value.shape[1], q, LEARNS_VALUE=learns_value, **_shape(value, logits))
    return to_value.to(value.dtype), to_places, to_logits


def _grid(b: int, q: int, heads: int, d: int) -> Callable[[dict[str, int]], tuple[int, int, int]]:
    return lambda chosen: (triton.cdiv(q, chosen["TILE"] // d), heads, b)


def _shape(value: Tensor, logits: Tensor) -> dict[str, int]:
    heads, num_levels, points = logits.shape[2:]
    samples = num_levels * points
    return {
        "HEADS": heads,
        "POINTS": points,
        "SAMPLES": samples,
        "PADDED": triton.next_power_of_2(samples),
        "D": value.shape[-1],
    }


@kept(8)
def _levels(sides: tuple[int, ...], device: torch.device) -> Tensor:
    """(L, 3) int32: h and w of each level, and its first cell."""
    rows, first = [], 0
    for h, w in zip(sides[::2], sides[1::2], strict=True):
        rows.append((h, w, first))
        first += h * w
    return torch.tensor(rows, dtype=torch.int32, device=device)
