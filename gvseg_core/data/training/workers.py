"""Processes that make things ahead of time, in a fixed order, and fail openly.

Worker w of W makes things w, w + W, w + 2W …; they are taken from the workers by turns, so their order is that of one
worker. How we differ from torch's `DataLoader`: nothing is raised in the middle of whatever this process is doing (it
has a SIGCHLD handler that does), a worker's error arrives as it was, and a worker that is gone is told from one that
is slow. Tensors travel through shared memory, as there.
"""

from __future__ import annotations

import atexit
import contextlib
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

import torch
import torch.multiprocessing

from gvseg_core.errors import DataError, DeviceError

T = TypeVar("T")

_FAREWELL = 2.0  # seconds that a worker has to finish before it is ended
_SHARED = "give /dev/shm more (containers: --shm-size), or train.workers=0"
_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP")
"""What a terminal or a cluster sends to all processes: this one alone decides what becomes of it."""


class Workers(Generic[T]):
    """An iterator over what `make(0)`, `make(1)`, … return in `num` processes. `close` ends them.

    Args:
        make: is sent to each process once.
        ahead: things that each makes before they are asked for.
        patience: seconds after which a worker that gives nothing is taken to hang.
    """

    def __init__(self, make: Callable[[int], T], num: int, *, ahead: int, patience: float) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self._patience = patience
        self._pipes: list[Connection] = []
        self._processes = []
        for place in range(num):
            here, there = context.Pipe()
            process = context.Process(
                target=_work, args=(there, make, place, num), name=f"gvseg-data-{place}", daemon=True
            )
            process.start()
            there.close()  # so that reading ends when the worker does
            self._pipes.append(here)
            self._processes.append(process)
            for _ in range(ahead):
                here.send(None)
        self._numbers = count()
        atexit.register(self.close)  # before Python's own farewell, which waits for workers that mind no signal

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        """
        Raises:
            DeviceError: a worker was ended from outside.
            DataError: a worker does not answer.
            Exception: whatever a worker met.
        """
        number = next(self._numbers)
        place = number % len(self._pipes)
        pipe, process = self._pipes[place], self._processes[place]
        if not wait([pipe, process.sentinel], self._patience):
            waited = f"{self._patience:.0f} s"
            raise DataError(f"a data worker has given nothing for {waited}; does the disk still answer?")
        try:
            made, error, note = pipe.recv()  # EOFError: it is gone, and so is what it made
            pipe.send(None)
        except (EOFError, OSError):
            process.join(_FAREWELL)
            raise DeviceError(_why_gone(process.exitcode)) from None
        if error is not None:
            error.add_note(note)
            raise error
        return made  # type: ignore[no-any-return]

    def close(self) -> None:
        """End all workers; safe more than once."""
        atexit.unregister(self.close)
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_FAREWELL)
            if process.is_alive():
                process.kill()
                process.join()


def _work(pipe: Connection, make: Callable[[int], Any], place: int, num: int) -> None:
    """Make every num-th thing from `place` on, each when it has been asked for, until nobody asks any more."""
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, OSError):  # nobody asks any more
        for number in count(place, num):
            pipe.recv()
            try:
                message = ForkingPickler.dumps((make(number), None, ""))  # here tensors move to shared memory
            except Exception as error:
                pipe.send_bytes(_told(error))
                break
            pipe.send_bytes(message)
        while True:  # what was sent is fetched from this process
            pipe.recv()


def _told(error: Exception) -> Any:
    """An error with its traceback, ready to be sent; one that cannot be sent, by what it says."""
    note = f"in a data worker:\n{traceback.format_exc()}"
    if "shared memory" in str(error):
        error = DeviceError(f"{error}; {_SHARED}")
    try:
        return ForkingPickler.dumps((None, error, note))
    except (TypeError, AttributeError, pickle.PicklingError):
        return ForkingPickler.dumps((None, RuntimeError(f"{type(error).__name__}: {error}"), note))


def _why_gone(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"a data worker ended by itself (exit status {exitcode})"
    name = signal.Signals(-exitcode).name
    if name == "SIGBUS":
        return f"a data worker ran out of shared memory; {_SHARED}"
    hint = "; out of memory? fewer train.workers need less" if name == "SIGKILL" else ""
    return f"a data worker was ended by {name}{hint}"
