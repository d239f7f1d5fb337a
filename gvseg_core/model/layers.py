"""The few layers that all parts of the network share."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.ops.fused import Activation, convolve, linear
from gvseg_core.ops.winograd import convolve_spread, pays, spread


class Linear(nn.Linear):
    """`nn.Linear` that can take an addend and an activation along."""

    def forward(self, x: Tensor, activation: Activation | None = None, add: Tensor | None = None) -> Tensor:
        return linear(x, self.weight, self.bias, activation=activation, add=add)


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` of one stride and padding both ways, that can take an addend and an activation along."""

    spread: Tensor | None = None  # the kernel in its form for `convolve_spread`

    def forward(self, x: Tensor, activation: Activation | None = None, add: Tensor | None = None) -> Tensor:
        if (
            self.spread is not None
            and add is None
            and activation != "gelu"
            and pays(x.shape[1], (x.shape[2], x.shape[3]))
        ):
            return convolve_spread(x, self.spread, self.bias, relu=activation == "relu")
        stride, padding = self.stride[0], int(self.padding[0])
        return convolve(x, self.weight, self.bias, stride=stride, padding=padding, activation=activation, add=add)

    def prepare_for_inference(self) -> None:
        """Make ready the quick form, where there is one; from then on the weight must not change."""
        quick = self.weight.dtype == torch.float32 and self.weight.device.type == "cpu"
        if quick and self.kernel_size == (3, 3) and self.stride == (1, 1) and pays(self.in_channels, (1024, 1024)):
            self.spread = spread(self.weight.detach())


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation by stored statistics, which training leaves alone unless it is to learn them.

    Mask2Former and its descendants train ResNets so (detectron2's FrozenBN, eps 1e-5), because they begin with
    ImageNet's. Unlike there, scale and shift are parameters; whoever wants them frozen too leaves them out of the
    optimiser. A network that begins from nothing `learns` its statistics, as ordinary batch normalisation does.
    """

    running_mean: Tensor
    running_var: Tensor
    eps = 1e-5
    learns = False  # in training: normalise by the batch, and move the statistics towards it
    momentum = 0.1  # share of the batch in the statistics that it leaves

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        by_batch = self.learns and self.training
        tensors = self.running_mean, self.running_var, self.weight, self.bias
        return F.batch_norm(x, *tensors, training=by_batch, momentum=self.momentum, eps=self.eps)


class Folded(nn.Identity):
    """Where a batch normalisation was before its convolution took it in."""


def fold(conv: Conv2d, norm: FrozenBatchNorm2d) -> Folded:
    """Give `conv` the weight and bias that do what `norm` did after it; both new, others may hold the old ones."""
    with torch.no_grad():
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        conv.weight = nn.Parameter(conv.weight * scale[:, None, None, None], requires_grad=False)
        conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale, requires_grad=False)
    return Folded()


def conv_norm(
    x: Tensor, conv: Conv2d, norm: nn.Module, activation: Activation | None = None, add: Tensor | None = None
) -> Tensor:
    """Activation(norm(conv(x)) + add), in one go once `norm` is folded."""
    if isinstance(norm, Folded):
        return conv(x, activation, add)  # type: ignore[no-any-return]
    y: Tensor = norm(conv(x))
    if add is not None:
        y = y + add
    return F.relu(y) if activation == "relu" else y


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) → (B, h·w, C); no copy when `x` is channels last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_picture(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h·w, C) → (B, C, h, w), channels last; no copy."""
    return tokens.view(tokens.shape[0], *size, -1).permute(0, 3, 1, 2)


def initialise(layer: nn.Linear | nn.Conv2d, fill: Callable[[Tensor], object]) -> None:
    """Weights by `fill`, biases zero."""
    fill(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
