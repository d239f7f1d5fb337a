"""The bundled model is as good as the README says: its table is measured again, the quickest of its lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gvseg_core.model.weights import read_checkpoint
from gvseg_core.recipes import BUNDLED
from tests.bench.quality import RUNS, evaluated, table
from tests.conftest import shared

README = Path(__file__).parents[1] / "README.md"
LAST_DIGIT = 0.1
"""Per cent: on another processor float32 sums differ, and with them the last digit."""

QUICK = [run for run in RUNS if run.name in {"synth-vps", "camvid-vps", "pennfudan-vis"}]


@pytest.mark.parametrize("run", QUICK, ids=lambda run: run.name)
def test_the_bundled_weights_reproduce_the_table(run) -> None:
    if run.data:
        shared("data", run.data)
    size = read_checkpoint(BUNDLED).input.short_side
    *_, line = table([evaluated(run, BUNDLED, size, smoke=False)])
    start = line[: line.rindex("|", 0, -1)]  # all but the figures
    (told,) = [known for known in README.read_text(encoding="utf-8").splitlines() if known.startswith(start)]
    wanted, found = figures(told), figures(line)
    assert wanted.keys() == found.keys()
    assert found == pytest.approx(wanted, abs=1.01 * LAST_DIGIT)


def figures(line: str) -> dict[str, float]:
    """The metrics of a line, by name."""
    return {name: float(value) for name, value in re.findall(r"([A-Z]\S*) (\d+\.\d)(?=[, ])", line)}


def test_the_table_has_a_line_for_every_set_and_task() -> None:
    text = README.read_text(encoding="utf-8")
    for run in RUNS:
        place, task = re.escape(run.data or "synth"), run.benchmark.benchmark.task
        assert re.search(rf"^\| `{place}` \| {run.split}, \d+ \| `{task}` ", text, re.MULTILINE), run.name
