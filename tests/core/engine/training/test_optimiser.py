"""Groups, schedule and clipping are the field's."""

from __future__ import annotations

import pytest
import torch

from gvseg_core.config import BACKBONES, ModelSettings, QuerySettings
from gvseg_core.engine.training.optimiser import build_optimiser, groups_of, rate, set_rate, trainable
from gvseg_core.model.network import Network
from gvseg_core.recipes import SourceSettings, TrainSettings, load_preset

SETTINGS = TrainSettings(data=(SourceSettings(benchmark="synth"),), steps=10, milestones=(7,), lr=1.0e-4)


def group_of(network: Network, settings: TrainSettings = SETTINGS) -> dict[str, tuple[float, float]]:
    groups = groups_of(trainable(network, settings), settings)
    return {name: (group.lr_scale, group.weight_decay) for group in groups for name in group.names}


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(load_preset("tiny").model, {"synth": 5})


def test_every_weight_is_in_one_group_but_frozen_norms(network: Network) -> None:
    grouped = group_of(network)
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert grouped.keys() == {name for name, _ in network.named_parameters()} - frozen
    assert frozen
    assert all(".bn" in name or "downsample.1" in name for name in frozen)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("backbone.conv1.weight", (0.1, 0.05)),
        ("pixel_decoder.level_embed", (1.0, 0.05)),  # a plain parameter in the original, which decays
        ("pixel_decoder.input_proj.0.1.weight", (1.0, 0.0)),
        ("decoder.level_embed", (1.0, 0.0)),
        ("decoder.norm.bias", (1.0, 0.0)),
        ("decoder.layers.0.linear1.bias", (1.0, 0.05)),
        ("queries.vis.content.0.weight", (1.0, 0.0)),  # its layer norm
        ("queries.vis.content.1.weight", (1.0, 0.05)),  # its projection
        ("queries.evs.position", (1.0, 0.0)),
        ("class_heads.synth.weight", (1.0, 0.05)),
    ],
)
def test_a_weight_moves_as_in_mask2former(network: Network, name: str, group: tuple[float, float]) -> None:
    assert group_of(network)[name] == group


def test_learnt_queries_and_position_biases_do_not_decay() -> None:
    settings = ModelSettings(backbone=BACKBONES["swin_tiny"], queries=QuerySettings(source="learned"))
    with torch.device("meta"):
        grouped = group_of(Network(settings, {"coco": 80}))
    assert grouped["queries.learned.content"] == grouped["queries.learned.position"] == (1.0, 0.0)
    tables = {group for name, group in grouped.items() if name.endswith("relative_position_bias_table")}
    assert tables == {(0.1, 0.0)}


def test_a_frozen_backbone_is_left_out(network: Network) -> None:
    grouped = group_of(network, SETTINGS.model_copy(update={"freeze_backbone": True}))
    assert not any(name.startswith("backbone.") for name in grouped)
    network.requires_grad_(True)


def test_a_network_that_begins_from_nothing_learns_its_batch_statistics() -> None:
    settings = SETTINGS.model_copy(update={"freeze_norms": False})
    network = Network(load_preset("tiny").model, {"synth": 5})
    assert group_of(network, settings)["backbone.bn1.weight"] == (0.1, 0.0)
    before = network.backbone.bn1.running_mean.clone()
    network.encode(torch.randn(1, 1, 3, 64, 64))
    assert not torch.equal(network.backbone.bn1.running_mean, before)
    moved = network.backbone.bn1.running_mean.clone()
    trainable(network, SETTINGS).encode(torch.randn(1, 1, 3, 64, 64))
    assert torch.equal(network.backbone.bn1.running_mean, moved)


def test_the_rate_rises_then_falls_by_ten_at_each_milestone() -> None:
    settings = SETTINGS.model_copy(update={"warmup": 4, "milestones": (6, 8)})
    rates = [rate(step, settings) / settings.lr for step in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_each_group_takes_the_rate_by_its_scale(network: Network) -> None:
    optimiser = build_optimiser(groups_of(trainable(network, SETTINGS), SETTINGS), SETTINGS)
    set_rate(optimiser, 1.0)
    assert sorted({group["lr"] for group in optimiser.param_groups}) == [0.1, 1.0]
