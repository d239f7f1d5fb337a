"""Multi-scale deformable attention: each query sums a few bilinear samples of every level.

Source: Deformable DETR (Zhu et al. 2021, §4.1). Differences from its reference code: a bilinear sample is four table
rows with four weights, so a query's samples are weighted bags of rows, and `F.embedding_bag` sums them, exactly and
about ten times faster on a CPU than `grid_sample` on each level. The table has borders of zeros, so that a sample
outside of a level needs no test of its own, and lines of one length, so that the four rows are always as far apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.ops.constants import kept
from gvseg_core.types import Size

_CHUNK = 4096  # queries at a time: what is made on the way is twenty times the input


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
    b, q = places.shape[:2]
    _, _, heads, d = value.shape
    line = _line(sizes)
    far, first = _steps(tuple(sizes), heads, logits.shape[-1], value.device)
    out = None if torch.is_grad_enabled() else value.new_empty(b, q, heads * d)
    outs = []
    for image in range(b):
        table = _bordered(value[image], sizes).view(-1, d)
        for start in range(0, q, _CHUNK):
            part = slice(start, start + _CHUNK)
            place_Q2S = places[image, part].flatten(2).clamp(min=far.new_tensor(-1.0), max=far)
            corner_Q2S = place_Q2S.floor()
            fx_QS, fy_QS = (place_Q2S - corner_Q2S).unbind(1)
            x_QS, y_QS = corner_Q2S.to(torch.int32).unbind(1)
            row_QS = torch.add(first, torch.add(x_QS, y_QS, alpha=line), alpha=heads)
            rows = row_QS.view(-1, first.shape[0] // heads)

            weight_QS = _softmax(logits[image, part].flatten(2)).flatten(1)
            right_QS = weight_QS * fx_QS
            left_QS = weight_QS - right_QS
            below = left_QS * fy_QS, right_QS * fy_QS
            above = left_QS - below[0], right_QS - below[1]
            sums = [
                F.embedding_bag(
                    rows, table[step * heads :], mode="sum", per_sample_weights=weights.to(value.dtype).view_as(rows)
                )
                for step, weights in zip((0, 1, line, line + 1), (*above, *below), strict=True)
            ]
            seen = (sums[0].add_(sums[1]).add_(sums[2]).add_(sums[3])).view(-1, heads * d)
            if out is None:
                outs.append(seen)
            else:
                out[image, part] = seen
    return torch.cat(outs).view(b, q, heads * d) if out is None else out


def deformable_attention_by_grid(value: Tensor, sizes: Sequence[Size], places: Tensor, logits: Tensor) -> Tensor:
    """The same by `grid_sample`, level by level: for export, and to hold the other to."""
    b, q, _, heads, _, points = places.shape
    out = value.new_zeros(b * heads, value.shape[-1], q)
    weights = logits.flatten(3).softmax(-1).view_as(logits).to(value.dtype)
    cells = value.split([h * w for h, w in sizes], dim=1)
    for level, (h, w) in enumerate(sizes):
        picture = cells[level].permute(0, 2, 3, 1).reshape(b * heads, -1, h, w)
        scale = places.new_tensor([2 / w, 2 / h])
        grid = (places[:, :, :, :, level].permute(0, 3, 1, 4, 2) + 0.5) * scale - 1  # (B, M, Q, P, 2)
        samples = F.grid_sample(picture, grid.reshape(b * heads, q, points, 2).to(value.dtype), align_corners=False)
        weight = weights[:, :, :, level].transpose(1, 2).reshape(b * heads, 1, q, points)
        out = out + (samples * weight).sum(-1)
    return out.view(b, -1, q).transpose(1, 2)


def _line(sizes: Sequence[Size]) -> int:
    """Cells in a line of the table: the widest level and a zero at its left."""
    return 1 + max(w for _, w in sizes)


def _bordered(value: Tensor, sizes: Sequence[Size]) -> Tensor:
    """(N, M, D) → (R, M, D): each level with zeros around it.

    Above a level is a line of zeros, and at the left a column; what is right of it is the column of the next line, and
    what is below it the line above the next level. A sample clamped to the far corner of the last level names cells two
    lines below it, with weight 0.
    """
    line = _line(sizes)
    tops = [0, *accumulate(h + 1 for h, _ in sizes)]
    table = value.new_zeros((tops[-1] + 3) * line, *value.shape[1:])
    lines = table.view(-1, line, *value.shape[1:])
    cells = value.split([h * w for h, w in sizes])
    for (h, w), top, cell in zip(sizes, tops, cells, strict=False):
        lines[top + 1 : top + 1 + h, 1 : w + 1] = cell.view(h, w, *cell.shape[1:])
    return table


@kept(4)
def _steps(sizes: tuple[Size, ...], heads: int, points: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each of the S = M·L·P samples of a query: (2, S) float32, the farthest x and y that matter, and (S,) int32,
    the row of the table that holds this head of the level's first cell."""
    shape = (heads, len(sizes), points)
    far = torch.tensor([[w for _, w in sizes], [h for h, _ in sizes]], dtype=torch.float32, device=device)
    tops = list(accumulate((h + 1 for h, _ in sizes), initial=0))[:-1]
    cell = torch.tensor(tops, device=device).add(1) * _line(sizes) + 1
    head = torch.arange(heads, device=device)
    first = (cell[:, None] * heads).expand(shape) + head[:, None, None]
    return far[:, None, :, None].expand(2, *shape).reshape(2, -1), first.flatten().to(torch.int32)


def _softmax(logits: Tensor) -> Tensor:
    """Softmax over a short last dimension; PyTorch's own takes several times as long there on a CPU."""
    raised = (logits - logits.amax(-1, keepdim=True)).exp()
    return raised / raised.sum(-1, keepdim=True)
