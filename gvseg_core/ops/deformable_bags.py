"""Deformable attention as sums of weighted rows of a table: everywhere that PyTorch runs, and quick on a CPU.

A bilinear sample is four table rows with four weights, so a query's samples are weighted bags of rows, and
`F.embedding_bag` sums them, exactly and about ten times faster on a CPU than `grid_sample` on each level. The table has
borders of zeros, so that a sample outside of a level needs no test of its own, and lines of one length, so that the
four rows are always as far apart.

What a table is to learn is a sparse product of weights and gradients. PyTorch sorts the rows for it, a seventh of a
training step on a CPU; SciPy does not, and takes a twentieth of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from gvseg_core.ops.constants import kept
from gvseg_core.types import Size

_CHUNK = 4096  # queries at a time: what is made on the way is twenty times the input


def attend_by_bags(value: Tensor, sizes: Sequence[Size], places: Tensor, logits: Tensor) -> Tensor:
    """`gvseg_core.ops.deformable.deformable_attention`, on any device."""
    b, q = places.shape[:2]
    _, _, heads, d = value.shape
    line = _line(sizes)
    near, far, first = _steps(tuple(sizes), heads, logits.shape[-1], value.device)
    out = None if torch.is_grad_enabled() else value.new_empty(b, q, heads * d)
    outs = []
    for image in range(b):
        table = _bordered(value[image], sizes).view(-1, d)
        for start in range(0, q, _CHUNK):
            part = slice(start, start + _CHUNK)
            place_Q2S = places[image, part].flatten(2).clamp(min=near, max=far)
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
            corners = [weights.to(value.dtype).view_as(rows) for weights in (*above, *below)]
            steps = [step * heads for step in (0, 1, line, line + 1)]
            seen = _sum_of_corners(table, rows, corners, steps).view(-1, heads * d)
            if out is None:
                outs.append(seen)
            else:
                out[image, part] = seen
    return torch.cat(outs).view(b, q, heads * d) if out is None else out


def _sum_of_corners(table: Tensor, rows: Tensor, corners: Sequence[Tensor], steps: Sequence[int]) -> Tensor:
    """Bags of samples, each of them four rows of the table.

    Args:
        table: (R, D).
        rows: (N, S) int32, the first corner's.
        corners: four times (N, S), weights.
        steps: how many rows each corner is behind the first.

    Returns:
        (N, D).
    """
    if torch.is_grad_enabled() and table.device.type == "cpu":
        all_rows = (rows[..., None] + rows.new_tensor(steps)).flatten(1)
        return _Bags.apply(table, all_rows, torch.stack(list(corners), -1).flatten(1))  # type: ignore[no-untyped-call,no-any-return]
    sums = [
        F.embedding_bag(rows, table[step:], mode="sum", per_sample_weights=weights)
        for step, weights in zip(steps, corners, strict=True)
    ]
    return sums[0].add_(sums[1]).add_(sums[2]).add_(sums[3])


class _Bags(torch.autograd.Function):
    """(R, D) table, (N, S) int32 rows, (N, S) weights → (N, D) weighted sums of rows; on a CPU."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(table, rows, weights)
        return F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        table, rows, weights = ctx.saved_tensors
        to_table = to_weights = None
        if ctx.needs_input_grad[0]:
            to_table = _spread_over_rows(gradient, rows, weights, len(table))
        if ctx.needs_input_grad[2]:
            with torch.enable_grad():
                weights = weights.detach().requires_grad_()
                sums = F.embedding_bag(rows, table.detach(), mode="sum", per_sample_weights=weights)
            (to_weights,) = torch.autograd.grad(sums, weights, gradient)
        return to_table, None, to_weights


def _spread_over_rows(gradient: Tensor, rows: Tensor, weights: Tensor, num_rows: int) -> Tensor:
    """(N, D) gradients of bags → (R, D) of the table, summed in at least float32."""
    from scipy.sparse import csc_array  # only training needs it

    dtype = torch.promote_types(gradient.dtype, torch.float32)
    starts = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    parts = weights.to(dtype).numpy().ravel(), rows.numpy().ravel(), starts
    return torch.from_numpy(csc_array(parts, shape=(num_rows, len(rows))) @ gradient.to(dtype).numpy()).to(gradient)


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
def _steps(sizes: tuple[Size, ...], heads: int, points: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each of the S = M·L·P samples of a query: the nearest x and y that matter, one number; (2, S) float32, the
    farthest; and (S,) int32, the row of the table that holds this head of the level's first cell."""
    shape = (heads, len(sizes), points)
    far = torch.tensor([[w for _, w in sizes], [h for h, _ in sizes]], dtype=torch.float32, device=device)
    tops = list(accumulate((h + 1 for h, _ in sizes), initial=0))[:-1]
    cell = torch.tensor(tops, device=device).add(1) * _line(sizes) + 1
    head = torch.arange(heads, device=device)
    first = (cell[:, None] * heads).expand(shape) + head[:, None, None]
    near = torch.full((), -1.0, device=device)
    return near, far[:, None, :, None].expand(2, *shape).reshape(2, -1), first.flatten().to(torch.int32)


def _softmax(logits: Tensor) -> Tensor:
    """Softmax over a short last dimension; PyTorch's own takes several times as long there on a CPU."""
    raised = (logits - logits.amax(-1, keepdim=True)).exp()
    return raised / raised.sum(-1, keepdim=True)
