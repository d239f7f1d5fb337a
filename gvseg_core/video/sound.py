"""Sound carried over unchanged: packets are copied, never decoded or encoded again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import av.container
import av.error
from av.audio.stream import AudioStream
from av.stream import Discard

from gvseg_core.video.container import Reader

Range = tuple[Fraction, Fraction | None]
"""From and up to, in seconds; None is the end."""


class SoundCopier:
    """Copies a file's best sound stream into `output`, in step with the pictures.

    Packets that begin before the first picture or after the last one's end are left out: the sound is as long as the
    pictures, to within one packet (about 20 ms).
    """

    def __init__(
        self, path: Path, output: av.container.OutputContainer, origin: Fraction, only: Range | None = None
    ) -> None:
        """
        Args:
            path: the video the sound is in.
            output: gets another stream; must not have been started.
            origin: `VideoInfo.origin`.
            only: the part of the source that is copied, in its video's time.
        """
        self.problem = ""  # why there is no sound, or not all of it; one line
        self._output = output
        self._origin = origin
        self._only = only or (Fraction(0), None)
        self._start: Fraction | None = None
        self._waiting: av.Packet[AudioStream] | None = None
        self._packets: Iterator[av.Packet[AudioStream]] = iter(())
        self._stream: AudioStream | None = None
        self._opened = ExitStack()
        try:
            file = self._opened.enter_context(open(path, "rb", buffering=0))  # noqa: SIM115
            self._input = self._opened.enter_context(
                av.open(
                    Reader(file),
                    "r",
                    container_options={"protocol_whitelist": ""},
                    metadata_errors="replace",
                    buffer_size=1 << 16,
                )
            )
        except (OSError, av.error.FFmpegError) as error:
            self.problem = f"no sound: {path} cannot be opened again: {error.strerror}"
            self.close()
            return
        self._prepare()

    def _prepare(self) -> None:
        source = self._input.streams.best("audio")
        if not isinstance(source, AudioStream):
            self.close()
            return
        kind = self._output.format.name
        if not _takes(kind, source):
            name = source.codec_context.codec.canonical_name if source.codec_context else "an unknown codec"
            self.problem = f"no sound: {name} cannot be put into {kind} unchanged; Matroska (.mkv) takes any"
            self.close()
            return
        for other in self._input.streams:
            if other is not source:
                other.discard = Discard.all
        self._source = source
        self._stream = self._output.add_stream_from_template(source)

    def begin(self, time: Fraction) -> None:
        """The first picture, of the source's time `time`, is shown at 0 in the output."""
        if self._stream is None:
            return
        self._start = time
        skipped = self._origin + max(time, self._only[0])
        try:
            if time > 0 or self._only[0] > 0:
                self._input.seek(int(skipped * av.time_base))
            self._packets = self._timed()
        except av.error.FFmpegError as error:
            self.problem = f"no sound: {error.strerror}"

    def _timed(self) -> Iterator[av.Packet[AudioStream]]:
        """Packets that are wanted, with the output's times."""
        assert self._start is not None
        tick = self._source.time_base or Fraction(1, self._source.rate)
        shift = self._origin + self._start
        begin = self._origin + max(self._start, self._only[0])
        end = None if self._only[1] is None else self._origin + self._only[1]
        try:
            for packet in self._input.demux(self._source):
                if not packet.size or packet.pts is None or packet.pts * tick < begin:
                    continue
                if end is not None and packet.pts * tick >= end:
                    return
                ticks = round(shift / tick)
                packet.pts -= ticks
                packet.dts = packet.pts if packet.dts is None else packet.dts - ticks
                yield packet
        except av.error.FFmpegError as error:
            self.problem = f"the sound is damaged and breaks off ({error.strerror})"

    def copy_until(self, time: Fraction) -> None:
        """Write what is heard before `time`, seconds of the output."""
        if self._stream is None:
            return
        while packet := self._waiting or next(self._packets, None):
            assert packet.pts is not None
            if packet.pts * packet.time_base >= time:
                self._waiting = packet
                return
            self._waiting = None
            packet.stream = self._stream
            try:
                self._output.mux(packet)
            except av.error.FFmpegError as error:
                self.problem = f"the sound breaks off: {error.strerror}"
                self.close()
                return

    def close(self) -> None:
        """Safe at any time, more than once."""
        self._stream = None
        self._opened.close()


def _takes(muxer: str, sound: AudioStream) -> bool:
    """Whether a container takes this sound; found out by writing a header, for FFmpeg's tables promise too much."""
    scratch = BytesIO()
    try:
        with av.open(scratch, "w", format=muxer) as container:
            container.add_stream_from_template(sound)
            container.start_encoding()
            scratch.close()  # PyAV does not try to finish a closed file
    except (av.error.FFmpegError, ValueError):
        return False
    return True
