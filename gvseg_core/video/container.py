"""Opening anything FFmpeg reads, and its packets: damage is survived and counted, a stream's end checked.

What may be opened follows from where it comes from. A local file or a pipe is read through Python and may name no other
source at all (playlists, `concat`, external references are refused); a URL may stay on its own kind of protocol.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO, cast

import av
import av.container
import av.error
import av.video.stream
from av.stream import Discard, Disposition, Stream

from gvseg_core.errors import UsageError, VideoError
from gvseg_core.video.diagnosis import HEAD, is_cut_mp4, why_unreadable
from gvseg_core.video.inputs import Input
from gvseg_core.video.selection import seconds

VideoStream = av.video.stream.VideoStream

_PROTOCOLS = {
    "http": "http,https,tcp,tls,crypto,httpproxy",
    "https": "http,https,tcp,tls,crypto,httpproxy",
    "rtsp": "rtsp,rtp,rtcp,udp,tcp,tls,srtp",
    "rtsps": "rtsp,rtsps,rtp,rtcp,udp,tcp,tls,srtp",
}
_TIMEOUTS = (15.0, 30.0)  # seconds to open a URL, and to wait for its next data
_CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("dshow", "video={}")}
# Formats whose duration is written into the header when they are finished, so that a cut shows by it.
_HEADER_DURATION = frozenset({"matroska", "webm", "flv", "asf"})
_GIVE_UP = 100  # failed reads in a row

MAX_SIDE = 16384  # pixels
MAX_PIXELS = 100_000_000


class Reader:
    """A binary file as FFmpeg wants it. It never raises: an exception inside FFmpeg's callback would be printed."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.head = b""  # the first bytes that were read
        self.error: OSError | None = None
        self.interrupted = False  # set from another thread: a blocked read ends soon, as if the file did
        # A pipe is read unbuffered: that gives what is there and does not wait for more.
        self._source = file if file.seekable() else getattr(file, "raw", file)
        self._waits = os.name == "posix" and not file.seekable()

    def read(self, size: int) -> bytes:
        try:
            while self._waits and not select.select([self._source], [], [], 0.2)[0]:
                if self.interrupted:
                    return b""
            data = b"" if self.interrupted else self._source.read(size) or b""
        except OSError as error:
            self.error = error
            return b""
        if len(self.head) < HEAD:
            self.head += data[: HEAD - len(self.head)]
        return bytes(data)

    def seekable(self) -> bool:
        return self.file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self.file.seek(offset, whence)
        except OSError as error:
            self.error = error
            return -1

    def tell(self) -> int:
        return self.file.tell()


