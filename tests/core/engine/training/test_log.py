"""The log is that of a run never interrupted, and its curves are pictures of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from gvseg_core.engine.training.log import LOG, RunLog, draw_curves, read_log


def test_a_resumed_run_drops_what_was_logged_after_its_step(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for step in (10, 20, 30):
        log.add("step", step, {"loss": step / 10})
    again = RunLog(tmp_path, 20)
    again.add("step", 30, {"loss": 9.0})
    assert [(r["step"], r["loss"]) for r in read_log(tmp_path)] == [(10, 1.0), (20, 2.0), (30, 9.0)]


def test_a_line_that_a_crash_cut_is_left_out(tmp_path: Path) -> None:
    RunLog(tmp_path).add("step", 1, {"loss": 1.0})
    with (tmp_path / LOG).open("a") as file:
        file.write('{"kind": "step", "st')
    assert [record["step"] for record in read_log(tmp_path)] == [1]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    RunLog(tmp_path).add("step", 1, {"loss": float("nan"), "lr": 0.5})
    assert json.loads((tmp_path / LOG).read_text()) == {"kind": "step", "step": 1, "loss": None, "lr": 0.5}


def test_curves_are_drawn_of_losses_and_of_metrics(tmp_path: Path) -> None:
    assert draw_curves(tmp_path) == []
    log = RunLog(tmp_path)
    for step in range(1, 4):
        log.add("step", step, {"loss": 1 / step, "mask": 2 / step})
    assert [path.name for path in draw_curves(tmp_path)] == ["losses.png"]
    log.add("validation", 3, {"VPQ": 12.0})
    drawn = draw_curves(tmp_path)
    assert [path.name for path in drawn] == ["losses.png", "metrics.png"]
    for path in drawn:
        with Image.open(path) as picture:
            assert len(picture.convert("L").getcolors(256) or []) > 10  # more than an empty canvas


def test_tensorboard_gets_every_value(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = RunLog(tmp_path, tensorboard=True)
    log.add("step", 5, {"loss": 0.25})
    log.close()
    found = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("step/loss")
    assert [(event.step, event.value) for event in found] == [(5, 0.25)]
