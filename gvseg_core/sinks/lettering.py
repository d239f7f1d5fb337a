"""Words in a picture: chips beside objects, and the legend of classes, readable from thumbnails to 4K."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gvseg_core.files import printable
from gvseg_core.sinks.palette import Rgb, text_color
from gvseg_core.types import Box, Size

Picture = NDArray[np.uint8]
Rect = tuple[int, int, int, int]
"""x, y, width, height in whole pixels."""

# Pillow's own font has ASCII only; for all else the first of these that the system has and that has the letters.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "Arial.ttf",
    "msyh.ttc",
    "msgothic.ttc",
)


def font_size(size: Size) -> int:
    """Pixels of a line of text in a picture of this size: 9 in a thumbnail, 13 at 360p, 21 at 720p, 29 at 1080p."""
    return max(9, round(5 + 0.022 * min(size)))


def chip(picture: Picture, texts: Sequence[str], color: Rgb, box: Box, taken: list[Rect]) -> None:
    """Write one label on a plate of the object's colour: above it, or where there is room.

    Args:
        picture: (H, W, 3) RGB; drawn upon.
        texts: the same label, from full to shortest; the longest is taken that does not hide too much: it is at most
            1.4 times as wide as the object is wide or high, and a third of the picture.
        box: of the object.
        taken: plates that stand already; this one is added.
    """
    size = picture.shape[:2]
    px = font_size(size)
    x0, y0, x1, y1 = (round(v) for v in box)
    room = min(1.4 * max(x1 - x0, y1 - y0), size[1] / 3)
    text = next((t for t in texts if _text_width(t, px) + px // 2 <= room), texts[-1])
    cover, face = _chip(text, px, color)
    h, w = cover.shape
    x, y = _free_place(size, (w, h), (x0, y0, x1, y1), taken)
    taken.append((x, y, w, h))
    _stamp(picture, cover, face, x, y, 0.92)


def legend(picture: Picture, entries: Sequence[tuple[str, Rgb, float]]) -> None:
    """List classes with their colours in the lower left corner.

    Args:
        picture: (H, W, 3) RGB; drawn upon.
        entries: name, colour and share of the picture, in the order to be listed. The list never covers more than half
            of the height and 40 % of the width: the largest classes stay, the others are counted.
    """
    size = picture.shape[:2]
    px = max(9, round(0.85 * font_size(size)))
    row = round(1.2 * px)
    pad = max(2, round(0.35 * px))
    most = max(1, int((0.5 * size[0] - 2 * pad) // row))
    shown = list(entries)
    if len(shown) > most:
        largest = sorted(range(len(shown)), key=lambda i: -shown[i][2])[: max(1, most - 1)]
        shown = [shown[i] for i in sorted(largest)]
    rest = len(entries) - len(shown) if most > 1 else 0
    words = [_cut(name, px, 0.4 * size[1] - 3 * pad - px) for name, _, _ in shown]
    words += [f"+{rest} more"] if rest else []
    swatch = round(0.8 * px)
    w = min(size[1], 3 * pad + swatch + max(_text_width(word, px) for word in words))
    h = min(size[0], 2 * pad + row * len(words))
    margin = pad if h + pad <= size[0] and w + pad <= size[1] else 0
    x, y = margin, size[0] - h - margin
    _stamp(picture, _plate(w, h, pad), (16, 16, 16), x, y, 0.72)
    for i, word in enumerate(words):
        top = y + pad + i * row
        if i < len(shown):
            _stamp(
                picture, _plate(swatch, swatch, max(1, swatch // 5)), shown[i][1], x + pad, top + (row - swatch) // 2
            )
        _stamp(picture, _letters(word, px), (255, 255, 255), x + 2 * pad + swatch, top)


def caption(picture: Picture, text: str) -> None:
    """Write one line in the upper left corner, on a dark plate."""
    px = font_size(picture.shape[:2])
    _stamp(picture, *_chip(text, px, (16, 16, 16)), px // 4, px // 4, 0.8)


def _free_place(size: Size, plate: tuple[int, int], box: Rect, taken: Sequence[Rect]) -> tuple[int, int]:
    """Upper left corner of a plate near a box, inside the picture, off the other plates where that can be had."""
    w, h = plate
    x0, y0, x1, y1 = box
    x = min(max((x0 + x1 - w) // 2, 0), max(size[1] - w, 0))
    steps = range(0, max(y1 - y0, 3 * h), h)
    wishes = [y0 - h - 1, *(y0 + 1 + step for step in steps), y1 + 1]
    places = [(x, min(max(y, 0), max(size[0] - h, 0))) for y in wishes]
    for place in places:
        if not any(_meet((*place, w, h), other) for other in taken):
            return place
    return places[0]


def _meet(one: Rect, other: Rect) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _stamp(picture: Picture, cover: Picture, face: Picture | Rgb, x: int, y: int, opacity: float = 1.0) -> None:
    """Blend a colour, or an (h, w, 3) face, into a picture through an (h, w) cover of 0..255.

    What lies below or at the right of the picture is cut off.
    """
    part = picture[y : y + cover.shape[0], x : x + cover.shape[1]]
    weight = cover[: part.shape[0], : part.shape[1], None] * np.float32(opacity / 255)
    goal = np.asarray(face, np.float32)
    if goal.ndim == 3:
        goal = goal[: part.shape[0], : part.shape[1]]
    part[:] = part + weight * (goal - part) + np.float32(0.5)


@lru_cache(maxsize=512)
def _chip(text: str, px: int, color: Rgb) -> tuple[Picture, Picture]:
    """A plate with a line of text on it: its cover (h, w) and its face (h, w, 3)."""
    letters = _letters(text, px)
    pad = max(1, round(0.28 * px))
    h, w = letters.shape[0] + pad, letters.shape[1] + 2 * pad
    face = np.full((h, w, 3), color, np.uint8)
    _stamp(face, letters, text_color(color), pad, pad // 2)
    return _plate(w, h, pad), face


@lru_cache(maxsize=256)
def _plate(w: int, h: int, radius: int) -> Picture:
    """A rectangle with round corners, (h, w) of 0..255."""
    image = Image.new("L", (4 * w, 4 * h))
    ImageDraw.Draw(image).rounded_rectangle((0, 0, 4 * w - 1, 4 * h - 1), 4 * radius, fill=255)
    return np.asarray(image.resize((w, h), Image.Resampling.BOX))


@lru_cache(maxsize=1024)
def _letters(text: str, px: int) -> Picture:
    """A line of text, (h, w) of 0..255; h is the same for all texts of this size."""
    font, text = _font_for(text, px)
    h, base = round(1.25 * px), round(0.95 * px)
    image = Image.new("L", (max(1, round(font.getlength(text))), h))
    ImageDraw.Draw(image).text((0, base), text, fill=255, font=font, anchor="ls")
    return np.asarray(image)


def _text_width(text: str, px: int) -> int:
    return int(_letters(text, px).shape[1])


def _cut(text: str, px: int, width: float) -> str:
    """`text`, shortened to fit a width in pixels."""
    if _text_width(text, px) <= width:
        return text
    while text and _text_width(text + "...", px) > width:
        text = text[:-1]
    return text + "..."


def _font_for(text: str, px: int) -> tuple[Any, str]:
    """A font that has all letters of the text, and the text; without such a font, the text in plain letters."""
    text = printable(text)
    if not text.isascii():
        for name in _SYSTEM_FONTS:
            font = _system_font(name, px)
            if font is not None and all(_has(font, c) for c in text):
                return font, text
        bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        text = bare.encode("ascii", "replace").decode()
    return _own_font(px), text


@lru_cache(maxsize=32)
def _own_font(px: int) -> Any:
    return ImageFont.load_default(px)


@lru_cache(maxsize=64)
def _system_font(name: str, px: int) -> Any:
    try:
        return ImageFont.truetype(name, px)
    except OSError:
        return None


def _has(font: Any, letter: str) -> bool:
    """Whether a font draws a letter as itself: U+FFFF is none, and shows what stands for letters it lacks."""
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))
