"""MSDeformAttn pixel decoder: strides 32, 16, 8 look at each other, and stride 4 is made from them.

Source: Mask2Former (Cheng et al. 2022), `pixel_decoder/msdeformattn.py` (facebookresearch/Mask2Former, MIT).
Differences, none in the numbers: no padding masks and valid ratios, because everything is valid; offsets and attention
logits come out of one product, x before y; residuals are added within the products. Where `mask_waves` asks for it,
mask features say where they are, as SOLO's do (Wang et al., ECCV 2020, §3.1): a small network that sees a part of an
object at a time could not tell it from its like elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.config import PixelDecoderSettings
from gvseg_core.model.layers import Conv2d, Linear, initialise, to_picture, to_tokens
from gvseg_core.ops.constants import kept
from gvseg_core.ops.deformable import deformable_attention, deformable_attention_by_grid
from gvseg_core.ops.fused import linear
from gvseg_core.ops.positions import picture_code, picture_waves
from gvseg_core.types import Size

_NUM_LEVELS = 3
_GROUPS = 32  # of all group norms
_CHUNK = 4096  # cells at a time through the MLP, which is four times as wide as what goes in and comes out


class PixelDecoder(nn.Module):
    """Backbone features in; maps at strides 32, 16, 8 and the mask features at stride 4 out."""

    def __init__(self, channels: Sequence[int], settings: PixelDecoderSettings) -> None:
        """`channels`: of the backbone's maps at strides 4, 8, 16, 32."""
        super().__init__()
        dim = settings.dim
        coarse_first = list(reversed(channels))[:_NUM_LEVELS]
        self.input_proj = nn.ModuleList(
            nn.Sequential(Conv2d(c, dim, 1), nn.GroupNorm(_GROUPS, dim)) for c in coarse_first
        )
        self.level_embed = nn.Parameter(torch.randn(_NUM_LEVELS, dim))
        self.layers = nn.ModuleList(EncoderLayer(settings) for _ in range(settings.num_layers))
        self.lateral = nn.Sequential(Conv2d(channels[0], dim, 1, bias=False), nn.GroupNorm(_GROUPS, dim))
        self.output = nn.Sequential(Conv2d(dim, dim, 3, padding=1, bias=False), nn.GroupNorm(_GROUPS, dim))
        self.mask_features = Conv2d(dim, settings.mask_dim, 1)
        self._waves = settings.mask_waves
        self.mask_places = nn.Linear(4 * self._waves, settings.mask_dim, bias=False) if self._waves else None
        self._initialise()

    def _initialise(self) -> None:
        for projection in self.input_proj:
            conv = projection.get_submodule("0")
            assert isinstance(conv, Conv2d)
            initialise(conv, nn.init.xavier_uniform_)
        for conv in (self.lateral[0], self.output[0], self.mask_features):
            assert isinstance(conv, Conv2d)
            initialise(conv, partial(nn.init.kaiming_uniform_, a=1))
        if self.mask_places is not None:
            nn.init.zeros_(self.mask_places.weight)  # learnt from nothing, so that other weights may go on with it

    def forward(self, maps: list[Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        """Strides 4, 8, 16, 32, (B, ·, h, w) each → (strides 32, 16, 8), (B, C, h, w) each, and (B, Cm, h, w).

        `maps` is empty afterwards: each is let go once it has been looked at, because at stride 4 one map takes as much
        memory as all that is kept of the others.
        """
        levels = [project(maps.pop()) for project in self.input_proj]
        sizes = tuple((x.shape[-2], x.shape[-1]) for x in levels)
        x = torch.cat([to_tokens(level) for level in levels], dim=1)
        codes = [picture_code(size, x.shape[-1], x.device) + self.level_embed[i] for i, size in enumerate(sizes)]
        position = torch.cat(codes).to(x.dtype)
        for layer in self.layers:
            x = layer(x, position, sizes)
        parts = x.split([h * w for h, w in sizes], dim=1)
        multi_scale = tuple(to_picture(part, size) for part, size in zip(parts, sizes, strict=True))

        held = [_one_by_one(self.lateral, maps)]
        held[0] += F.interpolate(multi_scale[-1], held[0].shape[-2:], mode="bilinear", align_corners=False)
        return multi_scale, self._placed(self.mask_features(F.relu_(_one_by_one(self.output, held))))

    def _placed(self, masks: Tensor) -> Tensor:
        """(B, Cm, h, w) with where each cell is, if that is wanted."""
        if self.mask_places is None:
            return masks
        size = masks.shape[-2], masks.shape[-1]
        waves = picture_waves(size, self._waves, masks.device).to(self.mask_places.weight.dtype)
        return masks + to_picture(self.mask_places(waves)[None], size).to(masks.dtype)


def _one_by_one(steps: nn.Sequential, held: list[Tensor]) -> Tensor:
    """`steps` on the last of `held`, which is let go after the first."""
    x = held.pop()
    for step in steps:
        x = step(x)
    return x


class EncoderLayer(nn.Module):
    """Deformable self-attention over all levels, then an MLP; norms last."""

    def __init__(self, settings: PixelDecoderSettings) -> None:
        super().__init__()
        dim = settings.dim
        self.self_attn = DeformableAttention(dim, settings.num_heads, settings.num_points)
        self.norm1 = nn.LayerNorm(dim)
        self.linear1 = Linear(dim, settings.feedforward)
        self.linear2 = Linear(settings.feedforward, dim)
        self.norm2 = nn.LayerNorm(dim)
        for layer in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor, position: Tensor, sizes: tuple[Size, ...]) -> Tensor:
        """(B, N, C) and (N, C) → (B, N, C)."""
        x = self.norm1(self.self_attn(x, position, sizes))
        whole = torch.is_grad_enabled() or torch.compiler.is_exporting()  # a graph is for any number of cells
        parts = (x,) if whole else x.split(_CHUNK, dim=1)
        return self.norm2(torch.cat([self.linear2(self.linear1(part, "relu"), add=part) for part in parts], dim=1))  # type: ignore[no-any-return]


class DeformableAttention(nn.Module):
    """Every cell samples a few places near itself on every level. The residual is added here."""

    def __init__(self, dim: int, heads: int, points: int) -> None:
        super().__init__()
        self.heads, self.points = heads, points
        self.sampling_offsets = nn.Linear(dim, heads * _NUM_LEVELS * points * 2)  # rows: head, level, point, (x, y)
        self.attention_weights = nn.Linear(dim, heads * _NUM_LEVELS * points)
        self.value_proj = Linear(dim, dim)
        self.output_proj = Linear(dim, dim)
        self._initialise()

    def _initialise(self) -> None:
        """Each head looks in a direction of its own, each point a cell farther."""
        nn.init.zeros_(self.sampling_offsets.weight)
        # On the CPU, also where the layer has no numbers (`blank`): arithmetic on `meta` is slow to begin with.
        angle = torch.arange(self.heads, device="cpu") * (2 * math.pi / self.heads)
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        direction = direction / direction.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, self.points + 1, device="cpu")[:, None]
        offsets = (direction[:, None, None] * steps).expand(-1, _NUM_LEVELS, -1, -1)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(offsets.reshape(-1))
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            initialise(layer, nn.init.xavier_uniform_)

    def forward(self, x: Tensor, position: Tensor, sizes: tuple[Size, ...]) -> Tensor:
        """(B, N, C) and (N, C) → (B, N, C). Places and weights are float32 whatever the type of `x`."""
        b, n, c = x.shape
        samples = (self.heads, _NUM_LEVELS, self.points)
        offsets, weights = self.sampling_offsets, self.attention_weights
        weight = torch.cat([offsets.weight.view(-1, 2, c).transpose(0, 1).flatten(0, 1), weights.weight])
        bias = torch.cat([offsets.bias.view(-1, 2).t().flatten(), weights.bias])
        num = math.prod(samples)
        offset, logits = linear(x + position, weight, bias).split([2 * num, num], dim=-1)
        places = offset.float() + own_places(sizes, self.heads, self.points, x.device)
        # A graph for others is made of standard operators.
        attend = deformable_attention_by_grid if torch.compiler.is_exporting() else deformable_attention
        seen = attend(
            self.value_proj(x).view(b, n, self.heads, -1),
            sizes,
            places.view(b, n, 2, *samples),
            logits.float().unflatten(-1, samples),
        )
        return self.output_proj(seen, add=x)  # type: ignore[no-any-return]


@kept(4)
def own_places(sizes: tuple[Size, ...], heads: int, points: int, device: torch.device) -> Tensor:
    """Where each cell of all levels lies on every level, in cells: (N, 2·M·L·P) float32, x first, then y."""
    rows = []
    for h, w in sizes:
        y = (torch.arange(h, device=device)[:, None].expand(h, w).reshape(-1, 1) + 0.5) / h
        x = (torch.arange(w, device=device)[None].expand(h, w).reshape(-1, 1) + 0.5) / w
        rows.append(torch.stack([x, y], dim=1))  # (h·w, 2, 1)
    # Stacked, not made of numbers, which a tracer would take for constants.
    sides = [torch.full((), side, device=device, dtype=torch.float32) for i in (1, 0) for side in (s[i] for s in sizes)]
    scale = torch.stack(sides).view(2, -1)
    place_N2L = torch.cat(rows) * scale - 0.5
    return place_N2L[:, :, None, :, None].expand(-1, -1, heads, -1, points).flatten(1)
