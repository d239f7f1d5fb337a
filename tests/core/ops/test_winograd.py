"""The quick 3×3 convolution is the convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.ops.winograd import convolve_spread, pays, spread


@settings(deadline=None, max_examples=20)
@given(batch=st.integers(1, 2), h=st.integers(1, 21), w=st.integers(1, 21), seed=st.integers(0, 1000))
def test_it_is_exact_but_for_rounding_at_any_size(batch, h, w, seed):
    draw = torch.Generator().manual_seed(seed)
    x, weight, bias = (
        torch.randn(shape, dtype=torch.float64, generator=draw) for shape in ((batch, 5, h, w), (3, 5, 3, 3), (3,))
    )
    out = convolve_spread(x, spread(weight), bias, relu=False)
    torch.testing.assert_close(out, F.conv2d(x, weight, bias, padding=1), atol=1e-11, rtol=1e-11)
    assert torch.equal(convolve_spread(x, spread(weight), bias, relu=True), out.relu())


def test_in_float32_it_errs_little_more_than_the_direct_convolution():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, 256, 40, 60, generator=draw)
    weight = torch.randn(64, 256, 3, 3, generator=draw) / 48
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    error = (convolve_spread(x, spread(weight), None, relu=False) - exact).abs().max()
    assert error < 3e-5  # of results of size 1 to 5; direct: about 1e-5


@pytest.mark.parametrize(
    ("channels", "size", "answer"), [(256, (90, 160), True), (64, (90, 160), False), (256, (12, 20), False)]
)
def test_small_pictures_and_few_channels_are_left_alone(channels, size, answer):
    assert pays(channels, size) is answer
