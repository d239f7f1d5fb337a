"""Chance and waves that are the same to the last bit on every machine and with every NumPy.

Only what IEEE 754 rounds exactly is used (+, −, ×, ÷, square root, floor, comparisons), in separate steps, and of
NumPy's generators only the raw words of PCG64, whose stream is promised never to change. `sin`, `Generator.normal`,
matrix products and sums over whole arrays are not in that promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 throughout
T = TypeVar("T")


class Dice:
    """A seeded stream of random numbers.

    Args:
        seed: any non-negative integers; equal ones give equal streams.
    """

    def __init__(self, *seed: int) -> None:
        self._words = np.random.PCG64(seed)

    def array(self, *shape: int) -> Floats:
        """Independent numbers in [0, 1), each a multiple of 2⁻²⁴."""
        words = np.asarray(self._words.random_raw(int(np.prod(shape))), dtype=np.uint64)
        return ((words >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)).reshape(shape)

    def uniform(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return low + (high - low) * float(self.array(1)[0])

    def below(self, count: int) -> int:
        """One whole number in 0 … count − 1."""
        return int(self._words.random_raw() % count)

    def shuffled(self, things: Sequence[T]) -> list[T]:
        """The same things in another order (Fisher and Yates)."""
        deck = list(things)
        for last in range(len(deck) - 1, 0, -1):
            other = self.below(last + 1)
            deck[last], deck[other] = deck[other], deck[last]
        return deck


def sine(turns: Floats) -> Floats:
    """The sine of angles given in whole turns, within 4e-6."""
    x = turns - np.floor(turns + 0.5)
    x = np.minimum(np.maximum(x, -0.5 - x), 0.5 - x)  # folded into ± a quarter turn
    angle = x * 6.2831853
    square = angle * angle
    return np.asarray(angle * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))))


def swing(turns: float) -> float:
    """`sine` of one angle."""
    return float(sine(np.asarray([turns], dtype=np.float32))[0])


def smooth(x: Floats) -> Floats:
    """0 below 0, 1 above 1, and a soft step between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def value_noise(dice: Dice, height: int, width: int, cell: float) -> Floats:
    """(height, width) soft random hills in [0, 1): random heights on a grid `cell` pixels wide, softly interpolated."""
    y = np.arange(height, dtype=np.float32) / np.float32(cell)
    x = np.arange(width, dtype=np.float32) / np.float32(cell)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    grid = dice.array(int(top[-1]) + 2, int(left[-1]) + 2)
    down, right = smooth(y - top)[:, None], smooth(x - left)
    rows = grid[top] * (1 - down) + grid[top + 1] * down
    return np.asarray(rows[:, left] * (1 - right) + rows[:, left + 1] * right)
