"""Contact sheets, read back with Pillow."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gvseg_core.sinks.contact import ContactSheet, clock
from gvseg_core.types import Frame, FrameResult, Outcome
from tests.core.sinks.scenes import PROVENANCE, settings, video

SIZE = (36, 64)
SHADES = 250


def flat(index: int, num_frames: int) -> FrameResult:
    """A frame whose shade tells which share of the video lies before it."""
    image = torch.full((3, *SIZE), round(SHADES * index / max(1, num_frames - 1)), dtype=torch.uint8)
    return FrameResult(Frame(index, Fraction(index, 25), image), ())


def sheet(num_frames: int, target: Path, **more: int) -> Image.Image:
    sink = ContactSheet(target, settings(), **more)
    sink.begin(video(size=SIZE))
    for index in range(num_frames):
        sink.write(flat(index, num_frames))
    sink.end(Outcome((), num_frames))
    return Image.open(target)


def shades(image: Image.Image, num_cells: int, columns: int = 4) -> list[int]:
    """Of each picture on the sheet, near its lower right corner."""
    pixels = np.array(image)
    h, w = SIZE[0] + 6, SIZE[1] + 6
    return [int(pixels[(i // columns + 1) * h - 3, (i % columns + 1) * w - 3, 0]) for i in range(num_cells)]


@pytest.mark.parametrize("num_frames", [12, 13, 24, 25, 100, 311, 5000])
def test_the_frames_are_evenly_spaced_however_long_the_video_is(num_frames: int, tmp_path: Path) -> None:
    found = shades(sheet(num_frames, tmp_path / "a.png"), 12)
    steps = np.diff(found)
    assert found[0] == 0
    assert found[-1] >= 0.9 * SHADES
    assert steps.min() >= 0.4 * SHADES / 11
    assert steps.max() <= 2.1 * SHADES / 11


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_a_short_video_is_shown_whole(num_frames: int, tmp_path: Path) -> None:
    image = sheet(num_frames, tmp_path / "a.png")
    columns = min(4, num_frames)
    rows = -(-num_frames // columns)
    assert image.size == (columns * (SIZE[1] + 6) + 6, rows * (SIZE[0] + 6) + 6)
    wanted = [round(SHADES * i / max(1, num_frames - 1)) for i in range(num_frames)]
    assert shades(image, num_frames, columns) == wanted


def test_no_more_pictures_are_held_than_twice_those_shown(tmp_path: Path) -> None:
    sink = ContactSheet(tmp_path / "a.png", settings(), num_frames=3)
    sink.begin(video(size=SIZE))
    for index in range(1000):
        sink.write(flat(index, 1000))
        assert len(sink._pictures) <= 6
    sink.abort()


def test_the_sheet_says_where_it_comes_from_and_whether_it_is_whole(tmp_path: Path) -> None:
    sink = ContactSheet(tmp_path / "a.png", settings())
    sink.begin(video(size=SIZE))
    sink.end(Outcome((), 0, complete=False, reason="cut"))
    told = json.loads(Image.open(tmp_path / "a.png").text["gvseg"])
    assert told.items() >= {**PROVENANCE, "complete": False, "reason": "cut"}.items()


@pytest.mark.parametrize(
    ("time", "text"), [("0", "0:00.0"), ("7.56", "0:07.5"), ("723", "12:03.0"), ("3723", "1:02:03.0")]
)
def test_times_are_written_as_people_do(time: str, text: str) -> None:
    assert clock(Fraction(time)) == text
