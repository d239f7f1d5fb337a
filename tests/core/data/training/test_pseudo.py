"""Pseudo-videos: masks move with their pixels, guests hide what is behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.data.training.augment import Tint, View
from gvseg_core.data.training.pseudo import (
    MAX_GUESTS,
    Guest,
    Motion,
    draw_guests,
    draw_motion,
    draw_times,
    paste,
    warp,
)
from gvseg_core.data.training.sampling import chance
from gvseg_core.data.training.videos import Scene
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.recipes import AugmentSettings
from gvseg_core.types import VOID
from tests.core.data.training.sets import CAT, COLORS, GREY, SIZE, Squares

STILL = Motion((0.5, 0.5), 0.0, (0.0, 0.0), 1.0)
NUMBERS = np.kron(np.arange(20, dtype=np.int16).reshape(4, 5), np.ones((16, 16), np.int16)).astype(np.int16)
"""(64, 80): twenty blocks, each of its own number."""


def coded(labels: NDArray[np.int16]) -> NDArray[np.uint8]:
    """A picture whose colours are its labels."""
    return np.repeat((labels * 10 + 50)[..., None], 3, -1).astype(np.uint8)


# --- the camera ---------------------------------------------------------------------------------------------------


def test_nothing_changes_where_the_camera_stands_still() -> None:
    picture, labels = warp(coded(NUMBERS), NUMBERS, STILL.matrix(0.3, NUMBERS.shape))
    assert np.array_equal(labels, NUMBERS)
    assert np.array_equal(picture, coded(NUMBERS))


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_masks_move_with_their_pixels(seed: int, time: float) -> None:
    motion = draw_motion(chance(seed), AugmentSettings(rotation=25, drift=0.2, zoom=0.3))
    picture, labels = warp(coded(NUMBERS), NUMBERS, motion.matrix(time, NUMBERS.shape))
    grey = picture[..., 0].astype(int)
    inside = labels != VOID
    assert np.count_nonzero((grey > 0) != inside) <= 8  # of the very border, where Pillow rounds the two otherwise
    for axis in (0, 1):
        for shift in (-1, 1):
            inside &= labels == np.roll(labels, shift, axis)
    assert inside.sum() > 500
    assert np.array_equal(grey[inside], labels[inside] * 10 + 50)


@given(st.floats(-90, 90), st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)))
def test_the_camera_turns_by_its_angle_about_its_centre(turn: float, centre: tuple[float, float]) -> None:
    a, b, c, d, e, f = Motion(centre, turn, (0.0, 0.0), 1.0).matrix(1.0, (60, 100))
    x, y = centre[0] * 100, centre[1] * 60
    assert (a * x + b * y + c, d * x + e * y + f) == pytest.approx((x, y))
    # Right of the centre, ten pixels: counterclockwise on the screen, where y points down, is up for a positive angle.
    seen = a * (x + 10) + b * y + c - x, d * (x + 10) + e * y + f - y
    assert seen == pytest.approx((10 * math.cos(math.radians(turn)), -10 * math.sin(math.radians(turn))))


def test_a_quarter_turn_is_numpys() -> None:
    square = NUMBERS[:, :64]
    _, labels = warp(coded(square), square, Motion((0.5, 0.5), 90, (0, 0), 1).matrix(0.0, square.shape))
    assert np.array_equal(labels, np.rot90(square, 1)) or np.array_equal(labels, np.rot90(square, -1))


def test_zoom_and_drift_are_those_of_their_time() -> None:
    a, b, c, *_ = Motion((0.5, 0.5), 0, (0.1, 0), 2).matrix(1.0, (60, 100))
    assert (a, b) == (0.5, 0)
    assert a * 50 + c == pytest.approx(50 + 10)
    a, _, c, *_ = Motion((0.5, 0.5), 0, (0.1, 0), 2).matrix(0.0, (60, 100))
    assert a == 2
    assert a * 50 + c == pytest.approx(50 - 10)


def test_motions_are_the_peers_own_by_default() -> None:
    motions = [draw_motion(chance(seed), AugmentSettings()) for seed in range(60)]
    assert {abs(motion.turn) for motion in motions} == {15}
    assert 15 < sum(motion.turn > 0 for motion in motions) < 45
    assert all(0.4 <= share <= 0.6 for motion in motions for share in motion.centre)
    assert {(motion.drift, motion.zoom) for motion in motions} == {((0.0, 0.0), 1.0)}


def test_times_ascend() -> None:
    times = draw_times(chance(0), 5)
    assert list(times) == sorted(times)
    assert 0 <= times[0] < times[-1] < 1


# --- guests -------------------------------------------------------------------------------------------------------

HOST = View((0, 0, SIZE[1], SIZE[0]), (80, 120))


def guests_of(seed: int, num: int = 3) -> tuple[Guest, ...]:
    (scene,) = Squares(num_objects=num).load(0, [0])
    return draw_guests(chance(seed), scene, {row: 100 + row for row in range(1, num + 1)}, HOST)


@given(st.integers(0, 2**31))
def test_guests_are_cut_along_their_masks(seed: int) -> None:
    guests = guests_of(seed)
    assert 1 <= len(guests) <= MAX_GUESTS
    assert len({guest.number for guest in guests}) == len(guests)
    for guest in guests:
        assert guest.mask.all()  # squares fill their boxes
        assert guest.picture.shape == (*guest.mask.shape, 3)
        assert (
            np.abs(guest.picture.astype(int) - COLORS[guest.number - 101]).max() <= 60
        )  # its border is mixed with grey
        assert max(guest.mask.shape) <= 0.7 * 80 + 1
        assert 9 * 2 * 0.6 - 1 <= min(guest.mask.shape) <= 9 * 2 * 1.2 + 1  # of 9 pixels, seen at twice their size


def test_small_objects_and_pictures_without_any_are_no_guests() -> None:
    (scene,) = Squares(num_objects=1).load(0, [0])
    assert draw_guests(chance(0), scene, {}, HOST) == ()
    labels = np.zeros((400, 400), np.uint16)
    labels[5:14, 5:14] = 1
    tiny = Scene(np.zeros((400, 400, 3), np.uint8), MapSegments(labels, {1: (1, CAT, False)}).regions)
    assert draw_guests(chance(0), tiny, {1: 1}, HOST) == ()


def test_guests_have_the_tint_of_their_host() -> None:
    (scene,) = Squares(num_objects=1).load(0, [0])
    dark = View(HOST.window, HOST.size, tint=Tint(brightness=0.5))
    (bright_guest,) = draw_guests(chance(1), scene, {1: 1}, HOST)
    (dark_guest,) = draw_guests(chance(1), scene, {1: 1}, dark)
    assert np.allclose(dark_guest.picture, bright_guest.picture * 0.5, atol=1)


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_what_is_pasted_hides_what_is_there_pixel_for_pixel(seed: int, time: float) -> None:
    guests = guests_of(seed)
    picture, labels = np.full((80, 120, 3), GREY, np.uint8), np.ones((80, 120), np.int16)
    seen, said = paste(picture, labels, guests, time)
    assert (labels == 1).all()  # the host stays as it is
    wanted_picture, wanted = picture.copy(), labels.copy()
    for guest in guests:  # slowly: pixel by pixel
        h, w = guest.mask.shape
        x = guest.start[0] + (guest.end[0] - guest.start[0]) * time
        y = guest.start[1] + (guest.end[1] - guest.start[1]) * time
        left, top = round(x * 120 - w / 2), round(y * 80 - h / 2)
        for row in range(h):
            for column in range(w):
                if guest.mask[row, column] and 0 <= top + row < 80 and 0 <= left + column < 120:
                    wanted[top + row, left + column] = guest.number
                    wanted_picture[top + row, left + column] = guest.picture[row, column]
    assert np.array_equal(said, wanted)
    assert np.array_equal(seen, wanted_picture)


def test_guests_move_along_their_paths() -> None:
    (guest,) = guests_of(3, num=1)
    moving = Guest(guest.picture, guest.mask, 5, (0.2, 0.5), (0.8, 0.5))
    centres = []
    for time in (0.0, 0.5, 1.0):
        _, said = paste(np.zeros((80, 120, 3), np.uint8), np.zeros((80, 120), np.int16), (moving,), time)
        centres.append(float(np.nonzero(said == 5)[1].mean()))
    assert np.allclose(centres, [23.5, 59.5, 95.5], atol=1)
