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
    """(C, P) and (C, R) looks → (P, R) logits, up to what a row has in common: which of those each of these is."""
    return (these.T @ those - those.square().sum(0) / 2) / TEMPERATURE


def propagate(looks: Tensor, known: Sequence[Labelled], radius: int) -> Tensor:
    """The labels of a frame, from others of the same size.

    Args:
        looks: (C, h, w) of its cells.
        known: at least one frame, of the same N objects.
        radius: in cells; how far an object may have moved, up, down or sideways.

    Returns:
        (N, h, w) in [0, 1].
    """
    _, h, w = looks.shape
    found = looks.new_empty(len(known[0].labels), h, w)
    for rows in _parts(h):
        others_y = range(max(rows.start - radius, 0), min(rows.stop + radius, h))
        near_y = _near(rows, others_y, radius, looks.device)[:, None, :, None]
        for columns in _parts(w):
            others_x = range(max(columns.start - radius, 0), min(columns.stop + radius, w))
            near = near_y & _near(columns, others_x, radius, looks.device)[None, :, None]
            far = ~near.flatten(2).flatten(0, 1)
            part = _cut(looks, rows, columns)
            alike = [
                likeness(part, _cut(frame.looks, others_y, others_x)).masked_fill_(far, float("-inf"))
                for frame in known
            ]
            labels = torch.cat([_cut(frame.labels, others_y, others_x) for frame in known], dim=1)
            shares = labels @ torch.cat(alike, dim=1).softmax(1).T
            found[:, rows.start : rows.stop, columns.start : columns.stop] = shares.unflatten(
                1, (len(rows), len(columns))
            )
    return found


def _parts(side: int) -> list[range]:
    return [range(start, min(start + _SIDE, side)) for start in range(0, side, _SIDE)]


def _near(these: range, those: range, radius: int, device: torch.device) -> Tensor:
    """(P, R) bool: within `radius` of one another."""
    first, second = (torch.arange(part.start, part.stop, device=device) for part in (these, those))
    return (first[:, None] - second).abs() <= radius


def _cut(maps: Tensor, rows: range, columns: range) -> Tensor:
    """(N, h, w) → (N, cells of the rows and columns)."""
    return maps[:, rows.start : rows.stop, columns.start : columns.stop].flatten(1)
