"""Hugging Face folders: one file or shards, names of version 4 and 5, and every setting that must agree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gvseg_core.config import BACKBONES, ResNetSettings, SwinSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.network import Network
from gvseg_core.model.weights import hugging_face, match, read_checkpoint
from gvseg_core.model.weights.layouts import to_ours
from gvseg_core.model.weights.shapes import settings_of
from tests.conftest import shared
from tests.core.model.weights.foreign import same


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(shared("parity", "hf_tiny") / name, tmp_path / name)
        (tmp_path / name).chmod(0o644)
    return tmp_path


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("name", ["hf_tiny", "hf_tiny_resnet"])
def test_a_parity_folder_fills_the_network_exactly(name: str) -> None:
    checkpoint = read_checkpoint(shared("parity", name))
    network = Network(checkpoint.settings, checkpoint.heads)
    network.load_state_dict(checkpoint.state, strict=True)


def test_class_names_come_with_the_file(folder: Path) -> None:
    assert read_checkpoint(folder).class_names == {"classes": tuple(f"thing{i}" for i in range(7))}
    edit(folder, id2label={str(i): f"LABEL_{i}" for i in range(7)})
    assert read_checkpoint(folder).class_names == {}
    edit(folder, id2label={"0": "cat"})
    with pytest.raises(ModelError, match=r"names 1 classes, the weights have 7"):
        read_checkpoint(folder)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_shards_read_like_one_file(folder: Path, kind: str) -> None:
    whole = read_checkpoint(folder).state
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    stem = "model.safetensors" if kind == "safetensors" else "pytorch_model.bin"
    places = {}
    for i, names in enumerate((list(tensors)[::2], list(tensors)[1::2])):
        shard = f"part-{i}.{kind}"
        part = {name: tensors[name] for name in names}
        save_file(part, folder / shard) if kind == "safetensors" else torch.save(part, folder / shard)
        places |= dict.fromkeys(names, shard)
    index = folder / f"{stem}.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert same(read_checkpoint(folder).state, whole)
    (folder / f"part-1.{kind}").unlink()
    with pytest.raises(ModelError, match=r"shard part-1\.\w+ is missing"):
        read_checkpoint(folder)
    index.write_text(json.dumps({"weight_map": {**places, "lost": f"part-0.{kind}"}}).replace("part-1", "part-0"))
    with pytest.raises(ModelError, match="is in no shard"):
        read_checkpoint(folder)


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "..", "a/b.safetensors", ""])
def test_shards_outside_the_folder_are_refused(folder: Path, shard: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(ModelError, match="outside the folder"):
        read_checkpoint(folder)


def test_pytorch_model_bin_reads_like_safetensors(folder: Path) -> None:
    whole = read_checkpoint(folder).state
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert same(read_checkpoint(folder).state, whole)
    assert same(read_checkpoint(folder / "pytorch_model.bin").state, whole)


def test_names_of_a_running_model_read_like_those_on_disk(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    whole = read_checkpoint(folder).state
    model = transformers.Mask2FormerForUniversalSegmentation.from_pretrained(folder)
    names = model.state_dict()
    assert any(".attention.q_proj." in name for name in names)
    save_file({name: t.contiguous() for name, t in names.items()}, folder / "model.safetensors")
    assert same(read_checkpoint(folder).state, whole)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "detr"}, "model_type is 'detr'"),
        ({"pre_norm": True}, "pre_norm is True"),
        ({"decoder_layers": 10}, r"decoder\.num_layers is 4 in the weights and 9 in config\.json"),
        ({"num_queries": 100}, r"queries\.num_queries is 10 in the weights and 100"),
        ({"num_attention_heads": 5}, "5 attention heads do not divide"),
        ({"backbone_config": {"use_absolute_embeddings": True}}, "use_absolute_embeddings is True"),
        ({"backbone_config": {"depths": [2, 2, 6, 2]}}, r"backbone\.depths is \(2, 1, 2, 1\) in the weights"),
    ],
)
def test_settings_that_do_not_go_with_the_weights_are_named(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    edit(folder, **changes)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(folder)


def test_a_folder_of_something_else_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "model_final.pth").touch()
    with pytest.raises(ModelError, match=r"no config\.json in it, found model_final\.pth"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{,}")
    with pytest.raises(ModelError, match=r"config\.json: Expecting property name"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("size", "short", "long"),
    [
        ({"shortest_edge": 480, "longest_edge": 800}, 480, 800),
        ({"shortest_edge": 480, "longest_edge": None}, 480, 1333),
        ({"height": 512, "width": 384}, 384, 1333),
        (640, 640, 1333),
    ],
)
def test_the_size_of_pictures_comes_from_the_preprocessor(folder: Path, size: Any, short: int, long: int) -> None:
    values = {"size": size, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.5, 0.25, 1.0]}
    (folder / "preprocessor_config.json").write_text(json.dumps({**values, "rescale_factor": 1 / 255}))
    prepared = read_checkpoint(folder).input
    assert (prepared.short_side, prepared.max_side) == (short, long)
    assert prepared.mean == (123.675, 116.28, 103.53)
    assert prepared.std == (127.5, 63.75, 255.0)


def true_size(backbone: Any) -> dict[str, Tensor]:
    """The tensors of transformers' own model of a published size, without their memory."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Mask2FormerConfig(backbone_config=backbone, num_labels=80)
    with torch.device("meta"):
        return dict(transformers.Mask2FormerForUniversalSegmentation(config).state_dict())


STAGES = ["stage1", "stage2", "stage3", "stage4"]


def swin(name: str) -> Any:
    transformers = pytest.importorskip("transformers")
    ours = BACKBONES[name]
    assert isinstance(ours, SwinSettings)
    return transformers.SwinConfig(
        embed_dim=ours.embed_dim,
        depths=list(ours.depths),
        num_heads=list(ours.num_heads),
        window_size=ours.window,
        out_features=STAGES,
    )


def resnet(name: str) -> Any:
    transformers = pytest.importorskip("transformers")
    ours = BACKBONES[name]
    assert isinstance(ours, ResNetSettings)
    return transformers.ResNetConfig(
        depths=list(ours.depths), hidden_sizes=list(ours.channels), layer_type=ours.block, out_features=STAGES
    )


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101", "swin_tiny", "swin_large"])
def test_every_tensor_of_a_true_size_has_its_place(name: str) -> None:
    theirs = true_size(swin(name) if name.startswith("swin") else resnet(name))
    state, notes = to_ours(theirs, hugging_face.LAYOUT, Path("model"))
    assert notes == ()
    settings = settings_of(state, "model")
    assert settings.backbone == BACKBONES[name]
    assert settings.decoder.num_layers == 9
    assert settings.pixel_decoder.num_heads == settings.decoder.num_heads == 8
    with torch.device("meta"):
        expected = Network(settings, {"classes": 80}).state_dict()
    fits, problems = match(state, {n: t.shape for n, t in expected.items()}, "model")
    assert problems == ()
    assert len(fits) == len(expected)
