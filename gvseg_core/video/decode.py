"""Frames from anything FFmpeg reads: upright, in RGB, with exact times, and as many as a damaged file still holds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import chain

import av
import av.error

from gvseg_core.errors import UsageError, VideoError
from gvseg_core.types import Frame, VideoInfo
from gvseg_core.video.clock import Clock
from gvseg_core.video.container import OpenContainer, VideoStream
from gvseg_core.video.deinterlace import Deinterlace, Deinterlacer
from gvseg_core.video.diagnosis import why_unreadable
from gvseg_core.video.inputs import Input
from gvseg_core.video.picture import UPRIGHT, Developer, Picture, as_tensor, display_matrix, letterboxed, turned
from gvseg_core.video.seek import is_far, jump
from gvseg_core.video.selection import Selection, seconds

DEFAULT_RATE = Fraction(25)  # frames a second, where nobody says
_HIGHEST_RATE = 1000  # frames a second; above it a header's rate is noise
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics (ITU-T H.273, table 3)

Timed = tuple[av.VideoFrame, int, Fraction]
"""A decoded frame, its index and its time."""


class FileSource:
    """One video stream of a file, pipe, URL or camera (a `VideoSource`, and a context manager).

    Attributes:
        info: what is known before the first frame is taken.
        problems: after the end, what was lost: one line each.
        notes: what should be said once, but lost nothing: the stream that was picked, repaired timestamps.
        num_decoded: frames decoded so far, chosen or not.
        num_expected: after the end, frames there should have been; None where nobody says.
        num_errors: packets and reads that failed.
    """

    def __init__(
        self,
        source: Input,
        selection: Selection,
        *,
        fps: Fraction | None = None,
        stream: int | None = None,
        deinterlace: Deinterlace = "auto",
    ) -> None:
        """
        Args:
            source: a file, stdin, URL or camera.
            selection: the frames that are wanted.
            fps: frames a second, in place of the file's own timestamps.
            stream: see `OpenContainer`.
            deinterlace: of the frames flagged as interlaced, of all, or of none.

        Raises:
            VideoError: it cannot be opened, or not one frame decoded.
            UsageError: `selection` holds no frame of it.
        """
        self.problems: list[str] = []
        self.num_decoded = 0
        self.num_expected: int | None = None
        self._num_failed_packets = 0
        self._num_corrupt = 0
        self._selection = selection
        self._begin = partial(_begin, source, stream, fps)
        self._container, self._clock = self._begin()
        self.notes = self._container.notes
        try:
            self._deinterlace = deinterlace
            self._deinterlacer: Deinterlacer[tuple[int, Fraction]] = Deinterlacer(deinterlace)
            self._develop = Developer()
            frames = self._timed()
            first = next(frames, None)
            if first is None:
                raise VideoError(f"{source.shown}: {self._why_nothing()}")
            self.info = self._inspect(source, first[0])
            self._chosen = self._choose(self._skip(chain([first], frames)))
            self._first = next(self._chosen, None)
            if self._first is None:
                raise UsageError(f"{source.shown}: {self._why_none_chosen()}")
        except BaseException:
            self.close()
            raise

    @property
    def num_errors(self) -> int:
        return self._num_failed_packets + self._container.num_failed

    def __iter__(self) -> Iterator[Frame]:
        """The chosen frames, in order; a second iteration goes on where the first stopped."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._chosen

    def __enter__(self) -> FileSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interrupt(self) -> None:
        """From another thread: let an iteration that waits for a pipe end soon."""
        if self._container.reader is not None:
            self._container.reader.interrupted = True

    def close(self) -> None:
        self._container.close()

    def _skip(self, frames: Iterator[Timed]) -> Iterator[Timed]:
        """`frames`, or as good as those, from shortly before a far start on."""
        if not is_far(self._selection.start) or not self._container.can_seek or self._clock.origin is None:
            return frames
        number = jump(self._container, self._selection.start, self._clock.origin)
        if number is None:
            self._container.close()
            self._container, self._clock = self._begin()
        self._clock.jump()
        self._deinterlacer = Deinterlacer(self._deinterlace)
        return self._timed(number or 0)

    def _timed(self, first_index: int = 0) -> Iterator[Timed]:
        self.num_decoded = first_index
        for index, frame in enumerate(self._decoded(), first_index):
            stamp = frame.pts if frame.pts is not None else frame.dts
            time = self._clock.time(None if stamp is None else stamp * self._clock.tick)
            self.num_decoded += 1
            self._num_corrupt += frame.is_corrupt
            for whole, (number, at) in self._deinterlacer.put(frame, (index, time)):
                yield whole, number, at
        for whole, (number, at) in self._deinterlacer.flush():
            yield whole, number, at

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._container.packets():
            yield from self._decode(packet)
        yield from self._decode(None)  # what the decoder still holds

    def _decode(self, packet: av.Packet[VideoStream] | None) -> list[av.VideoFrame]:
        try:
            return self._container.stream.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self._num_failed_packets += 1
            return []

    def _choose(self, frames: Iterator[Timed]) -> Iterator[Frame]:
        num_begun = 0
        for frame, index, time in frames:
            if self._selection.over(index, time):
                break
            if self._selection.begun(index, time):
                if num_begun % self._selection.stride == 0:
                    yield Frame(index, time, as_tensor(self._picture(frame, index)))
                num_begun += 1
        else:
            self._judge()
        self._note_times()

    def _picture(self, frame: av.VideoFrame, index: int) -> Picture:
        picture = turned(self._develop(frame), self._matrix)
        if picture.shape[:2] != self.info.size:
            note = "the picture's size changes on the way; other sizes are letterboxed into the first, from frame "
            if not any(n.startswith(note) for n in self.notes):
                self.notes.append(f"{note}{index} on")
            picture = letterboxed(picture, self.info.size)
        return picture

    def _inspect(self, source: Input, frame: av.VideoFrame) -> VideoInfo:
        opened, stream = self._container.av, self._container.stream
        matrix = display_matrix(frame)
        if matrix is None:
            self.notes.append(f"turned by {frame.rotation}° in its header: only quarter turns are followed")
        if frame.color_trc in _HDR:
            self.notes.append(f"HDR ({_HDR[frame.color_trc]}): colours are taken without tone mapping")
        self._matrix = matrix or UPRIGHT
        sideways = self._matrix[1] != 0
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        duration = None
        if stream.duration:
            duration = stream.duration * self._clock.tick
        elif opened.duration:
            duration = Fraction(opened.duration, av.time_base)
        rate = None if self._clock.rate is DEFAULT_RATE else self._clock.rate
        total = stream.frames or (round(duration * self._clock.rate) if duration else None)
        by_rate = self._clock.origin is None  # no timestamps, or none that count
        return VideoInfo(
            name=source.name,
            size=(frame.width, frame.height) if sideways else (frame.height, frame.width),
            rate=rate,
            time_base=1 / self._clock.rate if by_rate else self._clock.tick,
            num_frames=self._selection.num_of(total, self._clock.rate) if total else None,
            duration=duration,
            sample_aspect=1 / aspect if sideways else aspect,
            path=source.path,
            origin=self._clock.origin or Fraction(0),
            has_audio=source.path is not None and bool(opened.streams.audio),
            details={
                "container": opened.format.name,
                "codec": stream.codec_context.codec.canonical_name,
                "pixel_format": frame.format.name,
                "rotation": str(frame.rotation),
                "stream": str(stream.index),
            },
        )

    def _judge(self) -> None:
        """After the last frame: what is missing, measured by the header, the index or the errors."""
        container, header = self._container, self._container.stream.frames
        num_unread = header - container.num_packets - container.num_discarded if header else 0
        cut = container.missing_end(self._clock.rate)
        if header:
            self.num_expected = max(header - container.num_discarded, self.num_decoded)
        if cut and cut[0]:
            self.num_expected = max(round(self.num_decoded * cut[1] / cut[0]), self.num_decoded + self.num_errors)
        elif self.num_errors:
            self.num_expected = max(self.num_expected or 0, self.num_decoded + self._num_failed_packets)
        if num_unread > 0 or self.num_errors or cut:
            about = "about " if cut else ""
            line = f"damaged: {self.num_decoded} of {about}{self.num_expected} frames could be decoded"
            self.problems.append(line + (f", {self._num_corrupt} of them with flaws" if self._num_corrupt else ""))
        elif not header and container.is_cut():
            self.problems.append(f"damaged: cut off after {self.num_decoded} frames; how many there were is not known")
        elif self._num_corrupt:
            self.problems.append(f"damaged: {self._num_corrupt} of {self.num_decoded} frames have flaws")
        if container.stopped:
            self.problems.append(container.stopped)

    def _note_times(self) -> None:
        if self._clock.num_repaired:
            self.notes.append(f"{self._clock.num_repaired} timestamps repeated or ran back; they were moved on")
        if self._clock.num_missing:
            self.notes.append(
                f"{self._clock.num_missing} frames without a timestamp; {seconds(self._clock.rate)} a second taken"
            )
        if self._deinterlacer.num_done:
            self.notes.append(f"{self._deinterlacer.num_done} interlaced frames were deinterlaced")

    def _why_nothing(self) -> str:
        reader = self._container.reader
        if reader is not None and not self._container.can_seek and not self._container.num_packets:
            return why_unreadable(reader.head, None)
        codec = self._container.stream.codec_context.codec.canonical_name
        if self._container.num_packets:
            return f"not one frame could be decoded ({codec}, {self._container.num_packets} packets read)"
        return f"its video stream ({codec}) is empty"

    def _why_none_chosen(self) -> str:
        frames = f"{self.num_decoded} frame" + "s" * (self.num_decoded != 1)
        return f"no frame is chosen: the video has {frames} in {seconds(self._clock.end)} s, {self._selection}"


def _begin(source: Input, stream: int | None, fps: Fraction | None) -> tuple[OpenContainer, Clock]:
    container = OpenContainer(source, stream=stream, rate=fps)
    rates = (fps, container.stream.average_rate, container.stream.guessed_rate)
    rate = next((r for r in rates if r and 0 < r <= _HIGHEST_RATE), DEFAULT_RATE)
    return container, Clock(container.stream.time_base or Fraction(1, 90000), rate, by_rate=fps is not None)
