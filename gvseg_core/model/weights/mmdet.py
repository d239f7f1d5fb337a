"""Weights of mmdetection's Mask2Former (2.x and 3.x) and of Tube-Link, which is built on it.

Two things are more than names: mmdetection merges Swin's patches channel by channel (`nn.Unfold`) where the original
concatenates four pixels, so that layer's columns are reordered; and settings are Python source in the file's `meta`,
which is looked through as a syntax tree and never run. Tube-Link's tracker heads are left out by name.

Source: open-mmlab/mmdetection (Apache-2.0) and lxtGH/Tube-Link; names only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from gvseg_core.config import InputSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.weights.checkpoint import UNNAMED, Checkpoint, hash_tensors
from gvseg_core.model.weights.containers import Container
from gvseg_core.model.weights.layouts import DERIVED, RESNET, Layout, to_ours, under
from gvseg_core.model.weights.renaming import Rule, table
from gvseg_core.model.weights.shapes import settings_of

SWIN = """
    patch_embed.projection.{wb}                                patch_embed.proj.{wb}
    patch_embed.norm.{wb}                                      patch_embed.norm.{wb}
    stages.{i}.blocks.{b}.norm{k}.{wb}                         layers.{i}.blocks.{b}.norm{k}.{wb}
    stages.{i}.blocks.{b}.ffn.layers.0.0.{wb}                  layers.{i}.blocks.{b}.mlp.fc1.{wb}
    stages.{i}.blocks.{b}.ffn.layers.1.{wb}                    layers.{i}.blocks.{b}.mlp.fc2.{wb}
    norm{i}.{wb}                                               norm{i}.{wb}
"""

SWIN_ATTENTION = """
    qkv.{wb}                                                   qkv.{wb}
    proj.{wb}                                                  proj.{wb}
    relative_position_bias_table                               relative_position_bias_table
"""

SWIN_MERGE = """
    stages.{i}.downsample.reduction.weight                     layers.{i}.downsample.reduction.weight
    stages.{i}.downsample.norm.{wb}                            layers.{i}.downsample.norm.{wb}
"""

PIXEL_DECODER = """
    input_convs.{i}.conv.{wb}                                  input_proj.{i}.0.{wb}
    input_convs.{i}.gn.{wb}                                    input_proj.{i}.1.{wb}
    level_encoding.weight                                      level_embed
    encoder.layers.{l}.norms.{k-1}.{wb}                        layers.{l}.norm{k}.{wb}
    lateral_convs.0.conv.weight                                lateral.0.weight
    lateral_convs.0.gn.{wb}                                    lateral.1.{wb}
    output_convs.0.conv.weight                                 output.0.weight
    output_convs.0.gn.{wb}                                     output.1.{wb}
    mask_feature.{wb}                                          mask_features.{wb}
"""

HEAD = """
    query_feat.weight                                          queries.learned.content
    query_embed.weight                                         queries.learned.position
    level_embed.weight                                         decoder.level_embed
    decoder_input_projs.{i}.{wb}                           decoder.input_proj.{i}.{wb}
    transformer_decoder.layers.{l}.norms.0.{wb}            decoder.layers.{l}.cross_norm.{wb}
    transformer_decoder.layers.{l}.norms.1.{wb}            decoder.layers.{l}.self_norm.{wb}
    transformer_decoder.layers.{l}.norms.2.{wb}            decoder.layers.{l}.ffn_norm.{wb}
    transformer_decoder.post_norm.{wb}                       decoder.norm.{wb}
    mask_embed.0.{wb}                                        decoder.mask_embed.0.{wb}
    mask_embed.2.{wb}                                        decoder.mask_embed.1.{wb}
    mask_embed.4.{wb}                                        decoder.mask_embed.2.{wb}
"""

# Inside a layer, 2.x counts its parts and 3.x names them.
FEEDFORWARD = """
    ffns.0.layers.0.0.{wb}                                     linear1.{wb}
    ffns.0.layers.1.{wb}                                       linear2.{wb}
    ffn.layers.0.0.{wb}                                        linear1.{wb}
    ffn.layers.1.{wb}                                          linear2.{wb}
"""

DEFORMABLE = """
    sampling_offsets.{wb}                                      sampling_offsets.{wb}
    attention_weights.{wb}                                     attention_weights.{wb}
    value_proj.{wb}                                            value_proj.{wb}
    output_proj.{wb}                                           output_proj.{wb}
"""

ATTENTION = """
    attentions.0.attn.in_proj_{wb}                             cross_attn.in_proj_{wb}
    attentions.0.attn.out_proj.{wb}                            cross_attn.out_proj.{wb}
    attentions.1.attn.in_proj_{wb}                             self_attn.in_proj_{wb}
    attentions.1.attn.out_proj.{wb}                            self_attn.out_proj.{wb}
    cross_attn.attn.in_proj_{wb}                               cross_attn.in_proj_{wb}
    cross_attn.attn.out_proj.{wb}                              cross_attn.out_proj.{wb}
    self_attn.attn.in_proj_{wb}                                self_attn.in_proj_{wb}
    self_attn.attn.out_proj.{wb}                               self_attn.out_proj.{wb}
