"""What people read, on stderr, and where paths of results go, on stdout.

Text from outside (file names, class names, messages of libraries) is shown with its control characters escaped; no
markup is read into it. Colour only where stderr is a terminal that wants it (no-color.org).
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

RED, YELLOW, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


class Console:
    """One per process: how talkative it is, and how a line looks.

    A line that redraws itself (`status`) is wiped before anything else is said and never mixes with it.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        """
        Args:
            words: the command, to be quoted when a bug is to be reported.
        """
        self._words = words
        self.quiet = False
        self.verbose = False
        self.debug = False
        self._status_shown = False
        self._stdout_taken = False

    @property
    def is_terminal(self) -> bool:
        """Whether stderr can redraw a line."""
        return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def note(self, text: str) -> None:
        """A line worth knowing; silent with --quiet."""
        if not self.quiet:
            self._say(text)

    def detail(self, text: str) -> None:
        """A line for those who asked for more with --verbose."""
        if self.verbose:
            self._say(text)

    def warn(self, text: str) -> None:
        """Something is not as it should be, and the run goes on."""
        if not self.quiet:
            self._say(text, self._painted("warning: ", YELLOW))

    def error(self, text: str, error: BaseException | None = None) -> None:
        """The one line that says why something ended; with --debug, from where."""
        self._say(text, self._painted("error: ", RED))
        if self.debug and error is not None:
            self._write("".join(traceback.format_exception(error)))

    def failure(self, error: Exception) -> None:
        """Say why something ended: in the words of the error if it is one of ours, else as a bug."""
        from gvseg_core.errors import GvsegError

        if isinstance(error, GvsegError):
            self.error(str(error), error)
            return
        summary = " ".join(f"{type(error).__name__}: {error}".split())
        again = "" if self.debug else f"; please report it, with the output of: gvseg {shlex.join(self._words)} --debug"
        self.error(f"this is a bug in gvseg: {summary}{again}", error)

    def show(self, text: str) -> None:
        """A line that was asked for, on stdout."""
        if sys.stdout is not None:
            print(_safe(text))

    def path(self, path: Path) -> None:
        """A result that was written, on stdout: byte for byte for a program, escaped for a terminal.

        Nothing where results themselves go there, and no reason to stop where nobody reads it.
        """
        if sys.stdout is None or self._stdout_taken:
            return
        line = _safe(str(path)).encode() if sys.stdout.isatty() else os.fsencode(path)
        try:
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            drop_stdout()

    @contextlib.contextmanager
    def hearing(self, logger: str = "gvseg_core") -> Iterator[None]:
        """Warnings that are logged in the body are said here, once each."""
        import logging  # nothing of it is needed for --help

        class Ear(logging.Handler):
            """Hears, and passes on what it has not passed on yet."""

            def __init__(self, tell: Callable[[str], None]) -> None:
                super().__init__(logging.WARNING)
                self._tell = tell
                self._told: set[str] = set()

            def emit(self, record: logging.LogRecord) -> None:
                message = record.getMessage()
                if message not in self._told:
                    self._told.add(message)
                    self._tell(message)

        ear = Ear(self.warn)
        logging.getLogger(logger).addHandler(ear)
        try:
            yield
        finally:
            logging.getLogger(logger).removeHandler(ear)

    @contextlib.contextmanager
    def stdout_for_results(self) -> Iterator[BinaryIO]:
        """Stdout for results alone, as bytes: whatever else prints there meanwhile goes to stderr.

        Raises:
            OutputError: stdout is closed.
        """
        from gvseg_core.errors import OutputError

        if sys.stdout is None:
            raise OutputError("stdout is closed, and results were to go there")
        sys.stdout.flush()
        own, stream = os.dup(1), open(os.dup(1), "wb")  # noqa: SIM115 - closed below
        os.dup2(2, 1)
        self._stdout_taken = True
        try:
            yield stream  # who writes a result also flushes it
        finally:
            self._stdout_taken = False
            with contextlib.suppress(OSError):  # what the reader did not take
                stream.close()
            sys.stdout.flush()
            os.dup2(own, 1)
            os.close(own)

    def status(self, text: str) -> None:
        """A line that the next one overwrites, cut to the terminal's width."""
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r{_safe(text)[:width]}\x1b[K")
        self._status_shown = True

    def json(self, text: str) -> None:
        """A line for a program that reads stderr."""
        self._write(text + "\n")

    def event(self, event: str, **values: Any) -> None:
        """What happened, as a line for a program."""
        self.json(json.dumps({"event": event, **values}, default=str))

    def _say(self, text: str, kind: str = "") -> None:
        self._write(f"{self._wipe()}gvseg: {kind}{_safe(text)}\n")

    def _wipe(self) -> str:
        shown, self._status_shown = self._status_shown, False
        return "\r\x1b[K" if shown else ""

    def _painted(self, word: str, color: str) -> str:
        wanted = self.is_terminal and not os.environ.get("NO_COLOR")
        return f"{color}{word}{PLAIN}" if wanted else word

    @staticmethod
    def _write(text: str) -> None:
        if sys.stderr is None:  # closed from the start: gvseg … 2>&-
            return
        with contextlib.suppress(BrokenPipeError):  # nobody reads it any more
            sys.stderr.write(text)
            sys.stderr.flush()


def _safe(text: str) -> str:
    from gvseg_core.files import printable

    return printable(text)


def occupy_closed_streams() -> None:
    """Keep the numbers 0, 1 and 2 from files: what a library prints would be written into them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def drop_stdout() -> None:
    """Let nothing more be written to stdout, not even by the interpreter as it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
