"""Which of a few tile sizes a kernel takes: measured on the device at its first launch, once per process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import triton


def tuned(key: Sequence[str], tiles: Sequence[int], sums: Sequence[str] = ()) -> Callable[[Any], Any]:
    """Decorator: choose a kernel's `TILE`, the elements that a program works on at once, and its number of warps.

    Interpreted kernels take the first tile without asking.

    Args:
        key: arguments of which each new combination is measured anew; types always are.
        tiles: powers of two.
        sums: arguments that the kernel adds to, and that are 0 when it starts; measuring must not leave sums behind.
    """

    def decorate(kernel: Any) -> Any:
        if not isinstance(kernel, triton.JITFunction):
            return _Interpreted(kernel, tiles[0])
        configs = [triton.Config({"TILE": tile}, num_warps=warps) for tile in tiles for warps in (2, 4)]
        return triton.autotune(configs, key=[*key], reset_to_zero=[*sums] or None)(kernel)

    return decorate


class _Interpreted:
    """A kernel without a device, which Triton 3.3 would look for when asked to tune it."""

    def __init__(self, kernel: Any, tile: int) -> None:
        self._kernel = kernel
        self._tile = tile

    def __getitem__(self, grid: Callable[[dict[str, int]], tuple[int, ...]]) -> Callable[..., None]:
        def launch(*args: Any, **kwargs: Any) -> None:
            self._kernel[grid](*args, **kwargs, TILE=self._tile)

        return launch
