"""Trade time for memory: keep what goes into a layer, and make what is inside it again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from gvseg_core.model.backbones import ResNet
from gvseg_core.model.layers import FrozenBatchNorm2d
from gvseg_core.model.network import Network


def checkpoint_activations(network: Network) -> None:
    """Let every stage of a ResNet, block of a Swin and layer of the pixel decoder be made again. In place; once."""
    for layer in _layers(network):
        norms = [module for module in layer.modules() if isinstance(module, FrozenBatchNorm2d)]
        layer.forward = partial(_again, layer.forward, norms)


def _layers(network: Network) -> Iterator[nn.Module]:
    backbone = network.backbone
    if isinstance(backbone, ResNet):
        yield from (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4)
    else:
        for stage in backbone.layers:
            yield from stage.blocks  # type: ignore[misc]
    yield from network.pixel_decoder.layers


def _again(forward: Any, norms: Sequence[FrozenBatchNorm2d], *inputs: Any) -> Any:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_at_rest(norms)

    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _statistics_at_rest(norms: Sequence[FrozenBatchNorm2d]) -> Iterator[None]:
    """Batch statistics that learn have moved when the layer was first run; a second run must not move them again."""
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm in norms:
            del norm.momentum
