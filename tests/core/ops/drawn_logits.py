"""Grids and mask logits to draw in tests, and the official chain of resizes written down plainly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.ops.regions import Grid
from gvseg_core.types import Size


def resized(values: Tensor, size: Size) -> Tensor:
    return F.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]


def at_input(logits: Tensor, grid: Grid) -> Tensor:
    return resized(logits, grid.padded_size)[:, : grid.input_size[0], : grid.input_size[1]]


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    cells = draw(st.integers(1, 4)) * 8, draw(st.integers(1, 4)) * 8
    padded = cells[0] * 4, cells[1] * 4
    inside = draw(st.integers(padded[0] - 31, padded[0])), draw(st.integers(padded[1] - 31, padded[1]))
    source = draw(st.integers(1, 260)), draw(st.integers(1, 260))
    return Grid(cells, padded, inside, source)


@st.composite
def logits(draw: st.DrawFn, grid: Grid) -> Tensor:
    """Noise, blobs, small whole numbers (which tie), or almost nothing."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    kind = draw(st.sampled_from(["noise", "blobs", "whole", "one cell", "none"]))
    noise = torch.randn(3, *grid.cells)
    if kind == "noise":
        return noise * draw(st.sampled_from([1e-3, 1.0, 30.0]))
    if kind == "blobs":
        return F.avg_pool2d(noise, 5, 1, 2) * 10
    if kind == "whole":
        return torch.randint(-2, 3, (3, *grid.cells)).float()
    few = torch.full((3, *grid.cells), -1.0)
    if kind == "one cell":
        few[:, draw(st.integers(0, grid.cells[0] - 1)), draw(st.integers(0, grid.cells[1] - 1))] = 1.0
    return few
