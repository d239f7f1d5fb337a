"""Interlaced frames: combs go, counts and order stay."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from gvseg_core.video.deinterlace import Deinterlacer
from gvseg_core.video.source import open_video
from tests.core.video.making import RATE, make_clip


def combed(count: int) -> list[np.ndarray]:
    """A bar that moves between the two fields of each frame: a comb at its edges."""
    images = []
    for i in range(count):
        image = np.zeros((48, 64, 3), np.uint8)
        image[::2, 4 + 4 * i : 20 + 4 * i] = 255
        image[1::2, 6 + 4 * i : 22 + 4 * i] = 255
        images.append(image)
    return images


def comb(image: np.ndarray) -> float:
    """How much neighbouring rows differ."""
    return float(np.abs(np.diff(image.astype(int), axis=0)).mean())


@pytest.fixture
def interlaced(tmp_path: Path) -> Path:
    make_clip(
        tmp_path / "i.mkv",
        combed(8),
        codec="mpeg2video",
        options={"flags": "+ildct+ilme", "qscale": "1", "b": "20000000"},
        tags={"field_order": 2},
        time_base=1 / RATE,
    )
    return tmp_path / "i.mkv"


def test_flagged_frames_lose_their_comb_and_none_is_lost(interlaced: Path) -> None:
    with open_video(interlaced) as video:
        frames = list(video)
        assert "8 interlaced frames were deinterlaced" in video.notes
    with open_video(interlaced, deinterlace="off") as video:
        raw = list(video)
        assert video.notes == []
    assert [(f.index, f.time) for f in frames] == [(f.index, f.time) for f in raw]
    for whole, stored in zip(frames, raw, strict=True):
        assert comb(whole.image[0].numpy()) < comb(stored.image[0].numpy()) / 2


def test_progressive_frames_are_not_touched_unless_told(clips: Path) -> None:
    with open_video(clips / "one-frame.mp4") as video, open_video(clips / "one-frame.mp4", deinterlace="off") as raw:
        assert (next(iter(video)).image == next(iter(raw)).image).all()
    with open_video(clips / "odd-rate.mp4", deinterlace="on") as video:
        assert [f.index for f in video] == list(range(36))


def test_a_new_size_on_the_way_loses_no_frame() -> None:
    deinterlacer: Deinterlacer[int] = Deinterlacer("on")
    out = []
    for i, width in enumerate((64, 64, 64, 32, 32)):
        out += [(f.width, n) for f, n in deinterlacer.put(av.VideoFrame(width, 48, "yuv420p"), i)]
    out += [(f.width, n) for f, n in deinterlacer.flush()]
    assert out == [(64, 0), (64, 1), (64, 2), (32, 3), (32, 4)]
