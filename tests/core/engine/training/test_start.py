"""Training starts from what a file gives, and says what it does not give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gvseg_core.config import InputSettings, ModelSettings, ResNetSettings
from gvseg_core.data.classes import plain_vocabulary
from gvseg_core.engine.training.start import new_network
from gvseg_core.errors import ModelError
from gvseg_core.model.weights import Checkpoint, read_checkpoint, write_checkpoint
from gvseg_core.recipes import load_preset
from gvseg_core.types import Vocabulary

PETS, FRUIT = plain_vocabulary("pets", ("cat", "dog", "emu")), plain_vocabulary("fruit", ("fig", "kiwi"))
TINY = load_preset("tiny").model


def written(path: Path, settings: ModelSettings = TINY, vocabulary: Vocabulary = PETS, seed: int = 1) -> str:
    network, *_ = new_network(settings, {vocabulary.name: vocabulary}, seed=seed)
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    heads = {vocabulary.name: vocabulary}
    write_checkpoint(path, Checkpoint(settings, InputSettings(), state, "gvseg", "", vocabularies=heads))
    return str(path)


def test_the_seed_is_all_that_a_new_network_depends_on() -> None:
    one, two, three = (new_network(TINY, {"pets": PETS}, seed=seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["class_heads.pets.weight"], three["class_heads.pets.weight"])


def test_the_same_classes_are_taken_over_whole(tmp_path: Path) -> None:
    init = written(tmp_path / "a.safetensors")
    network, notes, _ = new_network(TINY, {"pets": PETS}, init=init, seed=9)
    given = read_checkpoint(init).state
    assert all(torch.equal(tensor, given[name]) for name, tensor in network.state_dict().items())
    assert notes == []


@pytest.mark.parametrize(
    "wanted", [FRUIT, replace(FRUIT, name="pets"), plain_vocabulary("pets", ("cat", "dog", "cow"))]
)
def test_other_classes_start_anew_and_all_else_is_kept(tmp_path: Path, wanted: Vocabulary) -> None:
    init = written(tmp_path / "a.safetensors")
    network, notes, _ = new_network(TINY, {wanted.name: wanted}, init=init, seed=9)
    given, found = read_checkpoint(init).state, network.state_dict()
    of_classes = {name for name in found if f".{wanted.name}." in name}
    assert all(torch.equal(found[name], given[name]) for name in found.keys() - of_classes)
    weight = f"class_heads.{wanted.name}.weight"
    assert weight not in given or not torch.equal(found[weight], given[weight])
    assert f"class_heads.{wanted.name}" in notes[0]
    assert "start anew" in notes[0]


def test_learnt_queries_give_way_to_task_queries(tmp_path: Path) -> None:
    learnt = TINY.model_copy(update={"queries": TINY.queries.model_copy(update={"source": "learned", "spa": False})})
    init = written(tmp_path / "a.safetensors", learnt)
    _, notes, _ = new_network(TINY, {"pets": PETS}, init=init)
    assert "decoder.shape_position, queries.evs, queries.vis, queries.vps, queries.vss" in notes[0]
    assert "no place here: queries.learned" in notes[1]


def test_a_backbone_alone_is_enough(tmp_path: Path) -> None:
    network, *_ = new_network(load_preset("gvseg_r50").model, {"pets": PETS}, seed=1)
    state = {n.removeprefix("backbone."): t for n, t in network.state_dict().items() if n.startswith("backbone.")}
    save_file(state, tmp_path / "resnet50.safetensors")
    again, notes, _ = new_network(
        load_preset("gvseg_r50").model, {"pets": PETS}, init=str(tmp_path / "resnet50.safetensors"), seed=2
    )
    assert all(torch.equal(again.backbone.state_dict()[name], tensor) for name, tensor in state.items())
    assert notes == []


def test_blocks_that_a_deeper_resnet_has_more_add_nothing_at_first(tmp_path: Path) -> None:
    """The same answer as before, and a gradient in what is to change that."""
    init = written(tmp_path / "a.safetensors")
    before, *_ = new_network(TINY, {"pets": PETS}, init=init)
    assert isinstance(TINY.backbone, ResNetSettings)
    depths = tuple(depth + i % 2 + 1 for i, depth in enumerate(TINY.backbone.depths))
    deeper = TINY.model_copy(update={"backbone": TINY.backbone.model_copy(update={"depths": depths})})
    after, notes, _ = new_network(deeper, {"pets": PETS}, init=init, seed=2)
    assert [note.split("anew: ")[1] for note in notes] == [
        "backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4"
    ]
    pixels = torch.rand(1, 1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert all(map(torch.equal, before.backbone(pixels[0]), after.backbone(pixels[0])))
    after.backbone(pixels[0])[-1].square().sum().backward()
    new_block = after.backbone.layer4[-1]
    last = [module for module in new_block.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    assert last.weight.grad.abs().sum() > 0


def test_a_stage_of_which_nothing_is_given_is_not_taken_for_more_blocks(tmp_path: Path) -> None:
    network, *_ = new_network(TINY, {"pets": PETS}, seed=1)
    state = {name: t for name, t in network.state_dict().items() if not name.startswith("backbone.layer3.")}
    path = tmp_path / "resnet.safetensors"
    save_file({name.removeprefix("backbone."): t for name, t in state.items() if name.startswith("backbone.")}, path)
    with pytest.raises(ModelError):
        new_network(TINY, {"pets": PETS}, init=str(path))


def test_weights_of_another_size_are_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    wider = TINY.model_copy(update={"decoder": TINY.decoder.model_copy(update={"feedforward": 128})})
    init = written(tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=r"decoder\.layers\.0\.linear1.*--allow-partial"):
        new_network(wider, {"pets": PETS}, init=init)
    _, notes, _ = new_network(wider, {"pets": PETS}, init=init, allow_partial=True)
    assert "decoder.layers" in notes[0]


def test_what_is_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("<html>")
    with pytest.raises(ModelError, match=r"x\.safetensors"):
        new_network(TINY, {"pets": PETS}, init=str(path))
