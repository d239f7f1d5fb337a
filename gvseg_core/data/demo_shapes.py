"""The demo's things: paper shapes with a pattern, lit from above, cut out without jagged edges.

A shape is a function of local coordinates (u, v), v pointing down, in which its outermost point is at distance 1.
It answers how far a point lies outside its edge, negative inside. That one number makes the truth (a pixel is the
shape's where its centre is not outside), the anti-aliased edge of the picture, the rim and the shadow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gvseg_core.data.demo_chance import Floats, smooth

Color = tuple[int, int, int]
Picture = NDArray[np.uint8]
Labels = NDArray[np.uint16]


def disc(u: Floats, v: Floats) -> Floats:
    """A full circle."""
    return np.sqrt(u * u + v * v) - 1


def ring(u: Floats, v: Floats) -> Floats:
    """A circle with a round hole."""
    return np.abs(np.sqrt(u * u + v * v) - 0.73) - 0.27


def crescent(u: Floats, v: Floats) -> Floats:
    """A circle with a circular bite."""
    return np.asarray(np.maximum(disc(u, v), -0.28 - disc(u - 0.5, v)))


def heart(u: Floats, v: Floats) -> Floats:
    """A square on its corner with a circle on each upper side."""
    u = np.abs(u)
    v = v - 0.2
    corner = (u + np.abs(v)) * 0.70710678 - 0.5
    return np.asarray(np.minimum(corner, disc(u - 0.35355, v + 0.35355) + 0.5))


def square(u: Floats, v: Floats) -> Floats:
    """A square with soft corners."""
    a, b = np.maximum(np.abs(u) - 0.62, 0), np.maximum(np.abs(v) - 0.62, 0)
    return np.where((a > 0) & (b > 0), np.sqrt(a * a + b * b), np.maximum(np.abs(u), np.abs(v)) - 0.62) - 0.12


def triangle(u: Floats, v: Floats) -> Floats:
    """An equilateral triangle, point up."""
    return np.maximum(v, np.abs(u) * 0.8660254 - v * 0.5) - 0.5


def star(u: Floats, v: Floats) -> Floats:
    """A star of five points: what lies inside at least four of the five lines that draw it."""
    u = np.abs(u)
    lines = (v, u * 0.95105652 + v * 0.30901699, u * -0.58778525 - v * 0.80901699)
    mirrored = (u * -0.95105652 + v * 0.30901699, u * 0.58778525 - v * 0.80901699)
    first, second = lines[0], np.full_like(lines[0], -2)
    for line in (*lines[1:], *mirrored):
        second = np.maximum(second, np.minimum(first, line))
        first = np.maximum(first, line)
    return second - 0.33


def cross(u: Floats, v: Floats) -> Floats:
    """Two bars at right angles."""
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(u, v) - 0.94, np.minimum(u, v) - 0.32)


Shape = Callable[[Floats, Floats], Floats]

SHAPES: dict[str, Shape] = {
    "disc": disc,
    "ring": ring,
    "crescent": crescent,
    "heart": heart,
    "square": square,
    "triangle": triangle,
    "star": star,
    "cross": cross,
}


def stripes(u: Floats, v: Floats) -> Floats:
    """Straight bands."""
    return _soft_tooth(u * 2.2 + v * 0.6)


def dots(u: Floats, v: Floats) -> Floats:
    """Round spots on a grid."""
    a, b = u * 2.3, v * 2.3
    a, b = a - np.floor(a) - 0.5, b - np.floor(b) - 0.5
    return smooth((0.33 - np.sqrt(a * a + b * b)) * 12 + 0.5)


def checks(u: Floats, v: Floats) -> Floats:
    """A chequerboard."""
    a, b = _soft_tooth(u * 1.6), _soft_tooth(v * 1.6)
    return a + b - 2 * a * b


def circles(u: Floats, v: Floats) -> Floats:
    """Rings about a point off the centre, so that a turn shows."""
    a, b = u + 0.35, v + 0.45
    return _soft_tooth(np.sqrt(a * a + b * b) * 2.4)


def _soft_tooth(x: Floats) -> Floats:
    return smooth((np.abs(x - np.floor(x) - 0.5) - 0.25) * 14 + 0.5)


PATTERNS: dict[str, Shape] = {"stripes": stripes, "dots": dots, "checks": checks, "circles": circles}

TEXELS = 256  # side of a sheet of patterned paper


def paper(pattern: str, color: Color, grain: Floats) -> Picture:
    """(TEXELS, TEXELS, 3) sheet of patterned paper, covering u and v from −1 to 1.

    Args:
        pattern: a name in `PATTERNS`.
        color: of the ground; the pattern is a lighter tint of it.
        grain: (TEXELS, TEXELS) in [0, 1), the roughness of the paper.
    """
    mix = _mix(pattern)
    grain = (grain - 0.5) * 14
    sheet = np.empty((TEXELS, TEXELS, 3), dtype=np.uint8)
    ground = np.asarray(color, dtype=np.float32)
    tint = ground + (255 - ground) * np.float32(0.42)
    for channel in range(3):  # planes are several times as fast as pixels of three
        plane = ground[channel] * (1 - mix)
        plane += tint[channel] * mix
        plane += grain
        sheet[..., channel] = np.clip(plane, 0, 255, out=plane)
    return sheet


@cache
def _mix(pattern: str) -> Floats:
    """(TEXELS, TEXELS): how much of the tint is where."""
    axis = (np.arange(TEXELS, dtype=np.float32) + 0.5) * np.float32(2 / TEXELS) - 1
    u, v = np.broadcast_arrays(axis, axis[:, None])
    return PATTERNS[pattern](u, v)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a shape is on one frame."""

    x: float  # of its centre, in pixels; pixel centres are at half integers
    y: float
    radius: float  # pixels
    cosine: float  # of its turn, clockwise on the screen
    sine: float


