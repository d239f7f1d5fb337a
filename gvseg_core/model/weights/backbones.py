"""Backbones trained on ImageNet, to start training from: torchvision, detectron2, the original Swin files, timm.

Classification layers are left out. Stage norms of Swin (`norm0` … `norm3`) are Mask2Former's own and are in none of
these files; they start new. detectron2's MSRA ResNets have their stride in the first 1×1 convolution and expect BGR,
which no shape tells, so they are recognised by name and author and refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from torch.nn.functional import interpolate

from gvseg_core.config import ResNetSettings, SwinSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.backbones import build_backbone
from gvseg_core.model.blank import blank
from gvseg_core.model.weights.checkpoint import check_numbers, match
from gvseg_core.model.weights.containers import Container, read_container
from gvseg_core.model.weights.layouts import DERIVED, DETECTRON2_RESNET, RESNET, SWIN, TIMM_SWIN, Layout, to_ours
from gvseg_core.model.weights.renaming import some, table
from gvseg_core.model.weights.shapes import backbone_of

CLASSIFIER = ((r"(stem\.)?fc\.|head\.|norm\.", "the ImageNet classifier"),)

# torchvision counts Swin's stages and its patch merges in one list: 0 is the patch embedding, then they alternate.
TORCHVISION_STAGE = """
    features.{stage}.{{b}}.norm{{k}}.{{wb}}         layers.{i}.blocks.{{b}}.norm{{k}}.{{wb}}
    features.{stage}.{{b}}.attn.qkv.{{wb}}          layers.{i}.blocks.{{b}}.attn.qkv.{{wb}}
    features.{stage}.{{b}}.attn.proj.{{wb}}         layers.{i}.blocks.{{b}}.attn.proj.{{wb}}
    features.{stage}.{{b}}.attn.relative_position_bias_table  layers.{i}.blocks.{{b}}.attn.relative_position_bias_table
    features.{stage}.{{b}}.mlp.0.{{wb}}             layers.{i}.blocks.{{b}}.mlp.fc1.{{wb}}
    features.{stage}.{{b}}.mlp.3.{{wb}}             layers.{i}.blocks.{{b}}.mlp.fc2.{{wb}}
    features.{merge}.norm.{{wb}}                    layers.{i}.downsample.norm.{{wb}}
    features.{merge}.reduction.weight               layers.{i}.downsample.reduction.weight
"""
TORCHVISION_SWIN = table(
    "features.0.0.{wb} patch_embed.proj.{wb}\nfeatures.0.2.{wb} patch_embed.norm.{wb}\n"
    + "\n".join(TORCHVISION_STAGE.format(i=i, stage=2 * i + 1, merge=2 * i + 2) for i in range(4)),
    ours="backbone.",
)

LAYOUTS = (  # the first whose mark is there
    Layout("torchvision ResNet", "layer1.0.conv1.", RESNET, DERIVED, CLASSIFIER),
    Layout("detectron2 ResNet", "stem.conv1.", DETECTRON2_RESNET, DERIVED, CLASSIFIER),
    Layout("torchvision Swin", "features.1.0.attn.", TORCHVISION_SWIN, DERIVED, CLASSIFIER),
    Layout("timm Swin", "layers.3.downsample.", TIMM_SWIN, DERIVED, CLASSIFIER),
    Layout("Swin", "patch_embed.proj.", SWIN, DERIVED, CLASSIFIER),
)
MSRA = ("conv1_w", "res_conv1_bn_s", "res2_0_branch2a_w")


def read_backbone(path: Path, window: int | None = None) -> tuple[ResNetSettings | SwinSettings, dict[str, Tensor]]:
    """An ImageNet backbone.

    Args:
        path: any of the formats above.
        window: the Swin window wanted, in cells; position biases learnt for another are resized.

    Returns:
        Its settings, and its tensors under our names (`backbone.…`).

    Raises:
        ModelError: not a backbone that gvseg has, tensors missing or too many, or an MSRA ResNet.
    """
    container = read_container(path)
    _refuse_msra(container)
    layout = next((layout for layout in LAYOUTS if layout.describes(container.tensors)), None)
    if layout is None:
        raise ModelError(f"{path}: not an ImageNet ResNet or Swin; found {some(container.tensors)}")
    state, _ = to_ours(container.tensors, layout, path)
    check_numbers(state, str(path))
    settings = backbone_of(state, str(path))
    with blank():
        expected = {f"backbone.{n}": tuple(t.shape) for n, t in build_backbone(settings).state_dict().items()}
    new = {name for name in expected if name.startswith("backbone.norm") and name not in state}
    match(state, {name: shape for name, shape in expected.items() if name not in new}, str(path))
    if window is None or not isinstance(settings, SwinSettings) or window == settings.window:
        return settings, state
    return settings.model_copy(update={"window": window}), resize_windows(state, window)


def resize_windows(state: Mapping[str, Tensor], window: int) -> dict[str, Tensor]:
    """The same Swin for another window size: its tables of position biases resized bicubically, as Swin does.

    Each table is ((2w − 1)², heads): one bias for each offset between two cells of a window.
    """
    side = 2 * window - 1
    resized = dict(state)
    for name, bias in state.items():
        if name.endswith("relative_position_bias_table"):
            old = round(bias.shape[0] ** 0.5)
            grid = bias.T.reshape(1, -1, old, old)
            resized[name] = interpolate(grid, (side, side), mode="bicubic").reshape(-1, side**2).T.contiguous()
    return resized


def _refuse_msra(container: Container) -> None:
    author = str(container.extras.get("__author__", "torchvision"))
    if any(name in container.tensors for name in MSRA) or (
        "stem.conv1.weight" in container.tensors and author != "torchvision"
    ):
        raise ModelError(
            f"{container.path}: an MSRA ResNet (stride in the 1×1, BGR), which Mask2Former does not use; take "
            "torchvision's, or convert that with Mask2Former's tools/convert-torchvision-to-d2.py"
        )