"""


def merge_in_original_order(tensor: Tensor) -> Tensor:
    """A patch merge's (…, 4C) columns from mmdetection's order, channel by channel with pixels in reading order, to
    four blocks of C, pixels (0, 0), (1, 0), (0, 1), (1, 1)."""
    by_channel = tensor.reshape(*tensor.shape[:-1], -1, 4)
    return by_channel.transpose(-1, -2)[..., [0, 2, 1, 3], :].flatten(-2).contiguous()


SWIN_BLOCK = "backbone.stages.{i}.blocks.{b}.attn."
PIXEL_LAYER = "panoptic_head.pixel_decoder.encoder.layers.{l}."
LAYER = "panoptic_head.transformer_decoder.layers.{l}."

LAYOUT = Layout(
    name="mmdetection",
    mark="panoptic_head.",
    rules=(
        *under("backbone.", RESNET),
        *table(SWIN, theirs="backbone.", ours="backbone."),
        *table(SWIN_ATTENTION, theirs=SWIN_BLOCK + "w_msa.", ours="backbone.layers.{i}.blocks.{b}.attn."),
        *(
            Rule(rule.theirs, rule.ours, merge_in_original_order)
            for rule in table(SWIN_MERGE, theirs="backbone.", ours="backbone.")
        ),
        *table(PIXEL_DECODER, theirs="panoptic_head.pixel_decoder.", ours="pixel_decoder."),
        *table(DEFORMABLE, theirs=PIXEL_LAYER + "attentions.0.", ours="pixel_decoder.layers.{l}.self_attn."),
        *table(DEFORMABLE, theirs=PIXEL_LAYER + "self_attn.", ours="pixel_decoder.layers.{l}.self_attn."),
        *table(FEEDFORWARD, theirs=PIXEL_LAYER, ours="pixel_decoder.layers.{l}."),
        *table(HEAD, theirs="panoptic_head."),
        *table(f"panoptic_head.cls_embed.{{wb}} class_heads.{UNNAMED}.{{wb}}"),
        *table(ATTENTION, theirs=LAYER, ours="decoder.layers.{l}."),
        *table(FEEDFORWARD, theirs=LAYER, ours="decoder.layers.{l}."),
    ),
    derived=(*DERIVED, r"^data_preprocessor\."),
    left_out=(
        (
            r"(panoptic_head\.)?(track_head|embed_fcs|fc_embed|attention_previous_track\w*|link_ffn_track\w*)\.",
            "the tracker (Tube-Link)",
        ),
        (r"panoptic_head\.sem_seg_head\.", "the auxiliary semantic head (Tube-Link)"),
    ),
)

TUBE_LENGTH = 2
"""Frames that Tube-Link decodes jointly on YouTube-VIS and VIPSeg; its decoder takes any number."""


def read(container: Container, *, allow_partial: bool = False) -> Checkpoint:
    """A checkpoint from mmdetection names, with the class names and settings of its `meta` where it has one.

    Raises:
        ModelError: tensors that do not belong, or sizes that its settings do not explain.
    """
    path = container.path
    meta = container.extras.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    head, style = _panoptic_head(meta), _backbone_style(meta)
    if style not in {None, "pytorch"}:
        raise ModelError(f"{path}: its ResNet is of style {style!r} (stride in the 1×1); gvseg runs 'pytorch' only")
    state, notes = to_ours(container.tensors, LAYOUT, path, allow_partial=allow_partial)
    heads = set(_values(head, "num_heads"))
    settings = settings_of(
        state,
        str(path),
        num_heads=heads.pop() if len(heads) == 1 else None,
        clip_length=TUBE_LENGTH if "Video" in str(head.get("type", "")) else 1,
    )
    checkpoint = Checkpoint(
        settings=settings,
        input=InputSettings(),
        state=state,
        format="mmdet",
        sha256=hash_tensors(state),
        hints=("mmdet", path.stem, path.parent.name),
        notes=notes,
    )
    names = _class_names(meta)
    return checkpoint if len(names) != checkpoint.heads[UNNAMED] else replace(checkpoint, class_names={UNNAMED: names})


def _class_names(meta: Mapping[str, Any]) -> tuple[str, ...]:
    inner = meta.get("dataset_meta")
    for table_, key in ((meta, "CLASSES"), (inner, "classes"), (inner, "CLASSES")):
        found = table_.get(key) if isinstance(table_, Mapping) else None
        if isinstance(found, list | tuple):
            return tuple(str(name) for name in found)
    return ()


def _panoptic_head(meta: Mapping[str, Any]) -> dict[str, Any]:
    head = _model(meta).get("panoptic_head")
    return head if isinstance(head, dict) else {}


def _backbone_style(meta: Mapping[str, Any]) -> Any:
    backbone = _model(meta).get("backbone")
    return backbone.get("style") if isinstance(backbone, dict) else None


def _model(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The `model = dict(…)` of the configuration that mmdetection stores as Python source; {} where there is none."""
    source = meta.get("config", meta.get("cfg"))
    if not isinstance(source, str):
        return {}
    try:
        lines = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    for line in lines:
        if isinstance(line, ast.Assign) and [getattr(target, "id", None) for target in line.targets] == ["model"]:
            value = _plain(line.value)
            return value if isinstance(value, dict) else {}
    return {}


def _plain(node: ast.expr) -> Any:
    """The value of a literal or of nested `dict(…)` calls; None for anything that would have to be run."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_plain(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {key.value: _plain(value) for key, value in pairs if isinstance(key, ast.Constant)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {keyword.arg: _plain(keyword.value) for keyword in node.keywords if keyword.arg}
    return None


def _values(value: Any, key: str) -> Iterator[int]:
    """Every whole number under `key`, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key and isinstance(inner, int):
                yield inner
            else:
                yield from _values(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, key)
