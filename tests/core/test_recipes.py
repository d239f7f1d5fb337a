"""Presets: read strictly, one step from another, and all of them make sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from gvseg_core.engine.training.provenance import records_of
from gvseg_core.errors import UsageError
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.recipes import bundled_weights, load_preset, merged, presets


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_read(name: str) -> None:
    load_preset(name)


def test_a_preset_states_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: gvseg_r50\ninput: {short_side: 480}\n")
    mine, base = load_preset(str(path)), load_preset("gvseg_r50")
    assert mine.model == base.model
    assert (mine.input.short_side, base.input.short_side) == (480, 360)


def test_changes_replace_what_the_file_states() -> None:
    assert load_preset("tiny", {"input": {"short_side": 64}}).input.short_side == 64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: 3\n", "wanted the name of a preset, found 3"),
        ("extends: gvseg_r5\n", "did you mean 'gvseg_r50'"),
        ("extends: other.yaml\n", "one step is allowed"),
        ("train: {data: [{benchmark: vspw}], steps: 10}\n", "says nothing of its task"),
        ("train: {data: [], steps: 10}\ntask: vss\n", "train.data"),
        ("train: {data: [{benchmark: vspw}], steps: 10, lr: 1e-4}\ntask: vss\n", "write|1.0e-4"),
    ],
)
def test_a_preset_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "other.yaml").write_text("extends: tiny\n")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("other.yaml", str(tmp_path / "other.yaml")))
    with pytest.raises(UsageError, match=words):
        load_preset(str(path))


def test_the_model_that_comes_along_is_small_and_says_what_it_may_be_used_for() -> None:
    path = bundled_weights()
    assert path.stat().st_size < 25e6
    checkpoint = read_checkpoint("nano")
    assert checkpoint.sha256 == read_checkpoint(path).sha256
    assert set(checkpoint.tasks) == {"vis", "vss", "vps", "evs"}
    assert checkpoint.settings == load_preset("nano").model
    assert "not for commercial use" in checkpoint.provenance["licence"]
    assert {task for tasks in checkpoint.taught.values() for task in tasks} == set(checkpoint.tasks)
    assert all(task in checkpoint.taught[head] for task, head in checkpoint.answers.items())
    losses = [record["loss"] for record in records_of(checkpoint.provenance)]
    assert losses[-1] < losses[0]


def test_lists_are_replaced_whole_and_mappings_joined() -> None:
    assert merged({"a": {"b": 1, "c": [1, 2]}}, {"a": {"c": [3]}}) == {"a": {"b": 1, "c": [3]}}
