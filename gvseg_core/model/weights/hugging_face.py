"""Mask2Former folders of Hugging Face `transformers`: `config.json`, weights, and perhaps `preprocessor_config.json`.

Names on disk are those of transformers 4; version 5 renames the Swin modules in memory, and files written by hand
from a running model have those names, so both are read. Query, key and value are three tensors there and one here.

Source: huggingface/transformers (Apache-2.0), `models/mask2former`, `models/swin`, `models/resnet`; names only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gvseg_core.config import InputSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.weights.checkpoint import UNNAMED, Checkpoint, hash_tensors
from gvseg_core.model.weights.containers import read_container, read_json
from gvseg_core.model.weights.layouts import DERIVED, Layout, to_ours, under
from gvseg_core.model.weights.layouts import RESNET as TORCHVISION_RESNET
from gvseg_core.model.weights.renaming import table
from gvseg_core.model.weights.shapes import check_claims, settings_of

RESNET = """
    embedder.embedder.convolution.weight                             conv1.weight
    embedder.embedder.normalization.{bn}                             bn1.{bn}
    encoder.stages.{s-1}.layers.{b}.layer.{k-1}.convolution.weight   layer{s}.{b}.conv{k}.weight
    encoder.stages.{s-1}.layers.{b}.layer.{k-1}.normalization.{bn}   layer{s}.{b}.bn{k}.{bn}
    encoder.stages.{s-1}.layers.{b}.shortcut.convolution.weight      layer{s}.{b}.downsample.0.weight
    encoder.stages.{s-1}.layers.{b}.shortcut.normalization.{bn}      layer{s}.{b}.downsample.1.{bn}
"""

SWIN = """
    embeddings.patch_embeddings.projection.{wb}                      patch_embed.proj.{wb}
    embeddings.norm.{wb}                                             patch_embed.norm.{wb}
    encoder.layers.{i}.blocks.{b}.layernorm_before.{wb}              layers.{i}.blocks.{b}.norm1.{wb}
    encoder.layers.{i}.blocks.{b}.layernorm_after.{wb}               layers.{i}.blocks.{b}.norm2.{wb}
    encoder.layers.{i}.downsample.reduction.weight                   layers.{i}.downsample.reduction.weight
    encoder.layers.{i}.downsample.norm.{wb}                          layers.{i}.downsample.norm.{wb}
    hidden_states_norms.stage{i+1}.{wb}                              norm{i}.{wb}
"""

SWIN_ON_DISK = """
    attention.self.{query|key|value}.{wb}                            attn.qkv.{wb}
    attention.self.relative_position_bias_table                      attn.relative_position_bias_table
    attention.output.dense.{wb}                                      attn.proj.{wb}
    intermediate.dense.{wb}                                          mlp.fc1.{wb}
    output.dense.{wb}                                                mlp.fc2.{wb}
"""

SWIN_IN_MEMORY = """
    attention.{q_proj|k_proj|v_proj}.{wb}                            attn.qkv.{wb}
    attention.relative_position_bias.relative_position_bias_table    attn.relative_position_bias_table
    attention.o_proj.{wb}                                            attn.proj.{wb}
    mlp.fc{k}.{wb}                                                   mlp.fc{k}.{wb}
"""

PIXEL_DECODER = """
    input_projections.{i}.{k}.{wb}                                   input_proj.{i}.{k}.{wb}
    level_embed                                                      level_embed
    encoder.layers.{l}.self_attn.sampling_offsets.{wb}               layers.{l}.self_attn.sampling_offsets.{wb}
    encoder.layers.{l}.self_attn.attention_weights.{wb}              layers.{l}.self_attn.attention_weights.{wb}
    encoder.layers.{l}.self_attn.value_proj.{wb}                     layers.{l}.self_attn.value_proj.{wb}
    encoder.layers.{l}.self_attn.output_proj.{wb}                    layers.{l}.self_attn.output_proj.{wb}
    encoder.layers.{l}.self_attn_layer_norm.{wb}                     layers.{l}.norm1.{wb}
    encoder.layers.{l}.fc{k}.{wb}                                    layers.{l}.linear{k}.{wb}
    encoder.layers.{l}.final_layer_norm.{wb}                         layers.{l}.norm2.{wb}
    adapter_1.0.weight                                               lateral.0.weight
    adapter_1.1.{wb}                                                 lateral.1.{wb}
    layer_1.0.weight                                                 output.0.weight
    layer_1.1.{wb}                                                   output.1.{wb}
    mask_projection.{wb}                                             mask_features.{wb}
