"""A run from its first to its last step: it goes on where it was stopped, minds bad steps, keeps its best weights."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gvseg_core.engine import train as training
from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.evaluate import evaluate
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.watching import Nobody
from gvseg_core.engine.train import Pace, Training
from gvseg_core.engine.training.log import read_log
from gvseg_core.engine.training.provenance import records_of
from gvseg_core.engine.training.settings import TrainRequest
from gvseg_core.engine.training.state import STATE, load_state
from gvseg_core.engine.training.step import Stepper, Told
from gvseg_core.errors import DataError, OutputError, UsageError
from gvseg_core.model.weights import read_checkpoint
from tests.core.engine.training.runs import TASKS, assert_same, train_settings, write_recipe

VALIDATION = {"benchmark": "synth", "split": "val", "task": "vss", "path": "videos=2,frames=4,size=96x64"}


class Notebook:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.paces: list[Pace] = []
        self.validations: list[tuple[int, Mapping[str, float], bool]] = []
        self.files: list[Path] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def pace(self, pace: Pace) -> None:
        self.paces.append(pace)

    def validated(self, step: int, metrics: Mapping[str, float], *, is_best: bool) -> None:
        self.validations.append((step, metrics, is_best))

    def written(self, path: Path) -> None:
        self.files.append(path)


def run(
    folder: Path,
    *tasks: str,
    out: str = "run",
    stop_after: int | None = None,
    resume: bool = False,
    allow_changed: bool = False,
    init: str | None = None,
    **changes: Any,
) -> tuple[Training, Notebook, bool]:
    """Train in `folder`; `stop_after` asks for the end that many steps later."""
    recipe = write_recipe(folder / f"{out}.yaml", *tasks, **changes)
    request = TrainRequest(
        preset=str(recipe), out=folder / out, resume=resume, allow_changed=allow_changed, init=init, device="cpu"
    )
    asked = itertools.count(1)
    notebook = Notebook()
    run = Training(request, notebook, stopped=lambda: stop_after is not None and next(asked) >= stop_after)
    run.prepare()
    return run, notebook, run.run()


def assert_runs_equal(folder: Path, one: str, other: str) -> None:
    (a, _), (b, _) = load_state(folder / one), load_state(folder / other)
    assert a.step == b.step
    assert_same(a.tensors, b.tensors)
    assert (folder / one / "log.jsonl").read_bytes() == (folder / other / "log.jsonl").read_bytes()


def test_a_run_stopped_after_every_step_is_the_run_never_stopped(tmp_path: Path) -> None:
    """Weights, moments, averages, queues, class means and log; with validations, and the best of them."""
    changes = {"ema": 0.9, "log_every": 3, "validation": VALIDATION, "validate_every": 2, "batch_size": 2}
    assert run(tmp_path, "vss", "evs", out="whole", **changes)[2]
    done = False
    for part in range(4):
        assert not done
        _, _, done = run(tmp_path, "vss", "evs", out="parts", resume=part > 0, stop_after=1, **changes)
    assert not done  # stopped between the last step and its validation
    assert run(tmp_path, "vss", "evs", out="parts", resume=True, **changes)[2]
    assert_runs_equal(tmp_path, "parts", "whole")
    assert [r["step"] for r in read_log(tmp_path / "parts") if r["kind"] == "validation"] == [2, 4]
    for name in ("best.safetensors", "last.safetensors"):
        found, wanted = (read_checkpoint(tmp_path / out / name) for out in ("parts", "whole"))
        assert found.sha256 == wanted.sha256
        assert found.provenance["steps"] == wanted.provenance["steps"]


def test_a_finished_run_has_nothing_more_to_do(tmp_path: Path) -> None:
    run(tmp_path, "vis", steps=2, batch_size=1)
    before = (tmp_path / "run" / STATE).read_bytes()
    assert run(tmp_path, "vis", steps=2, batch_size=1, resume=True)[2]
    assert (tmp_path / "run" / STATE).read_bytes() == before


def test_workers_change_nothing(tmp_path: Path) -> None:
    for workers in (0, 2):
        run(tmp_path, "vps", "evs", out=f"of{workers}", workers=workers, steps=2)
    assert_runs_equal(tmp_path, "of0", "of2")


def test_validation_says_what_eval_says_of_the_written_file(tmp_path: Path) -> None:
    run(tmp_path, "vss", steps=2, batch_size=2, validation=VALIDATION)
    said = next(record for record in read_log(tmp_path / "run") if record["kind"] == "validation")
    for name in ("last.safetensors", "best.safetensors"):
        settings = EvalSettings(
            bench="synth", task="vss", data=Path(VALIDATION["path"]), split="val", model=str(tmp_path / "run" / name),
            device="cpu", dtype="fp32",
        )  # fmt: skip
        scores = evaluate(settings, Nobody()).scores
        assert scores is not None
        finite = {metric: value for metric, value in scores.metrics.items() if math.isfinite(value)}
        assert said == {"kind": "validation", "step": 2, **finite}
        assert choose_bench("synth", "vss").scoring.headline[0] in said


def test_the_best_weights_are_those_of_the_best_validation_not_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.5, 0.4, 0.5])
    monkeypatch.setattr(training, "validate", lambda *_: {"mIoU": next(scores)})
    changes = {"validation": VALIDATION, "validate_every": 1, "batch_size": 1}
    run(tmp_path, "vss", stop_after=3, **changes)
    _, notebook, _ = run(tmp_path, "vss", resume=True, **changes)
    assert [is_best for *_, is_best in notebook.validations] == [False, False]
    assert read_checkpoint(tmp_path / "run" / "best.safetensors").provenance["steps"] == "2"
    assert read_checkpoint(tmp_path / "run" / "last.safetensors").provenance["steps"] == "4"


def spoil(monkeypatch: pytest.MonkeyPatch, is_bad: Callable[[int], bool]) -> None:
    """Let the losses of some steps not be numbers."""
    own = Stepper.step

    def step(self: Stepper, number: int, samples: Any) -> Told:
        forward = self._model.forward
        if is_bad(number):
            self._model.forward = lambda *words: tuple(  # type: ignore[method-assign]
                part * float("nan") if isinstance(part, torch.Tensor) else part for part in forward(*words)
            )
        try:
            return own(self, number, samples)
        finally:
            self._model.forward = forward  # type: ignore[method-assign]

    monkeypatch.setattr(Stepper, "step", step)


def test_bad_steps_are_skipped_counted_and_left_out_of_the_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, lambda number: number in {1, 2})
    _, notebook, done = run(tmp_path, "vis", batch_size=1, log_every=2, max_bad_steps=3)
    assert done
    assert [text.split(":")[0] for text in notebook.warnings] == ["step 2", "step 3"]
    assert "not finite, nothing learnt; it had train_00000" in notebook.warnings[0]
    first, second = read_log(tmp_path / "run")
    assert first["skipped"] == second["skipped"] == 1
    assert first["loss"] > 0
    assert second["loss"] > 0


def test_too_many_bad_steps_end_the_run_and_the_last_good_state_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, "vis", out="good", batch_size=1, steps=1)
    spoil(monkeypatch, lambda number: number >= 1)
    with pytest.raises(DataError, match="2 steps in a row without a finite loss") as caught:
        run(tmp_path, "vis", batch_size=1, max_bad_steps=2, save_every=100)
    assert caught.value.exit_code == 5
    batch = load_file(tmp_path / "run" / "bad-batch.safetensors")
    assert batch["2.0.pixels"].shape == (1, 3, 64, 96)
    assert {name.rpartition(".")[2] for name in batch} == {"pixels", "labels", "class_ids", "track_ids"}
    (state, _), (good, _) = load_state(tmp_path / "run"), load_state(tmp_path / "good")
    assert_same(state.tensors, good.tensors)


def test_a_run_with_other_settings_or_data_is_refused_with_every_difference(tmp_path: Path) -> None:
    run(tmp_path, "vis", "vss", steps=2, batch_size=2)
    other = train_settings("vis", "vss")["data"]
    other[1]["path"] = other[1]["path"].replace("seed=100", "seed=200")
    with pytest.raises(UsageError) as caught:
        run(tmp_path, steps=3, batch_size=4, seed=7, data=other, resume=True)
    told = str(caught.value)
    for words in ("train.batch_size: 2, now 4", "train.seed: 0, now 7", "train.steps: 2, now 3", "seed=200"):
        assert words in told
    assert "train.data[1], synth train: 8 videos (" in told
    assert "train.data[0]" not in told
    _, notebook, done = run(tmp_path, steps=3, batch_size=4, seed=7, data=other, resume=True, allow_changed=True)
    assert done
    assert "going on although it has changed: train.batch_size: 2, now 4" in notebook.notes


def test_videos_that_came_or_went_are_a_difference_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "vis", steps=2, batch_size=1)
    monkeypatch.setattr("gvseg_core.data.training.rendered.RenderedVideos.name", lambda *words: f"renamed_{words[-1]}")
    with pytest.raises(UsageError, match=r"synth train: 8 videos \(\w{8}\), now 8 videos \(\w{8}\)"):
        run(tmp_path, "vis", steps=2, batch_size=1, resume=True)


def test_an_average_that_is_asked_for_later_begins_with_the_weights(tmp_path: Path) -> None:
    run(tmp_path, "vis", steps=1, batch_size=1)
    run(tmp_path, "vis", steps=1, batch_size=1, ema=0.5, resume=True, allow_changed=True)
    weights = load_state(tmp_path / "run")[0].tensors
    written = read_checkpoint(tmp_path / "run" / "last.safetensors").state
    assert torch.equal(written["decoder.norm.weight"], weights["network.decoder.norm.weight"])


def test_a_folder_that_holds_a_run_or_its_weights_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path, "vis", steps=1, batch_size=1)
    with pytest.raises(OutputError, match=r"holds a run already \(state\.safetensors, last\.safetensors\)"):
        run(tmp_path, "vis", steps=1, batch_size=1)
    (tmp_path / "run" / STATE).unlink()
    with pytest.raises(OutputError, match=r"holds a run already \(last\.safetensors\)"):
        run(tmp_path, "vis", steps=1, batch_size=1)
    with pytest.raises(UsageError, match=r"nothing to resume.*--init \S*last\.safetensors --out"):
        run(tmp_path, "vis", steps=1, batch_size=1, resume=True)


def test_a_run_leaves_settings_log_curves_and_weights(tmp_path: Path) -> None:
    _, notebook, _ = run(tmp_path, *TASKS, steps=2, log_every=1)
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        "settings.yaml", "log.jsonl", "losses.png", "state.safetensors", "last.safetensors",
    }  # fmt: skip
    assert notebook.files == [folder / "losses.png"]
    assert [pace.step for pace in notebook.paces] == [1, 2]
    again = TrainRequest(preset=str(folder / "settings.yaml")).recipe()
    assert again == TrainRequest(preset=str(tmp_path / "run.yaml")).recipe()
    checkpoint = read_checkpoint(folder / "last.safetensors")
    assert set(checkpoint.tasks) == set(TASKS)
    assert set(checkpoint.vocabularies) == {"demo", "demo_things", "object"}
    assert checkpoint.answers == {"vis": "demo_things", "vss": "demo", "vps": "demo", "evs": "object"}
    assert checkpoint.taught == {"demo_things": ("vis",), "demo": ("vps", "vss"), "object": ("evs",)}
    assert [record["step"] for record in records_of(checkpoint.provenance)] == [1, 2]
    assert checkpoint.provenance["init_sha256"] == ""
    for line in (folder / "log.jsonl").read_text().splitlines():
        assert {"loss", "class", "mask", "dice", "contrast", "gradient", "lr"} <= json.loads(line).keys()


def test_weights_of_other_classes_keep_all_but_what_speaks_of_classes(tmp_path: Path) -> None:
    run(tmp_path, "vis", out="first", steps=1, batch_size=1)
    init = str(tmp_path / "first" / "last.safetensors")
    _, notebook, _ = run(tmp_path, "vss", out="second", steps=1, batch_size=1, init=init, lr=1.0e-12)
    (said,) = [note for note in notebook.notes if "start anew" in note]
    assert "class_heads.demo" in said
    first, second = (read_checkpoint(tmp_path / name / "last.safetensors").state for name in ("first", "second"))
    torch.testing.assert_close(second["decoder.norm.weight"], first["decoder.norm.weight"])
    torch.testing.assert_close(second["backbone.conv1.weight"], first["backbone.conv1.weight"])


def test_weights_say_what_their_run_began_with_also_if_it_was_stopped(tmp_path: Path) -> None:
    run(tmp_path, "vis", out="first", steps=1, batch_size=1)
    init = tmp_path / "first" / "last.safetensors"
    run(tmp_path, "vis", out="second", steps=2, batch_size=1, init=str(init), stop_after=1)
    run(tmp_path, "vis", out="second", steps=2, batch_size=1, resume=True)
    said = read_checkpoint(tmp_path / "second" / "last.safetensors").provenance
    assert (said["steps"], said["init"], said["init_sha256"]) == ("2", "last.safetensors", read_checkpoint(init).sha256)


def test_fp16_is_refused_on_a_cpu_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp16 has no fast arithmetic on a CPU"):
        run(tmp_path, "vis", amp="fp16")
    assert not (tmp_path / "run").exists()
