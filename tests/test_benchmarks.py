"""The benchmarks keep working: each passes its gate and tells figures in JSON; what they are, nobody asks here."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests import bench
from tests.models import write_tiny_model

OURS = {
    "infer": [],
    "frames": ["--dtype", "bf16"],
    "video": ["--out", "rle"],
    "objects": [],
    "match": [],
    "long": [],
    "memory": [],
    "startup": [],
    "train": [],
    "losses": [],
    "ddp": [],
    "eval": ["--sets", "davis"],
    "msda": [],
    "post": [],
    "quality": [],
}
"""Benchmarks, and what they are told besides."""

PEERS = {"infer", "frames", "video", "objects", "train", "losses"}
"""Those that need `transformers`."""


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", OURS)
def test_a_benchmark_passes_its_gate_and_tells_its_figures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in PEERS:
        pytest.importorskip("transformers")
    told = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", [name, *OURS[name], "--smoke", "--json", str(told)])
    importlib.import_module(f"tests.bench.{name}").main()
    figures = json.loads(told.read_text(encoding="utf-8"))
    assert figures["machine"]
    assert figures["what"]


@pytest.mark.parametrize("out", ["png", "mp4"])
def test_a_video_is_timed_to_every_kind_of_result(out: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    told = tmp_path / "figures.json"
    importlib.import_module("tests.bench.video").main(["--out", out, "--smoke", "--json", str(told)])
    figures = json.loads(told.read_text(encoding="utf-8"))
    assert list(figures["stages"])[:4] == ["decode", "prepare", "model", "decide"]
    assert 0 < figures["overlap"] <= 1


def test_identity_is_measured_with_and_without_shapes(tmp_path: Path) -> None:
    told, model = tmp_path / "figures.json", write_tiny_model(tmp_path / "tiny.safetensors")
    words = ["--model", str(model), "--videos", "1", "--seeds", "2", "--smoke", "--json", str(told)]
    importlib.import_module("tests.bench.identity").main(words)
    cues = json.loads(told.read_text(encoding="utf-8"))["cues"]
    assert {name: len(row["AP"]) for name, row in cues.items()} == {"spa": 2, "mixed": 2, "appearance": 2}


def test_an_ablation_goes_on_where_it_stopped_and_compares_only_what_has_seen_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = write_tiny_model(tmp_path / "tiny.safetensors"), tmp_path / "out"
    ablate = importlib.import_module("tests.bench.ablation").main
    words = ["--init", str(model), "--out", str(out), "--steps", "1", "--seeds", "0", "--smoke", "--only"]
    ablate([*words, "all"])
    first = (out / "all-0.json").stat().st_mtime_ns
    ablate([*words, "all", "baseline"])
    assert (out / "all-0.json").stat().st_mtime_ns == first
    assert (out / "ablation.png").stat().st_size > 0
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[-6:] == ["---", "baseline", "all", "more than baseline", "---", "all"]
    run = json.loads((out / "all-0.json").read_text(encoding="utf-8"))
    (out / "all-0.json").write_text(json.dumps({**run, "seen": "something else"}), encoding="utf-8")
    with pytest.raises(SystemExit, match="have not seen the same"):
        ablate(["--out", str(out), "--report"])


def test_without_the_official_sources_their_benchmark_says_what_it_wants(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MASK2FORMER", "DETECTRON2"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("tests.bench.official").main(["--smoke"])
    assert ended.value.code == 0
    assert "MASK2FORMER and DETECTRON2 name no folders with the official sources" in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("tests.bench.infer").main(["--device", "cuda", "--smoke"])
    assert ended.value.code == 0
    assert "skipped: there is no GPU here" in capsys.readouterr().err


def test_every_benchmark_of_the_table_is_there_and_tested() -> None:
    assert bench.__doc__
    rows = [line.split("|")[1:3] for line in bench.__doc__.splitlines() if line.startswith("| B")]
    named = {word for _, scripts in rows for word in scripts.replace(",", " ").split() if word.startswith("`")}
    scripts = {word.strip("`") for word in named}
    assert scripts - {"official"} == set(OURS)
    assert {int(number) for ids, _ in rows for number in ids.replace("B", "").split(",")} == set(range(1, 18))
    assert all(Path(bench.__file__).with_name(f"{name}.py").exists() for name in scripts)
