"""Swin Transformer T/S/B/L (Liu et al. 2021), with the original repository's parameter names (microsoft, MIT).

Differences from it, none in the numbers:
- shift, padding and cutting into windows are one gather, and going back is another;
- after a shift only the windows of the last row and column hold pieces that must not see each other; the gather puts
  them last, and only they are given a mask;
- padded cells are added after the norm, so that they are zero, and are not masked: as in the original.
Any input size: at the right and bottom the picture is padded to 4, maps to the window, odd maps to even before a merge.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.config import SwinSettings
from gvseg_core.model.layers import Linear, to_picture
from gvseg_core.ops.constants import kept
from gvseg_core.types import Size

_FORBIDDEN = -100.0  # added to the logit of a pair that must not see each other, as the original does


class Swin(nn.Module):
    """Pictures in, four feature maps out, at strides 4, 8, 16, 32."""

    def __init__(self, settings: SwinSettings) -> None:
        super().__init__()
        self.channels = settings.channels
        self.patch_embed = PatchEmbed(settings.embed_dim)
        total = sum(settings.depths)
        rates = iter(settings.drop_path * i / max(total - 1, 1) for i in range(total))
        stages = zip(settings.channels, settings.depths, settings.num_heads, strict=True)
        self.layers = nn.ModuleList(
            Stage(dim, heads, settings, [next(rates) for _ in range(depth)], merges=i < 3)
            for i, (dim, depth, heads) in enumerate(stages)
        )
        for i, dim in enumerate(settings.channels):
            self.add_module(f"norm{i}", nn.LayerNorm(dim))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → four times (B, C, h, w), channels last."""
        x, size = self.patch_embed(pixels)
        maps = []
        for i, stage in enumerate(self.layers):
            assert isinstance(stage, Stage)
            x = stage(x, size)
            maps.append(to_picture(self.get_submodule(f"norm{i}")(x), size))
            if stage.downsample is not None:
                x, size = stage.downsample(x, size)
        return maps[0], maps[1], maps[2], maps[3]


class PatchEmbed(nn.Module):
    """4 × 4 pixels become one token."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, 4, 4)
        self.norm = nn.LayerNorm(dim)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Size]:
        """(B, 3, H, W) → (B, h·w, C) and (h, w)."""
        height, width = pixels.shape[-2:]
        if height % 4 or width % 4:
            pixels = F.pad(pixels, (0, -width % 4, 0, -height % 4))
        x = self.proj(pixels)
        return self.norm(x.flatten(2).transpose(1, 2)), (x.shape[-2], x.shape[-1])


class PatchMerging(nn.Module):
    """2 × 2 tokens become one of twice the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor, size: Size) -> tuple[Tensor, Size]:
        """(B, h·w, C) → (B, ⌈h/2⌉·⌈w/2⌉, 2·C) and the new size."""
        x = x.unflatten(1, size)
        if size[0] % 2 or size[1] % 2:
            x = F.pad(x, (0, 0, 0, size[1] % 2, 0, size[0] % 2))
        # (row, column) of a quarter: (0, 0), (1, 0), (0, 1), (1, 1).
        quarters = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        half = (quarters[0].shape[1], quarters[0].shape[2])
        return self.reduction(self.norm(torch.cat(quarters, dim=-1).flatten(1, 2))), half


