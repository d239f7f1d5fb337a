"""The golden cases: whole benchmarks scored as the command scores them, held against what official programs said."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.types import Metric, Results, Scores, Truth
from tests.conftest import shared


def score(metric: Metric, truth: Truth, results: Results | Truth) -> Scores:
    """Frame by frame, video by video."""
    partials = []
    for video in truth.videos:
        true, found = truth.answer(video), results.answer(video)
        scorer = metric.begin(true, found)
        for pair in zip(true.frames, found.frames, strict=True):
            scorer.add(*pair)
        partials.append((video, scorer.partial()))
    return metric.total(partials)


def opened(benchmark: Benchmark, case: str, pred: str) -> tuple[Truth, Results, dict[str, Any]]:
    """A case: truth, results, and what is expected."""
    folder = shared("golden", case)
    truth = benchmark.read_truth(folder / "gt")
    return truth, benchmark.read_results(folder / pred, truth), read(folder / "expected.json")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def assert_agrees(found: Any, wanted: Any, tolerance: float, where: str = "") -> None:
    """Same keys, same lengths, same texts; numbers to within `tolerance`; null is NaN."""
    if isinstance(wanted, Mapping):
        assert set(found) == set(wanted), f"{where}: {set(found) ^ set(wanted)}"
        for key in wanted:
            assert_agrees(found[key], wanted[key], tolerance, f"{where}/{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for i, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_agrees(one, other, tolerance, f"{where}[{i}]")
    elif wanted is None:
        assert found is None or math.isnan(found), f"{where}: {found}, wanted NaN"
    elif isinstance(wanted, float):
        assert abs(found - wanted) <= tolerance, f"{where}: {found}, wanted {wanted}"
    else:
        assert found == wanted, f"{where}: {found!r}, wanted {wanted!r}"
