"""Weights say what training they come of."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml

from gvseg_core import __version__
from gvseg_core.engine.training.log import RunLog
from gvseg_core.engine.training.provenance import POINTS, origin_of, provenance_of, records_of, told_by_run
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.weights import Checkpoint, read_checkpoint, write_checkpoint
from gvseg_core.recipes import Preset
from tests.core.engine.training.runs import recipe, sources_of
from tests.models import make_checkpoint

PRESET = recipe("vis", "vss").model_copy(update={"licence": "for tests"})
RECORDS = [{"kind": "step", "step": 5 * n, "loss": 100 / n, "lr": 1e-3} for n in range(1, 1001)]


def by_training(step: int = 5000) -> dict[str, str]:
    return provenance_of(
        PRESET, "mine", step, sources_of(PRESET), origin_of("/home/me/first.safetensors", "ab"), RECORDS
    )


def test_everything_is_said_and_no_path_of_the_machine() -> None:
    said = by_training()
    assert (said["gvseg"], said["torch"], said["steps"], said["preset"]) == (
        __version__,
        torch.__version__,
        "5000",
        "mine",
    )
    assert (said["init"], said["init_sha256"], said["licence"]) == ("first.safetensors", "ab", "for tests")
    assert "8 videos, for vss, 15 classes of demo" in said["data"]
    assert Preset.model_validate_json(said["settings"]) == PRESET
    assert "/home" not in json.dumps(said)


def test_sets_are_known_by_their_folders() -> None:
    train = PRESET.train
    assert train is not None
    named = tuple(
        source.model_copy(update={"benchmark": "auto", "path": f"/data/set{n}"}) for n, source in enumerate(train.data)
    )
    preset = PRESET.model_copy(update={"train": train.model_copy(update={"data": named})})
    said = provenance_of(preset, "mine", 1, sources_of(PRESET), {}, [])["data"]
    assert [part.split(": ")[0] for part in said.split("; ")] == [
        "train.data[0], synth train in set0",
        "train.data[1], synth train in set1",
    ]


def test_the_log_is_thinned_evenly_with_its_first_and_last_record() -> None:
    records = records_of(by_training())
    steps = [record["step"] for record in records]
    assert (len(records), steps[0], steps[-1]) == (POINTS, 5, 5000)
    gaps = {later - earlier for earlier, later in pairwise(steps)}  # type: ignore[operator]
    assert gaps == {25, 30}
    assert all(record["loss"] == pytest.approx(500 / record["step"], rel=1e-4) for record in records)  # type: ignore[operator]
    assert [record["step"] for record in records_of(by_training(step=12))] == [5, 10]
    assert records_of({}) == []


def test_a_hub_model_keeps_its_name_and_nothing_is_said_of_nothing() -> None:
    assert origin_of("hf://org/name", "ab") == {"init": "hf://org/name", "init_sha256": "ab"}
    assert origin_of(None, "") == {"init": "", "init_sha256": ""}


@pytest.fixture
def older() -> Checkpoint:
    """As a gvseg wrote them that did not say what heads were taught, nor logs."""
    data = "; ".join(
        f"train.data[{n}], auto train: 3 videos, for {task}, 15 classes of demo"
        for n, task in enumerate(("vss", "vis"))
    )
    made = make_checkpoint(PRESET.model)
    return replace(made, tasks=("vis", "vss"), provenance={"preset": "nano", "steps": "10", "data": data, "init": ""})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings = recipe("vis", "vss").model_dump(mode="json")
    del settings["licence"]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    log = RunLog(tmp_path)
    for record in RECORDS[:3]:
        log.add("step", int(record["step"]), {"loss": float(record["loss"])})
    log.close()
    return tmp_path


def test_what_an_older_gvseg_did_not_write_is_told_by_the_runs_folder(older: Checkpoint, folder: Path) -> None:
    init = make_checkpoint(PRESET.model, seed=3)
    sha256 = write_checkpoint(folder / "first.safetensors", init)
    said = told_by_run(older, folder, str(folder / "first.safetensors"))
    assert said.taught == {"demo": ("vis", "vss")}
    assert [record["step"] for record in records_of(said.provenance)] == [5, 10]
    assert said.provenance["licence"].startswith("for research")  # of the preset nano
    assert (said.provenance["init"], said.provenance["init_sha256"]) == ("first.safetensors", sha256)
    write_checkpoint(folder / "again.safetensors", said)
    again = read_checkpoint(folder / "again.safetensors")
    assert (again.taught, again.provenance) == (said.taught, said.provenance)


def test_a_folder_that_is_not_of_these_weights_is_refused(older: Checkpoint, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"wanted the folder of a training run, with settings\.yaml and log\.jsonl"):
        told_by_run(older, tmp_path / "elsewhere")
    later = replace(older, provenance={**older.provenance, "steps": "500"})
    with pytest.raises(ModelError, match="its log ends before the weights' 500 steps"):
        told_by_run(later, folder)
    wider = replace(older, settings=older.settings.model_copy(update={"clip_length": 2}))
    with pytest.raises(ModelError, match="its network is another one"):
        told_by_run(wider, folder)
    write_checkpoint(folder / "first.safetensors", make_checkpoint(PRESET.model, seed=3))
    known = replace(older, provenance={**older.provenance, "init_sha256": "ab" * 32})
    with pytest.raises(ModelError, match="the training began with other weights"):
        told_by_run(known, folder, str(folder / "first.safetensors"))
