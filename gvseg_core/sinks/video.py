"""Results as video: the overlay, and the cut-out with alpha."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gvseg_core.files import PartFile, writing
from gvseg_core.ops import rle
from gvseg_core.sinks.base import Target
from gvseg_core.sinks.content import frame_size, image_of
from gvseg_core.sinks.drawing import Painter
from gvseg_core.sinks.lettering import Picture
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import FrameResult, Outcome, VideoInfo
from gvseg_core.video.encode import VideoWriter


class VideoSink(ABC):
    """One picture per frame, at the frame's own time, with the source's sound. A video needs at least one frame.

    A file's suffix says which container it is; a stream is Matroska, which needs no way back.

    Attributes:
        problems: one line for each thing that could not be kept.
        notes: one line for each thing done differently.
    """

    has_alpha = False

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        self.target = target
        self.settings = settings
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._part: PartFile | None = None
        self._file: BinaryIO | None = None
        self._writer: VideoWriter | None = None

    @abstractmethod
    def picture(self, result: FrameResult) -> Picture:
        """(H, W, 3) RGB, or (H, W, 4) RGBA where the sink has alpha; uint8."""

    def begin(self, video: VideoInfo) -> None:
        """Open the file or stream.

        Raises:
            OutputError: it must not or cannot be written.
            UsageError: container, codec and alpha do not go together.
        """
        if isinstance(self.target, Path):
            self._part = PartFile(self.target, self.settings.overwrite)
        try:
            self._writer = self._open(video)
        except BaseException:
            self.abort()
            raise
        self.problems, self.notes = self._writer.problems, self._writer.notes

    def _open(self, video: VideoInfo) -> VideoWriter:
        sound = self.settings.audio and video.has_audio and not self.has_alpha
        stream, container = self.target, None
        if self._part is not None:
            with writing(self.target):
                self._file = open(self._part.path, "w+b", buffering=0)  # noqa: SIM115 - closed in end or abort
            self._file.name = str(self.target)  # what errors call it
            stream, container = self._file, self._part.target.suffix.lower().lstrip(".")
        return VideoWriter(
            stream,
            video,
            video.size,
            codec=None if self.has_alpha else self.settings.codec,
            crf=None if self.has_alpha else self.settings.crf,
            container=container,
            audio_from=video.path if sound else None,
            audio_range=self.settings.audio_range,
            alpha=self.has_alpha,
        )

    def draft(self, result: FrameResult) -> Picture:
        """The picture, which is drawn without looking at others."""
        return self.picture(result)

    def write(self, result: FrameResult, draft: Picture | None = None) -> None:
        """Encode one frame."""
        assert self._writer is not None, "begin comes first"
        self._writer.write(self.picture(result) if draft is None else draft, result.frame.time)

    def end(self, outcome: Outcome) -> None:  # noqa: ARG002
        """Finish the video and let it appear.

        Raises:
            OutputError: it cannot be written, or there was no frame.
        """
        assert self._writer is not None, "begin comes first"
        self._writer.close()
        if self._part is not None and self._file is not None:
            self._file.close()
            self._part.commit()

    def abort(self) -> None:
        """Leave nothing behind, but what has gone down a stream."""
        if self._writer is not None:
            self._writer.abort()
        if self._file is not None:
            self._file.close()
        if self._part is not None:
            self._part.abort()


class OverlayVideo(VideoSink):
    """Masks, contours, labels and a legend over the frames.

    Raises:
        OutputError: OpenCV cannot be loaded.
    """

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        super().__init__(target, settings)
        self._painter = Painter(settings)

    def picture(self, result: FrameResult) -> Picture:
        """The frame, drawn upon."""
        return self._painter.draw(result)


class AlphaVideo(VideoSink):
    """Everything that was found, cut out: opaque inside any mask, transparent elsewhere; straight alpha, no sound.

    ProRes 4444 in .mov, which editing programs open; FFV1 in .mkv (exact) and VP9 in .webm (small) by the file's name.
    """

    has_alpha = True

    def picture(self, result: FrameResult) -> Picture:
        """RGBA; the colour of transparent pixels is the frame's, as straight alpha wants it."""
        h, w = frame_size(result)
        picture = np.empty((h, w, 4), np.uint8)
        picture[..., :3] = image_of(result.frame)
        masks = [s.mask for s in result.segments]
        picture[..., 3] = rle.paint(masks, [255] * len(masks), (h, w))
        return picture
