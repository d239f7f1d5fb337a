"""Colours depend on an id or a class and on nothing else."""

from __future__ import annotations

import itertools

import numpy as np
from PIL import Image

from gvseg_core.sinks.palette import davis_palette, text_color, track_color
from tests.conftest import shared


def test_objects_that_are_likely_to_meet_look_different() -> None:
    for one, other in itertools.combinations(range(1, 9), 2):
        difference = np.subtract(track_color(one), track_color(other))
        assert np.abs(difference).max() >= 50, (one, other)


def test_colours_are_vivid_and_neither_dark_nor_white() -> None:
    for track_id in range(1, 300):
        color = track_color(track_id)
        assert max(color) - min(color) >= 70
        assert max(color) >= 120


def test_the_palette_is_that_of_davis() -> None:
    assert davis_palette()[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    official = Image.open(next(shared("data", "davis-mini").rglob("Annotations/**/*.png"))).getpalette()
    ours = davis_palette().ravel().tolist()
    used = 3 * 8
    assert official[:used] == ours[:used]
    assert len(np.unique(davis_palette(), axis=0)) == 256


def test_text_contrasts_with_its_plate() -> None:
    assert text_color((255, 255, 255)) == text_color((240, 230, 60)) == (0, 0, 0)
    assert text_color((0, 0, 0)) == text_color((0, 0, 142)) == (255, 255, 255)
