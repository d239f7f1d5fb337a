"""Options that contradict each other, are missing, or would have no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gvseg_core.config import parse
from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.evaluation.settings import RUN_OPTIONS, EvalSettings, check_together
from gvseg_core.errors import UsageError

GT, R = Path("gt"), Path("results")
OTHER: dict[str, Any] = {
    "data": Path("d"),
    "split": "train",
    "model": "m",
    "exemplar_kind": "box",
    "vocabulary": "coco",
    "conf": 0.1,
    "size": 360,
    "device": "cpu",
    "dtype": "fp32",
    "seed": 1,
    "overrides": {"tracking": {"memory": 1}},
    "offline": True,
    "save_results": Path("s"),
    "submission": Path("s.zip"),
    "compile": True,
}


def check(bench: str, **values: Any) -> None:
    settings = parse(EvalSettings, {"bench": bench, **values}, "eval")
    check_together(settings, choose_bench(bench, settings.task).benchmark)


@pytest.mark.parametrize("name", RUN_OPTIONS)
def test_what_is_for_a_model_is_refused_where_files_are_scored(name: str) -> None:
    with pytest.raises(UsageError, match=f"--{RUN_OPTIONS[name]} is for running a model"):
        check("synth", gt=GT, results=R, **{name: OTHER[name]})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gt": GT}, "add --results"),
        ({"results": R}, "add --gt"),
        ({"model": "m", "workers": 2}, "torchrun"),
        ({"model": "m", "exemplar_kind": "box"}, "synth is vps"),
        ({"model": "m", "split": "vall"}, "did you mean 'val'"),
        ({"model": "m", "submission": Path("out.tar")}, "take a .zip"),
        ({"model": "m", "conf": 2.0}, "conf"),
        ({"model": "m", "workers": 0}, "workers"),
    ],
)
def test_contradictions_are_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check("synth", **values)


def test_a_benchmark_with_files_of_its_own_wants_to_know_where_they_are() -> None:
    with pytest.raises(UsageError, match=r"--bench vspw needs --data ROOT, the folder of VSPW as downloaded$"):
        check("vspw", model="m")
    with pytest.raises(UsageError, match=r"--bench vspw needs --data ROOT.*; or, to score files, --gt GT --results"):
        check("vspw")


def test_what_belongs_together_passes() -> None:
    check("synth")  # by the model that comes with gvseg
    check("vspw", data=Path("d"))
    check("synth", gt=GT, results=R, workers=4, videos=("a",), json_file=Path("-"), report=Path("page"))
    check("synth", model="m", task="evs", exemplar_kind="point", save_results=Path("s"), submission=Path("s.ZIP"))
