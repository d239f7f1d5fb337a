"""A network's settings, read from the shapes of its weights (under our names).

Everything is in the shapes but the number of attention heads; the published models all have 8, and other sizes need
a settings file that says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gvseg_core.config import (
    BACKBONES,
    DecoderSettings,
    ModelSettings,
    PixelDecoderSettings,
    QuerySettings,
    ResNetSettings,
    SwinSettings,
)
from gvseg_core.errors import ModelError
from gvseg_core.model.weights.renaming import some

NUM_LEVELS = 3
PUBLISHED_HEADS = 8
PUBLISHED_POINTS = 4


def settings_of(
    state: Mapping[str, Tensor], where: str, num_heads: int | None = None, clip_length: int = 1
) -> ModelSettings:
    """The settings of a Mask2Former-family network.

    Args:
        state: weights under our names, of learnt queries.
        where: the file, for messages.
        num_heads: attention heads of both decoders; None where nobody says.
        clip_length: T, which is in no shape either.

    Raises:
        ModelError: a tensor that the sizes are read from is missing, or `num_heads` is needed and not known.
    """
    shape = _Shapes(state, where)
    samples = shape["pixel_decoder.layers.0.self_attn.attention_weights.bias"][0]
    width = shape["queries.learned.content"][1]
    heads = PUBLISHED_HEADS if num_heads is None else num_heads
    if num_heads is None and samples != PUBLISHED_HEADS * NUM_LEVELS * PUBLISHED_POINTS:
        raise ModelError(
            f"{where}: sizes unlike any published model, and the number of attention heads is in no shape; "
            "put the model's config.yaml beside the file"
        )
    if samples % (heads * NUM_LEVELS) or width % heads:
        raise ModelError(f"{where}: {heads} attention heads do not divide {samples} sampling weights and width {width}")
    mask_dim, pixel_dim = shape["pixel_decoder.mask_features.weight"][:2]
    return ModelSettings(
        backbone=backbone_of(state, where),
        pixel_decoder=PixelDecoderSettings(
            dim=pixel_dim,
            mask_dim=mask_dim,
            num_layers=count(state, "pixel_decoder.layers."),
            num_heads=heads,
            num_points=samples // (heads * NUM_LEVELS),
            feedforward=shape["pixel_decoder.layers.0.linear1.weight"][0],
        ),
        decoder=DecoderSettings(
            dim=width,
            num_layers=count(state, "decoder.layers."),
            num_heads=heads,
            feedforward=shape["decoder.layers.0.linear1.weight"][0],
            input_projection="decoder.input_proj.0.weight" in state and width == pixel_dim,
        ),
        queries=QuerySettings(source="learned", num_queries=shape["queries.learned.content"][0]),
        clip_length=clip_length,
    )


def backbone_of(state: Mapping[str, Tensor], where: str) -> ResNetSettings | SwinSettings:
    """The backbone's settings, from tensors named `backbone.…`.

    Raises:
        ModelError: it is neither a ResNet nor a Swin Transformer.
    """
    if "backbone.conv1.weight" in state:
        return _resnet_of(state, _Shapes(state, where))
    if "backbone.patch_embed.proj.weight" in state:
        return _swin_of(state, _Shapes(state, where))
    found = [n for n in state if n.startswith("backbone.")]
    raise ModelError(f"{where}: neither a ResNet nor a Swin backbone; found {some(found) or 'no backbone'}")


def _resnet_of(state: Mapping[str, Tensor], shape: _Shapes) -> ResNetSettings:
    bottleneck = "backbone.layer1.0.conv3.weight" in state
    outer, inner = ("conv3", "conv2") if bottleneck else ("conv2", "conv1")
    stages = range(1, 5)
    return ResNetSettings(
        block="bottleneck" if bottleneck else "basic",
        depths=_four(count(state, f"backbone.layer{s}.") for s in stages),
        stem_channels=shape["backbone.conv1.weight"][0],
        channels=_four(shape[f"backbone.layer{s}.0.{outer}.weight"][0] for s in stages),
        inner_channels=_four(shape[f"backbone.layer{s}.0.{inner}.weight"][0] for s in stages),
    )


def _swin_of(state: Mapping[str, Tensor], shape: _Shapes) -> SwinSettings:
    tables = [shape[f"backbone.layers.{i}.blocks.0.attn.relative_position_bias_table"] for i in range(4)]
    hidden, width = shape["backbone.layers.0.blocks.0.mlp.fc1.weight"]
    return SwinSettings(
        embed_dim=shape["backbone.patch_embed.proj.weight"][0],
        depths=_four(count(state, f"backbone.layers.{i}.blocks.") for i in range(4)),
        num_heads=_four(heads for _, heads in tables),
        window=(round(tables[0][0] ** 0.5) + 1) // 2,
        mlp_ratio=hidden / width,
    )


def check_claims(settings: ModelSettings, claims: Mapping[str, Any], where: str, source: str) -> None:
    """What a settings file says must be what the weights show.

    Args:
        settings: read from the weights.
        claims: dotted names of `ModelSettings` and the values that `source` gives them.

    Raises:
        ModelError: names each setting that differs, and both values.
    """
    wrong = []
    for name, said in claims.items():
        found: Any = settings
        for part in name.split("."):
            found = getattr(found, part, None)
        if found != said:
            wrong.append(f"{name} is {found} in the weights and {said} in {source}")
    if wrong:
        raise ModelError(f"{where}: {'; '.join(wrong)}; do the two files belong together?")


def describe(settings: ModelSettings, heads: Mapping[str, int]) -> str:
    """A network in a few words: "resnet50, 9 decoder layers, 100 queries, 40 classes"."""
    named = (name for name, known in BACKBONES.items() if _same_backbone(known, settings.backbone))
    backbone = next(named, settings.backbone.kind)
    classes = ", ".join(f"{n} classes" for n in heads.values())
    parts = [f"{settings.decoder.num_layers} decoder layers", f"{settings.queries.num_queries} queries", classes]
    return ", ".join([backbone, *(part for part in parts if part)])


def count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered things there are under `prefix`: the highest number and one."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    return 1 + max((int(m[1]) for m in map(pattern.match, state) if m), default=-1)


def _same_backbone(one: ResNetSettings | SwinSettings, other: ResNetSettings | SwinSettings) -> bool:
    return one.model_dump(exclude={"drop_path"}) == other.model_dump(exclude={"drop_path"})


def _four(values: Any) -> tuple[int, int, int, int]:
    a, b, c, d = values
    return a, b, c, d


class _Shapes:
    """Shapes by name; a missing name is the file's fault."""

    def __init__(self, state: Mapping[str, Tensor], where: str) -> None:
        self.state, self.where = state, where

    def __getitem__(self, name: str) -> tuple[int, ...]:
        if name not in self.state:
            raise ModelError(f"{self.where}: 1 missing: {name}, which the sizes of the network are read from")
        return tuple(self.state[name].shape)
