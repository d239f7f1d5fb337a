"""3×3 convolutions with a quarter of the multiplications, in float32 on a CPU.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), F(4×4, 3×3). Differences: the
points of the Toom–Cook interpolation are 0, 1, -1, ½, -2 (and infinity) instead of 0, ±1, ±2, which makes a third of
the error: at 256 channels the largest is 1.7 times that of the direct convolution. Pictures are done in strips that
stay in the cache. For bfloat16 it is too coarse, and for few channels the transforms cost more than they save.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.ops.constants import kept

_OUT, _IN = 4, 6  # cells of a tile's side, out and in
_STRIP = 160  # tiles at a time
_FEWEST_CHANNELS, _MOST_CHANNELS = 128, 256  # beyond, a kernel takes 38 MB in its spread form, for a small picture
_FEWEST_CELLS = 512  # of the output: fewer tiles make the products too small

_OUTPUT = [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 1 / 2, -2, 0],
    [0, 1, 1, 1 / 4, 4, 0],
    [0, 1, -1, 1 / 8, -8, 1],
]
_KERNEL = [
    [1, 0, 0],
    [1 / 3, 1 / 3, 1 / 3],
    [-1 / 3, 1 / 3, -1 / 3],
    [-16 / 15, -8 / 15, -4 / 15],
    [1 / 15, -2 / 15, 4 / 15],
    [0, 0, 1],
]
_INPUT = [
    [1, -3 / 2, -2, 3 / 2, 1, 0],
    [0, -1, 1 / 2, 5 / 2, 1, 0],
    [0, 1, -5 / 2, 1 / 2, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 1 / 2, -1, -1 / 2, 1, 0],
    [0, 1, -3 / 2, -2, 3 / 2, 1],
]


def pays(channels: int, size: tuple[int, int]) -> bool:
    """Whether a picture of `size` cells and `channels` in and out is worth the transforms."""
    return _FEWEST_CHANNELS <= channels <= _MOST_CHANNELS and size[0] * size[1] >= _FEWEST_CELLS


def spread(weight: Tensor) -> Tensor:
    """A (O, I, 3, 3) kernel as `convolve_spread` wants it: (36, I, O)."""
    kernel = torch.tensor(_KERNEL, dtype=torch.float64, device=weight.device)
    wide = torch.einsum("ia,ocab,jb->ijco", kernel, weight.double(), kernel)
    return wide.flatten(0, 1).to(weight.dtype).contiguous()


def convolve_spread(x: Tensor, kernel: Tensor, bias: Tensor | None, *, relu: bool) -> Tensor:
    """The 3×3 convolution of stride 1 and padding 1, and a ReLU after it.

    Args:
        x: (B, I, H, W).
        kernel: (36, I, O), from `spread`.
        bias: (O,).
        relu: whether negative results become 0.

    Returns:
        (B, O, H, W), channels last. No gradient.
    """
    (b, channels, h, w), out_channels = x.shape, kernel.shape[-1]
    into, out_of = _transforms(x.dtype, x.device)
    down, across = -(-h // _OUT), -(-w // _OUT)
    out = x.new_empty(b, down * _OUT, across * _OUT, out_channels)
    margins = (0, 0, 1, across * _OUT - w + 1, 1, down * _OUT - h + 1)
    step = max(1, _STRIP // across)
    for image in range(b):
        padded = F.pad(x[image].permute(1, 2, 0), margins)
        for top in range(0, down, step):
            num = min(step, down - top)
            strip = padded[top * _OUT : (top + num) * _OUT + 2]
            tiles = strip.unfold(0, _IN, _OUT).unfold(1, _IN, _OUT).permute(3, 4, 0, 1, 2)  # (6, 6, num, across, I)
            spread_tiles = (into @ tiles.reshape(_IN * _IN, -1)).view(_IN * _IN, -1, channels)
            products = torch.bmm(spread_tiles, kernel).view(_IN * _IN, -1)
            cells = (out_of @ products).view(_OUT, _OUT, num, across, out_channels)
            target = out[image, top * _OUT : (top + num) * _OUT].view(num, _OUT, across, _OUT, out_channels)
            target.copy_(cells.permute(2, 0, 3, 1, 4))
            if bias is not None:
                target.add_(bias)
            if relu:
                target.relu_()
    return out[:, :h, :w].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


@kept(4)
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """(36, 36) of the cells of a tile going in, (16, 36) of those coming out: both axes at once."""
    both = (torch.tensor(side, dtype=torch.float64, device=device) for side in (_INPUT, _OUTPUT))
    into, out_of = (torch.kron(side, side).to(dtype) for side in both)
    return into, out_of
