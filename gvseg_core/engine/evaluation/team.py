"""Several processes that share one evaluation: those that `torchrun` started, or this one alone.

Every process takes each n-th video; what came of them is gathered by the first, which adds up and speaks. Nothing of
`torch.distributed` is loaded where there is one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

from gvseg_core.errors import GvsegError, UsageError

PATIENCE = timedelta(days=30)  # for the slowest; who dies is noticed by torchrun, not by us

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Team:
    """Use it as a context: processes are joined while it is open."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def of_environment(cls) -> Team:
        """As `torchrun` says.

        Raises:
            UsageError: what it says cannot be.
        """
        size, rank, local = (_number(name) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"))
        if size is None or size <= 1:
            return cls()
        if rank is None or local is None or not 0 <= rank < size or local < 0:
            raise UsageError(f"RANK {rank} and LOCAL_RANK {local} do not go with WORLD_SIZE {size}; use torchrun")
        return cls(rank, size, local)

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is common, and speaks."""
        return self.rank == 0

    def __enter__(self) -> Team:
        if self.size > 1:
            import torch.distributed as dist

            dist.init_process_group("gloo", timeout=PATIENCE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.size > 1:
            import torch.distributed as dist

            dist.destroy_process_group()

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Those of `items` that are this process's."""
        return items[self.rank :: self.size]

    def agree(self, step: Callable[[], T]) -> T:
        """What `step` gives here, once every process has taken it.

        Raises:
            GvsegError: in every process the same, where it fails in one of them.
        """
        given: list[T] = []
        failure = None
        try:
            given.append(step())
        except GvsegError as error:
            failure = error
        for theirs in self.everyone(failure):
            if theirs is not None:
                raise theirs
        return given[0]

    def everyone(self, mine: T) -> list[T]:
        """What each process brings, by rank; all wait for the last."""
        if self.size == 1:
            return [mine]
        import torch.distributed as dist

        brought: list[Any] = [None] * self.size
        dist.all_gather_object(brought, mine)
        return brought


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.lstrip("-").isdecimal() else None
