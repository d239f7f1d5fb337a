"""Multi-scale deformable attention: each query sums a few bilinear samples of every level.

Source: Deformable DETR (Zhu et al. 2021, §4.1). Three ways give the same: a Triton kernel on CUDA devices
(`kernels.deformable`), bags of table rows everywhere else (`deformable_bags`), and `grid_sample` for whoever wants
standard operators only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.ops.deformable_bags import attend_by_bags
from gvseg_core.ops.deformable_operator import attend_by_kernel, has_kernel
from gvseg_core.types import Size


def deformable_attention(value: Tensor, sizes: Sequence[Size], places: Tensor, logits: Tensor) -> Tensor:
    """Sum of bilinear samples, weighted by a softmax over all levels and points of a head.

    Args:
        value: (B, N, M, D): the cells of all levels one after the other, rows first; M heads of D channels.
        sizes: (h, w) of each of the L levels; N is the sum of h·w.
        places: (B, Q, 2, M, L, P) float32: x, then y, in cells of the level; 0 is the centre of its first cell.
            Outside the level there are zeros.
        logits: (B, Q, M, L, P) float32.

    Returns:
        (B, Q, M·D) in `value`'s type.
    """
    if has_kernel(value):
        return attend_by_kernel(value, sizes, places, logits)
    return attend_by_bags(value, sizes, places, logits)


def deformable_attention_by_grid(value: Tensor, sizes: Sequence[Size], places: Tensor, logits: Tensor) -> Tensor:
    """The same by `grid_sample`, level by level: for export, and to hold the other to."""
    b, q, _, heads, _, points = places.shape
    out = value.new_zeros(b * heads, value.shape[-1], q)
    weights = logits.flatten(3).softmax(-1).view_as(logits).to(value.dtype)
    cells = value.split([h * w for h, w in sizes], dim=1)
    for level, (h, w) in enumerate(sizes):
        picture = cells[level].permute(0, 2, 3, 1).reshape(b * heads, -1, h, w)
        x, y = (places[:, :, :, :, level].permute(0, 3, 1, 4, 2) + 0.5).unbind(-1)
        grid = torch.stack([x * (2 / w) - 1, y * (2 / h) - 1], dim=-1)  # (B, M, Q, P, 2)
        samples = F.grid_sample(picture, grid.reshape(b * heads, q, points, 2).to(value.dtype), align_corners=False)
        weight = weights[:, :, :, level].transpose(1, 2).reshape(b * heads, 1, q, points)
        out = out + (samples * weight).sum(-1)
    return out.view(b, -1, q).transpose(1, 2)
