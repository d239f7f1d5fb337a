"""Worker processes: in order, and open about what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gvseg_core.data.training.workers import Workers
from gvseg_core.errors import DataError, DeviceError


class OwnError(Exception):
    """An error that cannot be sent to another process."""

    def __init__(self) -> None:
        super().__init__("what it said")
        self.thing: Callable[[], None] = lambda: None


def stumble(number: int) -> Tensor:
    time.sleep(0.02 * (number % 2))
    if number == 6:
        raise DataError("00006.jpg: it is empty")
    if number == 7:
        raise OwnError
    return torch.full((100, 100), number)


def fail(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        time.sleep(60)
    return number


def test_things_come_in_order_and_errors_as_they_were() -> None:
    workers = Workers(stumble, 2, ahead=2, patience=60)
    try:
        assert [int(made[0, 0]) for made in islice(workers, 6)] == list(range(6))
        with pytest.raises(DataError) as caught:
            next(workers)
        assert str(caught.value) == "00006.jpg: it is empty"
        assert "in stumble" in caught.value.__notes__[0]
        with pytest.raises(RuntimeError, match="OwnError: what it said"):
            next(workers)
    finally:
        workers.close()


def test_workers_mind_no_signal_of_the_terminal_and_one_that_is_killed_or_hangs_is_told() -> None:
    workers = Workers(fail, 2, ahead=1, patience=60)
    try:
        assert list(islice(workers, 2)) == [0, 1]
        for process in workers._processes:
            assert process.pid is not None
            for name in ("SIGINT", "SIGTERM"):
                os.kill(process.pid, getattr(signal, name))
        assert next(workers) == 2
        with pytest.raises(DeviceError, match="a data worker was ended by SIGKILL; out of memory"):
            next(workers)
        workers._patience = 0.3
        with pytest.raises(DataError, match="has given nothing for 0 s; does the disk still answer"):
            next(workers)
    finally:
        begun = time.monotonic()
        workers.close()
        workers.close()
        assert time.monotonic() - begun < 10


SCRIPT = """
from gvseg_core.data.training.workers import Workers
if __name__ == "__main__":
    workers = Workers(abs, 1, ahead=1, patience=60)
    print(next(workers), next(workers))
"""


def test_a_program_that_forgets_its_workers_ends_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "forgets.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, tmp_path / "forgets.py"], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "0 1\n")
