"""Class tables as text, and colours for sets that have none."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

from gvseg_core.types import ClassInfo, Vocabulary


def parse_classes(table: str) -> tuple[ClassInfo, ...]:
    """The classes of a table, one a line: the set's own number, `thing` or `stuff`, `red,green,blue`, the name."""
    classes = []
    for line in table.strip().splitlines():
        number, kind, rgb, name = line.split(maxsplit=3)
        red, green, blue = (int(value) for value in rgb.split(","))
        if kind not in {"thing", "stuff"}:
            raise ValueError(f"{line!r}: {kind!r} is neither thing nor stuff")
        classes.append(ClassInfo(name, (red, green, blue), is_thing=kind == "thing", dataset_id=int(number)))
    return tuple(classes)


def things_first(classes: Iterable[ClassInfo]) -> tuple[ClassInfo, ...]:
    """Things, then stuff, each in the order given."""
    classes = tuple(classes)
    return (*(c for c in classes if c.is_thing), *(c for c in classes if not c.is_thing))


def plain_vocabulary(name: str, names: Iterable[str]) -> Vocabulary:
    """A vocabulary of which only the names are known: all countable, numbered from 0, in colours of ours."""
    return Vocabulary(name, tuple(ClassInfo(n, color_of(i), dataset_id=i) for i, n in enumerate(names)))


def color_of(index: int) -> tuple[int, int, int]:
    """The fixed colour of the class with this number, for sets without colours of their own.

    Hues step by the golden ratio, so that neighbours differ most; every eight classes the lightness changes.
    """
    hue = (index * 0.618033988749895) % 1.0
    lightness = (0.5, 0.68, 0.38)[index // 8 % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.8)
    return round(red * 255), round(green * 255), round(blue * 255)
