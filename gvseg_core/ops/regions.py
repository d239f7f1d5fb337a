"""What part of each cell of a feature map an exemplar covers: masks, boxes and points alike.

Everything is in pixels of the source video; the map covers the padded input, whose upper left part is the resized
picture. A cell half under the mask has half the weight of a full one, so that every pixel of a mask counts and no mask
is too small to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gvseg_core.types import Box, Size


@dataclass(frozen=True, slots=True)
class Grid:
    """How a feature map lies over a source picture."""

    cells: Size  # (h, w) of the map
    padded_size: Size  # of the network's input
    input_size: Size  # of the resized picture inside it
    source_size: Size  # of the picture in the video

    def edges(self, axis: int) -> Tensor:
        """(n + 1,) where the cells of an axis (0: y, 1: x) begin and end, in source pixels; past the picture too."""
        pixels = self.padded_size[axis] * self.source_size[axis] / self.input_size[axis]
        return torch.arange(self.cells[axis] + 1, dtype=torch.float64) * (pixels / self.cells[axis])


def mask_weights(mask: Tensor, grid: Grid) -> Tensor:
    """(H, W) bool → (h, w) float32 that sums to 1: all pixels of the mask count alike.

    Raises:
        ValueError: the mask is empty, or not of the source's size.
    """
    if tuple(mask.shape) != grid.source_size:
        raise ValueError(f"the mask is {tuple(mask.shape)}, the picture {grid.source_size}")
    if not mask.any():
        raise ValueError("the mask is empty")
    rows = _overlap(grid.edges(0), torch.arange(mask.shape[0] + 1, dtype=torch.float64))
    columns = _overlap(grid.edges(1), torch.arange(mask.shape[1] + 1, dtype=torch.float64))
    return _normalise(rows @ mask.double().cpu() @ columns.T)


def box_weights(box: Box, grid: Grid) -> Tensor:
    """Everything inside the box: (h, w) float32 that sums to 1; the nearest cell if it covers nothing."""
    x0, y0, x1, y1 = box
    height, width = grid.source_size
    y = _overlap(grid.edges(0), torch.tensor([max(y0, 0.0), min(y1, height)], dtype=torch.float64))
    x = _overlap(grid.edges(1), torch.tensor([max(x0, 0.0), min(x1, width)], dtype=torch.float64))
    covered = y * x.T
    if covered.sum() <= 0:
        return _nearest(((x0 + x1) / 2, (y0 + y1) / 2), grid)
    return _normalise(covered)


def point_weights(point: tuple[float, float], grid: Grid, radius: float = 1.0) -> Tensor:
    """A square window of `radius` cells around the point (x, y), inside the picture: (h, w) float32 that sums to 1."""
    height, width = grid.source_size
    x, y = min(max(point[0], 0.0), width), min(max(point[1], 0.0), height)
    ry, rx = (radius * float(grid.edges(axis)[1]) for axis in (0, 1))
    return box_weights((x - rx, y - ry, x + rx, y + ry), grid)


def centres(masks: Tensor, grid: Grid) -> Tensor:
    """Where masks lie.

    Args:
        masks: (N, T, h, w) bool, on the cells of `grid`.
        grid: how they lie over the picture.

    Returns:
        (N, T, 3) float32 on the CPU: x, y of the centre in source pixels, and the area in these; NaN, NaN, 0: empty.
    """
    rows, columns = masks.sum(3).cpu().double(), masks.sum(2).cpu().double()
    y, x = ((edges[1:] + edges[:-1]) / 2 for edges in (grid.edges(0), grid.edges(1)))
    area = rows.sum(2)
    cell = grid.edges(0)[1] * grid.edges(1)[1]
    return torch.stack([columns @ x / area, rows @ y / area, area * cell], dim=-1).float()


def _overlap(edges: Tensor, others: Tensor) -> Tensor:
    """(n, m) length that each of n intervals shares with each of m."""
    low = torch.maximum(edges[:-1, None], others[None, :-1])
    high = torch.minimum(edges[1:, None], others[None, 1:])
    return (high - low).clamp(min=0)


def _nearest(point: tuple[float, float], grid: Grid) -> Tensor:
    weights = torch.zeros(grid.cells)
    place = []
    for axis, value in ((0, point[1]), (1, point[0])):
        inside = min(max(value, 0.0), grid.source_size[axis] - 1e-6)
        place.append(min(int(inside / float(grid.edges(axis)[1])), grid.cells[axis] - 1))
    weights[place[0], place[1]] = 1
    return weights


def _normalise(covered: Tensor) -> Tensor:
    return (covered / covered.sum()).float()