class Stage(nn.Module):
    """Blocks at one resolution, every other one with shifted windows; then, but for the last, a merge."""

    def __init__(self, dim: int, heads: int, settings: SwinSettings, drop_paths: list[float], *, merges: bool) -> None:
        super().__init__()
        window = settings.window
        self.blocks = nn.ModuleList(
            Block(dim, heads, window, window // 2 if i % 2 else 0, settings.mlp_ratio, rate)
            for i, rate in enumerate(drop_paths)
        )
        self.downsample = PatchMerging(dim) if merges else None

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for block in self.blocks:
            x = block(x, size)
        return x


class Block(nn.Module):
    """Attention within windows, then an MLP; norms first."""

    def __init__(self, dim: int, heads: int, window: int, shift: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.window, self.shift, self.drop_path = window, shift, drop_path
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """(B, h·w, C), the same out."""
        cut_up = cut_windows_of_any_size if torch.compiler.is_exporting() else cut_windows
        cut = cut_up(x.shape[0], size, self.window, self.shift, x.device)
        seen = self.attn(self.norm1(x), cut)
        if not (self.training and self.drop_path > 0):
            x = self.attn.proj(seen, add=x)
            return self.mlp(self.norm2(x), add=x)  # type: ignore[no-any-return]
        x = x + self._drop(self.attn.proj(seen))
        return x + self._drop(self.mlp(self.norm2(x)))

    def _drop(self, branch: Tensor) -> Tensor:
        """Stochastic depth: the whole branch of a sample is left out, the others make up for it."""
        keep = torch.rand(branch.shape[0], 1, 1, device=branch.device) >= self.drop_path
        return branch * keep / (1 - self.drop_path)


class Mlp(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.fc2 = Linear(hidden, dim)

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        return self.fc2(self.fc1(x, "gelu"), add=add)  # type: ignore[no-any-return]


class WindowAttention(nn.Module):
    """Self-attention within windows, with a learnt bias for each relative place. `proj` is left to the caller."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, cut: Cut) -> Tensor:
        """(B, h·w, C), the same out, before the projection."""
        b, n, c = x.shape
        cells = self.window**2
        windows = x.reshape(b * n, c).index_select(0, cut.gather)
        if cut.padding.dtype == torch.bool:
            windows = windows.masked_fill(cut.padding[:, None], 0)
        elif cut.padding.numel():
            windows = windows.index_fill_(0, cut.padding, 0)
        q, k, v = self.qkv(windows).view(-1, cells, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)

        index = _relative_index(self.window, x.device)
        bias = self.relative_position_bias_table[index].view(1, cells, cells, -1).permute(0, 3, 1, 2).to(x.dtype)
        forbidden = cut.forbidden.to(x.dtype)
        free = 0 if cut.padding.dtype == torch.bool else q.shape[0] - forbidden.shape[0]
        parts = [(slice(free, None), bias + forbidden)] if free < q.shape[0] else []
        if free > 0:
            parts.insert(0, (slice(None, free), bias))
        seen = [F.scaled_dot_product_attention(q[s], k[s], v[s], attn_mask=mask) for s, mask in parts]
        out = torch.cat([y.transpose(1, 2).reshape(-1, c) for y in seen])
        return out.index_select(0, cut.scatter).view(b, n, c)


class Cut(NamedTuple):
    """How B maps fall apart into windows of w² cells: first those without a seam in them, then those with one."""

    gather: Tensor  # (windows·w²,) the cell of all maps that comes here; some cell where there is padding
    padding: Tensor  # places among `gather` that are padding; or bool, whether each of them is
    forbidden: Tensor  # (seamed windows, 1, w², w²) float32, -100 where a pair must not see each other
    scatter: Tensor  # (B·h·w,) where among `gather` each cell went


@kept(32)
def cut_windows(num_maps: int, size: Size, window: int, shift: int, device: torch.device) -> Cut:
    """The windows of `num_maps` maps of (h, w) cells, rolled up and left by `shift` after padding."""
    (h, w), cells = size, window**2
    padded_h, padded_w = h + -h % window, w + -w % window
    y = (torch.arange(padded_h) + shift) % padded_h
    x = (torch.arange(padded_w) + shift) % padded_w
    outside = (y[:, None] >= h) | (x[None] >= w)
    source = torch.where(outside, -1, y[:, None] * w + x[None])
    # What was rolled around the edge is another region than what it now lies beside.
    region = 2 * (y < shift).long()[:, None] + (x < shift).long()[None]
    source, region = _windows(source, window), _windows(region, window)

    seamed = (region != region[:, :1]).any(1)
    order = torch.argsort(seamed.long(), stable=True)
    source, region = source[order], region[order]
    num_free = int((~seamed).sum())
    maps = torch.arange(num_maps)[:, None, None] * (h * w)
    every = torch.where(source >= 0, source + maps, -1)  # (B, windows, w²)
    gather = torch.cat([every[:, :num_free].reshape(-1), every[:, num_free:].reshape(-1)])
    padding = (gather < 0).nonzero()[:, 0]
    scatter = torch.empty(num_maps * h * w, dtype=torch.long)
    real = (gather >= 0).nonzero()[:, 0]
    scatter[gather[real]] = real
    apart = region[num_free:, None, :] != region[num_free:, :, None]
    forbidden = (apart.float() * _FORBIDDEN).view(-1, 1, cells, cells).repeat(num_maps, 1, 1, 1)
    return Cut(gather.clamp(min=0).to(device), padding.to(device), forbidden.to(device), scatter.to(device))


def cut_windows_of_any_size(num_maps: int, size: Size, window: int, shift: int, device: torch.device) -> Cut:
    """As `cut_windows`, by arithmetic alone, so that an exported graph can do it for any size: windows stay in their
    order, each with a mask, and `padding` is bool."""
    (h, w), cells = size, window**2
    num_down, num_across = (h + window - 1) // window, (w + window - 1) // window
    y = _around(torch.arange(num_down * window, device=device) + shift, num_down * window)
    x = _around(torch.arange(num_across * window, device=device) + shift, num_across * window)
    y, x = y.view(num_down, 1, window, 1), x.view(1, num_across, 1, window)
    maps = torch.arange(num_maps, device=device)[:, None]
    source = (y.clamp(max=h - 1) * w + x.clamp(max=w - 1)).reshape(1, -1)
    padding = ((y >= h) | (x >= w)).reshape(1, -1).expand(num_maps, -1).reshape(-1)
    region = (2 * (y < shift).long() + (x < shift).long()).view(-1, cells)
    apart = region[:, None, :] != region[:, :, None]
    forbidden = (apart.float() * _FORBIDDEN)[None, :, None].expand(num_maps, -1, -1, -1, -1).flatten(0, 1)
    row = _around(torch.arange(h, device=device) - shift, num_down * window)
    column = _around(torch.arange(w, device=device) - shift, num_across * window)
    place = (row // window * num_across * window + row % window)[:, None] * window
    place = place + column // window * cells + column % window
    scatter = place.view(1, -1) + maps * (num_down * num_across * cells)
    return Cut((source + maps * (h * w)).view(-1), padding, forbidden, scatter.view(-1))


def _around(places: Tensor, total: int) -> Tensor:
    """Places that are past an end by less than `total`, at the other end. (`%` by a free size has no way to ONNX.)"""
    places = torch.where(places >= total, places - total, places)
    return torch.where(places < 0, places + total, places)


def _windows(grid: Tensor, window: int) -> Tensor:
    """(h, w) → (windows, window²)."""
    h, w = grid.shape
    return grid.view(h // window, window, w // window, window).transpose(1, 2).reshape(-1, window**2)


@kept(4)
def _relative_index(window: int, device: torch.device) -> Tensor:
    """(window⁴,) row of the bias table for each pair of cells (query, key), rows first."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    dy = y.reshape(-1, 1) - y.reshape(1, -1) + window - 1
    dx = x.reshape(-1, 1) - x.reshape(1, -1) + window - 1
    return (dy * (2 * window - 1) + dx).reshape(-1).to(device)
