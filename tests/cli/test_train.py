"""`gvseg train` as people type it: what it shows, what it refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gvseg_core.recipes import load_preset
from tests.cli.conftest import Done
from tests.core.engine.training.runs import write_recipe

Gvseg = Callable[..., Done]


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """One step of one clip."""
    return str(write_recipe(tmp_path / "mine.yaml", "vss", batch_size=1, steps=1))


def refused(done: Done, code: int = 2) -> str:
    """The one line that says why."""
    assert done.code == code, done.err
    assert len(done.errors) == 1, done.err
    assert "Traceback" not in done.err
    assert "bug in gvseg" not in done.err
    return done.errors[0]


def test_a_dry_run_shows_the_resolved_recipe_and_touches_nothing(gvseg: Gvseg, recipe: str, tmp_path: Path) -> None:
    done = gvseg("train", "--preset", recipe, "--set", "train.steps=7", "--set", "model.queries.spa=false", "--dry-run")
    shown = yaml.safe_load(done.out)
    assert (done.code, shown["train"]["steps"], shown["model"]["queries"]["spa"]) == (0, 7, False)
    again = tmp_path / "again.yaml"
    again.write_bytes(done.out)
    changes = {"train": {"steps": 7}, "model": {"queries": {"spa": False}}}
    assert load_preset(str(again)) == load_preset(recipe, changes)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml", "again.yaml"}


def test_a_run_says_where_its_weights_are_and_predict_takes_them(gvseg: Gvseg, recipe: str) -> None:
    done = gvseg("train", "--preset", recipe, "--out", "run")
    assert (done.code, done.out) == (0, b"run/last.safetensors\n")
    assert "step 1/1: loss " in done.err
    words = ["demo:frames=2,size=96x64", "--task", "vss", "--model", "run/last.safetensors", "--save", "csv"]
    assert gvseg("predict", *words).code == 0


def test_a_second_run_into_one_folder_is_an_output_that_exists(gvseg: Gvseg, recipe: str) -> None:
    assert gvseg("train", "--preset", recipe, "--out", "run", "-q").code == 0
    assert "run holds a run already" in refused(gvseg("train", "--preset", recipe, "--out", "run"), 4)


def test_the_run_folders_settings_are_a_preset(gvseg: Gvseg, recipe: str) -> None:
    assert gvseg("train", "--preset", recipe, "--out", "run", "-q").code == 0
    assert gvseg("train", "--preset", "run/settings.yaml", "--out", "run", "--resume", "-q").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--preset", "synth_tiy"], "did you mean 'synth_tiny'"),
        (["--preset", "tiny"], "says nothing of training"),
        ([], "say what to train"),
        (["--preset", "absent.yaml"], "absent.yaml"),
        (["--preset", "RECIPE", "--resume"], "nothing to resume"),
        (["--preset", "RECIPE", "--resume", "--init", "x.safetensors"], "leave out --init"),
        (["--preset", "RECIPE", "--allow-changed"], "no effect without --resume"),
        (["--preset", "RECIPE", "--allow-partial"], "no effect without --init"),
        (["--preset", "RECIPE", "--set", "train.step=3"], "train.step: no such setting; did you mean 'steps'?"),
        (["--preset", "RECIPE", "--set", "train.lr=1e-4"], "YAML reads it as a number: 1.0e-4"),
        (["--preset", "RECIPE", "--set", "train.steps"], "wanted key=value"),
        (["--preset", "RECIPE", "--set", "train.steps=1", "--set", "train.steps=2"], "given twice"),
        (["--preset", "RECIPE", "--set", "train.amp=fp8"], "train.amp: input should be 'fp32', 'bf16' or 'fp16'"),
        (["--preset", "RECIPE", "--set", "train.amp=fp16", "--device", "cpu"], "no fast arithmetic on a CPU"),
        (["--preset", "RECIPE", "--set", "train.workers=no"], "train.workers"),
        (["--preset", "RECIPE", "--set", "train.data=[{benchmark: synht, task: vis}]"], "did you mean 'synth'"),
        (["--preset", "RECIPE", "--device", "tpu"], "tpu"),
        (["--preset", "RECIPE", "--progress", "loud"], "--progress"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    gvseg: Gvseg, recipe: str, tmp_path: Path, words: list[str], told: str
) -> None:
    done = gvseg("train", *(recipe if word == "RECIPE" else word for word in words))
    assert told in refused(done)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml"}


def test_all_wrong_settings_are_named_at_once(gvseg: Gvseg, recipe: str) -> None:
    wrong = ["train.stesp=3", "train.lr=fast", "train.seed=-1", "model.clip_lenght=2", "train.loss.importance=2.0"]
    line = refused(gvseg("train", "--preset", recipe, *(word for w in wrong for word in ("--set", w))))
    for name in ("train.stesp", "train.lr", "train.seed", "model.clip_lenght", "train.loss.importance"):
        assert name in line
    assert "did you mean 'clip_length'?" in line


BOMB = "task: &a [x, x]\n" + "".join(
    f"k{i}: &k{i} [{', '.join(['*k' + str(i - 1) if i else '*a'] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("task: no\n", "found False"),
        ("task: vis\ntask: vss\n", "key 'task' stands twice"),
        ("task: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
        ("- task\n", "wanted a mapping of settings, found list"),
        ("task: [vis\n", "expected"),
        ("task: *nothing\n", "undefined alias"),
        (BOMB + "benchmark: *k8\n", "benchmark: input should be a valid string"),
    ],
    ids=["no", "twice", "tag", "list", "cut off", "alias", "bomb"],
)
def test_traps_of_yaml_are_refused(gvseg: Gvseg, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "trap.yaml").write_text(text)
    line = refused(gvseg("train", "--preset", "trap.yaml"))
    assert told in line
    assert len(line) < 3000


def test_a_set_that_is_missing_is_an_error_of_the_data(gvseg: Gvseg, recipe: str) -> None:
    words = ["--preset", recipe, "--data", "nowhere", "--set", "train.data=[{benchmark: vspw, task: vss}]"]
    assert "nowhere does not exist" in refused(gvseg("train", *words), 5)


def test_an_error_of_a_data_worker_is_shown_as_it_was_and_ends_the_run(
    gvseg: Gvseg, recipe: str, tmp_path: Path
) -> None:
    """Pictures that are no pictures, met in a process of their own."""
    frames = tmp_path / "sets" / "JPEGImages" / "480p" / "clip"
    masks = tmp_path / "sets" / "Annotations" / "480p" / "clip"
    for folder, end in ((frames, "jpg"), (masks, "png")):
        folder.mkdir(parents=True)
        for index in range(3):
            (folder / f"{index:05d}.{end}").write_bytes(b"not a picture")
    (tmp_path / "sets" / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "sets" / "ImageSets" / "2017" / "train.txt").write_text("clip\n")
    data = "train.data=[{benchmark: davis17, task: evs}]"
    words = ["--preset", recipe, "--data", "sets", "--set", data, "--set", "train.workers=1"]
    line = refused(gvseg("train", *words), 5)
    assert "davis17 train, clip: " in line
    assert "00000" in line or "00001" in line or "00002" in line


def test_weights_of_another_size_are_refused_by_name(gvseg: Gvseg, recipe: str, tmp_path: Path) -> None:
    line = refused(gvseg("train", "--preset", recipe, "--init", "MODEL", "--set", "model.decoder.dim=64"), 5)
    assert "tensors of the network are missing in it or of another shape" in line
    assert "--allow-partial" in line


def test_progress_for_programs_is_a_line_of_json_for_each_record(gvseg: Gvseg, recipe: str) -> None:
    done = gvseg("train", "--preset", recipe, "--out", "run", "--progress", "json")
    (line,) = [line for line in done.err.splitlines() if line.startswith("{")]
    told = yaml.safe_load(line)
    assert (told["step"], told["steps"]) == (1, 1)
    assert {"loss", "lr", "seconds", "waiting", "memory"} <= told.keys()
