"""Files of other code bases, made from weights under our names: the tables read backwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from gvseg_core.config import (
    DecoderSettings,
    ModelSettings,
    PixelDecoderSettings,
    QuerySettings,
    ResNetSettings,
    SwinSettings,
)
from gvseg_core.model.network import Network
from gvseg_core.model.weights.renaming import SUFFIXES, TOKEN, Rule

TINY_SWIN = SwinSettings(embed_dim=8, depths=(2, 1, 1, 1), num_heads=(1, 1, 2, 2), window=4, mlp_ratio=2.0)
TINY_RESNET = ResNetSettings(
    depths=(2, 1, 1, 1), stem_channels=8, channels=(16, 32, 32, 64), inner_channels=(4, 8, 8, 16)
)


def tiny_settings(backbone: ResNetSettings | SwinSettings = TINY_RESNET) -> ModelSettings:
    return ModelSettings(
        backbone=backbone,
        pixel_decoder=PixelDecoderSettings(dim=32, mask_dim=16, num_layers=2, num_heads=4, feedforward=48),
        decoder=DecoderSettings(dim=32, num_layers=3, num_heads=4, feedforward=40),
        queries=QuerySettings(num_queries=5),
    )


def tiny_state(settings: ModelSettings, head: str = "classes", num_classes: int = 3) -> dict[str, Tensor]:
    """Weights of a small network, every number different."""
    torch.manual_seed(0)
    state = Network(settings, {head: num_classes}).state_dict()
    return {name: torch.randn_like(tensor) for name, tensor in state.items()}


def unrename(
    state: Mapping[str, Tensor],
    rules: Iterable[Rule],
    change: Callable[[Tensor], Tensor] | None = None,
    without: str = r"(?!)",
) -> dict[str, Tensor]:
    """`state` under the names of the first rule that leads to each of ours.

    Args:
        change: undoes a rule's own change.
        without: rules whose names hold this pattern are passed over.
    """
    usable = [rule for rule in rules if not re.search(without, rule.theirs)]
    theirs: dict[str, Tensor] = {}
    for name, tensor in state.items():
        rule, values = next((rule, values) for rule in usable if (values := _matched(rule.ours, name)) is not None)
        if rule.change is not None and change is not None:
            tensor = change(tensor)
        for part, rows in zip(rule.parts or ("",), tensor.chunk(max(len(rule.parts), 1)), strict=True):
            theirs[TOKEN.sub(lambda token, part=part, values=values: _filled(token, part, values), rule.theirs)] = rows
    return theirs


def _matched(pattern: str, name: str) -> dict[str, str] | None:
    regex, end = "", 0
    for token in TOKEN.finditer(pattern):
        regex += re.escape(pattern[end : token.start()]) + f"(?P<{token[1]}>{SUFFIXES.get(token[1], '[0-9]+')})"
        end = token.end()
    found = re.fullmatch(regex + re.escape(pattern[end:]), name)
    return None if found is None else found.groupdict()


def _filled(token: re.Match[str], part: str, values: Mapping[str, str]) -> str:
    if "|" in token[1]:
        return part
    value = values[token[1]]
    return str(int(value) + int(token[2])) if token[2] else value


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """The same names with the same numbers."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
