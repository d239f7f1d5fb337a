"""A batch: what prediction would see, and void around it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.config import InputSettings
from gvseg_core.data.training.collate import collate
from gvseg_core.ops.resize import prepare
from gvseg_core.types import VOID, Frame, LabelledClip, Size

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))


def clip(size: Size, length: int = 2, num: int = 3, seed: int = 0) -> LabelledClip:
    rng = np.random.default_rng(seed)
    pixels = torch.from_numpy(rng.integers(0, 256, (length, *size, 3), np.uint8)).permute(0, 3, 1, 2)
    labels = torch.from_numpy(rng.integers(VOID, num + 1, (length, *size), np.int16))
    return LabelledClip(pixels, labels, torch.arange(num), torch.arange(num) + 10, tuple(range(length)))


@given(st.lists(SIZES, min_size=1, max_size=3))
def test_pixels_are_what_prediction_sees_and_0_in_the_padding(sizes: list[Size]) -> None:
    clips = [clip(size, seed=i) for i, size in enumerate(sizes)]
    batch = collate(clips, InputSettings())
    assert batch.sizes == tuple(sizes)
    padded = batch.pixels.shape[-2:]
    assert [side % 32 for side in padded] == [0, 0]
    assert all(side - 32 < max(sides) <= side for side, sides in zip(padded, zip(*sizes, strict=True), strict=True))
    for row, (h, w) in enumerate(sizes):
        frames = [Frame(i, Fraction(i), image) for i, image in enumerate(clips[row].pixels)]
        wanted = prepare(frames, InputSettings(short_side=min(h, w), max_side=999)).pixels
        assert torch.equal(batch.pixels[row, :, :, :h, :w], wanted[..., :h, :w])
        assert batch.pixels[row, :, :, h:].eq(0).all()
        assert batch.pixels[row, :, :, :, w:].eq(0).all()


@given(st.lists(SIZES, min_size=1, max_size=3))
def test_labels_are_those_of_the_clips_and_void_in_the_padding(sizes: list[Size]) -> None:
    clips = [clip(size, seed=i) for i, size in enumerate(sizes)]
    batch = collate(clips, InputSettings(divisor=8))
    for row, (h, w) in enumerate(sizes):
        assert torch.equal(batch.labels[row, :, :h, :w], clips[row].labels)
        assert torch.equal(batch.masks(row)[..., :h, :w], clips[row].masks)
        assert torch.equal(batch.void[row, :, :h, :w], clips[row].void)
        assert batch.masks(row)[..., h:, :].sum() == batch.masks(row)[..., w:].sum() == 0
        assert batch.void[row, :, h:].all()
        assert batch.void[row, ..., w:].all()


def test_frames_are_channels_last() -> None:
    frames = collate([clip((20, 30)), clip((30, 20))], InputSettings()).pixels.flatten(0, 1)
    assert frames.is_contiguous(memory_format=torch.channels_last)


def test_clips_of_different_lengths_are_no_batch() -> None:
    with pytest.raises(ValueError, match=r"as many frames, found \[2, 3\]"):
        collate([clip((8, 8)), clip((8, 8), length=3)], InputSettings())
    with pytest.raises(ValueError, match=r"found \[\]"):
        collate([], InputSettings())
