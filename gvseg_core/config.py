"""Every setting of the network and of a run with its unit and default: YAML or JSON in, frozen and checked models out.

Unknown keys, wrong types and values out of range are refused by name, all at once, before anything is loaded.
Importing this module does not import torch.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from gvseg_core.errors import UsageError
from gvseg_core.registry import choose


class Settings(BaseModel):
    """Base of all settings: frozen, and strict about types and names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# JSON and YAML have lists, not tuples; strict mode needs to be told that a list will do.
Ints4 = Annotated[tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt], Field(strict=False)]
Rgb = Annotated[tuple[float, float, float], Field(strict=False)]


class ResNetSettings(Settings):
    """ResNet (He et al. 2016), stride in the 3×3 convolution as torchvision and Mask2Former have it."""

    kind: Literal["resnet"] = "resnet"
    block: Literal["basic", "bottleneck"] = "bottleneck"
    depths: Ints4 = (3, 4, 6, 3)
    stem_channels: PositiveInt = 64
    channels: Ints4 = (256, 512, 1024, 2048)  # out of each stage
    inner_channels: Ints4 = (64, 128, 256, 512)  # of the 3×3 convolutions


class SwinSettings(Settings):
    """Swin Transformer (Liu et al. 2021)."""

    kind: Literal["swin"] = "swin"
    embed_dim: PositiveInt = 96
    depths: Ints4 = (2, 2, 6, 2)
    num_heads: Ints4 = (3, 6, 12, 24)
    window: PositiveInt = 7  # cells
    mlp_ratio: float = 4.0
    drop_path: float = 0.3  # training only

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels out of each stage."""
        c = self.embed_dim
        return c, 2 * c, 4 * c, 8 * c


BackboneSettings = Annotated[ResNetSettings | SwinSettings, Field(discriminator="kind")]

BACKBONES: dict[str, ResNetSettings | SwinSettings] = {
    "resnet18": ResNetSettings(
        block="basic", depths=(2, 2, 2, 2), channels=(64, 128, 256, 512), inner_channels=(64, 128, 256, 512)
    ),
    "resnet50": ResNetSettings(),
    "resnet101": ResNetSettings(depths=(3, 4, 23, 3)),
    "swin_tiny": SwinSettings(),
    "swin_small": SwinSettings(depths=(2, 2, 18, 2)),
    "swin_base": SwinSettings(embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), window=12),
    "swin_large": SwinSettings(embed_dim=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48), window=12),
}


class PixelDecoderSettings(Settings):
    """MSDeformAttn pixel decoder (Mask2Former, pixel_decoder/msdeformattn.py)."""

    dim: PositiveInt = 256
    mask_dim: PositiveInt = 256
    num_layers: PositiveInt = 6
    num_heads: PositiveInt = 8
    num_points: PositiveInt = 4  # sampling points per head and level
    feedforward: PositiveInt = 1024  # fixed in the original code, whatever its DIM_FEEDFORWARD says
    mask_waves: NonNegativeInt = 0  # an axis, of place in the mask features; ours, for networks that see little at once


class DecoderSettings(Settings):
    """Masked-attention transformer decoder (Mask2Former, mask2former_transformer_decoder.py)."""

    dim: PositiveInt = 256
    num_layers: PositiveInt = 9  # detectron2's DEC_LAYERS and HF's decoder_layers say one more
    num_heads: PositiveInt = 8
    feedforward: PositiveInt = 2048
    input_projection: bool = False  # a 1×1 convolution before each level; forced where the widths differ


class QuerySettings(Settings):
    """Where queries come from: learnt ones (Mask2Former), or each task's own (GvSEG §3.2)."""

    source: Literal["learned", "task"] = "learned"
    num_queries: PositiveInt = 100  # learned ones, or N sampled from the grid
    grid: PositiveInt = 16  # S: the grid of S × S cells that instance queries are taken from
    momentum: float = Field(default=0.99, ge=0, le=1)  # of class queries, in training
    placed: bool = False  # masks also depend on where a task's queries start, in `mask_waves`; ours (model/decoder.py)
    spa: bool = False  # the learnt projection of the shape–position descriptor (432 → d) is there


class ModelSettings(Settings):
    """The whole network."""

    backbone: BackboneSettings = ResNetSettings()
    pixel_decoder: PixelDecoderSettings = PixelDecoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    queries: QuerySettings = QuerySettings()
    clip_length: PositiveInt = 1  # T: frames decoded jointly; 1 is the image model frame by frame (MinVIS)

    @model_validator(mode="before")
    @classmethod
    def _named_backbone(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("backbone"), str):
            return {**values, "backbone": choose("backbone", BACKBONES, values["backbone"])}
        return values


class InputSettings(Settings):
    """How a picture becomes the network's input."""

    short_side: PositiveInt = 360  # pixels; aspect kept
    max_side: PositiveInt = 1333  # pixels; the long side is never longer
    divisor: PositiveInt = 32  # padded at the right and bottom to a multiple of it
    mean: Rgb = (123.675, 116.28, 103.53)  # RGB, 0..255
    std: Rgb = (58.395, 57.12, 57.375)


