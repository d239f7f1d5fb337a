"""Writing a Mask2Former folder that Hugging Face `transformers` loads as `Mask2FormerForUniversalSegmentation`.

Names go back by the table that `hugging_face` reads with. What that class has no place for is refused here with the
reason: queries of a task's own, the projection of shapes and positions, heads and points in other numbers than its own.
A clip network keeps its weights and its outputs frame by frame; clips of several frames `transformers` does not have.

Source: huggingface/transformers (Apache-2.0), `models/mask2former/configuration_mask2former.py`; names only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from gvseg_core.config import InputSettings, ModelSettings, ResNetSettings, SwinSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.weights.checkpoint import UNNAMED, Checkpoint
from gvseg_core.model.weights.hugging_face import ENCODER, LAYOUT
from gvseg_core.model.weights.renaming import rename_back
from gvseg_core.model.weights.shapes import PUBLISHED_POINTS
from gvseg_core.types import Vocabulary

_STAGES = ["stage1", "stage2", "stage3", "stage4"]
_NO_OBJECT_WEIGHT = 0.1
_NARROWING = 4  # of its bottleneck: the 3×3 convolution has a quarter of the channels


def write_folder(folder: Path, checkpoint: Checkpoint, head: str) -> None:
    """Write `config.json`, `model.safetensors` and `preprocessor_config.json`; the caller sees to it that the folder
    appears whole.

    Args:
        folder: exists, and is empty.
        checkpoint: of learnt queries, with a vocabulary for `head`.
        head: the class head that goes along; there is room for one.

    Raises:
        ModelError: the network is not one that `transformers` has; says why, and what works instead.
    """
    refuse_unlike(checkpoint.settings)
    vocabulary = checkpoint.vocabularies[head]
    tensors = _tensors(checkpoint, head, str(folder))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", _config(checkpoint.settings, vocabulary))
    _write_json(folder / "preprocessor_config.json", _preparation(checkpoint.input))


def refuse_unlike(settings: ModelSettings) -> None:
    """Refuse a network that `Mask2FormerForUniversalSegmentation` cannot be.

    Raises:
        ModelError: names each thing it has no place for.
    """
    pixel, decoder, backbone = settings.pixel_decoder, settings.decoder, settings.backbone
    reasons = []
    if settings.queries.source != "learned":
        reasons.append("its queries are each task's own, transformers has learnt ones only")
    if settings.queries.spa:
        reasons.append("it has learnt a projection of shapes and positions")
    if pixel.mask_waves:
        reasons.append("its mask features say where they are")
    if pixel.num_heads != decoder.num_heads:
        reasons.append(f"{pixel.num_heads} and {decoder.num_heads} attention heads, wanted the same in both decoders")
    if pixel.num_points != PUBLISHED_POINTS:
        reasons.append(f"{pixel.num_points} sampling points, wanted {PUBLISHED_POINTS}")
    if isinstance(backbone, ResNetSettings):
        narrow = [c // _NARROWING if backbone.block == "bottleneck" else c for c in backbone.channels]
        if list(backbone.inner_channels) != narrow:
            reasons.append(f"inner channels {list(backbone.inner_channels)} of its ResNet, wanted {narrow}")
    if reasons:
        raise ModelError(
            f"--format hf: this network is no Mask2Former of transformers: {'; '.join(reasons)}; "
            "safetensors, onnx and torch take any"
        )


def _tensors(checkpoint: Checkpoint, head: str, where: str) -> dict[str, Tensor]:
    state = {}
    for name, tensor in checkpoint.state.items():
        if name.startswith("class_heads."):
            if not name.startswith(f"class_heads.{head}."):
                continue
            name = f"class_heads.{UNNAMED}.{name.rpartition('.')[2]}"
        state[name] = tensor.detach().cpu()
    tensors = {name: part.contiguous().clone() for name, part in rename_back(state, LAYOUT.rules, where).items()}
    return tensors | _unused(tensors, checkpoint.settings, len(checkpoint.vocabularies[head]))


def _unused(tensors: Mapping[str, Tensor], settings: ModelSettings, num_classes: int) -> dict[str, Tensor]:
    """What it saves and never uses in inference; without them it would report them missing."""
    means = (name for name in tensors if name.endswith(".running_mean"))
    unused = {name.removesuffix("running_mean") + "num_batches_tracked": torch.tensor(0) for name in means}
    if isinstance(settings.backbone, SwinSettings):
        width = settings.backbone.channels[-1]
        unused[f"{ENCODER}swin.layernorm.weight"] = torch.ones(width)
        unused[f"{ENCODER}swin.layernorm.bias"] = torch.zeros(width)
    weights = torch.ones(num_classes + 1)
    weights[-1] = _NO_OBJECT_WEIGHT
    return unused | {"criterion.empty_weight": weights}


def _config(settings: ModelSettings, vocabulary: Vocabulary) -> dict[str, Any]:
    pixel, decoder = settings.pixel_decoder, settings.decoder
    names = [info.name for info in vocabulary.classes]
    return {
        "architectures": ["Mask2FormerForUniversalSegmentation"],
        "model_type": "mask2former",
        "backbone_config": _backbone(settings.backbone),
        "feature_size": pixel.dim,
        "mask_feature_size": pixel.mask_dim,
        "hidden_dim": decoder.dim,
        "encoder_feedforward_dim": pixel.feedforward,
        "encoder_layers": pixel.num_layers,
        "decoder_layers": decoder.num_layers + 1,
        "dim_feedforward": decoder.feedforward,
        "num_attention_heads": decoder.num_heads,
        "num_queries": settings.queries.num_queries,
        "enforce_input_projection": decoder.input_projection,
        "activation_function": "relu",
        "pre_norm": False,
        "dropout": 0.0,
        "common_stride": 4,
        "feature_strides": [4, 8, 16, 32],
        "no_object_weight": _NO_OBJECT_WEIGHT,
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "dtype": "float32",
    }


def _backbone(settings: ResNetSettings | SwinSettings) -> dict[str, Any]:
    common = {"out_features": _STAGES, "stage_names": ["stem", *_STAGES], "num_channels": 3}
    if isinstance(settings, SwinSettings):
        return common | {
            "model_type": "swin",
            "embed_dim": settings.embed_dim,
            "depths": list(settings.depths),
            "num_heads": list(settings.num_heads),
            "window_size": settings.window,
            "mlp_ratio": settings.mlp_ratio,
            "drop_path_rate": settings.drop_path,
            "hidden_size": settings.channels[-1],
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
            "patch_size": 4,
            "qkv_bias": True,
            "use_absolute_embeddings": False,
        }
    return common | {
        "model_type": "resnet",
        "layer_type": settings.block,
        "depths": list(settings.depths),
        "embedding_size": settings.stem_channels,
        "hidden_sizes": list(settings.channels),
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    }


def _preparation(settings: InputSettings) -> dict[str, Any]:
    return {
        "image_processor_type": "Mask2FormerImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": settings.short_side, "longest_edge": settings.max_side},
        "size_divisor": settings.divisor,
        "resample": 2,  # bilinear
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [value / 255 for value in settings.mean],
        "image_std": [value / 255 for value in settings.std],
        "ignore_index": 255,
        "do_reduce_labels": False,
    }


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