"""

TRANSFORMER = """
    queries_features.weight                                          queries.learned.content
    queries_embedder.weight                                          queries.learned.position
    level_embed.weight                                               decoder.level_embed
    input_projections.{i}.{wb}                                       decoder.input_proj.{i}.{wb}
    decoder.layers.{l}.cross_attn.in_proj_{wb}                       decoder.layers.{l}.cross_attn.in_proj_{wb}
    decoder.layers.{l}.cross_attn.out_proj.{wb}                      decoder.layers.{l}.cross_attn.out_proj.{wb}
    decoder.layers.{l}.cross_attn_layer_norm.{wb}                    decoder.layers.{l}.cross_norm.{wb}
    decoder.layers.{l}.self_attn.{q_proj|k_proj|v_proj}.{wb}         decoder.layers.{l}.self_attn.in_proj_{wb}
    decoder.layers.{l}.self_attn.out_proj.{wb}                       decoder.layers.{l}.self_attn.out_proj.{wb}
    decoder.layers.{l}.self_attn_layer_norm.{wb}                     decoder.layers.{l}.self_norm.{wb}
    decoder.layers.{l}.fc{k}.{wb}                                    decoder.layers.{l}.linear{k}.{wb}
    decoder.layers.{l}.final_layer_norm.{wb}                         decoder.layers.{l}.ffn_norm.{wb}
    decoder.layernorm.{wb}                                           decoder.norm.{wb}
    decoder.mask_predictor.mask_embedder.{k}.0.{wb}                  decoder.mask_embed.{k}.{wb}
