"""What came of an evaluation, as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.evaluation.outcome import Evaluated, chosen, comparable
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.errors import OutputError, UsageError
from gvseg_core.types import Scores

NAN = float("nan")
DONE = Evaluated(
    choose_bench("synth", "vps"),
    Scores({"VPQ": 100 / 3, "STQ": NAN}, {"counts": np.arange(3), "by": {1: (np.float64(0.1), NAN)}}, {"other": None}),
    num_videos=2,
    num_done=2,
    notes=["one thing"],
    info={"split": "val"},
)


def test_json_has_full_precision_and_null_for_what_is_undefined() -> None:
    told = json.loads(DONE.as_json())
    assert told["bench"] == "synth"
    assert told["metrics"] == {"VPQ": 100 / 3, "STQ": None}
    assert told["details"] == {"counts": [0, 1, 2], "by": {"1": [0.1, None]}}
    assert told["variants"] == {"other": None}
    assert told["info"]["notes"] == ["one thing"]


def test_a_file_of_it_is_an_output_and_is_not_overwritten_unasked(tmp_path: Path) -> None:
    written = DONE.with_json(tmp_path / "scores.json", overwrite=False)
    assert list(written.outputs) == [tmp_path / "scores.json"]
    assert json.loads((tmp_path / "scores.json").read_text()) == json.loads(DONE.as_json())
    with pytest.raises(OutputError):
        DONE.with_json(tmp_path / "scores.json", overwrite=False)


def test_published_numbers_stand_beside_the_same_classes_videos_and_split_alone() -> None:
    bench = choose_bench("vspw")
    usual = bench.benchmark.vocabulary
    settings = EvalSettings(bench="vspw")
    assert comparable(bench, usual, settings) == {"mIoU": 0.445}
    assert comparable(bench, replace(usual, classes=usual.classes[:11]), settings) == {}
    assert comparable(bench, usual, settings.model_copy(update={"videos": ("one",)})) == {}
    assert comparable(bench, usual, settings.model_copy(update={"split": "train"})) == {}


def test_videos_are_chosen_by_name_and_keep_their_order() -> None:
    assert list(chosen(["b", "a", "c"], ())) == ["b", "a", "c"]
    assert list(chosen(["b", "a", "c"], ("c", "b"))) == ["b", "c"]
    with pytest.raises(UsageError, match="did you mean 'clip_1'"):
        chosen(["clip_1"], ("clip1",))
