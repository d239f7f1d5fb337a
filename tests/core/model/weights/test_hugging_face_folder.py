"""Folders for transformers: read back to the bit by our reader, run by theirs, and what they cannot hold is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Mask2FormerForUniversalSegmentation

from gvseg_core.config import ModelSettings, ResNetSettings, SwinSettings
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.errors import ModelError
from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, read_checkpoint
from gvseg_core.model.weights.hugging_face_folder import write_folder
from gvseg_core.types import ClassInfo, Vocabulary
from tests.conftest import shared
from tests.core.model.weights.foreign import TINY_RESNET, TINY_SWIN, tiny_settings
from tests.models import make_checkpoint

NARROW_RESNET = ResNetSettings(
    depths=(1, 1, 1, 1), stem_channels=8, channels=(16, 32, 32, 64), inner_channels=(8, 8, 8, 16)
)
BASIC_RESNET = ResNetSettings(
    block="basic", depths=(1, 1, 2, 1), stem_channels=8, channels=(8, 16, 24, 32), inner_channels=(8, 16, 24, 32)
)


@pytest.mark.parametrize("backbone", [TINY_SWIN, TINY_RESNET, BASIC_RESNET], ids=["swin", "resnet", "basic"])
def test_what_is_written_is_read_back_to_the_bit(tmp_path: Path, backbone: ResNetSettings | SwinSettings) -> None:
    checkpoint = make_checkpoint(tiny_settings(backbone))
    write_folder(tmp_path, checkpoint, "demo")
    again = read_checkpoint(tmp_path)
    assert again.settings == checkpoint.settings
    assert again.input == checkpoint.input
    assert again.class_names["classes"] == tuple(info.name for info in DEMO_VOCABULARY.classes)
    renamed = again.with_vocabulary("classes", DEMO_VOCABULARY).state
    assert renamed.keys() == checkpoint.state.keys()
    assert all(torch.equal(renamed[name], tensor) for name, tensor in checkpoint.state.items())


@pytest.mark.parametrize("backbone", [TINY_SWIN, TINY_RESNET], ids=["swin", "resnet"])
def test_transformers_loads_it_without_a_key_missing_and_answers_the_same(
    tmp_path: Path, backbone: ResNetSettings | SwinSettings
) -> None:
    checkpoint = make_checkpoint(tiny_settings(backbone))
    write_folder(tmp_path, checkpoint, "demo")
    model, told = Mask2FormerForUniversalSegmentation.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values()), told
    network = Network(checkpoint.settings, checkpoint.heads)
    network.load_state_dict(checkpoint.state)
    pixels = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = network.eval().encode(pixels[:, None])
        ours = network.decode(features, network.queries["learned"](2), "demo")
        theirs = model.eval()(pixel_values=pixels)
    torch.testing.assert_close(ours.class_logits, theirs.class_queries_logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.mask_logits()[:, :, 0], theirs.masks_queries_logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["hf_tiny", "hf_tiny_resnet"])
def test_what_came_from_transformers_goes_back_as_it_was(tmp_path: Path, name: str) -> None:
    """Every key, and every bit but of a norm that nothing uses; transformers says what it said of the original."""
    original = shared("parity", name)
    checkpoint = read_checkpoint(original)
    (head,) = checkpoint.heads
    classes = tuple(ClassInfo(class_name, (0, 0, 0)) for class_name in checkpoint.class_names[head])
    write_folder(tmp_path, checkpoint.with_vocabulary(head, Vocabulary("classes", classes)), "classes")
    back, wanted = (load_file(folder / "model.safetensors") for folder in (tmp_path, original))
    assert back.keys() == wanted.keys()
    others = [key for key, tensor in wanted.items() if not torch.equal(back[key], tensor)]
    assert [key for key in others if ".swin.layernorm." not in key] == []
    model = Mask2FormerForUniversalSegmentation.from_pretrained(tmp_path).eval()
    stored = np.load(original / "reference.npz")
    for case in ("even", "odd"):
        with torch.inference_mode():
            said = model(pixel_values=torch.from_numpy(stored[f"{case}.pixel_values"]))
        for found, part in ((said.class_queries_logits, "class_logits"), (said.masks_queries_logits, "mask_logits")):
            torch.testing.assert_close(found, torch.from_numpy(stored[f"{case}.{part}"]), atol=1e-4, rtol=0)


def test_how_pictures_are_prepared_goes_along(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tiny_settings(), short_side=224)
    write_folder(tmp_path, checkpoint, "demo")
    said = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert said["size"] == {"shortest_edge": 224, "longest_edge": 1333}
    assert said["image_mean"] == pytest.approx([0.485, 0.456, 0.406])


def changed(part: str, **values: object) -> ModelSettings:
    settings = tiny_settings()
    return settings.model_copy(update={part: getattr(settings, part).model_copy(update=values)})


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (changed("queries", source="task"), "each task's own"),
        (changed("queries", spa=True), "a projection of shapes and positions"),
        (changed("pixel_decoder", num_heads=8), "8 and 4 attention heads"),
        (changed("pixel_decoder", num_points=2), "2 sampling points, wanted 4"),
        (tiny_settings(NARROW_RESNET), r"inner channels \[8, 8, 8, 16\] of its ResNet, wanted \[4, 8, 8, 16\]"),
    ],
    ids=["queries", "projection", "heads", "points", "resnet"],
)
def test_a_network_that_transformers_does_not_have_is_refused(
    tmp_path: Path, settings: ModelSettings, reason: str
) -> None:
    checkpoint: Checkpoint = make_checkpoint(settings)
    with pytest.raises(ModelError, match=f"--format hf: .*{reason}.*; safetensors, onnx and torch take any"):
        write_folder(tmp_path, checkpoint, "demo")
    assert list(tmp_path.iterdir()) == []
