"""Fused products are the products, then the addend, then the activation; with gradients and without."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gvseg_core.ops.fused import convolve, linear

FINISH = {None: lambda y: y, "relu": F.relu, "gelu": F.gelu}


@pytest.mark.parametrize("activation", FINISH)
@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("rows", [5, 400])
@pytest.mark.parametrize("grad", [False, True])
def test_linear_is_a_matrix_product_and_the_rest(activation, adds, rows, grad):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, rows, 24), torch.randn(16, 24), torch.randn(16)
    add = torch.randn(2, rows, 16) if adds else None
    wanted = FINISH[activation](x @ weight.T + bias + (0 if add is None else add))
    with torch.set_grad_enabled(grad):
        out = linear(x, weight, bias, activation=activation, add=add)
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", FINISH)
@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_convolve_is_a_convolution_and_the_rest(activation, adds, grad):
    torch.manual_seed(0)
    x = torch.randn(2, 8, 9, 7).contiguous(memory_format=torch.channels_last)
    weight, bias, add = torch.randn(12, 8, 3, 3), torch.randn(12), torch.randn(2, 12, 5, 4) if adds else None
    wanted = FINISH[activation](F.conv2d(x, weight, bias, 2, 1) + (0 if add is None else add))
    with torch.set_grad_enabled(grad):
        out = convolve(x, weight, bias, stride=2, padding=1, activation=activation, add=add)
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", FINISH)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_convolution_of_single_cells_learns_as_any_other(activation, layout):
    torch.manual_seed(0)
    leaves = [torch.randn(2, 8, 9, 7).contiguous(memory_format=layout), torch.randn(12, 8, 1, 1), torch.randn(12)]
    x, weight, bias = (leaf.requires_grad_() for leaf in leaves)
    out, wanted = convolve(x, weight, bias, activation=activation), FINISH[activation](F.conv2d(x, weight, bias))
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)
    assert out.stride() == wanted.stride()
    learnt = [torch.autograd.grad(y.square().sum(), (x, weight, bias)) for y in (out, wanted)]
    for mine, other in zip(*learnt, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_the_addend_is_left_as_it_was():
    x, weight, add = torch.randn(300, 8), torch.randn(4, 8), torch.randn(300, 4)
    before = add.clone()
    with torch.inference_mode():
        linear(x, weight, None, activation="relu", add=add)
    assert torch.equal(add, before)


def test_gradients_reach_everything():
    leaves = [torch.randn(300, 8), torch.randn(4, 8), torch.randn(4), torch.randn(300, 4)]
    x, weight, bias, add = (leaf.requires_grad_() for leaf in leaves)
    linear(x, weight, bias, activation="gelu", add=add).square().sum().backward()
    assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in leaves)
