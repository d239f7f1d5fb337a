"""The few keys of a detectron2 `config.yaml` that no weight's shape tells.

Read with a loader that builds nothing but plain values: `!!python/…` tags, which detectron2 itself would execute, are
taken as the plain text, list or table under them. `_BASE_` files are followed while they are beside or above.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gvseg_core.config import InputSettings
from gvseg_core.errors import ModelError
from gvseg_core.types import TaskName

MAX_BYTES = 1_000_000
MAX_DEPTH = 8

# Switches that change the network without changing a shape, and the one position gvseg has.
ONLY = {
    "MODEL.MASK_FORMER.PRE_NORM": False,
    "MODEL.RESNETS.STRIDE_IN_1X1": False,
    "MODEL.RESNETS.RES5_DILATION": 1,
    "MODEL.RESNETS.NUM_GROUPS": 1,
    "MODEL.SWIN.APE": False,
    "MODEL.SEM_SEG_HEAD.COMMON_STRIDE": 4,
    "MODEL.SEM_SEG_HEAD.PIXEL_DECODER_NAME": "MSDeformAttnPixelDecoder",
    "INPUT.FORMAT": "RGB",
}

CLIP_DECODER = "VideoMultiScaleMaskedTransformerDecoder"
"""Mask2Former-VIS. The decoders of MinVIS, DVIS and CTVIS have longer names and see one frame at a time."""

TASKS: dict[str, tuple[TaskName, ...]] = {"INSTANCE_ON": ("vis",), "SEMANTIC_ON": ("vss",)}
VIDEO_TASKS: dict[str, tuple[TaskName, ...]] = {"vis": ("vis",), "vss": ("vss",), "vps": ("vis", "vss", "vps")}


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, for which a tag it does not know is no tag."""


def _untagged(loader: _PlainLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_PlainLoader.add_multi_constructor("", _untagged)


class Config:
    """A detectron2 configuration, asked by dotted keys."""

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        self.values, self.path = values, path

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a dotted key, `default` where it is not set."""
        found: Any = self.values
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return default
            found = found[part]
        return found

    @property
    def num_heads(self) -> int | None:
        """Attention heads of both decoders, where it says."""
        heads = self.get("MODEL.MASK_FORMER.NHEADS")
        return heads if isinstance(heads, int) and heads > 0 else None

    @property
    def clip_length(self) -> int:
        """T: more than 1 only for the decoder that sees a clip at once."""
        if self.get("MODEL.MASK_FORMER.TRANSFORMER_DECODER_NAME") != CLIP_DECODER:
            return 1
        return max(1, int(self.get("INPUT.SAMPLING_FRAME_NUM", 2)))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets it was trained and tested on."""
        return tuple(str(n) for part in ("TRAIN", "TEST") for n in self.get(f"DATASETS.{part}") or ())

    @property
    def tasks(self) -> tuple[TaskName, ...]:
        """What the test settings switch on, or DVIS's TASK; empty where they say nothing."""
        test = self.get("MODEL.MASK_FORMER.TEST", {})
        if not isinstance(test, Mapping):
            return ()
        if test.get("TASK") in VIDEO_TASKS:
            return VIDEO_TASKS[test["TASK"]]
        if test.get("PANOPTIC_ON"):
            return VIDEO_TASKS["vps"]
        return tuple(task for switch, tasks in TASKS.items() if test.get(switch) for task in tasks)

    def claims(self) -> dict[str, Any]:
        """Our names of settings that the weights show as well, and what the file says they are."""
        ours = {
            "decoder.dim": self.get("MODEL.MASK_FORMER.HIDDEN_DIM"),
            "queries.num_queries": self.get("MODEL.MASK_FORMER.NUM_OBJECT_QUERIES"),
            "pixel_decoder.mask_dim": self.get("MODEL.SEM_SEG_HEAD.MASK_DIM"),
            "pixel_decoder.num_layers": self.get("MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS"),
        }
        layers = self.get("MODEL.MASK_FORMER.DEC_LAYERS")
        if isinstance(layers, int):
            ours["decoder.num_layers"] = layers - 1
        return {name: value for name, value in ours.items() if isinstance(value, int)}

    def input_settings(self) -> InputSettings:
        """How pictures are prepared at test time; sizes not set are detectron2's own defaults."""
        short, long = (self.get(f"INPUT.{side}_SIZE_TEST", default) for side, default in (("MIN", 800), ("MAX", 1333)))
        if isinstance(short, list):
            short = short[0] if short else 800
        return InputSettings(
            short_side=short if isinstance(short, int) and short > 0 else 800,
            max_side=long if isinstance(long, int) and long > 0 else 1333,
            divisor=max(32, int(self.get("MODEL.MASK_FORMER.SIZE_DIVISIBILITY", 32))),
            mean=self._three("MODEL.PIXEL_MEAN", InputSettings().mean),
            std=self._three("MODEL.PIXEL_STD", InputSettings().std),
        )

    def check_supported(self) -> None:
        """Refuse a variant that gvseg does not have.

        Raises:
            ModelError: names the key, its value, and the one that works.
        """
        for key, wanted in ONLY.items():
            found = self.get(key, wanted)
            if found != wanted:
                raise ModelError(f"{self.path}: {key} is {found!r}; gvseg runs models with {wanted!r} only")

    def _three(self, key: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
        values = self.get(key)
        if not isinstance(values, list) or len(values) != 3:
            return default
        r, g, b = (float(value) for value in values)
        return r, g, b


def find_config(weights: Path) -> Config | None:
    """The settings file beside a file of weights: `<its name>.yaml`, else `config.yaml`; None where there is none.

    Raises:
        ModelError: it is there and cannot be read.
    """
    beside = (weights.with_suffix(".yaml"), weights.parent / "config.yaml")
    path = next((candidate for candidate in beside if candidate.is_file()), None)
    return None if path is None else Config(_load(path, MAX_DEPTH), path)


def _load(path: Path, depth: int) -> dict[str, Any]:
    if depth == 0:
        raise ModelError(f"{path}: _BASE_ files are nested more than {MAX_DEPTH} deep")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path}: larger than {MAX_BYTES:,} bytes, wanted a configuration")
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ModelError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: wanted a table of settings, found {type(values).__name__}")
    base = values.pop("_BASE_", None)
    if not isinstance(base, str):
        return values
    below = path.parent / base
    if below.suffix not in {".yaml", ".yml"} or not below.is_file():
        raise ModelError(f"{path}: needs {base!r}, which is not there; put it beside, or use the full config.yaml")
    return _merged(_load(below, depth - 1), values)


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return result
