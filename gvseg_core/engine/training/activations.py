"""Trade time for memory: keep what goes into a layer, and make what is inside it again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from gvseg_core.model.backbones import ResNet
from gvseg_core.model.network import Network


def checkpoint_activations(network: Network) -> None:
    """Let every stage of a ResNet, block of a Swin and layer of both decoders be made again. In place; once."""
    for layer in _layers(network):
        layer.forward = partial(_again, layer.forward)


def _layers(network: Network) -> Iterator[nn.Module]:
    backbone = network.backbone
    if isinstance(backbone, ResNet):
        yield from (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4)
    else:
        for stage in backbone.layers:
            yield from stage.blocks  # type: ignore[misc]
    yield from network.pixel_decoder.layers


def _again(forward: Any, *inputs: Any) -> Any:
    return checkpoint(forward, *inputs, use_reentrant=False)
