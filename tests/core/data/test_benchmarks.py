"""Benchmarks are found by the names of `--bench`, and say of themselves what they are called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gvseg_core.data.benchmarks import BENCHMARKS, choose_benchmark
from gvseg_core.errors import UsageError


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_bears_its_own_name(name: str) -> None:
    benchmark = choose_benchmark(name)
    assert benchmark.name == name
    assert benchmark.splits
    assert {"resnet", "swin"} <= benchmark.short_side.keys()
    assert len(benchmark.vocabulary)


def test_a_name_that_there_is_not_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown benchmark 'ytvis20'; did you mean 'ytvis2[19]'"):
        choose_benchmark("ytvis20")


def test_the_list_is_had_without_reading_any_of_them() -> None:
    script = (
        "import sys, gvseg_core.data.benchmarks; "
        "print([m for m in sys.modules if m.startswith('gvseg_core.data.')], 'numpy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "['gvseg_core.data.benchmarks'] False"
