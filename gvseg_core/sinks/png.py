"""Results as PNG, one per frame: class numbers, object ids in DAVIS colours, and a black-and-white mask per object."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.errors import OutputError
from gvseg_core.files import printable, writing
from gvseg_core.ops import rle
from gvseg_core.sinks.base import FolderSink, Target
from gvseg_core.sinks.content import frame_size, label_map
from gvseg_core.sinks.palette import davis_palette
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import Frame, FrameResult

_VOID_8, _VOID_16 = 255, 65535


def encode_png(pixels: NDArray[Any], palette: NDArray[np.uint8] | None = None) -> bytes:
    """A PNG file.

    Args:
        pixels: (H, W) uint8 or uint16, or (H, W, 3) uint8 RGB.
        palette: (256, 3), where the pixels are indices into it.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if palette is not None:
        image.putpalette(palette.tobytes())
    packed = io.BytesIO()
    image.save(packed, "PNG", compress_level=4)
    return packed.getvalue()


def save_png(sink: FolderSink, frame: Frame, png: bytes, folder: str = "") -> None:
    """One PNG of a folder.

    Args:
        sink: whose folder.
        frame: which it shows; it gives the name.
        png: the file, from `encode_png`.
        folder: inside the sink's folder; made when it is missing.

    Raises:
        OutputError: it cannot be written, or the frame's name leads out of the folder.
    """
    name = PurePath(folder, f"{sink.settings.frame_name(frame)}.png")
    if name.is_absolute() or ".." in name.parts:
        raise OutputError(f"{printable(sink.target)}: the frame name {printable(name)} leads out of the folder")
    path = sink.folder / name
    with writing(sink.target):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)


class FramePng(FolderSink, ABC):
    """A folder with a PNG for each frame, which is made without looking at others."""

    @abstractmethod
    def draft(self, result: FrameResult) -> bytes:
        """One frame's PNG."""

    def write(self, result: FrameResult, draft: bytes | None = None) -> None:
        """Write one frame's PNG."""
        save_png(self, result.frame, self.draft(result) if draft is None else draft)


class ClassPng(FramePng):
    """VSPW's form: each pixel has the number that its class has in its data set's files (VSPW and VIPSeg: from 0).

    8 bits with the classes' colours as palette and void 255; 16 bits without palette and void 65535 where a class has a
    number above 254.
    """

    def __init__(self, target: Target, settings: SinkSettings) -> None:
        super().__init__(target, settings)
        numbers = settings.category_ids
        self._dtype, self.void = ("uint8", _VOID_8) if max(numbers, default=0) < _VOID_8 else ("uint16", _VOID_16)
        self._palette = np.zeros((256, 3), np.uint8)
        if self.void == _VOID_8:
            self._palette[list(numbers)] = [c.color for c in settings.vocabulary.classes]

    def pixels(self, result: FrameResult) -> NDArray[Any]:
        """(H, W) numbers of classes, void where there is none."""
        numbers = [self.settings.category_ids[s.class_id] - self.void for s in result.segments]
        # Void is nothing in the map that is painted, so that it may be any number: all are shifted by it, and back.
        shifted = label_map(result.segments, numbers, frame_size(result), "int32")
        numbered: NDArray[Any] = (shifted + self.void).astype(self._dtype)
        return numbered

    def draft(self, result: FrameResult) -> bytes:
        """One frame's PNG."""
        return encode_png(self.pixels(result), self._palette if self.void == _VOID_8 else None)


class ObjectPng(FramePng):
    """The form of DAVIS and YouTube-VOS: each pixel has its object's id, 0 is background, colours are DAVIS's.

    A pixel of several objects is the one's with the higher score. 8 bits hold ids to 254 (255 is void there); a frame
    with a higher one is written with 16 bits and without palette.

    Raises:
        OutputError: from `draft` and `write`, for an id above 65534.
    """

    def draft(self, result: FrameResult) -> bytes:
        """One frame's PNG."""
        ids = [s.track_id for s in result.segments]
        highest = max(ids, default=0)
        if highest >= _VOID_16:
            raise OutputError(f"{self.target}: object id {highest}; a PNG holds ids to {_VOID_16 - 1}: use --save json")
        wide = highest >= _VOID_8
        pixels = label_map(result.segments, ids, frame_size(result), "uint16" if wide else "uint8")
        return encode_png(pixels, None if wide else davis_palette())


class BinaryMasks(FolderSink):
    """A folder per object with a PNG for each frame on which it is seen: 255 inside its mask, 0 outside.

    Folders are named by object id: 001, 002, …; those of classes that have no objects by class id: class_000, … Masks
    may overlap here.
    """

    def draft(self, result: FrameResult) -> list[bytes]:
        """One frame's PNGs, in the order of its segments."""
        return [encode_png(rle.paint([s.mask], [255], s.mask.size)) for s in result.segments]

    def write(self, result: FrameResult, draft: list[bytes] | None = None) -> None:
        """Write one frame's PNGs."""
        for segment, png in zip(result.segments, self.draft(result) if draft is None else draft, strict=True):
            is_object = segment.class_id in self.settings.objects
            folder = f"{segment.track_id:03d}" if is_object else f"class_{segment.class_id:03d}"
            save_png(self, result.frame, png, folder)
