"""mmdetection files are made from the parity weights by the inverse of the tables, so that round trips are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gvseg_core.errors import ModelError
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.model.weights.mmdet import LAYOUT, merge_in_original_order
from tests.conftest import shared
from tests.core.model.weights.foreign import same, unrename

CONFIG = """
_base_ = ['x.py']
num_classes = __import__('os').system('touch flag')
model = dict(
    type='Mask2Former',
    backbone=dict(type='ResNet', depth=50, style='pytorch'),
    panoptic_head=dict(
        type='Mask2FormerHead',
        num_things_classes=num_classes,
        pixel_decoder=dict(encoder=dict(layer_cfg=dict(self_attn_cfg=dict(num_heads=4, num_levels=3)))),
        transformer_decoder=dict(num_layers=4, layer_cfg=dict(cross_attn_cfg=dict(embed_dims=64, num_heads=4)))))
"""
VERSIONS = {2: r"panoptic_head.*ffn\.|encoder.layers.*self_attn|(cross|self)_attn\.attn", 3: r"ffns|attentions"}


def unfolded(tensor: Tensor) -> Tensor:
    """Four blocks of C columns to mmdetection's order, as its converter does it (swin_converter of mmdetection)."""
    *rows, columns = tensor.shape
    return tensor.reshape(*rows, 4, columns // 4)[..., [0, 2, 1, 3], :].transpose(-1, -2).reshape(*rows, columns)


def saved(path: Path, state: dict[str, Tensor], version: int = 3, config: str | None = CONFIG, **meta: Any) -> Path:
    tensors = unrename(state, LAYOUT.rules, change=unfolded, without=VERSIONS[version])
    tensors |= {"backbone.bn1.num_batches_tracked": torch.tensor(7)}
    torch.save({"meta": {**({"config": config} if config else {}), **meta}, "state_dict": tensors}, path)
    return path


@pytest.fixture(params=["hf_tiny", "hf_tiny_resnet"])
def state(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    return read_checkpoint(shared("parity", request.param)).state


@pytest.mark.parametrize("version", VERSIONS)
def test_a_round_trip_is_exact(tmp_path: Path, state: dict[str, Tensor], version: int) -> None:
    checkpoint = read_checkpoint(saved(tmp_path / "model.pth", state, version))
    assert same(checkpoint.state, state)
    assert checkpoint.settings.decoder.num_heads == 4
    assert checkpoint.settings.clip_length == 1
    assert not Path("flag").exists()


def test_patch_merging_is_reordered_and_not_only_renamed() -> None:
    theirs = torch.arange(8.0)  # channel 0: pixels (0,0) (0,1) (1,0) (1,1), then channel 1
    assert merge_in_original_order(theirs).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]
    weight = torch.randn(6, 12)
    assert torch.equal(merge_in_original_order(unfolded(weight)), weight)
    assert not torch.equal(unfolded(weight), weight)


def test_class_names_come_from_the_meta(tmp_path: Path) -> None:
    state = read_checkpoint(shared("parity", "hf_tiny_resnet")).state
    names = ("a", "b", "c", "d", "e")
    for meta in ({"CLASSES": names}, {"dataset_meta": {"classes": list(names)}}, {"dataset_meta": {"CLASSES": names}}):
        assert read_checkpoint(saved(tmp_path / "model.pth", state, **meta)).class_names == {"classes": names}
    assert read_checkpoint(saved(tmp_path / "model.pth", state, CLASSES=("a",))).class_names == {}


def test_a_tube_model_sees_several_frames_and_leaves_its_tracker_out(tmp_path: Path) -> None:
    state = read_checkpoint(shared("parity", "hf_tiny_resnet")).state
    path = saved(tmp_path / "model.pth", state, 2, CONFIG.replace("Mask2FormerHead", "Mask2FormerVideoHead"))
    loaded = torch.load(path, weights_only=True)
    loaded["state_dict"] |= {"track_head.fc.weight": torch.ones(1), "link_ffn_track_norm.bias": torch.ones(1)}
    torch.save(loaded, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.settings.clip_length == 2
    assert checkpoint.notes == (
        "left out the tracker (Tube-Link): 2 tensors (link_ffn_track_norm.bias, track_head.fc.weight)",
    )


def test_a_stride_in_the_first_convolution_is_refused(tmp_path: Path) -> None:
    state = read_checkpoint(shared("parity", "hf_tiny_resnet")).state
    with pytest.raises(ModelError, match="style 'caffe'"):
        read_checkpoint(saved(tmp_path / "model.pth", state, config=CONFIG.replace("'pytorch'", "'caffe'")))


@pytest.mark.parametrize("config", [None, "model = (", "model = build()", "other = dict(model=1)"])
def test_sizes_that_nothing_explains_are_refused(tmp_path: Path, config: str | None) -> None:
    state = read_checkpoint(shared("parity", "hf_tiny_resnet")).state
    with pytest.raises(ModelError, match="number of attention heads"):
        read_checkpoint(saved(tmp_path / "model.pth", state, config=config))
