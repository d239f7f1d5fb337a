"""From mask logits at stride 4 to maps in source pixels: every pixel has one owner, an object or a class.

Source: `inference_video_vps` and `inference_video_vss` of DVIS, and Mask2Former's image model before them. Logits are
resized to the padded input and cropped, made probabilities, and resized to the source; that order is seen in the
result. What differs is the work: the semantic product of queries and classes is taken at input size (resizing is
linear, and comes after the sigmoid), in strips that fit the cache, and only of classes that can win somewhere in a
strip. On a CUDA device Triton kernels go from logits to labels in one pass each (`kernels.maps`), so that only labels
leave it; they say how near two numbers must be for a kernel to decide otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gvseg_core.ops import kernels
from gvseg_core.ops.regions import Grid
from gvseg_core.ops.resize import band

Ints = NDArray[np.int64]

_STRIP = 16  # rows of the input that a semantic map is made of at once
_BLOCK = 8  # columns of cells that are asked together which classes may win there
_MOST_CLASSES = 512  # of which a kernel holds the sums of a few pixels


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
    if kernels.usable(logits):
        return kernels.or_portable(
            "panoptic maps",
            lambda: _contest_by_kernel(logits, scores, grid),
            lambda: _contest(logits, scores, grid),
        )
    return _contest(logits, scores, grid)


def _contest_by_kernel(logits: Tensor, scores: Sequence[float], grid: Grid) -> Contest:
    from gvseg_core.ops.kernels import maps

    labels, won, own = maps.compete(logits, torch.tensor(scores, device=logits.device), grid)
    counts = torch.stack([won, own]).cpu().numpy().astype(np.int64)
    return Contest(labels.cpu().numpy().astype(np.int32), counts[0], counts[1])


def _contest(logits: Tensor, scores: Sequence[float], grid: Grid) -> Contest:
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
    if kernels.usable(logits) and weights.shape[1] <= _MOST_CLASSES:
        return kernels.or_portable(
            "semantic maps",
            lambda: _semantic_by_kernel(logits, weights, grid),
            lambda: _semantic(logits, weights, grid),
        )
    return _semantic(logits, weights, grid)


def _semantic_by_kernel(logits: Tensor, weights: Tensor, grid: Grid) -> NDArray[np.int32]:
    from gvseg_core.ops.kernels import maps

    return maps.semantic_map(logits, weights.to(logits.device), grid).cpu().numpy().astype(np.int32)


def _semantic(logits: Tensor, weights: Tensor, grid: Grid) -> NDArray[np.int32]:
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
