"""Writing video: exact times, true colours, the source's sound, and a file that plays even when the run is killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from gvseg_core.errors import OutputError, UsageError
from gvseg_core.registry import choose
from gvseg_core.types import Size, VideoInfo
from gvseg_core.video.formats import CODECS, CONTAINERS
from gvseg_core.video.sound import Range, SoundCopier
from gvseg_core.video.target import Target

_DEFAULT_RATE = Fraction(25)  # pictures a second, where the source does not say


class VideoWriter:
    """One video file or stream being written. Pictures are shown from their time until the next one's.

    MP4 and MOV keep times exactly, Matroska and WebM round them to milliseconds. The first picture is moved to 0, and
    the sound with it.

    Attributes:
        problems: one line for each thing that could not be kept, such as sound of a kind the container does not take.
        notes: one line for each thing done differently, such as a padded size.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        info: VideoInfo,
        size: Size,
        *,
        codec: str | None = None,
        crf: int | None = None,
        container: str | None = None,
        audio_from: Path | None = None,
        audio_range: Range | None = None,
        alpha: bool = False,
    ) -> None:
        """
        Args:
            target: a file, which is replaced; or a binary stream, which is not closed.
            info: the source's: its rate, time base, sample aspect and origin are taken over.
            size: (H, W) of the pictures.
            codec: one of `CODECS`; by default the container's usual one.
            crf: constant rate factor, on the codec's own scale; lower is better.
            container: one of `CONTAINERS`; by default the file's suffix says; `mkv` for a stream.
            audio_from: the file whose sound is copied.
            audio_range: only this part of its sound, in the source's time; by default all that there are pictures for.
            alpha: pictures have four channels, the fourth being straight alpha.

        Raises:
            UsageError: codec, container and alpha do not go together.
            OutputError: the file cannot be written.
        """
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._container = container or _container_by(target)
        kind = choose("container", CONTAINERS, self._container)
        self._codec = choose("codec", CODECS, codec or (kind.alpha_codec if alpha else None) or kind.codec)
        if alpha and (self._codec.alpha_format is None or kind.alpha_codec is None):
            raise UsageError(f"no alpha in {self._container} with {self._codec.encoder}: write .mov, .webm or .mkv")
        if crf is not None and self._codec.crf is None:
            raise UsageError(f"{self._codec.encoder} has no constant rate factor (crf)")
        self._pixel_format = (self._codec.alpha_format if alpha else None) or self._codec.pixel_format
        self._size = size
        self._channels = 4 if alpha else 3
        self._time_base = info.time_base
        self._step = 1 / (info.rate or _DEFAULT_RATE)  # seconds; the length of a picture that no other follows
        self._first: Fraction | None = None
        self._held: tuple[av.VideoFrame, int] | None = None
        self._last_pts = -1
        self._durations: dict[int, int] = {}
        self._reformatter = VideoReformatter()
        self._space = Colorspace.ITU709 if size[0] >= 720 or size[1] >= 1280 else Colorspace.ITU601
        self._sound: SoundCopier | None = None
        self._target = Target(target)
        try:
            options = dict(kind.options if self._target.seekable() else kind.stream_options)
            self._output = av.open(self._target, "w", format=kind.muxer, container_options=options, buffer_size=1 << 16)
            self._stream = self._add_stream(info, crf)
            if audio_from is not None:
                self._sound = SoundCopier(audio_from, self._output, info.origin, audio_range)
        except BaseException:
            self._target.close()
            raise

    def _add_stream(self, info: VideoInfo, crf: int | None) -> VideoStream:
        options = dict(self._codec.options)
        if self._codec.crf is not None:
            options["crf"] = str(self._codec.crf if crf is None else crf)
        height, width = self._padded_size()
        if (height, width) != self._size:
            self.notes.append(
                f"{self._codec.encoder} needs even sides: {self._size[1]}×{self._size[0]} is padded to {width}×{height}"
            )
        try:
            stream = self._output.add_stream(
                self._codec.encoder,
                rate=(info.rate or _DEFAULT_RATE).limit_denominator(65535),
                options=options,
                width=width,
                height=height,
                pix_fmt=self._pixel_format,
                time_base=self._time_base,
            )
        except ValueError:
            raise UsageError(f"{self._codec.encoder} cannot be put into {self._container}") from None
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        if (
            info.sample_aspect != 1
            and self._codec.encoder in {"libvpx-vp9", "ffv1"}
            and self._output.format.name != "mp4"
        ):
            # It would stand in the container alone, and PyAV does not let us write it there.
            self.problems.append(f"the shape of its pixels ({info.sample_aspect}) is lost in {self._container}")
        context.sample_aspect_ratio = info.sample_aspect
        if self._codec.encoder == "libx265" and self._container in {"mp4", "m4v", "mov"}:
            context.codec_tag = "hvc1"  # Apple's players do not open the other one, hev1
        if self._is_yuv:
            tag = 1 if self._space is Colorspace.ITU709 else 6  # ITU-T H.273: BT.709, SMPTE 170M
            context.color_range = ColorRange.MPEG
            context.colorspace = context.color_primaries = context.color_trc = tag
        return stream

    @property
    def _is_yuv(self) -> bool:
        return self._pixel_format.startswith("yuv")

    def _padded_size(self) -> Size:
        height, width = self._size
        return (height + height % 2, width + width % 2) if self._codec.needs_even_sides else self._size

    def write(self, image: npt.NDArray[np.uint8], time: Fraction) -> None:
        """Add one picture.

        Args:
            image: (H, W, 3) RGB, or (H, W, 4) RGBA where the writer has alpha; may be changed afterwards.
            time: seconds, later than the picture before.

        Raises:
            BrokenPipeError: nobody reads the stream any more.
            OutputError: it cannot be written: no space, no right, an encoder that fails.
        """
        if image.shape != (*self._size, self._channels):
            raise ValueError(f"wanted a picture of shape {(*self._size, self._channels)}, found {image.shape}")
        if self._first is None:
            self._first = time
            if self._sound is not None:
                self._sound.begin(time)
        pts = max(round((time - self._first) / self._time_base), self._last_pts + 1)
        # One picture is held back: only the next one tells how long it lasts.
        if self._held is not None:
            self._step = (pts - self._last_pts) * self._time_base
            self._write_held(pts)
        self._held = self._converted(image), pts
        self._last_pts = pts

    def close(self) -> None:
        """Finish the file: the last picture, the sound up to its end, the index.

        Raises:
            BrokenPipeError: nobody reads the stream any more.
            OutputError: it cannot be written, or there was no picture.
        """
        try:
            if self._held is None:
                raise OutputError(f"{self._target.name}: nothing to write: there was no picture")
            self._write_held(self._last_pts + max(1, round(self._step / self._time_base)))
            with self._errors():
                self._encode(None)
                self._output.close()
                self._target.flush()
        finally:
            self.abort()
        self._target.check()

    def abort(self) -> None:
        """Stop where it is, leaving what was written; raises nothing. Safe at any time, more than once."""
        if self._sound is not None:
            self.problems += [self._sound.problem] * bool(self._sound.problem)
            self._sound.close()
            self._sound = None
        self._target.close()

    def _converted(self, image: npt.NDArray[np.uint8]) -> av.VideoFrame:
        height, width = self._padded_size()
        if (height, width) != self._size:
            image = np.pad(image, ((0, height - self._size[0]), (0, width - self._size[1]), (0, 0)), mode="edge")
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(
                np.ascontiguousarray(image), format="rgba" if self._channels == 4 else "rgb24"
            ),
            format=self._pixel_format,
            dst_colorspace=self._space,
            dst_color_range=ColorRange.MPEG if self._is_yuv else None,
        )

    def _write_held(self, until: int) -> None:
        assert self._held is not None
        frame, pts = self._held
        self._held = None
        frame.pts, frame.time_base = pts, self._time_base
        self._durations[pts] = until - pts
        with self._errors():
            self._encode(frame)
            if self._sound is not None:
                self._sound.copy_until(until * self._time_base)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._durations.pop(packet.pts or 0, 0)
            self._output.mux(packet)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (av.error.FFmpegError, ValueError) as error:
            self._target.check()  # the cause, if the bytes could not be written
            raise OutputError(
                f"{self._target.name}: cannot be encoded: {getattr(error, 'strerror', None) or error}"
            ) from error
        self._target.check()


def _container_by(target: Path | BinaryIO) -> str:
    if not isinstance(target, Path):
        return "mkv"
    suffix = target.suffix.lower().lstrip(".")
    if suffix not in CONTAINERS:
        raise UsageError(f"{target}: no video is written as .{suffix}; known: {', '.join(CONTAINERS)}")
    return suffix
