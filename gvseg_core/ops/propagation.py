"""Labels of remembered frames, carried over to a new one: every cell is what the cells are that look most like it.

Source: label propagation by soft nearest neighbours within a window (Vondrick et al., ECCV 2018, §3; Jabri et al.,
NeurIPS 2020, §4.1). Differences: nothing is cut to the k nearest; a look is the direction of a segmenter's own mask
features and the colours beneath, which tell apart what is new to the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.types import Size

TEMPERATURE = 0.0125
"""Of half the squared distance of two looks; for directions that is a cosine, but for what all have in common."""

_COLOURS = 2.0  # length of the step from black to white
_FINE = 2  # places of a cell along each side whose colours are looked at
_BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)

_SIDE = 8  # of a square of cells that are asked together


@dataclass(frozen=True, slots=True)
class Labelled:
    """One frame with what is true of it."""

    looks: Tensor  # (C, h, w)
    labels: Tensor  # (N, h, w) share of each cell that each of N objects has


def directions(features: Tensor) -> Tensor:
    """(…, C, h, w) float32 of length 1 along C."""
    return F.normalize(features.float(), dim=-3)


def colours(picture: Tensor, shown: Size, cells: Size) -> Tensor:
    """What a picture shows in each cell, at four places.

    Args:
        picture: (3, H, W) RGB, 0 … 255.
        shown: height and width of the picture on the network's input, which has 4 pixels a cell.
        cells: (h, w) of the whole input, padding at the right and bottom.

    Returns:
        (12, h, w) float32: brightness, and how much bluer and redder than that it is.
    """
    size = tuple(max(round(side * _FINE / 4), 1) for side in shown)
    small = F.interpolate(picture[None].float(), size, mode="area")[0] * (_COLOURS / 255)
    grey = (small * small.new_tensor(_BRIGHTNESS)[:, None, None]).sum(0)
    seen = torch.stack([grey, small[2] - grey, small[0] - grey])
    missing = tuple(_FINE * side - there for side, there in zip(cells, size, strict=True))
    padded = F.pad(seen, (0, missing[1], 0, missing[0]))
    return F.pixel_unshuffle(padded[None], _FINE)[0]


def likeness(these: Tensor, those: Tensor) -> Tensor:
    """(…, C, P), (…, C, R) looks → (…, P, R) logits, up to what a row has in common: which of those each is."""
    return (these.mT @ those - those.square().sum(-2, keepdim=True) / 2) / TEMPERATURE


def propagate(looks: Tensor, known: Sequence[Labelled], radius: int) -> Tensor:
    """The labels of a frame, from others of the same size.

    Args:
        looks: (C, h, w) of its cells.
        known: at least one frame, of the same N objects.
        radius: in cells; how far an object may have moved, up, down or sideways.

    Returns:
        (N, h, w) in [0, 1].
    """
    h, w = int(looks.shape[-2]), int(looks.shape[-1])
    asked = _squares(looks, 0)
    near = [_squares(frame.looks, radius) for frame in known]
    labels = [_squares(frame.labels, radius) for frame in known]
    inside = _squares(torch.ones_like(looks[:1]), radius)
    far = _far(radius, looks.device)
    strips = []
    for y in range(len(asked)):  # a row of squares at a time, because of what is around each there are copies
        part, out = asked[y].flatten(2), far | (inside[y].flatten(2) == 0)
        alike = [likeness(part, there[y].flatten(2)).masked_fill_(out, float("-inf")) for there in near]
        shares = torch.cat(alike, -1).softmax(-1)
        strips.append(torch.cat([maps[y].flatten(2) for maps in labels], -1) @ shares.mT)  # (columns, N, P)
    found: Tensor = torch.stack(strips).unflatten(-1, (_SIDE, _SIDE)).permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)
    return found[:, :h, :w]


def _squares(maps: Tensor, margin: int) -> Tensor:
    """(C, h, w) → (rows, columns, C, s, s), a view: squares of cells that cover it, with what is around each."""
    bottom, right = (-int(side) % _SIDE for side in maps.shape[-2:])
    padded = F.pad(maps, (margin, right + margin, margin, bottom + margin))
    side = _SIDE + 2 * margin
    squares: Tensor = padded.unfold(1, side, _SIDE).unfold(2, side, _SIDE).permute(1, 2, 0, 3, 4)
    return squares


def _far(radius: int, device: torch.device) -> Tensor:
    """(P, R) bool: the cells of a square's surroundings that are farther than `radius` from each of its own."""
    own = torch.arange(_SIDE, device=device) + radius
    apart = (own[:, None] - torch.arange(_SIDE + 2 * radius, device=device)).abs() > radius
    return (apart[:, None, :, None] | apart[None, :, None]).flatten(2).flatten(0, 1)
