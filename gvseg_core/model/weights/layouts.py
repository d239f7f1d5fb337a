"""One table per way of naming a network's weights, and the one procedure that applies them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.renaming import Rule, rename, some, table


@dataclass(frozen=True)
class Layout:
    """How one code base names its weights."""

    name: str
    mark: str  # begins a name in every such file, and in no other
    rules: tuple[Rule, ...]
    derived: tuple[str, ...] = ()  # patterns: buffers that follow from the rest, counters, weights of the loss
    left_out: tuple[tuple[str, str], ...] = ()  # (pattern, what it is): trained parts that gvseg has no use for

    def describes(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether this is a file of this kind."""
        return any(name.startswith(self.mark) for name in tensors)


def to_ours(
    tensors: Mapping[str, Tensor], layout: Layout, path: Path, *, allow_partial: bool = False
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors under our names, and a line for each part that was left out.

    Raises:
        ModelError: a tensor that `layout` does not know, unless `allow_partial`, which makes it a line as well.
    """
    notes = []
    wanted: dict[str, Tensor] = {}
    extra: dict[str, list[str]] = {}
    derived = re.compile("|".join(f"(?:{pattern})" for pattern in layout.derived) or r"(?!)")
    for name, tensor in tensors.items():
        if derived.search(name):
            continue
        what = next((what for pattern, what in layout.left_out if re.match(pattern, name)), None)
        if what is None:
            wanted[name] = tensor
        else:
            extra.setdefault(what, []).append(name)
    for what, names in extra.items():
        notes.append(f"left out {what}: {len(names)} tensors ({some(names, 2)})")
    renamed = rename(wanted, layout.rules, str(path))
    if renamed.unknown:
        line = f"{len(renamed.unknown)} tensors that {layout.name} weights do not have: {some(renamed.unknown)}"
        if not allow_partial:
            raise ModelError(f"{path}: {line}")
        notes.append(f"left out {line}")
    return renamed.state, tuple(notes)


# Backbones. Our names are torchvision's for ResNet and the original ones for Swin, all under `backbone.`

RESNET = table(
    """
    conv1.weight                           conv1.weight
    bn1.{bn}                               bn1.{bn}
    layer{s}.{b}.conv{k}.weight            layer{s}.{b}.conv{k}.weight
    layer{s}.{b}.bn{k}.{bn}                layer{s}.{b}.bn{k}.{bn}
    layer{s}.{b}.downsample.0.weight       layer{s}.{b}.downsample.0.weight
    layer{s}.{b}.downsample.1.{bn}         layer{s}.{b}.downsample.1.{bn}
    """,
    ours="backbone.",
)

DETECTRON2_RESNET = table(
    """
    stem.conv1.weight                      conv1.weight
    stem.conv1.norm.{bn}                   bn1.{bn}
    res{s+1}.{b}.conv{k}.weight            layer{s}.{b}.conv{k}.weight
    res{s+1}.{b}.conv{k}.norm.{bn}         layer{s}.{b}.bn{k}.{bn}
    res{s+1}.{b}.shortcut.weight           layer{s}.{b}.downsample.0.weight
    res{s+1}.{b}.shortcut.norm.{bn}        layer{s}.{b}.downsample.1.{bn}
    """,
    ours="backbone.",
)

SWIN_ENDS = """
    patch_embed.proj.{wb}                  patch_embed.proj.{wb}
    patch_embed.norm.{wb}                  patch_embed.norm.{wb}
    norm{i}.{wb}                           norm{i}.{wb}
"""

SWIN_BLOCKS = """
    layers.{i}.blocks.{b}.norm1.{wb}       layers.{i}.blocks.{b}.norm1.{wb}
    layers.{i}.blocks.{b}.attn.qkv.{wb}    layers.{i}.blocks.{b}.attn.qkv.{wb}
    layers.{i}.blocks.{b}.attn.proj.{wb}   layers.{i}.blocks.{b}.attn.proj.{wb}
    layers.{i}.blocks.{b}.attn.relative_position_bias_table layers.{i}.blocks.{b}.attn.relative_position_bias_table
    layers.{i}.blocks.{b}.norm2.{wb}       layers.{i}.blocks.{b}.norm2.{wb}
    layers.{i}.blocks.{b}.mlp.fc{k}.{wb}   layers.{i}.blocks.{b}.mlp.fc{k}.{wb}
"""

SWIN = table(
    SWIN_ENDS
    + SWIN_BLOCKS
    + """
    layers.{i}.downsample.reduction.weight layers.{i}.downsample.reduction.weight
    layers.{i}.downsample.norm.{wb}        layers.{i}.downsample.norm.{wb}
    """,
    ours="backbone.",
)

# timm has each patch merge at the start of the next stage.
TIMM_SWIN = table(
    SWIN_ENDS
    + SWIN_BLOCKS
    + """
    layers.{i+1}.downsample.reduction.weight layers.{i}.downsample.reduction.weight
    layers.{i+1}.downsample.norm.{wb}      layers.{i}.downsample.norm.{wb}
    """,
    ours="backbone.",
)

DERIVED = (r"num_batches_tracked$", r"relative_position_index$", r"attn_mask$")


def under(prefix: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The same rules for names that have `prefix` before them."""
    return tuple(Rule(prefix + rule.theirs, rule.ours, rule.change) for rule in rules)
