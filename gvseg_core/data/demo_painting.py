"""How the demo's landscape is painted: the upper edge of each layer, the paper it is cut from, and the tower.

Edges are rows, one for each column; papers are (H, W, 3) from 0 to 255, a little beyond where the grain takes them.
Lengths are shares of the height, so that a scene keeps its proportions at any size.
"""

from __future__ import annotations

import numpy as np

from gvseg_core.data.demo_chance import Dice, Floats, sine, smooth, value_noise
from gvseg_core.data.demo_shapes import Color
from gvseg_core.types import Size


def _columns(size: Size) -> Floats:
    """x of every column, as a share of the height."""
    return np.arange(size[1], dtype=np.float32) / np.float32(size[0])


def ridge(dice: Dice, size: Size, base: float, rise: float) -> Floats:
    """A mountain range's edge: at most `rise` above `base`."""
    height, width = size
    edge = np.zeros(width, dtype=np.float32)
    for share, cell in ((0.6, 0.55), (0.28, 0.2), (0.12, 0.07)):
        hills = value_noise(dice, 1, width, max(2.0, cell * height))[0]
        edge = edge + (1 - np.abs(hills * 2 - 1)) * share
    return (base - edge * rise) * height


def hills(dice: Dice, size: Size, base: float, rise: float) -> Floats:
    """A gentle edge: at most `rise` above `base`."""
    height, width = size
    hills = value_noise(dice, 1, width, max(2.0, 0.6 * height))[0]
    return np.asarray((base - hills * rise) * height)


def firs(dice: Dice, size: Size, base: float, rise: float) -> Floats:
    """The edge of a row of fir trees: at most `rise` and a little rising ground above `base`."""
    height, width = size
    tree = _columns(size) / 0.034
    number = np.floor(tree).astype(np.intp)
    tall = dice.array(int(number[-1]) + 1)[number] * 0.6 + 0.4
    slope = 1 - np.abs(tree - np.floor(tree) - 0.5) * 2
    ground = value_noise(dice, 1, width, max(2.0, 0.5 * height))[0] * 0.04
    return np.asarray((base - ground - slope * tall * rise) * height)


def _grained(dice: Dice, size: Size, sheet: Floats) -> Floats:
    return sheet + (dice.array(*size)[..., None] - 0.5) * 9


def _blend(low: Color, high: Color, mix: Floats) -> Floats:
    first, second = (np.asarray(c, dtype=np.float32) for c in (low, high))
    return first + (second - first) * mix[..., None]


def plain(dice: Dice, size: Size, low: Color, high: Color) -> Floats:
    """Two colours, softly mixed."""
    mix = value_noise(dice, *size, max(2.0, 0.06 * size[0]))
    return _grained(dice, size, _blend(low, high, mix))


def sky(dice: Dice, size: Size) -> Floats:
    """Blue above, pale at the horizon, with the sun and clouds."""
    height = size[0]
    y = np.arange(height, dtype=np.float32)[:, None] / np.float32(height)
    x = _columns(size)
    sheet = _blend((108, 180, 232), (253, 232, 205), smooth(np.broadcast_to(y * 2.1, size)))
    sun_x, sun_y = dice.uniform(0.15, 0.85) * float(x[-1]), dice.uniform(0.1, 0.16)
    away = np.sqrt((x - sun_x) * (x - sun_x) + (y - sun_y) * (y - sun_y))
    for radius, share in ((0.13, 0.25), (0.095, 0.35), (0.065, 0.95)):
        sheet = _over(sheet, (255, 244, 200), np.clip((radius - away) * height, 0, 1) * share)
    for number in range(1 + round(float(x[-1]) * 2.2)):
        cloud_x = (number + dice.uniform(0.1, 0.9)) / 2.2
        cloud_y = dice.uniform(0.08, 0.3)
        sheet = _over(sheet, (255, 255, 255), _cloud(dice, x - cloud_x, y - cloud_y, height))
    return _grained(dice, size, sheet)


def _over(sheet: Floats, color: Color, coverage: Floats) -> Floats:
    paint = np.asarray(color, dtype=np.float32)
    return sheet + (paint - sheet) * coverage[..., None]


def _cloud(dice: Dice, x: Floats, y: Floats, height: int) -> Floats:
    outside = np.full(np.broadcast_shapes(x.shape, y.shape), 9, dtype=np.float32)
    for puff in range(4):
        radius = dice.uniform(0.022, 0.045) * (1.3 if puff in {1, 2} else 0.8)
        dx = x - (puff - 1.5) * 0.047
        outside = np.minimum(outside, np.sqrt(dx * dx + y * y) - radius)
    return np.asarray(np.clip(0.5 - np.maximum(outside, y - 0.012) * height, 0, 1) * 0.88)


