"""ResNet-18/50/101 (He et al. 2016), with torchvision's parameter names.

The stride of a bottleneck sits in its 3×3 convolution, as torchvision and Mask2Former have it; detectron2's MSRA
weights, which have it in the first 1×1, have the same shapes and other meaning. Any input size: each stride rounds up.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.config import ResNetSettings
from gvseg_core.model.layers import Conv2d, FrozenBatchNorm2d, conv_norm, fold


class ResNet(nn.Module):
    """Pictures in, four feature maps out, at strides 4, 8, 16, 32."""

    def __init__(self, settings: ResNetSettings) -> None:
        super().__init__()
        self.channels = settings.channels
        block = BasicBlock if settings.block == "basic" else Bottleneck
        stem = settings.stem_channels
        self.conv1 = Conv2d(3, stem, 7, 2, 3, bias=False)
        self.bn1: nn.Module = FrozenBatchNorm2d(stem)
        widths = zip((stem, *settings.channels[:-1]), settings.inner_channels, settings.channels, strict=True)
        stages = []
        for i, ((inp, inner, out), depth) in enumerate(zip(widths, settings.depths, strict=True)):
            first = block(inp, inner, out, stride=1 if i == 0 else 2)
            stages.append(nn.Sequential(first, *[block(out, inner, out) for _ in range(depth - 1)]))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        for module in self.modules():
            if isinstance(module, Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → four times (B, C, h, w)."""
        x = F.max_pool2d(conv_norm(pixels, self.conv1, self.bn1, "relu"), 3, 2, 1)
        x2 = self.layer1(x)
        x3 = self.layer2(x2)
        x4 = self.layer3(x3)
        return x2, x3, x4, self.layer4(x4)

    def fold_norms(self) -> None:
        """Let every convolution take in the batch normalisation after it. For inference; the state dict changes."""
        self.bn1 = _folded(self.conv1, self.bn1)
        for block in self.modules():
            if isinstance(block, BasicBlock | Bottleneck):
                block.fold_norms()


class Bottleneck(nn.Module):
    """1×1 down, 3×3 (with the stride), 1×1 up, and a shortcut."""

    def __init__(self, inp: int, inner: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = Conv2d(inp, inner, 1, bias=False)
        self.bn1: nn.Module = FrozenBatchNorm2d(inner)
        self.conv2 = Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2: nn.Module = FrozenBatchNorm2d(inner)
        self.conv3 = Conv2d(inner, out, 1, bias=False)
        self.bn3: nn.Module = FrozenBatchNorm2d(out)
        self.downsample = _shortcut(inp, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = conv_norm(x, self.conv1, self.bn1, "relu")
        y = conv_norm(y, self.conv2, self.bn2, "relu")
        return conv_norm(y, self.conv3, self.bn3, "relu", add=_shorten(x, self.downsample))

    def add_nothing(self) -> None:
        """Start as what the shortcut alone gives: the last convolution is zero, and learns all the same."""
        nn.init.zeros_(self.conv3.weight)

    def fold_norms(self) -> None:
        self.bn1 = _folded(self.conv1, self.bn1)
        self.bn2 = _folded(self.conv2, self.bn2)
        self.bn3 = _folded(self.conv3, self.bn3)
        _fold_shortcut(self.downsample)


class BasicBlock(nn.Module):
    """3×3 (with the stride), 3×3, and a shortcut."""

    def __init__(self, inp: int, inner: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = Conv2d(inp, inner, 3, stride, 1, bias=False)
        self.bn1: nn.Module = FrozenBatchNorm2d(inner)
        self.conv2 = Conv2d(inner, out, 3, 1, 1, bias=False)
        self.bn2: nn.Module = FrozenBatchNorm2d(out)
        self.downsample = _shortcut(inp, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = conv_norm(x, self.conv1, self.bn1, "relu")
        return conv_norm(y, self.conv2, self.bn2, "relu", add=_shorten(x, self.downsample))

    def add_nothing(self) -> None:
        """Start as what the shortcut alone gives: the last convolution is zero, and learns all the same."""
        nn.init.zeros_(self.conv2.weight)

    def fold_norms(self) -> None:
        self.bn1 = _folded(self.conv1, self.bn1)
        self.bn2 = _folded(self.conv2, self.bn2)
        _fold_shortcut(self.downsample)


def _shortcut(inp: int, out: int, stride: int) -> nn.Sequential | None:
    if inp == out and stride == 1:
        return None
    return nn.Sequential(Conv2d(inp, out, 1, stride, bias=False), FrozenBatchNorm2d(out))


def _shorten(x: Tensor, shortcut: nn.Sequential | None) -> Tensor:
    if shortcut is None:
        return x
    conv, norm = shortcut
    assert isinstance(conv, Conv2d)
    return conv_norm(x, conv, norm)


def _fold_shortcut(shortcut: nn.Sequential | None) -> None:
    if shortcut is not None:
        conv, norm = shortcut
        assert isinstance(conv, Conv2d)
        shortcut[1] = _folded(conv, norm)


def _folded(conv: Conv2d, norm: nn.Module) -> nn.Module:
    return fold(conv, norm) if isinstance(norm, FrozenBatchNorm2d) else norm
