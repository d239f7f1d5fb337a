"""Small sets of objects to follow, written as their official folders have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.types import Size

SIZE = (6, 8)


def bars(*numbers: int, size: Size = SIZE) -> NDArray[np.uint8]:
    """(H, W) map in which each object has a column of its own, the first the second one."""
    labels = np.zeros(size, np.uint8)
    for column, number in enumerate(numbers, start=1):
        labels[1:4, column] = number
    return labels


def write_map(path: Path, labels: NDArray[np.uint8]) -> None:
    """A palette PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    image.putpalette(bytes(range(256)) * 3)
    image.save(path)


def write_maps(folder: Path, frames: Mapping[str, Sequence[int]], size: Size = SIZE) -> None:
    """A map of bars for each frame, by its name."""
    for name, numbers in frames.items():
        write_map(folder / f"{name}.png", bars(*numbers, size=size))


def write_pictures(folder: Path, names: Sequence[str], size: Size = SIZE) -> None:
    """A grey JPEG for each frame."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size[::-1], (90, 90, 90)).save(folder / f"{name}.jpg")


def names(num: int, step: int = 1) -> list[str]:
    """Of frames, as DAVIS and YouTube-VOS have them."""
    return [f"{step * i:05d}" for i in range(num)]