def draw(picture: Picture, labels: Labels, shape: Shape, sheet: Picture, pose: Pose, label: int) -> int:
    """Lay a shape on a picture, over whatever is there.

    Args:
        picture: (H, W, 3) RGB, changed in place.
        labels: (H, W), changed in place: `label` wherever the shape is.
        shape: an entry of `SHAPES`.
        sheet: what `paper` made.
        pose: where.
        label: its number.

    Returns:
        Pixels the shape would cover on a boundless picture, counted at least 1: what is seen can be compared to it.
    """
    height, width = labels.shape
    reach = int(pose.radius) + 3
    left, top = int(np.floor(pose.x)) - reach, int(np.floor(pose.y)) - reach
    side = 2 * reach + 1
    dx = np.arange(left, left + side, dtype=np.float32) + np.float32(0.5 - pose.x)
    dy = (np.arange(top, top + side, dtype=np.float32) + np.float32(0.5 - pose.y))[:, None]
    cosine, sine = np.float32(pose.cosine / pose.radius), np.float32(pose.sine / pose.radius)
    u, v = dx * cosine + dy * sine, dy * cosine - dx * sine
    outside = shape(u, v) * np.float32(pose.radius)  # pixels
    area = max(1, int(np.count_nonzero(outside <= 0)))

    _cast_shadow(picture, outside, top + 1 + int(pose.radius * 0.14), left + 1 + int(pose.radius * 0.05), pose.radius)
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return area
    inner = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    outside, u, v, dy = outside[inner], u[inner], v[inner], dy[inner[0]]

    texel_u, texel_v = ((np.clip(a, -0.999, 0.999) + 1) * (TEXELS / 2) for a in (u, v))
    color = np.take(sheet.reshape(-1, 3), texel_v.astype(np.intp) * TEXELS + texel_u.astype(np.intp), axis=0)
    coverage = np.clip(0.5 - outside, 0, 1)
    rim = np.clip(outside * np.float32(8 / pose.radius) + 1, 0, 1)
    light = 1.1 - dy * np.float32(0.16 / pose.radius) - rim * np.float32(0.16)
    lit = np.minimum(color * (light * coverage)[..., None], 255 * coverage[..., None])
    region = picture[rows, columns]
    region[...] = lit + region * (1 - coverage)[..., None]
    labels[rows, columns][outside <= 0] = label
    return area


def _cast_shadow(picture: Picture, outside: Floats, top: int, left: int, radius: float) -> None:
    height, width = picture.shape[:2]
    rows, columns = outside.shape
    y, x = slice(max(top, 0), min(top + rows, height)), slice(max(left, 0), min(left + columns, width))
    if y.start >= y.stop or x.start >= x.stop:
        return
    near = outside[y.start - top : y.stop - top, x.start - left : x.stop - left]
    kept = 256 - np.clip((np.float32(0.5) - near * np.float32(6 / radius)) * 52, 0, 72).astype(np.uint16)
    region = picture[y, x]
    region[...] = (region * kept[..., None]) >> 8
