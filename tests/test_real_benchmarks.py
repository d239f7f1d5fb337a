"""Real sets in four official layouts: a model runs on them, and what it saved scores what the run said, to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gvseg_cli.main import main
from gvseg_core.data.benchmarks import choose_benchmark
from tests.conftest import shared
from tests.models import write_tiny_model

SETS = {  # benchmark → folder, ground truth in it, results in what was saved
    "davis17": ("davis-mini", "", ""),
    "ytvis21": ("davis-mini", "instances_val.json", "results.json"),
    "vspw": ("camvid-vss", "", ""),
    "vipseg": ("camvid-vps", "", ""),
}


@pytest.mark.parametrize("name", SETS)
def test_what_a_model_saved_scores_what_its_run_said(name: str, tmp_path: Path) -> None:
    folder, truth, results = SETS[name]
    root = shared("data", folder)
    vocabulary = choose_benchmark(name).open(root, "val").vocabulary
    model = write_tiny_model(tmp_path / "model.safetensors", vocabulary=vocabulary)
    said, scored, saved = tmp_path / "said.json", tmp_path / "scored.json", tmp_path / "saved"

    run = ["--data", str(root), "--model", str(model), "--size", "64", "--save-results", str(saved)]
    assert main(["eval", "--bench", name, *run, "--json", str(said), "-q"]) == 0
    files = ["--gt", str(root / truth), "--results", str(saved / results)]
    assert main(["eval", "--bench", name, *files, "--json", str(scored), "-q"]) == 0

    one, other = (json.loads(path.read_text()) for path in (said, scored))
    for part in ("metrics", "details", "variants"):
        assert one[part] == other[part], part
    assert one["metrics"]