"""

ENCODER = "model.pixel_level_module.encoder."
BLOCK = "encoder.layers.{i}.blocks.{b}."
OUR_BLOCK = "backbone.layers.{i}.blocks.{b}."

LAYOUT = Layout(
    name="Hugging Face Mask2Former",
    mark="model.pixel_level_module.",
    rules=(
        *table(RESNET, theirs=ENCODER, ours="backbone."),
        *under(ENCODER + "_backbone.", TORCHVISION_RESNET),  # `use_timm_backbone`
        *table(SWIN, theirs=ENCODER, ours="backbone."),
        *table(SWIN_ON_DISK, theirs=ENCODER + BLOCK, ours=OUR_BLOCK),
        *table(SWIN, theirs=ENCODER + "swin.", ours="backbone."),
        *table(SWIN_IN_MEMORY, theirs=ENCODER + "swin." + BLOCK, ours=OUR_BLOCK),
        *table(PIXEL_DECODER, theirs="model.pixel_level_module.decoder.", ours="pixel_decoder."),
        *table(TRANSFORMER, theirs="model.transformer_module."),
        *table(f"class_predictor.{{wb}} class_heads.{UNNAMED}.{{wb}}"),
    ),
    derived=(*DERIVED, r"^criterion\.", r"encoder\.swin\.layernorm\."),
)

# Switches that change the network without changing a shape, and the one position gvseg has.
ONLY = {"model_type": "mask2former", "pre_norm": False, "common_stride": 4, "activation_function": "relu"}
ONLY_BACKBONE = {
    "use_absolute_embeddings": False,
    "qkv_bias": True,
    "patch_size": 4,
    "layer_norm_eps": 1e-5,
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}


def read_folder(folder: Path, *, allow_partial: bool = False) -> Checkpoint:
    """A checkpoint from a Hugging Face folder.

    Raises:
        ModelError: no `config.json`, another kind of model, weights missing or not matching it.
    """
    if not (folder / "config.json").is_file():
        inside = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise ModelError(f"{folder}: no config.json in it, found {inside}; give the file of weights, not its folder")
    config = read_json(folder / "config.json")
    backbone = config.get("backbone_config")
    _check_only(config, ONLY, folder / "config.json")
    _check_only(backbone if isinstance(backbone, Mapping) else {}, ONLY_BACKBONE, folder / "config.json")
    state, notes = to_ours(_read_weights(folder), LAYOUT, folder, allow_partial=allow_partial)
    heads = config.get("num_attention_heads", 8)
    settings = settings_of(state, str(folder), num_heads=heads if isinstance(heads, int) and heads > 0 else None)
    check_claims(settings, _claims(config), str(folder), "config.json")
    prepared, note = _input_settings(folder)
    return Checkpoint(
        settings=settings,
        input=prepared,
        state=state,
        format="huggingface",
        sha256=hash_tensors(state),
        class_names=_class_names(config, state, folder),
        hints=(folder.name, str(config.get("_name_or_path") or "")),
        notes=(*notes, *note),
    )


def _check_only(config: Mapping[str, Any], only: Mapping[str, Any], path: Path) -> None:
    for key, wanted in only.items():
        if (found := config.get(key, wanted)) != wanted:
            raise ModelError(f"{path}: {key} is {found!r}; gvseg runs models with {wanted!r} only")


def _claims(config: Mapping[str, Any]) -> dict[str, Any]:
    """Our names of settings that the weights show as well, and what `config.json` says they are."""
    ours = {
        "decoder.dim": config.get("hidden_dim"),
        "decoder.feedforward": config.get("dim_feedforward"),
        "queries.num_queries": config.get("num_queries"),
        "pixel_decoder.dim": config.get("feature_size"),
        "pixel_decoder.mask_dim": config.get("mask_feature_size"),
        "pixel_decoder.num_layers": config.get("encoder_layers"),
        "pixel_decoder.feedforward": config.get("encoder_feedforward_dim"),
    }
    if isinstance(layers := config.get("decoder_layers"), int):
        ours["decoder.num_layers"] = layers - 1
    backbone = config.get("backbone_config")
    if isinstance(backbone, Mapping) and isinstance(depths := backbone.get("depths"), list):
        ours["backbone.depths"] = tuple(depths)
    return {name: value for name, value in ours.items() if value is not None}


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of the folder, from one file or from the shards that an index lists."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return read_container(folder / name).tensors
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _read_shards(index)
    raise ModelError(f"{folder}: neither model.safetensors nor pytorch_model.bin in it")


def _read_shards(index: Path) -> dict[str, Tensor]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(shard, str) for shard in places.values()):
        raise ModelError(f"{index}: no weight_map in it")
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard or shard in {"", ".", ".."}:
            raise ModelError(f"{index}: shard {shard!r} is outside the folder")
        if not (index.parent / shard).is_file():
            raise ModelError(f"{index}: shard {shard} is missing; download it too")
        tensors |= read_container(index.parent / shard).tensors
    lost = next((name for name in places if name not in tensors), None)
    if lost is not None:
        raise ModelError(f"{index}: tensor {lost} is in no shard; download the folder again")
    return tensors


def _class_names(config: Mapping[str, Any], state: Mapping[str, Tensor], folder: Path) -> dict[str, tuple[str, ...]]:
    """The names in `id2label`; none where the library made them up (`LABEL_0`)."""
    labels = config.get("id2label")
    bias = state.get(f"class_heads.{UNNAMED}.bias")
    if not isinstance(labels, dict) or not labels or bias is None or labels.get("0") == "LABEL_0":
        return {}
    wanted = int(bias.shape[0]) - 1
    if set(labels) != {str(i) for i in range(wanted)}:
        raise ModelError(f"{folder}: config.json names {len(labels)} classes, the weights have {wanted}")
    return {UNNAMED: tuple(str(labels[str(i)]) for i in range(wanted))}


def _input_settings(folder: Path) -> tuple[InputSettings, tuple[str, ...]]:
    """How pictures are prepared, and a line where gvseg does it differently."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return InputSettings(), ()
    config = read_json(path)
    _check_only(config, {"do_normalize": True, "do_rescale": True}, path)
    size = config.get("size", 800)
    notes: tuple[str, ...] = ()
    if isinstance(size, dict) and "height" in size and "width" in size:
        short, long = sorted((int(size["height"]), int(size["width"])))
        notes = (f"its own preparation squeezes pictures to {size['height']} × {size['width']}; here aspect is kept",)
        long = max(long, InputSettings().max_side)
    elif isinstance(size, dict):
        short, long = int(size.get("shortest_edge", 800)), int(size.get("longest_edge") or 1333)
    else:
        short, long = int(size), int(config.get("max_size", 1333))
    scale = 1 / float(config.get("rescale_factor", 1 / 255))
    mean, std = (
        tuple(round(float(v) * scale, 4) for v in config.get(key, default))
        for key, default in (("image_mean", (0.485, 0.456, 0.406)), ("image_std", (0.229, 0.224, 0.225)))
    )
    divisor = int(config.get("size_divisor", config.get("size_divisibility", 32)) or 32)
    values = {"short_side": short, "max_side": long, "divisor": max(divisor, 32), "mean": mean, "std": std}
    return InputSettings.model_validate(values), notes
