"""The model that comes with gvseg: what every command takes where `--model` is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gvseg_core import recipes
from tests.cli.conftest import Done, start

Gvseg = Callable[..., Done]

DEMO = "demo:frames=3,size=128x80"
NOTE = "gvseg: model: nano, the small one that comes with gvseg, for research use; --model takes others\n"


@pytest.mark.parametrize(("task", "classes"), [("vis", "demo"), ("vss", "demo"), ("vps", "demo"), ("evs", "object")])
def test_the_demo_needs_no_model_and_is_told_in_its_own_classes(
    task: str, classes: str, gvseg: Gvseg, tmp_path: Path
) -> None:
    done = gvseg("predict", DEMO, "--task", task)
    assert done.code == 0, done.err
    assert done.err.count(NOTE) == 1
    assert {path.name for path in tmp_path.iterdir()} == {f"demo.{task}.mp4", f"demo.{task}.json"}
    told = json.loads((tmp_path / f"demo.{task}.json").read_text())["info"]
    assert (told["model"], told["vocabulary"]) == ("nano", classes)


@pytest.mark.parametrize(("task", "classes"), [("vis", "coco"), ("vss", "street"), ("vps", "street")])
def test_a_clip_is_told_in_the_classes_of_real_pictures(
    task: str, classes: str, gvseg: Gvseg, clip: Path, tmp_path: Path
) -> None:
    done = gvseg("predict", clip.name, "--task", task, "--save", "json", "--end", "f2")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / f"clip.{task}.json").read_text())["info"]["vocabulary"] == classes


def test_whoever_names_a_model_or_wants_quiet_is_told_nothing(gvseg: Gvseg) -> None:
    quiet = gvseg("predict", DEMO, "--task", "vss", "-q")
    assert (quiet.code, quiet.err) == (0, "")
    named = gvseg("predict", DEMO, "--task", "vss", "--model", "nano", "-y")
    assert named.code == 0
    assert "--model takes others" not in named.err


def test_a_program_that_reads_stderr_is_told_in_its_own_way(gvseg: Gvseg) -> None:
    events = [
        json.loads(line) for line in gvseg("predict", DEMO, "--task", "vss", "--progress", "json").err.splitlines()
    ]
    assert events[0] == {"event": "note", "text": NOTE.removeprefix("gvseg: ").strip()}
    assert events[1]["model"] == "nano"


def test_words_that_were_not_taught_a_task_are_used_if_asked_for_and_it_is_said(gvseg: Gvseg) -> None:
    done = gvseg("predict", DEMO, "--task", "vss", "--vocabulary", "coco", "--save", "json")
    assert done.code == 0, done.err
    assert "nano: its classes coco were taught vis, not vss: expect little" in done.err


@pytest.mark.parametrize("task", ["vis", "vss", "vps", "evs"])
def test_a_benchmark_needs_no_model(task: str, gvseg: Gvseg) -> None:
    words = ("eval", "--bench", "synth", "--task", task, "--data", "videos=1,frames=4,size=128x80,objects=3")
    done = gvseg(*words, "--json", "-")
    assert done.code == 0, done.err
    assert done.err.count(NOTE) == 1
    info = json.loads(done.out)["info"]
    assert (info["model"], info["vocabulary"]) == ("nano", "object" if task == "evs" else "demo")


def test_export_takes_it_too_and_never_writes_over_it(gvseg: Gvseg) -> None:
    planned = gvseg("export", "--format", "onnx", "--task", "vis", "--dry-run")
    assert planned.code == 0, planned.err
    assert planned.err.count(NOTE) == 1
    assert planned.out.decode().endswith("80 classes -> nano.onnx\n")
    refused = gvseg("export", "--format", "safetensors", "-o", str(recipes.bundled_weights()), "-y")
    assert refused.code == 2
    assert "is the model itself" in refused.errors[0]


@pytest.mark.parametrize(
    "words",
    [("predict", DEMO, "--task", "vis"), ("eval", "--bench", "synth"), ("export", "--format", "safetensors")],
)
def test_an_installation_without_it_says_so_in_a_line(
    words: tuple[str, ...], gvseg: Gvseg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "_folder", lambda: Path("/opt/gvseg"))
    done = gvseg(*words)
    assert (done.code, len(done.errors)) == (5, 1)
    assert (
        "/opt/gvseg/nano.safetensors: not there, and comes with gvseg; install gvseg anew, or choose another --model"
        in (done.errors[0])
    )
    assert list(tmp_path.iterdir()) == []


def test_it_is_found_from_anywhere_by_a_process_of_its_own(tmp_path: Path) -> None:
    process = start("predict", DEMO, "--task", "vps", "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err.decode()
    assert len([json.loads(line) for line in out.splitlines()]) >= 3
    assert NOTE in err.decode()
