"""Backbones by the `kind` of their settings. Listed is tested (tests/core/model/backbones)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from gvseg_core.config import ResNetSettings, SwinSettings
from gvseg_core.model.backbones.resnet import ResNet
from gvseg_core.model.backbones.swin import Swin


class Backbone(Protocol):
    """Pictures in, four feature maps out."""

    channels: tuple[int, int, int, int]

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → (B, C, h, w) at strides 4, 8, 16, 32; sizes are rounded up."""


BACKBONES: dict[str, Callable[[Any], ResNet | Swin]] = {"resnet": ResNet, "swin": Swin}


def build_backbone(settings: ResNetSettings | SwinSettings) -> ResNet | Swin:
    """The backbone that `settings` describe, freshly initialised."""
    return BACKBONES[settings.kind](settings)


__all__ = ["BACKBONES", "Backbone", "ResNet", "Swin", "build_backbone"]
