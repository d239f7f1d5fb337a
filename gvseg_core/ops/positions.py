"""Sine position codes of pictures, clips and single places.

Source: Mask2Former, `position_encoding.py` of the image and the video model (facebookresearch/Mask2Former, MIT):
indices from 1, divided by (length + 1e-6), times 2π; frequencies 10000^(2⌊i/2⌋/width); sine and cosine interleaved;
y before x.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gvseg_core.ops.constants import kept
from gvseg_core.types import Size

_EPS = 1e-6


def sine_code(place: Tensor, width: int) -> Tensor:
    """Sines and cosines of places along one axis.

    Args:
        place: (...) float, as a share of the axis.
        width: of the code; even.

    Returns:
        (..., width) float32.
    """
    octave = torch.arange(width // 2, device=place.device)
    angle = place.float()[..., None] * (2 * math.pi) / 10000 ** (2 * octave / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def place_code(places: Tensor, size: Size, dim: int) -> Tensor:
    """The 2-D code of single places, between cells too: at a cell's centre, what `picture_code` holds there.

    Args:
        places: (..., 2) x, y in cells; 0 is the centre of the first cell.
        size: (h, w) of the feature map.
        dim: channels; divisible by 4.

    Returns:
        (..., dim) float32.
    """
    h, w = size
    x, y = (places.float() + 1).unbind(-1)
    return torch.cat([sine_code(y / (h + _EPS), dim // 2), sine_code(x / (w + _EPS), dim // 2)], dim=-1)


@kept(12)
def picture_code(size: Size, dim: int, device: torch.device) -> Tensor:
    """The 2-D code of every cell of a feature map: (h·w, dim) float32, rows first. Kept: do not write into it."""
    h, w = size
    y = sine_code(_indices(h, device), dim // 2)
    x = sine_code(_indices(w, device), dim // 2)
    return torch.cat([y[:, None].expand(h, w, -1), x[None].expand(h, w, -1)], dim=-1).flatten(0, 1)


@kept(12)
def clip_code(num_frames: int, size: Size, dim: int, device: torch.device) -> Tensor:
    """The 3-D code of every cell of T frames: (T·h·w, dim) float32, frames first. Kept: do not write into it.

    The time code spans all channels and is added to the picture's. With one frame it is the same vector everywhere,
    which the softmax over keys cancels: one frame is the image model.
    """
    time = sine_code(_indices(num_frames, device), dim)
    return (picture_code(size, dim, device)[None] + time[:, None]).flatten(0, 1)


@kept(12)
def picture_waves(size: Size, num_waves: int, device: torch.device) -> Tensor:
    """Where every cell of a map is, in standing waves: (h·w, 4·N) float32, rows first. Kept: do not write into it.

    Sines and cosines of 1 … N half-waves over each axis: what is linear in them can be as narrow as 1/N of the picture,
    where the codes above, whose shortest wave is the picture, cannot.
    """
    h, w = size
    y, x = (_waves((torch.arange(n, dtype=torch.float32, device=device) + 0.5) / n, num_waves) for n in (h, w))
    return torch.cat([y[:, None].expand(h, w, -1), x[None].expand(h, w, -1)], dim=-1).flatten(0, 1)


def place_waves(places: Tensor, num_waves: int) -> Tensor:
    """The waves of single places: at a cell's centre, what `picture_waves` holds there; 0 for a place that is none.

    Args:
        places: (..., 2) x, y as shares of the picture, or NaN.
        num_waves: N.

    Returns:
        (..., 4·N) float32.
    """
    x, y = places.float().nan_to_num().unbind(-1)
    return torch.cat([_waves(y, num_waves), _waves(x, num_waves)], dim=-1) * places.isfinite().all(-1, keepdim=True)


def _waves(place: Tensor, num_waves: int) -> Tensor:
    """(...) shares of an axis → (..., 2·N) sines, then cosines."""
    angle = place[..., None] * (math.pi * torch.arange(1, num_waves + 1, dtype=torch.float32, device=place.device))
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def _indices(length: int, device: torch.device) -> Tensor:
    return torch.arange(1, length + 1, dtype=torch.float32, device=device) / (length + _EPS)