def slopes(dice: Dice, size: Size, edge: Floats) -> Floats:
    """Rock, with snow where the edge is high."""
    height = size[0]
    below = (np.arange(height, dtype=np.float32)[:, None] - edge) / np.float32(height)
    rough = value_noise(dice, *size, max(2.0, 0.045 * height))
    # The side that faces the light is paler.
    facing = np.zeros_like(edge)
    facing[1:] = np.clip((edge[1:] - edge[:-1]) * 0.5, -1, 1)
    sheet = _blend((123, 140, 178), (168, 180, 208), np.clip(0.35 + rough * 0.4 - facing * 0.12 - below, 0, 1))
    snow = smooth((0.035 + (0.33 - edge / height) * 0.6 - below + (rough - 0.5) * 0.05) * 60)
    return _grained(dice, size, _over(sheet, (246, 249, 253), snow * 0.9))


def meadow(dice: Dice, size: Size) -> Floats:
    """A mown lawn: broad slanting bands, and blades that stand upright."""
    height, width = size
    mix = value_noise(dice, height, width, max(2.0, 0.12 * height))
    y, x = np.arange(height, dtype=np.float32)[:, None] / np.float32(height), _columns(size)
    bands = smooth(sine(x * 2.2 - y * 9) * 3 + 0.5)
    sheet = _blend((126, 180, 88), (170, 208, 112), mix * 0.6 + bands * 0.3)
    blades = value_noise(dice, height, width * 3, max(2.0, 0.02 * height))[:, ::3]
    return _grained(dice, size, sheet + (blades[..., None] - 0.5) * 14)


def waves(dice: Dice, size: Size) -> Floats:
    """Water with rolling lines of foam."""
    height, width = size
    y, x = np.arange(height, dtype=np.float32)[:, None] / np.float32(height), _columns(size)
    rough = value_noise(dice, height, width, max(2.0, 0.1 * height))
    lines = sine(y * 26 + sine(x * 2.3 + y * 3) * 0.22 + rough * 0.8)
    sheet = _blend((54, 132, 186), (96, 178, 214), np.clip(y * 1.6 - 1.0 + rough * 0.4, 0, 1))
    return _grained(dice, size, _over(sheet, (190, 228, 240), smooth((lines - 0.82) * 6) * 0.7))


def asphalt(dice: Dice, size: Size, edge: Floats) -> Floats:
    """A street with a kerb along its edge and dashes along its middle."""
    height = size[0]
    below = (np.arange(height, dtype=np.float32)[:, None] - edge) / np.float32(height)
    sheet = plain(dice, size, (100, 98, 112), (122, 119, 130))
    sheet = _over(sheet, (222, 214, 200), np.clip((0.014 - below) * height, 0, 1))
    dash = _columns(size) / 0.16
    painted = np.clip((0.006 - np.abs(below - 0.078)) * height + 0.5, 0, 1) * (dash - np.floor(dash) < 0.55)
    return _over(sheet, (246, 240, 220), painted * 0.9)


def tower_outline(x: Floats, y: Floats) -> Floats:
    """How far outside a lighthouse a point lies, in half-widths; y runs from 0 at its top to 1 at its foot."""
    body = np.maximum(np.abs(x) - (0.72 + 0.28 * y), np.maximum(0.2 - y, y - 1) * 5)
    gallery = np.maximum(np.abs(x) - 0.92, np.abs(y - 0.205) * 5 - 0.1)
    lamp = np.maximum(np.abs(x) - 0.5, np.abs(y - 0.15) * 5 - 0.3)
    roof = np.maximum((np.abs(x) + (0.1 - y) * 5.6 - 0.6) * 0.7, (y - 0.1) * 5)
    return np.asarray(np.minimum(np.minimum(body, gallery), np.minimum(lamp, roof)))


def tower_paint(dice: Dice, x: Floats, y: Floats) -> Floats:
    """The lighthouse's red and white, lamp and windows; x and y as in `tower_outline`."""
    shape = (y.shape[0], x.shape[0])
    x, y = np.broadcast_arrays(x, y)
    bands = (y - 0.225 + x * x * 0.012) * 3.25
    red = np.clip((0.25 - np.abs(bands - np.floor(bands) - 0.25)) * y.shape[0] * 0.3 + 0.5, 0, 1)
    sheet = _blend((246, 240, 230), (214, 92, 84), red)
    sheet = _over(sheet, (70, 74, 100), (y < 0.225).astype(np.float32))
    lit = (np.abs(x) < 0.36) & (np.abs(y - 0.147) < 0.036)
    sheet = _over(sheet, (255, 226, 130), lit.astype(np.float32))
    for window in (0.36, 0.665):
        pane = (np.abs(x) < 0.13) & (np.abs(y - window) < 0.034)
        sheet = _over(sheet, (70, 74, 100), pane.astype(np.float32))
    light = 1.06 - np.clip(x * 0.5 + 0.5, 0, 1) * 0.26  # lit from the left
    return _grained(dice, shape, sheet * light[..., None])