class TrackSettings(Settings):
    """Identity between clips: S = (1 − λ)·cos(q, q') + λ·cos(H, H') (GvSEG §3.2); λ = 0 is MinVIS."""

    shape_weight: float = Field(default=0.25, ge=0, le=1)  # λ, for weights without a learnt projection
    # Share of being where a steady way would lead; None is 0.3 where the projection of shapes has been learnt, else 0.
    motion_weight: float | None = Field(default=None, ge=0, le=1)
    match_threshold: float = Field(default=0.2, ge=-1, le=1)  # less alike than this is not the same object
    # Likewise, of an object that was out of sight; None is 0.7, or 0.4 where the projection of shapes has been learnt.
    return_threshold: float | None = Field(default=None, ge=-1, le=1)
    birth_score: float = Field(default=0.5, ge=0, le=1)  # a new id needs at least this class score
    memory: PositiveInt = 60  # frames after which a lost object is forgotten
    momentum: float = Field(default=0.7, ge=0, le=1)  # share of the old embedding kept at each match


ClassIds = Annotated[frozenset[int] | None, Field(strict=False)]


class VisSettings(Settings):
    """Which instances are kept. All defaults but `conf` = 0 and `top` = None give every query, as MinVIS has it."""

    conf: float = Field(default=0.3, ge=0, le=1)  # class score from which an object is shown
    # Share of a mask that better ones may cover before it is none of its own; learnt queries are left alone.
    covered: float = Field(default=0.5, ge=0, le=1)
    top: PositiveInt | None = 100  # at most so many in a clip, the best first; None is all
    classes: ClassIds = None  # class ids that are looked for; None is all


class VssSettings(Settings):
    """Which classes of the map are reported; the map itself is decided among all."""

    classes: ClassIds = None


class VpsSettings(Settings):
    """Which regions are kept; numbers of DVIS (and Mask2Former)."""

    conf: float = Field(default=0.8, ge=0, le=1)  # a query needs more than this class score
    overlap: float = Field(default=0.8, ge=0, le=1)  # and at least this share of its own mask's area, over the clip
    classes: ClassIds = None  # class ids that are reported; pixels are shared out among all


class EvsSettings(Settings):
    """When an object that was pointed at counts as seen."""

    conf: float = Field(default=0.5, ge=0, le=1)  # below it the object is absent from the clip
    refresh: float = Field(default=0.8, ge=0, le=1)  # from here on, what is seen refreshes the memory of the object
    # Share of the exemplar's own features that its query keeps at each such look. Measured with 0.7: J&F 0.711 on the
    # rendered videos of `eval`, with 1: 0.752, as a mask that strays would be the next exemplar.
    keep: float = Field(default=1.0, ge=0, le=1)
    propagation: float = Field(default=0.8, ge=0, le=1)  # what pixels of earlier frames count beside a good query
    radius: PositiveInt = 8  # cells of stride 4: how far these may have moved from one frame to the next


S = TypeVar("S", bound=Settings)


def parse(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """`values` as settings of `kind`.

    Raises:
        UsageError: names every unknown key (with the nearest known one), wrong type and value out of range at once.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [_explain(kind, problem) for problem in error.errors()]
        raise UsageError(f"{where}: " + "; ".join(lines)) from None


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as a mapping.

    Raises:
        UsageError: unreadable, not YAML, not a mapping, or a key given twice.
    """
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(loaded, dict):
        raise UsageError(f"{path}: wanted a mapping of settings, found {type(loaded).__name__}")
    return loaded


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, which would otherwise let the later of two equal keys win in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_BRIEFLY = reprlib.Repr()
_BRIEFLY.maxlevel, _BRIEFLY.maxstring, _BRIEFLY.maxother = 1, 80, 80
"""What was found may be of any size: a few lines of YAML with aliases of aliases stand for gigabytes."""


def _explain(kind: type[BaseModel], problem: Any) -> str:
    path = [str(part) for part in problem["loc"] if str(part) not in {"resnet", "swin"}]
    name = ".".join(path) or kind.__name__
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _field_names(kind), n=1)
        return f"{name}: no such setting" + (f"; did you mean {near[0]!r}?" if near else "")
    found = problem.get("input")
    message = problem["msg"][0].lower() + problem["msg"][1:]
    if isinstance(found, str) and "number" in message:
        message += "; with a point and an exponent sign YAML reads it as a number: 1.0e-4"
    return f"{name}: {message}, found {_BRIEFLY.repr(found)}"


def _field_names(kind: type[BaseModel]) -> set[str]:
    names = set(kind.model_fields)
    for info in kind.model_fields.values():
        for inner in (info.annotation, *get_args(info.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                names |= _field_names(inner)
    return names


__all__ = [
    "BACKBONES",
    "DecoderSettings",
    "EvsSettings",
    "InputSettings",
    "ModelSettings",
    "PixelDecoderSettings",
    "QuerySettings",
    "ResNetSettings",
    "Settings",
    "SwinSettings",
    "TrackSettings",
    "VisSettings",
    "VpsSettings",
    "VssSettings",
    "load_yaml",
    "parse",
]
