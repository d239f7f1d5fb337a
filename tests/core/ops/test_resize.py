"""Pictures as Pillow and detectron2 would resize them; weights as `F.interpolate` has them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gvseg_core.config import InputSettings
from gvseg_core.ops.resize import band, input_size, prepare, resize_picture, taps
from gvseg_core.types import Frame

sides = st.integers(1, 80)


def frame(height: int, width: int, seed: int = 0) -> Frame:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Frame(seed, Fraction(seed), torch.from_numpy(image).permute(2, 0, 1))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ((720, 1280), (360, 640)),
        ((480, 854), (360, 641)),  # 640.5: a half is rounded up
        ((1080, 607), (641, 360)),  # 640.527
        ((1, 1), (360, 360)),
        ((100, 1000), (133, 1333)),
        ((1, 16384), (1, 1333)),
        ((16384, 16384), (360, 360)),
    ],
)
def test_sizes_are_those_of_detectron2_and_never_zero(source: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert input_size(source, InputSettings()) == wanted


@pytest.mark.parametrize(
    ("source", "size"),
    [((144, 256), (72, 128)), ((97, 131), (60, 81)), ((30, 40), (61, 83)), ((1, 1), (5, 7)), ((5, 400), (2, 133))],
)
def test_pictures_are_resized_as_pillow_does(source: tuple[int, int], size: tuple[int, int]) -> None:
    image = frame(*source).image
    pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.array_equal(resize_picture(image, size).permute(1, 2, 0).numpy(), np.asarray(pillow))


@settings(max_examples=30, deadline=None)
@given(sides, sides, st.integers(1, 3))
def test_the_picture_is_normalised_and_what_is_not_picture_is_zero(height: int, width: int, length: int) -> None:
    wanted = InputSettings(short_side=24, max_side=90)
    clip = prepare([frame(height, width, t) for t in range(length)], wanted)
    h, w = clip.input_size
    assert clip.source_size == (height, width)
    assert clip.pixels.shape == (length, 3, -(-h // 32) * 32, -(-w // 32) * 32)
    mean, std = torch.tensor(wanted.mean)[:, None, None], torch.tensor(wanted.std)[:, None, None]
    for pixels, source in zip(clip.pixels, clip.frames, strict=True):
        assert torch.equal(pixels[:, :h, :w], (resize_picture(source.image, (h, w)).float() - mean) / std)
    clip.pixels[..., :h, :w] = 0
    assert not clip.pixels.any()


def test_a_clip_has_frames_of_one_size() -> None:
    with pytest.raises(ValueError, match=r"frames of one size, found \[\(4, 4\), \(4, 5\)\]"):
        prepare([frame(4, 4), frame(4, 5)], InputSettings())
    with pytest.raises(ValueError, match="found"):
        prepare([], InputSettings())


@settings(max_examples=60, deadline=None)
@given(sides, st.integers(1, 300))
def test_taps_are_the_weights_of_interpolate(inputs: int, outputs: int) -> None:
    index, weight = taps(inputs, outputs)
    values = torch.rand(inputs)
    wanted = F.interpolate(values[None, None], outputs, mode="linear", align_corners=False)[0, 0].numpy()
    assert ((index >= 0) & (index < inputs)).all()
    np.testing.assert_allclose((values.numpy()[index] * weight).sum(1), wanted, rtol=0, atol=2e-7)


@settings(max_examples=60, deadline=None)
@given(sides, st.integers(1, 300), st.data())
def test_a_band_knows_what_it_needs_and_reaches(inputs: int, outputs: int, data: st.DataObject) -> None:
    one = band(inputs, outputs)
    begin = data.draw(st.integers(0, outputs - 1))
    end = data.draw(st.integers(begin + 1, outputs))
    low, high = one.needs(begin, end)
    values = torch.rand(3, inputs)
    wanted = (values @ one.matrix.T)[:, begin:end]
    torch.testing.assert_close(one.columns(values[:, low:high], begin, end), wanted)
    torch.testing.assert_close(one.rows(values.T[low:high], begin, end), wanted.T)
    first, last = one.reach(low, high)
    assert first <= begin
    assert last >= end
    outside = torch.cat([one.matrix[:first], one.matrix[last:]])
    assert not outside[:, low:high].any()
