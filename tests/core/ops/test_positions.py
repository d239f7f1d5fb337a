"""Position codes say where a cell is."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.ops.positions import clip_code, picture_code, picture_waves, place_code, place_waves

CPU = torch.device("cpu")


@pytest.mark.parametrize("channel", [0, 1, 6, 7, 8, 9, 14, 15])
def test_each_channel_is_the_formula_of_the_original(channel):
    (h, w), dim, (y, x) = (3, 5), 16, (2, 3)
    code = picture_code((h, w), dim, CPU).view(h, w, dim)[y, x, channel].item()
    index, length = (y, h) if channel < dim // 2 else (x, w)
    i = channel % (dim // 2)
    angle = (index + 1) / (length + 1e-6) * 2 * math.pi / 10000 ** (2 * (i // 2) / (dim // 2))
    assert code == pytest.approx(math.cos(angle) if i % 2 else math.sin(angle), abs=1e-6)


@given(size=st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_the_code_of_a_place_is_that_of_the_cell_it_lies_on(size):
    h, w = size
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    places = torch.stack([x, y], dim=-1).view(-1, 2)
    torch.testing.assert_close(place_code(places, size, 16), picture_code(size, 16, CPU))


@given(size=st.tuples(st.integers(1, 7), st.integers(1, 7)), num=st.integers(1, 9))
def test_the_waves_of_a_place_are_those_of_the_cell_it_lies_on(size, num):
    h, w = size
    y, x = torch.meshgrid((torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w, indexing="ij")
    waves = place_waves(torch.stack([x, y], dim=-1).view(-1, 2), num)
    torch.testing.assert_close(waves, picture_waves(size, num, CPU), atol=1e-5, rtol=0)


def test_there_are_no_waves_where_there_is_no_place():
    places = torch.tensor([[[0.2, 0.7], [float("nan"), 0.5], [float("nan")] * 2]])
    assert place_waves(places, 2).ne(0).any(-1).tolist() == [[True, False, False]]


def test_time_adds_one_vector_to_all_cells_of_a_frame():
    added = clip_code(3, (2, 4), 16, CPU).view(3, 8, 16) - picture_code((2, 4), 16, CPU)
    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    assert (added[0, 0] - added[1, 0]).abs().max() > 0.1


def test_waves_can_be_as_narrow_as_they_are_many():
    size, num = (48, 64), 8
    waves = picture_waves(size, num, CPU)
    assert waves.shape == (48 * 64, 4 * num)
    wanted = torch.zeros(size)
    wanted[:, 28:36] = 1  # an eighth of the picture
    # The driver for waves that are not independent of each other, whose answer does not hang on where memory lies.
    solution = torch.linalg.lstsq(waves.double(), wanted.double().flatten()[:, None], driver="gelsd").solution
    fitted = (waves.double() @ solution).view(size)
    assert (fitted.gt(0.5) != wanted.gt(0.5)).float().mean() < 0.05
    code = picture_code(size, 64, CPU)
    by_code = (code @ torch.linalg.pinv(code, rtol=1e-3) @ wanted.flatten()[:, None]).view(size)
    assert (fitted - wanted).square().mean() < (by_code - wanted).square().mean() / 2
