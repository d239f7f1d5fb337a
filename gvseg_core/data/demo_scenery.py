"""The demo's stuff: a landscape of paper layers, one behind the other, and a tower standing before them.

Every layer is painted once, wider than the frame; a frame is then a few copies at offsets that swing with an imagined
camera, near layers further than distant ones. Where a layer's edge runs, its paper also shades the one behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gvseg_core.data.demo_chance import Dice, Floats, smooth
from gvseg_core.data.demo_painting import (
    asphalt,
    firs,
    hills,
    meadow,
    plain,
    ridge,
    sky,
    slopes,
    tower_outline,
    tower_paint,
    waves,
)
from gvseg_core.data.demo_shapes import Color, Labels, Picture
from gvseg_core.types import Size

Shares = NDArray[np.uint16]  # of 256

STUFF: dict[str, Color] = {
    "sky": (158, 208, 238),
    "mountain": (123, 140, 178),
    "forest": (46, 110, 96),
    "grass": (140, 192, 100),
    "water": (66, 150, 196),
    "road": (112, 110, 122),
    "tower": (214, 92, 84),
}

CAMERA_SWING = 0.06  # of the frame's width, either way, for the nearest layer
TOWER_HALF_WIDTH = 0.125  # of the frame's shorter side


@dataclass(frozen=True)
class Card:
    """One painted layer: a band that is blended over what is behind it, and below the band rows that hide all of it."""

    top: int  # row of the band's first line in the frame
    left: int  # column of its first pixel when the camera looks straight ahead; negative where it is wider
    nearness: float  # 0 far … 1 near: how far the camera's swing moves it
    ink: Shares  # (rows, columns, 3) colour × coverage × 256
    keep: Shares  # (rows, columns, 1) what is left of what is behind, × 256
    labels: Labels  # (rows, columns); 0 where the card is not
    solid: Picture  # (rows, columns, 3)
    label: int

    def lay(self, picture: Picture, labels: Labels, camera: float) -> None:
        """Put it on a frame; `camera` is in −1 … 1, `picture` and `labels` are changed in place."""
        height, width = labels.shape
        shift = self.left + round(camera * self.nearness * CAMERA_SWING * width)
        x0, x1 = max(0, shift), min(width, shift + self.ink.shape[1])
        band, end = self.top + len(self.ink), self.top + len(self.ink) + len(self.solid)
        y0 = max(0, self.top)
        if x0 < x1 and y0 < band:
            inner = np.s_[y0 - self.top :, x0 - shift : x1 - shift]
            region = picture[y0:band, x0:x1]
            rows = len(region)
            region[...] = (self.ink[inner][:rows] + region * self.keep[inner][:rows]) >> 8
            mine = self.labels[inner][:rows]
            np.copyto(labels[y0:band, x0:x1], mine, where=mine > 0)
        picture[band:end, x0:x1] = self.solid[: max(0, height - band), x0 - shift : x1 - shift]
        labels[band:end, x0:x1] = self.label


@dataclass(frozen=True)
class Scenery:
    """The landscape of one world.

    Args:
        layers: from far to near.
        tower: what objects pass behind.
        tower_centre: (x, y) in pixels of its middle when the camera looks straight ahead.
    """

    layers: tuple[Card, ...]
    tower: Card
    tower_centre: tuple[float, float]

    def background(self, size: Size, camera: float) -> tuple[Picture, Labels]:
        """A new picture (H, W, 3) and labels (H, W) of all layers; the tower is laid later, among the objects."""
        picture = np.empty((*size, 3), dtype=np.uint8)
        labels = np.empty(size, dtype=np.uint16)
        for layer in self.layers:
            layer.lay(picture, labels, camera)
        return picture, labels


def paint_scenery(size: Size, dice: Dice, label_of: dict[str, int]) -> Scenery:
    """Paint the landscape.

    Args:
        size: (H, W) of the frames.
        dice: decides hills, clouds and grain.
        label_of: the label of each class in `STUFF`.
    """
    height, width = size
    margin = int(CAMERA_SWING * width) + 2
    full = (height, width + 2 * margin)
    edges = {
        "mountain": ridge(dice, full, base=0.43, rise=0.22),
        "forest": firs(dice, full, base=0.50, rise=0.09),
        "grass": hills(dice, full, base=0.56, rise=0.09),
        "water": hills(dice, full, base=0.70, rise=0.025),
        "road": hills(dice, full, base=0.855, rise=0.012),
    }
    nearness = {"sky": 0.1, "mountain": 0.25, "forest": 0.4, "grass": 0.55, "water": 0.75, "road": 1.0}
    papers: dict[str, Callable[[], Floats]] = {
        "sky": lambda: sky(dice, full),
        "mountain": lambda: slopes(dice, full, edges["mountain"]),
        "forest": lambda: plain(dice, full, STUFF["forest"], (72, 138, 110)),
        "grass": lambda: meadow(dice, full),
        "water": lambda: waves(dice, full),
        "road": lambda: asphalt(dice, full, edges["road"]),
    }
    layers = []
    for name, nearer in zip(papers, [*edges, None], strict=True):
        edge = edges.get(name, np.full(full[1], -2, dtype=np.float32))
        # Rows that the next layer hides for certain are never copied.
        last = height if nearer is None else min(height, int(edges[nearer].max()) + 2)
        layers.append(_cut(papers[name](), edge, last, margin, nearness[name], label_of[name]))
    tower, centre = _tower(dice, size, label_of["tower"])
    return Scenery(tuple(layers), tower, centre)


def _cut(sheet: Floats, edge: Floats, last: int, margin: int, nearness: float, label: int) -> Card:
    """Cut a full-size sheet along its upper edge (a row for each column); it ends at row `last`."""
    shade = max(3.0, len(sheet) * 0.02)  # pixels that the shadow reaches above the edge
    top, band = max(0, int(edge.min() - shade)), min(last, max(0, int(edge.max()) + 2))
    top = min(top, band)
    below = np.arange(top, band, dtype=np.float32)[:, None] + np.float32(0.5) - edge
    coverage, shadow = np.clip(below + 0.5, 0, 1), smooth(1 + below / shade) * 0.2
    labels = np.where(below >= 0, np.uint16(label), np.uint16(0))
    return Card(
        top=top,
        left=-margin,
        nearness=nearness,
        ink=_ink(sheet[top:band], coverage),
        keep=_keep(coverage, shadow),
        labels=labels,
        solid=np.clip(sheet[band:last], 0, 255).astype(np.uint8),
        label=label,
    )


def _ink(sheet: Floats, coverage: Floats) -> Shares:
    return (np.clip(sheet, 0, 255) * np.floor(coverage * 256)[..., None]).astype(np.uint16)


def _keep(coverage: Floats, shadow: Floats) -> Shares:
    return ((1 - coverage) * (1 - shadow) * 256).astype(np.uint16)[..., None]


def _tower(dice: Dice, size: Size, label: int) -> tuple[Card, tuple[float, float]]:
    height, width = size
    unit = min(height, width)
    half, tall = TOWER_HALF_WIDTH * unit, 0.74 * unit
    foot = 0.885 * height
    middle = dice.uniform(0.42, 0.58) * width
    shade = max(2, round(0.04 * unit))  # pixels that its shadow reaches, to the right and up
    left, top = int(middle - half) - shade, int(foot - tall) - shade
    rows, columns = int(tall) + shade + 2, 2 * (int(half) + 2 * shade) + 1
    x = np.arange(columns, dtype=np.float32) + np.float32(left + 0.5 - middle)
    y = (np.arange(rows, dtype=np.float32)[:, None] + np.float32(top + 0.5 - (foot - tall))) / np.float32(tall)
    outside = tower_outline(x / np.float32(half), y) * np.float32(half)
    coverage = np.clip(0.5 - outside, 0, 1)
    beside = tower_outline((x - np.float32(shade * 0.5)) / np.float32(half), y) * np.float32(half)
    card = Card(
        top=top,
        left=left,
        nearness=0.8,
        ink=_ink(tower_paint(dice, x / np.float32(half), y), coverage),
        keep=_keep(coverage, smooth(0.7 - beside / np.float32(shade)) * 0.26),
        labels=np.where(outside <= 0, np.uint16(label), np.uint16(0)),
        solid=np.empty((0, columns, 3), dtype=np.uint8),
        label=label,
    )
    return card, (middle, foot - 0.42 * tall)
