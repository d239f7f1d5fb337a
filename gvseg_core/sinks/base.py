"""Where sinks write: a file or stream, or a folder, that appears whole at the end.

A sink is made for one video. Until `end` nothing stands at its target; after `abort` nothing is left of it. Frames
without segments are ordinary, and so, but for video, are videos without frames. What a format has no place for is not
invented: that a video was cut short is said in JSON and in the contact sheet's metadata.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import BinaryIO

from gvseg_core.errors import UsageError
from gvseg_core.files import PartFile, PartFolder, writing
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import Outcome, VideoInfo

Target = Path | BinaryIO
"""A file to make, or a stream of bytes that somebody else opened and will close."""


class Output:
    """One file that appears at `commit`, or a stream, which is only flushed.

    Raises:
        OutputError: the file must not or cannot be written. A stream whose reader went away raises `BrokenPipeError`.
    """

    def __init__(self, target: Target, overwrite: bool) -> None:
        self.part = PartFile(target, overwrite) if isinstance(target, Path) else None
        self.name = str(target) if isinstance(target, Path) else "the output stream"
        self._spools: list[BinaryIO] = []
        self._stream: BinaryIO | None
        if self.part is None:
            self._stream = target  # type: ignore[assignment]
        else:
            try:
                with writing(self.name):
                    self._stream = self.part.path.open("wb")
            except BaseException:
                self.part.abort()
                raise

    def spool(self) -> BinaryIO:
        """An unnamed file for what has to wait; beside the part, so that it needs no room elsewhere."""
        folder = self.part.path.parent if self.part is not None else None
        with writing(self.name):
            spool: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the output
        self._spools.append(spool)
        return spool

    def write(self, data: bytes) -> None:
        """Append."""
        assert self._stream is not None
        with writing(self.name):
            self._stream.write(data)

    def flush(self) -> None:
        """Hand on what was written, so that a reader of the stream sees it now."""
        assert self._stream is not None
        with writing(self.name):
            self._stream.flush()

    def commit(self) -> None:
        """Let the file appear."""
        if self._stream is None:
            return
        self.flush()
        if self.part is not None:
            with writing(self.name):
                self._stream.close()
            self.part.commit()
        self._stream = None
        self._close_spools()

    def abort(self) -> None:
        """Remove the part."""
        stream, self._stream = self._stream, None
        self._close_spools()
        if self.part is not None and stream is not None:
            with contextlib.suppress(OSError):  # what a full disk did not take is thrown away with the rest
                stream.close()
            self.part.abort()

    def _close_spools(self) -> None:
        for spool in self._spools:
            with contextlib.suppress(OSError):
                spool.close()
        self._spools.clear()


class FileSink:
    """A sink whose results go to one file or stream, as they come."""

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        self.target = target
        self.settings = settings
        self._output: Output | None = None

    @property
    def output(self) -> Output:
        """Where to write, between `begin` and `end`."""
        assert self._output is not None, "begin comes first"
        return self._output

    def begin(self, video: VideoInfo) -> None:
        """Open the output."""
        self.video = video
        self._output = Output(self.target, self.settings.overwrite)

    def end(self, outcome: Outcome) -> None:  # noqa: ARG002
        """Let the output appear."""
        self.output.commit()

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._output is not None:
            self._output.abort()


class FolderSink:
    """A sink whose results go to files of their own in one folder.

    Raises:
        UsageError: the target is a stream.
    """

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        if not isinstance(target, Path):
            raise UsageError("masks and maps are one file a frame and do not fit in a stream; give a folder with -o")
        self.target = target
        self.settings = settings
        self._part: PartFolder | None = None

    @property
    def folder(self) -> Path:
        """Where to write, between `begin` and `end`."""
        assert self._part is not None, "begin comes first"
        return self._part.path

    def begin(self, video: VideoInfo) -> None:
        """Open the folder."""
        self.video = video
        self._part = PartFolder(self.target, self.settings.overwrite)

    def end(self, outcome: Outcome) -> None:  # noqa: ARG002
        """Let the folder appear."""
        assert self._part is not None, "begin comes first"
        self._part.commit()

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._part is not None:
            self._part.abort()
