"""Between main memory and a device, without making either wait for the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Arrival:
    """Tensors on their way to main memory.

    On a CUDA device the copies are queued behind what makes the tensors, into pinned memory, and it is only `wait` that
    waits; from other devices they are there at once.
    """

    def __init__(self, tensors: Sequence[Tensor | None]) -> None:
        # Of other devices' copies nobody says when they are done: those must block.
        self._tensors = [None if t is None else t.to("cpu", non_blocking=t.is_cuda) for t in tensors]
        self._done: torch.cuda.Event | None = None
        if any(t is not None and t.is_cuda for t in tensors):
            self._done = torch.cuda.Event()
            self._done.record()

    def wait(self) -> list[Tensor | None]:
        """All of them, on the CPU; what was queued before them on the device has been computed by then."""
        if self._done is not None:
            self._done.synchronize()
        return self._tensors


def all_finite(parts: Sequence[Tensor]) -> Tensor:
    """(B,) bool, on the parts' device: whether each row of all the parts is free of NaN and infinity.

    Sums are enough: both stay in them.
    """
    sums = [part.sum(dim=tuple(range(1, part.ndim)), dtype=torch.float32) for part in parts]
    return torch.stack(sums).isfinite().all(0)
