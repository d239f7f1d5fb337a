"""ImageNet backbones in the spellings of five code bases."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gvseg_core.config import ResNetSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.backbones import build_backbone
from gvseg_core.model.weights import read_backbone
from gvseg_core.model.weights.backbones import LAYOUTS, resize_windows
from tests.core.model.weights.foreign import TINY_RESNET, TINY_SWIN, same, unrename

RULES = {layout.name: layout.rules for layout in LAYOUTS}
BASIC = ResNetSettings(
    block="basic", depths=(1, 1, 1, 1), stem_channels=8, channels=(8, 16, 16, 32), inner_channels=(8, 16, 16, 32)
)


def weights(settings: object) -> dict[str, Tensor]:
    torch.manual_seed(1)
    names = build_backbone(settings).state_dict()  # type: ignore[arg-type]
    return {f"backbone.{name}": torch.randn_like(t) for name, t in names.items() if not name.startswith("norm")}


@pytest.mark.parametrize("settings", [TINY_RESNET, BASIC], ids=["bottleneck", "basic"])
def test_torchvision_resnets_come_without_their_classifier(tmp_path: Path, settings: ResNetSettings) -> None:
    state = weights(settings)
    theirs = unrename(state, RULES["torchvision ResNet"])
    path = tmp_path / "resnet.pth"
    torch.save({**theirs, "fc.weight": torch.ones(2, 2), "bn1.num_batches_tracked": torch.tensor(1)}, path)
    found, tensors = read_backbone(path)
    assert found == settings
    assert same(tensors, state)


def test_detectron2_resnets_come_from_torchvision_only(tmp_path: Path) -> None:
    state = weights(TINY_RESNET)
    arrays = {name: t.numpy() for name, t in unrename(state, RULES["detectron2 ResNet"]).items()}
    path = tmp_path / "R-50.pkl"
    content = {"model": {**arrays, "stem.fc.bias": arrays["stem.conv1.norm.bias"]}, "matching_heuristics": True}
    path.write_bytes(pickle.dumps({**content, "__author__": "torchvision"}))
    assert same(read_backbone(path)[1], state)
    path.write_bytes(pickle.dumps({**content, "__author__": "MSRA"}))
    with pytest.raises(ModelError, match="MSRA ResNet"):
        read_backbone(path)
    path.write_bytes(pickle.dumps({"blobs": {"conv1_w": arrays["stem.conv1.weight"]}}, protocol=2))
    with pytest.raises(ModelError, match="MSRA ResNet"):
        read_backbone(path)


@pytest.mark.parametrize("name", ["Swin", "timm Swin", "torchvision Swin"])
def test_swin_comes_from_every_spelling(tmp_path: Path, name: str) -> None:
    state = weights(TINY_SWIN)
    path = tmp_path / "swin.pth"
    extra = {"norm.weight": torch.ones(1), "head.bias": torch.ones(1), "layers.0.blocks.1.attn_mask": torch.ones(1)}
    torch.save({"model": {**unrename(state, RULES[name]), **extra}}, path)
    found, tensors = read_backbone(path)
    assert found.model_dump(exclude={"drop_path"}) == TINY_SWIN.model_dump(exclude={"drop_path"})
    assert same(tensors, state)


def test_missing_and_unknown_tensors_are_named(tmp_path: Path) -> None:
    theirs = unrename(weights(TINY_SWIN), RULES["Swin"])
    path = tmp_path / "swin.pth"
    torch.save({**theirs, "patch_embed.extra": torch.ones(1)}, path)
    with pytest.raises(ModelError, match=r"1 tensors that Swin weights do not have: patch_embed\.extra"):
        read_backbone(path)
    del theirs["layers.1.blocks.0.norm1.bias"]
    torch.save(theirs, path)
    with pytest.raises(ModelError, match=r"1 missing: backbone\.layers\.1\.blocks\.0\.norm1\.bias"):
        read_backbone(path)
    torch.save({"classifier.weight": torch.ones(1)}, path)
    with pytest.raises(ModelError, match="not an ImageNet ResNet or Swin"):
        read_backbone(path)


def test_another_window_resizes_the_position_biases_and_nothing_else(tmp_path: Path) -> None:
    state = weights(TINY_SWIN)
    path = tmp_path / "swin.pth"
    torch.save(unrename(state, RULES["Swin"]), path)
    settings, tensors = read_backbone(path, window=6)
    assert settings.window == 6  # type: ignore[union-attr]
    for name, tensor in tensors.items():
        if name.endswith("bias_table"):
            assert tensor.shape == (11 * 11, state[name].shape[1])
        else:
            assert torch.equal(tensor, state[name])


def test_resized_biases_keep_heads_apart_and_their_symmetry() -> None:
    side = torch.linspace(-1, 1, 7)
    head = (side[:, None] ** 2 + 2 * side[None, :] ** 2).flatten()
    table = torch.stack([torch.full((49,), 3.0), head], 1)
    resized = resize_windows({"x.relative_position_bias_table": table}, 7)["x.relative_position_bias_table"]
    assert torch.allclose(resized[:, 0], torch.full((169,), 3.0))
    grid = resized[:, 1].reshape(13, 13)
    assert torch.allclose(grid, grid.flip(0), atol=1e-6)
    assert torch.allclose(grid, grid.flip(1), atol=1e-6)
    assert grid[6, 0] > grid[0, 6]  # the second axis is the steeper one, before and after