class OpenContainer:
    """A container with one of its video streams chosen."""

    def __init__(self, source: Input, *, stream: int | None = None, rate: Fraction | None = None) -> None:
        """
        Args:
            source: a file, stdin, URL or camera.
            stream: the stream's number in the file, as ffprobe counts; by default the largest picture.
            rate: frames a second, for formats that hold no timestamps.

        Raises:
            VideoError: it cannot be opened, or holds no video that can be decoded.
            UsageError: `stream` is not one of its video streams.
        """
        self.name = source.shown
        self.notes: list[str] = []
        self._owns_file = source.kind != "stdin"
        self.num_packets = 0  # of the chosen stream, those that make a frame
        self.num_discarded = 0  # and those an edit list leaves out
        self.num_failed = 0  # reads that failed
        self.stopped = ""  # why reading ended before the end, if it did
        self.reader: Reader | None = None
        self._ends = Fraction(0)  # seconds; the latest end of any packet of any stream
        options = {"framerate": str(rate)} if rate else {}
        if source.kind in {"file", "stdin"}:
            self.reader = Reader(_binary(source))
        try:
            self.av = self._open(source, options)
        except BaseException:
            self._close_file()
            raise
        try:
            self.stream = self._choose(stream)
            self._check_size()
        except BaseException:
            self.close()
            raise
        self.checks_end = bool(self.av.duration) and not _HEADER_DURATION.isdisjoint(self.av.format.name.split(","))
        self.stream.thread_type = "AUTO"

    def _open(self, source: Input, options: dict[str, str]) -> av.container.InputContainer:
        try:
            if self.reader is not None:
                # An empty whitelist refuses every protocol; the file itself does not go through one.
                options["protocol_whitelist"] = ""
                return av.open(
                    self.reader, "r", container_options=options, metadata_errors="replace", buffer_size=1 << 16
                )
            if source.kind == "camera":
                device, pattern = _CAMERAS.get(sys.platform, ("v4l2", "/dev/video{}"))
                return av.open(pattern.format(int(source.spec)), "r", format=device, container_options=options)
            options["protocol_whitelist"] = _PROTOCOLS[source.spec.split(":")[0].lower()]
            return av.open(source.spec, "r", container_options=options, metadata_errors="replace", timeout=_TIMEOUTS)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"{self.name}: {self._why(error)}") from None

    def _why(self, error: Exception) -> str:
        if self.reader is None:
            return f"cannot be opened: {getattr(error, 'strerror', None) or error}"
        if self.reader.error is not None:
            return f"cannot be read: {self.reader.error.strerror}"
        file = self.reader.file if self.reader.seekable() else None
        if file is not None:
            file.seek(0)
            return why_unreadable(file.read(HEAD), file)
        return why_unreadable(self.reader.head, None)

    def _choose(self, number: int | None) -> VideoStream:
        streams = self.av.streams
        moving = [s for s in streams.video if not s.disposition & Disposition.attached_pic]
        if number is not None:
            chosen = [s for s in moving if s.index == number]
            if not chosen:
                known = ", ".join(str(s.index) for s in moving) or "none"
                raise UsageError(f"{self.name}: stream {number} is not a video stream; there are: {known}")
            moving = chosen
        if not moving:
            kinds = ["a cover picture"] * bool(streams.video) + sorted({s.type for s in streams if s.type != "video"})
            raise VideoError(f"{self.name}: no video stream, only {' and '.join(kinds) or 'an empty container'}")
        usable = [s for s in moving if s.codec_context is not None]
        if not usable:
            raise VideoError(f"{self.name}: no decoder for its video (codec {_codec_tag(moving[0])})")
        best = max(usable, key=lambda s: s.width * s.height)
        if len(moving) > 1:
            every = ", ".join(f"{s.index}: {s.width}×{s.height}" for s in usable)
            self.notes.append(f"{len(moving)} video streams ({every}); stream {best.index} is read")
        return best

    def _check_size(self) -> None:
        width, height = self.stream.width, self.stream.height
        if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            raise VideoError(f"{self.name}: {too_large(height, width)}")

    def packets(self) -> Iterator[av.Packet[VideoStream]]:
        """The packets of the chosen stream, in the file's order, to its end."""
        streams = tuple(self.av.streams) if self.checks_end else (self.stream,)
        for other in self.av.streams:
            if other not in streams:
                other.discard = Discard.all
        failures = 0
        while failures < _GIVE_UP:
            try:
                for packet in self.av.demux(*streams):
                    failures = 0
                    if self.checks_end:
                        self._note_end(packet)
                    # An empty packet would tell the decoder that the stream is over.
                    if packet.stream_index == self.stream.index and packet.size:
                        self.num_packets += not packet.is_discard
                        self.num_discarded += packet.is_discard
                        yield cast("av.Packet[VideoStream]", packet)
                break
            except (av.error.ExitError, av.error.TimeoutError):
                self.stopped = f"no data for {seconds(Fraction(_TIMEOUTS[1]))} s"
                return
            except av.error.FFmpegError:
                self.num_failed += 1
                failures += 1
        if self.reader is not None and self.reader.interrupted:
            self.stopped = "reading was interrupted"
        elif self.reader is not None and self.reader.error is not None:
            self.stopped = f"reading failed: {self.reader.error.strerror}"

    def _note_end(self, packet: av.Packet[Stream]) -> None:
        if packet.pts is not None:
            self._ends = max(self._ends, (packet.pts + (packet.duration or 0)) * packet.time_base)

    def seek(self, stamp: int) -> None:
        """Go to the last key frame shown at or before `stamp` (in the stream's time base), and count anew.

        Raises:
            av.error.FFmpegError: the format cannot.
        """
        self.av.seek(stamp, stream=self.stream)
        self.num_packets, self.num_discarded, self.num_failed = 0, 0, 0

    def missing_end(self, rate: Fraction) -> tuple[Fraction, Fraction] | None:
        """After the last packet: (seconds there are, seconds the header promises) if the file was cut; else None.

        Matroska ends without an error where it was cut; only the header tells.
        """
        if not self.checks_end or not self.av.duration:
            return None
        promised = Fraction(self.av.duration, av.time_base)
        if promised - self._ends <= max(2 / rate, promised / 100):
            return None
        return self._ends, promised

    @property
    def can_seek(self) -> bool:
        return self.reader is not None and self.reader.seekable()

    def is_cut(self) -> bool:
        """Whether the bytes of a fragmented MP4 stop inside a fragment, which FFmpeg passes over in silence."""
        if self.reader is None or not self.can_seek or "mp4" not in self.av.format.name.split(","):
            return False
        return is_cut_mp4(self.reader.file)

    def close(self) -> None:
        self.av.close()
        self._close_file()

    def _close_file(self) -> None:
        if self.reader is not None and self._owns_file:
            self.reader.file.close()


def too_large(height: int, width: int) -> str:
    """The message about a picture beyond the limits."""
    return (
        f"{width}×{height} pixels is too large: the limit is {MAX_SIDE} a side and {MAX_PIXELS // 10**6} million in "
        "all; scale it down first (ffmpeg -i IN -vf scale=3840:-2 OUT)"
    )


def _binary(source: Input) -> BinaryIO:
    if source.kind == "stdin":
        if sys.stdin is None:
            raise VideoError("-: stdin is closed")
        return sys.stdin.buffer
    try:
        return open(os.fspath(source.path or source.spec), "rb", buffering=0)
    except OSError as error:
        raise VideoError(f"{source.shown}: cannot be read: {error.strerror}") from None


def _codec_tag(stream: VideoStream) -> str:
    tag = getattr(stream, "codec_tag", "")
    return repr(tag.strip("\0 ")) if tag else "unknown"
