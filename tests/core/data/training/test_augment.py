"""Views: pictures as prediction resizes them, labels exact, drawn as the peers draw them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.config import InputSettings
from gvseg_core.data.training.augment import Tint, View, draw_view
from gvseg_core.data.training.sampling import chance
from gvseg_core.ops.resize import input_size, resize_picture
from gvseg_core.recipes import AugmentSettings
from gvseg_core.types import VOID, Size

SIDES = st.integers(1, 40)
SIZES = st.tuples(SIDES, SIDES)


def noise(size: Size, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def numbered(size: Size, seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(VOID, 9, size, np.int16)


# --- what a view does ---------------------------------------------------------------------------------------------


@given(SIZES, SIZES, st.booleans(), st.data())
def test_each_pixel_gets_the_label_its_centre_falls_on(
    source: Size, size: Size, mirrored: bool, data: st.DataObject
) -> None:
    x0, x1 = sorted(data.draw(st.lists(st.integers(0, 4 * source[1]), min_size=2, max_size=2, unique=True)))
    y0, y1 = sorted(data.draw(st.lists(st.integers(0, 4 * source[0]), min_size=2, max_size=2, unique=True)))
    window = x0 / 4, y0 / 4, x1 / 4, y1 / 4
    labels = numbered(source)
    seen = View(window, size, mirrored).labels(labels)
    assert seen.shape == size
    for row in range(size[0]):
        for column in range(size[1]):
            y = window[1] + (row + 0.5) * ((window[3] - window[1]) / size[0])
            x = window[0] + (column + 0.5) * ((window[2] - window[0]) / size[1])
            there = seen[row, size[1] - 1 - column] if mirrored else seen[row, column]
            assert there == labels[min(int(y), source[0] - 1), min(int(x), source[1] - 1)]


@given(SIZES, SIZES)
def test_a_whole_picture_is_resized_as_for_prediction(source: Size, size: Size) -> None:
    picture = noise(source)
    seen = View((0, 0, source[1], source[0]), size).picture(picture)
    wanted = resize_picture(torch.from_numpy(picture).permute(2, 0, 1), size)
    assert np.array_equal(seen, wanted.permute(1, 2, 0).numpy())


def test_a_window_of_whole_pixels_is_cut_out() -> None:
    picture, labels = noise((20, 30)), numbered((20, 30))
    view = View((4, 3, 14, 11), (8, 10))
    assert np.array_equal(view.picture(picture), picture[3:11, 4:14])
    assert np.array_equal(view.labels(labels), labels[3:11, 4:14])


def test_pictures_and_labels_are_mirrored_together() -> None:
    picture, labels = noise((7, 9)), numbered((7, 9))
    view = View((0, 0, 9, 7), (7, 9), mirrored=True)
    assert np.array_equal(view.picture(picture), picture[:, ::-1])
    assert np.array_equal(view.labels(labels), labels[:, ::-1])


@given(st.integers(0, 500))
def test_labels_stay_where_their_pixels_are(seed: int) -> None:
    """A picture whose colours are its labels: well inside a label there is its colour, and no other."""
    labels = np.kron(numbered((5, 6), seed), np.ones((12, 11), np.int16)).astype(np.int16)
    picture = np.repeat(((labels + 1) * 20)[..., None], 3, -1).astype(np.uint8)
    settings = AugmentSettings(short_sides=(40, 47, 90), crop=0.5, crop_short_sides=(50, 60), crop_range=(30, 50))
    view = draw_view(chance(seed), (60, 66), settings)
    seen, said = view.picture(picture)[..., 0].astype(int), view.labels(labels)
    inside = np.ones(seen.shape, np.bool_)
    for y in range(-2, 3):
        for x in range(-2, 3):
            inside &= said == np.roll(said, (y, x), (0, 1))
    inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = False
    assert inside.sum() > 50
    assert np.array_equal(seen[inside], (said[inside] + 1) * 20)


# --- how it is drawn ----------------------------------------------------------------------------------------------


def test_without_a_crop_the_size_is_that_of_prediction() -> None:
    settings = AugmentSettings(short_sides=(360,), max_side=640)
    for source in [(240, 426), (720, 1280), (100, 400)]:
        view = draw_view(chance(0), source, settings)
        assert view.window == (0, 0, source[1], source[0])
        assert view.size == input_size(source, InputSettings(short_side=360, max_side=640))


def test_short_sides_and_mirrors_are_all_drawn() -> None:
    settings = AugmentSettings(short_sides=(240, 360, 480), max_side=2000)
    views = [draw_view(chance(seed), (300, 400), settings) for seed in range(60)]
    assert {view.size[0] for view in views} == {240, 360, 480}
    assert 15 < sum(view.mirrored for view in views) < 45


@given(st.integers(0, 2**31), st.tuples(st.integers(20, 900), st.integers(20, 900)))
def test_crops_have_sides_in_their_range_once_the_picture_is_resized_for_them(seed: int, source: Size) -> None:
    settings = AugmentSettings(crop=1.0, crop_short_sides=(400, 500), crop_range=(384, 450), short_sides=(240, 360))
    view = draw_view(chance(seed), source, settings)
    x0, y0, x1, y1 = view.window
    assert 0 <= x0 < x1 <= source[1]
    assert 0 <= y0 < y1 <= source[0]
    resized = [input_size(source, InputSettings(short_side=side)) for side in (400, 500)]
    fits = False
    for full in resized:
        cut = (y1 - y0) * full[0] / source[0], (x1 - x0) * full[1] / source[1]
        inside = all(min(384, f) - 1e-6 <= c <= min(450, f) + 1e-6 for c, f in zip(cut, full, strict=True))
        shape = round(cut[0]), round(cut[1])
        sizes = [input_size(shape, InputSettings(short_side=side)) for side in (240, 360)]
        fits |= inside and view.size in sizes
    assert fits


def test_how_often_clips_are_cropped_is_a_setting() -> None:
    settings = AugmentSettings(crop=0.25, crop_short_sides=(400,), crop_range=(100, 200), short_sides=(240,))
    cropped = sum(draw_view(chance(seed), (300, 400), settings).window != (0, 0, 400, 300) for seed in range(400))
    assert 70 < cropped < 130


def test_scale_multiplies_the_short_side() -> None:
    settings = AugmentSettings(short_sides=(100,), max_side=9999, scale=(0.5, 2.0))
    sides = [draw_view(chance(seed), (300, 400), settings).size[0] for seed in range(200)]
    assert 50 <= min(sides) < 60
    assert 180 < max(sides) <= 200
    assert 80 < sum(side < 100 for side in sides) < 120  # as often smaller as larger


# --- tints --------------------------------------------------------------------------------------------------------


def test_no_tint_leaves_every_value() -> None:
    assert np.array_equal(Tint()(noise((5, 5))), noise((5, 5)))


def slow(tint: Tint, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Saturation about each pixel's grey, then contrast about the mean, then brightness, in floating point."""
    weights = np.array([0.299, 0.587, 0.114])
    grey = (picture @ weights)[..., None]
    values = grey + tint.saturation * (picture - grey)
    values = grey.mean() + tint.contrast * (values - grey.mean())
    return (values * tint.brightness + 0.5).clip(0, 255).astype(np.uint8)


@given(st.tuples(*[st.floats(0.5, 1.5)] * 3), st.integers(0, 100))
def test_tints_are_saturation_contrast_and_brightness_in_turn(factors: tuple[float, float, float], seed: int) -> None:
    picture, tint = noise((6, 7), seed), Tint(*factors)
    assert np.abs(tint(picture).astype(int) - slow(tint, picture)).max() <= 1


def test_tints_are_drawn_within_the_jitter() -> None:
    settings = AugmentSettings(jitter=0.1)
    tints = [draw_view(chance(seed), (300, 400), settings).tint for seed in range(50)]
    factors = [f for tint in tints for f in (tint.brightness, tint.contrast, tint.saturation)]
    assert 0.9 <= min(factors) < 0.92
    assert 1.08 < max(factors) <= 1.1


@pytest.mark.parametrize("values", [{"crop_range": (600, 384)}, {"scale": (2.0, 1.0)}, {"scale": (0.0, 1.0)}])
def test_ranges_that_do_not_ascend_are_refused(values: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=r"the first is the smaller one|greater than 0"):
        AugmentSettings.model_validate(values)
