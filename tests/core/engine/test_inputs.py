"""`open_video` at the front door: the demo by the same call as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import gvseg_core
from gvseg_core.errors import UsageError


def test_the_demo_is_opened_like_a_file_and_gives_the_chosen_frames() -> None:
    with gvseg_core.open_video("demo:frames=20,size=32x16,rate=10", start="f3", end=1.5, stride=4) as video:
        frames = list(video)
        assert [frame.index for frame in frames] == [3, 7, 11]
        assert video.info.num_frames == len(frames)
        assert [float(frame.time) for frame in frames] == [0.3, 0.7, 1.1]


def test_a_file_is_opened_by_the_same_call(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "demo.png")
    with gvseg_core.open_video(tmp_path / "demo.png") as video:
        assert [tuple(frame.image.shape) for frame in video] == [(3, 6, 8)]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"start": "f20"}, "no frame is chosen: it has 20"),
        ({"fps": 30}, "demo:rate=30"),
        ({"stream": 1}, "no streams"),
    ],
)
def test_what_has_no_effect_on_the_demo_is_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        gvseg_core.open_video("demo:frames=20,size=32x16", **more)
