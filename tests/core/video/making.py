"""Small clips made on the spot: each picture one grey, told by its number, unless pictures are given."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
SIZE = (48, 64)
RATE = Fraction(25)


def grey(number: int) -> int:
    """The brightness of picture `number`; neighbours differ by more than a codec's error."""
    return 30 + (number * 37) % 190


def pictures(count: int, size: tuple[int, int] = SIZE) -> list[Picture]:
    return [np.full((*size, 3), grey(i), np.uint8) for i in range(count)]


def make_clip(
    target: Path | BinaryIO,
    images: int | Sequence[Picture] = 30,
    *,
    format: str | None = None,  # noqa: A002  (FFmpeg's word)
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    ticks: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
    sound: str | None = None,
    turned: tuple[float, bool, bool] | None = None,
    tags: dict[str, Any] | None = None,
) -> None:
    """Write a clip with PyAV alone; `ticks` are the time stamps, evenly spaced by default."""
    images = pictures(images) if isinstance(images, int) else images
    step = round(1 / RATE / time_base)
    ticks = [i * step for i in range(len(images))] if ticks is None else ticks
    height, width = images[0].shape[:2]
    target = target if not isinstance(target, Path) else str(target)  # type: ignore[assignment]
    with av.open(target, "w", format=format, container_options=muxing or {}) as container:
        stream = container.add_stream(
            codec,
            rate=RATE,
            width=width,
            height=height,
            pix_fmt=pix_fmt,
            time_base=time_base,
            options=options or ({"crf": "5", "g": "12"} if codec == "libx264" else {}),
        )
        for key, value in (tags or {}).items():
            setattr(stream.codec_context, key, value)
        if turned:
            stream.set_display_rotation(turned[0], hflip=turned[1], vflip=turned[2])
        heard = container.add_stream(sound, rate=48000) if sound else None
        for image, tick in zip(images, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if heard is not None:
            for i in range(int(ticks[-1] * time_base * 48000) // 1024 + 2):
                wave = np.sin(np.arange(1024) / 20 + i)[None].repeat(2, 0).astype(np.float32) / 4
                chunk = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
                chunk.sample_rate, chunk.pts, chunk.time_base = 48000, i * 1024, Fraction(1, 48000)
                container.mux(heard.encode(chunk))
            container.mux(heard.encode())
