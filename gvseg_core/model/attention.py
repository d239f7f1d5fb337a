"""Attention of the decoder's queries: to the pictures, and to each other.

Parameters are named as in `nn.MultiheadAttention` (rows of `in_proj` are query, key, value), whose numbers these give.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.model.layers import Linear, initialise
from gvseg_core.ops.fused import linear


class Attention(nn.Module):
    """What both kinds hold. The residual is added with the last projection."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        initialise(self.out_proj, nn.init.xavier_uniform_)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        """(B, Q, C), (B, N, C), (B, N, C) → (B, Q, C), head by head."""
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed).transpose(1, 2).flatten(2)


class CrossAttention(Attention):
    """Queries look at the cells of one level of all frames.

    What is the same for every key of the level leaves the weights as they are, because softmax cancels it: the keys'
    bias and the level's embedding are not added to the keys. In the values they add one vector to the result (weights
    sum to 1), so it is added there. Only rounding differs.
    """

    def forward(
        self, x: Tensor, position: Tensor, memory: Tensor, located: Tensor, level: Tensor, allowed: Tensor
    ) -> Tensor:
        """
        Args:
            x, position: (B, Q, C) queries and their position code.
            memory: (B, N, C) cells.
            located: (B, N, C) the same with their position code added.
            level: (C,) embedding of the level.
            allowed: (B, 1, Q, N) bool: which cells a query may look at; at least one each.
        """
        wq, wk, wv = self.in_proj_weight.chunk(3)
        bq, _, bv = self.in_proj_bias.chunk(3)
        seen = self._attend(linear(x + position, wq, bq), linear(located, wk, None), linear(memory, wv, None), allowed)
        return self.out_proj(seen + F.linear(level, wv, bv), add=x)  # type: ignore[no-any-return]


class SelfAttention(Attention):
    """Queries look at each other."""

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """(B, Q, C) both."""
        c = x.shape[-1]
        q, k = linear(x + position, self.in_proj_weight[: 2 * c], self.in_proj_bias[: 2 * c]).chunk(2, dim=-1)
        v = linear(x, self.in_proj_weight[2 * c :], self.in_proj_bias[2 * c :])
        return self.out_proj(self._attend(q, k, v, None), add=x)  # type: ignore[no-any-return]
