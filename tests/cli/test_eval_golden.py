"""The official programs' own numbers, through the command: every golden case of every benchmark."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from gvseg_core.data.benchmarks import BENCHMARKS
from tests.cli.conftest import Done
from tests.conftest import shared

CASES = {
    "ytvis21": ["ytvis/basic", "ytvis/areas", "ytvis/edge", "ytvis/maxdets"],
    "ytvis19": ["ytvis/basic"],
    "ovis": ["ovis/basic"],
    "vspw": ["vspw/basic", "vspw/short", "vspw/edge"],
    "vipseg": ["vipseg/basic", "vipseg/short", "vipseg/edge"],
    "kitti_step": ["kitti_step/basic", "kitti_step/edge"],
    "davis17": ["davis/basic", "davis/edge", "davis/long"],
    "ytvos18": ["youtube_vos/basic", "youtube_vos/edge"],
    "burst": ["burst/exemplar_basic", "burst/exemplar_edge", "burst/exemplar_hollow"],
    "burst_class_guided": ["burst/class_guided"],
    "burst_open_world": ["burst/open_world"],
}


def test_every_benchmark_has_a_case() -> None:
    elsewhere = {"coco"}  # tests.core.data.test_coco_instances: its official program is at hand
    assert CASES.keys() == BENCHMARKS.keys() - elsewhere


@pytest.mark.parametrize(("bench", "case"), [(bench, case) for bench, cases in CASES.items() for case in cases])
def test_the_command_says_what_the_official_program_says(bench: str, case: str, gvseg: Callable[..., Done]) -> None:
    folder = shared("golden", *case.split("/"))
    gt, results = folder / "gt", folder / "pred"
    done = gvseg("eval", "--bench", bench, "--gt", str(gt), "--results", str(results), "--json", "-")
    assert done.code == 0, done.err
    found, wanted = json.loads(done.out), json.loads((folder / "expected.json").read_text())
    assert found["metrics"].keys() == wanted["metrics"].keys()
    for part in ("metrics", "details", "variants"):
        compare(found[part], wanted.get(part, {}), part)


def compare(found: Any, wanted: Any, where: str) -> None:
    """Everything that the official program says is there and equal; there may be more."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert key in found, f"{where}.{key} is missing"
            compare(found[key], value, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for place, value in enumerate(wanted):
            compare(found[place], value, f"{where}[{place}]")
    elif isinstance(wanted, float) and isinstance(found, int | float):
        # Fractions to 1e-9, per cent to 1e-7.
        assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9), f"{where}: {found} for {wanted}"
    else:
        assert found == wanted, where


@pytest.mark.parametrize(
    ("case", "bench", "says"),
    [("ytvis/edge", "ytvis21", "1 "), ("burst/exemplar_edge", "burst", "1 ")],
)
def test_videos_without_results_are_counted(case: str, bench: str, says: str, gvseg: Callable[..., Done]) -> None:
    folder = shared("golden", *case.split("/"))
    done = gvseg("eval", "--bench", bench, "--gt", str(folder / "gt"), "--results", str(folder / "pred"))
    assert done.code == 0
    assert says in done.err
