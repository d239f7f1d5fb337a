"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once.

While nothing has been written, the orderly end is to stop where we are: the handler raises. While results are being
written it only sets a flag, which the engine looks at between clips.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from gvseg_cli.console import Console

STOPPING = "gvseg: stopping: {doing} (once more: stop at once)\n"
WIPE_LINE = b"\r\x1b[K"


class _Interrupted(KeyboardInterrupt):
    """Caught like any other. Of one of exactly that type that has ever left an `exec`, caught or not, `python -m` makes
    a death by the signal in the end."""


class Interrupts:
    """Handles SIGINT and SIGTERM while it is open; what the parent process had set to be ignored stays ignored."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number: int | None = None
        self._give_up: Callable[[], None] | None = None
        self._said = b""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def also(self, number: int | None) -> None:
        """Handle another signal in the same way, where the system has it: SIGUSR1, by which Slurm tells of a limit."""
        if number is not None and self._before and number not in self._before:
            self._before[number] = signal.signal(number, self._handle)

    def finish_in_order(
        self, give_up: Callable[[], None], doing: str = "finishing the current clip and closing the files"
    ) -> None:
        """From now on the first signal only sets the flag; the second calls `give_up` and exits.

        Args:
            doing: what happens between the two, in words.
        """
        self._said = STOPPING.format(doing=doing).encode()
        self._give_up = give_up

    def came(self) -> bool:
        """Whether a signal asked us to stop."""
        return self._number is not None

    @property
    def exit_code(self) -> int:
        """As a shell reports a process that the signal ended: 130, 143, or 138 for SIGUSR1."""
        return 128 + (self._number or signal.SIGINT)

    def _handle(self, number: int, _: FrameType | None) -> None:
        again, self._number = self._number is not None, self._number or number
        if self._give_up is None:
            raise _Interrupted
        if again:
            try:
                self._give_up()
            finally:
                os._exit(self.exit_code)
        if not self._console.quiet:
            with contextlib.suppress(OSError):  # stderr may be closed
                # Neither buffered nor locked: safe in a handler.
                os.write(2, WIPE_LINE * self._console.is_terminal + self._said)
