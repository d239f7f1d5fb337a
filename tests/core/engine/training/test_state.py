"""A run's state comes back to the bit, and survives whatever happens while it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gvseg_core.engine.training import state as states
from gvseg_core.engine.training.state import (
    PREVIOUS,
    STATE,
    State,
    check_resumable,
    differences,
    load_state,
    pack_optimiser,
    remove_state,
    save_state,
    unpack_optimiser,
)
from gvseg_core.errors import ModelError, OutputError, UsageError

SETTINGS: dict[str, Any] = {"task": "vis", "train": {"lr": 1e-4, "save_every": 10, "data": [{"benchmark": "synth"}]}}


def state(step: int) -> State:
    tensors = {"network.w": torch.full((3, 2), float(step)), "queues.n": torch.tensor([step])}
    return State(step, tensors, SETTINGS, 1, {"best": 0.5, "scale": 65536.0})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    save_state(tmp_path, state(3))
    found, note = load_state(tmp_path)
    assert (found.step, found.settings, found.world_size, found.facts) == (3, SETTINGS, 1, state(3).facts)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in state(3).tensors.items())
    assert not note


def test_the_state_before_stays_as_the_previous_one(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_state(tmp_path, state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [PREVIOUS, STATE]
    (tmp_path / STATE).unlink()  # as if the run had been killed between the two renames
    assert load_state(tmp_path)[0].step == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_state_gives_way_to_the_previous_one_and_it_is_said(tmp_path: Path, damage: str) -> None:
    save_state(tmp_path, state(1))
    save_state(tmp_path, state(2))
    data = bytearray((tmp_path / STATE).read_bytes())
    data[-1] ^= 1
    whole = {"cut": data[:-9], "flip": data, "empty": b""}[damage]
    (tmp_path / STATE).write_bytes(whole)
    found, note = load_state(tmp_path)
    assert found.step == 1
    assert "going on from state.previous" in note
    (tmp_path / PREVIOUS).write_bytes(b"")
    with pytest.raises(ModelError, match=r"state\.previous"):
        load_state(tmp_path)


def test_a_full_disk_leaves_the_latest_state_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path, state(1))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(states, "save_file", full)
    with pytest.raises(OutputError, match="no space left"):
        save_state(tmp_path, state(2))
    assert load_state(tmp_path)[0].step == 1
    assert [path.name for path in tmp_path.iterdir()] == [STATE]


def test_an_empty_run_folder_has_nothing_to_resume(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    remove_state(tmp_path)
    with pytest.raises(UsageError, match="nothing to resume"):
        load_state(tmp_path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / STATE)
    with pytest.raises(ModelError, match="not the state of a training run"):
        load_state(tmp_path)


def test_every_difference_in_settings_is_listed() -> None:
    now = {"task": "vps", "train": {**SETTINGS["train"], "lr": 1e-3}}
    assert differences(SETTINGS, now) == ["task: vis, now vps", "train.lr: 0.0001, now 0.001"]


def test_a_changed_run_is_not_resumed_unless_that_is_allowed(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    found, _ = load_state(tmp_path)
    now = {**SETTINGS, "train": {**SETTINGS["train"], "lr": 1e-3}}
    with pytest.raises(UsageError, match=r"processes: 1, now 2; train\.lr: 0\.0001, now 0\.001"):
        check_resumable(found, now, 2, allow_changed=False)
    assert len(check_resumable(found, now, 2, allow_changed=True)) == 2


def test_how_often_is_saved_may_change(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    now = {**SETTINGS, "train": {**SETTINGS["train"], "save_every": 99, "workers": 3}}
    assert check_resumable(load_state(tmp_path)[0], now, 1, allow_changed=False) == []


def test_an_optimiser_goes_on_bit_for_bit() -> None:
    def make() -> tuple[nn.Linear, torch.optim.AdamW, dict[torch.Tensor, str]]:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1), {p: n for n, p in layer.named_parameters()}

    def go(layer: nn.Linear, optimiser: torch.optim.AdamW, steps: range) -> None:
        for step in steps:
            optimiser.zero_grad()
            layer(torch.full((1, 3), float(step + 1))).square().sum().backward()
            optimiser.step()

    layer, optimiser, names = make()
    go(layer, optimiser, range(3))
    kept = {name: tensor.clone() for name, tensor in pack_optimiser(optimiser, names).items()}
    weights = {n: p.detach().clone() for n, p in layer.named_parameters()}
    go(layer, optimiser, range(3, 6))

    again, other, other_names = make()
    again.load_state_dict(weights)
    unpack_optimiser(other, other_names, kept)
    go(again, other, range(3, 6))
    assert torch.equal(layer.weight, again.weight)
    assert torch.equal(layer.bias, again.bias)

    with pytest.raises(ModelError, match="moments of other"):
        unpack_optimiser(other, other_names, {"optimiser.other.exp_avg": torch.zeros(1)})
