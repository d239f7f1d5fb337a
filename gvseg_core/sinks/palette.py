"""Colours as pure functions of a track id or a class, so that frames, clips and runs agree."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]

_GOLDEN = (math.sqrt(5) - 1) / 2  # steps of this share of a circle never come close to one another soon
_LIGHTNESS = (0.66, 0.78, 0.56)  # neighbouring ids differ in this as well, for those who do not see hues


@lru_cache(maxsize=4096)
def track_color(track_id: int) -> Rgb:
    """The colour of an object, RGB: hues a golden angle apart in OKLCH (Ottosson 2020), in three lightnesses."""
    hue = 2 * math.pi * ((track_id * _GOLDEN + 0.03) % 1)
    lightness = _LIGHTNESS[track_id % 3]
    chroma = 0.20
    while True:  # the most vivid colour of this hue and lightness that a screen can show
        rgb = _from_oklch(lightness, chroma, hue)
        if all(-1e-6 <= c <= 1 + 1e-6 for c in rgb):
            return tuple(round(255 * _gamma(min(max(c, 0.0), 1.0))) for c in rgb)  # type: ignore[return-value]
        chroma -= 0.005


def text_color(background: Rgb) -> Rgb:
    """Black or white, whichever reads better on `background` (relative luminance, WCAG 2)."""
    r, g, b = (_linear(c / 255) for c in background)
    return (0, 0, 0) if 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 else (255, 255, 255)


def davis_palette() -> NDArray[np.uint8]:
    """(256, 3) RGB: the palette of DAVIS, YouTube-VOS and PASCAL VOC masks; 0 is black.

    The bits of an index, three at a time, are the bits of red, green and blue from the highest down (VOC devkit,
    VOClabelcolormap).
    """
    index = np.arange(256)
    colors = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            colors[:, channel] |= ((index >> (3 * step + channel) & 1) << (7 - step)).astype(np.uint8)
    return colors


def _from_oklch(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """OKLCH to linear sRGB, which may lie outside 0..1."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
