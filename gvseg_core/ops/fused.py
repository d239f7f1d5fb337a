"""Products with what follows them in the same pass: x·W + b, then an addend, then ReLU or GELU.

On a CPU without gradients one call of oneDNN does all of it, saving two passes over memory; everywhere else the same
sums are made step by step. A product of many rows goes through a 1×1 convolution there, because PyTorch hands float32
products to MKL, which takes up to 1.3 times oneDNN's time on AMD and the same on Intel. With gradients it is the other
way round: a 1×1 convolution goes as a product, whose backward pass takes 0.8 of a convolution's time (bfloat16: half).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Literal["relu", "gelu"]

_FEW_ROWS = 128  # below this a convolution's set-up costs more than it saves


def _fused_types() -> frozenset[torch.dtype]:
    # PyTorch's own compiler emits these operators; they are in no documentation, hence the question.
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return frozenset()
    fast_bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return frozenset({torch.float32, torch.bfloat16} if fast_bf16 else {torch.float32})


_FUSED_TYPES = _fused_types()


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    padding: int = 0,
    activation: Activation | None = None,
    add: Tensor | None = None,
) -> Tensor:
    """Activation(convolution(x) + bias + add).

    Args:
        x: (B, I, H, W).
        weight: (O, I, k, k).
        bias: (O,).
        stride, padding: cells, the same both ways.
        activation: applied last.
        add: (B, O, h, w), of the result's shape.
    """
    if _fusible(x) and not (add is not None and activation == "gelu"):  # the one pair that oneDNN does not fuse
        common = ([padding] * 2, [stride] * 2, [1, 1], 1)
        if add is None:
            name = activation or "none"
            return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *common, name, [], "none")  # type: ignore[no-any-return]
        fused = torch.ops.mkldnn._convolution_pointwise.binary
        return fused(x, add, weight, bias, *common, "add", 1.0, activation, [], None)  # type: ignore[no-any-return]
    if _is_product(x, weight, stride, padding):
        product = F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
        return _finish(product, activation, add)
    return _finish(F.conv2d(x, weight, bias, stride, padding), activation, add)


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, activation: Activation | None = None, add: Tensor | None = None
) -> Tensor:
    """Activation(x·Wᵀ + bias + add).

    Args:
        x: (..., I).
        weight: (O, I).
        bias: (O,).
        activation: applied last.
        add: (..., O).
    """
    if not _fusible(x) or x.numel() // x.shape[-1] < _FEW_ROWS:
        return _finish(F.linear(x, weight, bias), activation, add)
    picture = _as_picture(x)
    addend = None if add is None else _as_picture(add)
    y = convolve(picture, weight[:, :, None, None], bias, activation=activation, add=addend)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def _as_picture(x: Tensor) -> Tensor:
    """(..., C) as (1, C, rows, 1), channels last: the same memory."""
    return x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)


def _finish(y: Tensor, activation: Activation | None, add: Tensor | None) -> Tensor:
    if add is not None:
        y = y + add
    if activation == "relu":
        return F.relu(y)
    return F.gelu(y) if activation == "gelu" else y


def _fusible(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype in _FUSED_TYPES
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _is_product(x: Tensor, weight: Tensor, stride: int, padding: int) -> bool:
    """Whether a convolution with gradients is a matrix product of the memory as it lies."""
    return (
        x.device.type == "cpu"
        and torch.is_grad_enabled()
        and weight.shape[2:] == (1, 1)
        and (stride, padding) == (1, 0)
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
    )
