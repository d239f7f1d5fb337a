"""Where encoded bytes go: a file or a stream, whose failures must not be raised inside FFmpeg's callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from gvseg_core.errors import OutputError


class Target:
    """A binary file as FFmpeg wants it. Writing never raises; `check` raises what went wrong."""

    def __init__(self, target: Path | BinaryIO) -> None:
        self.name = str(target) if isinstance(target, Path) else str(getattr(target, "name", "the stream"))
        self.closed = False  # once it is, PyAV does not try to finish the file
        self._owned = isinstance(target, Path)
        self._error: OSError | None = None
        try:
            self._file = open(target, "w+b", buffering=0) if isinstance(target, Path) else target  # noqa: SIM115
        except OSError as error:
            raise _output_error(self.name, error) from None

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest and self._error is None:
            try:
                rest = rest[self._file.write(rest) or 0 :]
            except OSError as error:
                self._error = error
        return len(data)

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            self._error = self._error or error
            return offset

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        if isinstance(self._error, BrokenPipeError):
            raise self._error
        if self._error is not None:
            raise _output_error(self.name, self._error) from None

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self._error = self._error or error

    def close(self) -> None:
        """Take nothing more; a file is closed, a stream stays open. Raises nothing."""
        self.closed = True
        if self._owned:
            try:
                self._file.close()
            except OSError as error:
                self._error = self._error or error


def _output_error(name: str, error: OSError) -> OutputError:
    failure = OutputError(f"{name}: cannot be written: {error.strerror or error}")
    failure.errno = error.errno
    return failure
