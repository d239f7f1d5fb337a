"""Several processes as one: started by `torchrun`, each with a device and a share of every batch.

Without `torchrun` there is one process and nothing is sent. Sums go through here and nowhere else, so that losses,
queues and class means know nothing of processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from gvseg_core.errors import DeviceError, GvsegError, UsageError

TIMEOUT = timedelta(minutes=10)  # a process that waits longer for another one gives up


class PeerError(DeviceError):
    """This process ends because another one has; why, that one says."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Who we are among those that train together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks to people."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """Element by element over all processes; the same tensor where there is one."""
        if self.size == 1:
            return value
        total = value.clone()
        with self.together():
            dist.all_reduce(total)
        return total

    def mean(self, value: Tensor) -> Tensor:
        """Element by element over all processes."""
        return self.sum(value) / self.size

    def gather(self, value: Tensor) -> Tensor:
        """(n, …) of every process, one after the other by rank; n may differ."""
        if self.size == 1:
            return value
        lengths = [int(n) for n in self._each(torch.tensor([value.shape[0]], device=value.device))]
        longest = max(lengths)
        padded = value.new_zeros((longest, *value.shape[1:]))
        padded[: value.shape[0]] = value
        parts = self._each(padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])

    def agree(self, flag: bool) -> bool:
        """Whether any process says yes."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor([float(flag)], device=self._place()))[0] > 0)

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            with self.together():
                dist.barrier()

    @contextmanager
    def together(self) -> Iterator[None]:
        """A body in which processes wait for each other.

        Raises:
            PeerError: one that is waited for has ended.
        """
        try:
            yield
        except RuntimeError as error:
            # NCCL has a class of its own for it; gloo says in which of its source files it noticed.
            if self.size > 1 and (isinstance(error, dist.DistError) or "gloo/transport" in str(error)):
                raise PeerError("another process has ended, and this one with it") from error
            raise

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """A body that each process runs by itself: where it fails in one, all of them end.

        Raises:
            GvsegError: what the body met, in the first of the processes where it failed.
            PeerError: in all others.
        """
        failure: GvsegError | None = None
        try:
            yield
        except GvsegError as error:
            failure = error
        failed = self.gather(torch.tensor([failure is not None], dtype=torch.float32, device=self._place())).tolist()
        if 1.0 not in failed:
            return
        if failure is not None and failed.index(1.0) == self.rank:
            raise failure
        raise PeerError(f"process {failed.index(1.0)} failed, and this one ends with it")

    def _place(self) -> str:
        """Where tensors that are sent have to be."""
        return "cuda" if self.size > 1 and dist.get_backend() == "nccl" else "cpu"

    def _each(self, value: Tensor) -> list[Tensor]:
        parts = [torch.empty_like(value) for _ in range(self.size)]
        with self.together():
            dist.all_gather(parts, value.contiguous())
        return parts


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that `torchrun` started, joined for as long as the body runs; this one alone otherwise.

    Args:
        device: where tensors are: "cpu" (gloo) or "cuda" (NCCL).

    Raises:
        UsageError: the variables of `torchrun` contradict each other.
        DeviceError: more processes on this machine than it has GPUs.
    """
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        yield Processes()
        return
    rank, local = _number("RANK", -1), _number("LOCAL_RANK", -1)
    if not 0 <= rank < size or local < 0:
        raise UsageError(f"RANK {rank} and LOCAL_RANK {local} do not go with WORLD_SIZE {size}; start with torchrun")
    if device.startswith("cuda"):
        if local >= torch.cuda.device_count():
            raise DeviceError(f"process {local} of this machine has no GPU: there are {torch.cuda.device_count()}")
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=TIMEOUT)
    try:
        yield Processes(rank, size, local)
    finally:
        # A process that failed must not wait here for those that are still at work: torchrun ends them.
        dist.destroy_process_group()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name}={text!r}: wanted a number, as torchrun sets it") from None
