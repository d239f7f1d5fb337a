"""Exported graphs in the place of the weights they were made of: predict on real clips and eval, for all four tasks.

The network has queries of each task's own and random weights, told to show what it has; a graph is made for every task
in both formats by `gvseg export`, for pictures of 16:9, and what the three say is compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from gvseg_core.engine.export import Export
from gvseg_core.engine.exporting.settings import ExportSettings
from gvseg_core.model.exported.running import Program
from gvseg_core.ops import rle
from gvseg_core.recipes import load_preset
from gvseg_core.types import TaskName
from tests.cli.conftest import Done
from tests.models import traced_once, write_model

Gvseg = Callable[..., Done]
Found = dict[tuple[int, int, int], np.ndarray]  # (frame, track id, class id) → (H, W) bool

SUFFIXES = {"onnx": "onnx", "torch": "pt2"}
CLIPS = ("cars.mp4", "person-by-table.mp4")
POINTED_AT = ("--exemplar", "box:140,80,200,120", "--exemplar", "point:60,200@2")
SHOWS: dict[str, tuple[str, ...]] = {
    "vis": ("--conf", "0.02", "--set", "tracking.birth_score=0.02"),
    "vss": (),
    "vps": ("--conf", "0", "--set", "tracking.birth_score=0"),
    "evs": ("--conf", "0"),
}
"""What makes a network show something that is sure of nothing."""


@dataclass(frozen=True)
class Models:
    """One task's: the weights, and what was exported of them."""

    task: TaskName
    weights: Path
    graphs: tuple[Path, ...]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preset `tiny` with one layer of its decoder, frame by frame; chance lets it be right now and then."""
    tiny = load_preset("tiny").model
    settings = tiny.model_copy(update={"decoder": tiny.decoder.model_copy(update={"num_layers": 1}), "clip_length": 1})
    return write_model(tmp_path_factory.mktemp("exported") / "task.safetensors", settings, seed=5)


@pytest.fixture(scope="module", params=get_args(TaskName))
def models(request: pytest.FixtureRequest, weights: Path) -> Models:
    """Exported; what is said of the comparison names the bounds, and keeps them."""
    graphs = []
    with traced_once():
        for kind, suffix in SUFFIXES.items():
            path, lines = weights.with_name(f"{request.param}.{suffix}"), list[str]()
            settings = {"model": str(weights), "format": kind, "task": request.param, "output": str(path)}
            job = Export(ExportSettings(**settings), lines.append)
            job.plan()
            (comparison,) = job.run().comparisons
            assert comparison.class_logits < 1e-4
            assert comparison.mask_iou > 0.999
            assert lines == [f"writing {path}", comparison.line()]
            assert re.search(r"logits differ by at most \d\.\de-\d\d, .*, mask IoU (0\.999|1\.000)", lines[1])
            graphs.append(path)
    return Models(request.param, weights, tuple(graphs))


def test_a_real_clip_is_predicted_alike(models: Models, gvseg: Gvseg, clips: Path) -> None:
    for name in CLIPS:
        wanted, *others = (
            predicted(gvseg, models.task, path, clips / name) for path in (models.weights, *models.graphs)
        )
        assert wanted
        assert any(mask.any() for mask in wanted.values())
        for found in others:
            assert found.keys() == wanted.keys()  # the same classes and ids on every frame
            both = sum(int((found[key] & mask).sum()) for key, mask in wanted.items())
            either = sum(int((found[key] | mask).sum()) for key, mask in wanted.items())
            assert both / either >= 0.999


def predicted(gvseg: Gvseg, task: TaskName, model: Path, clip: Path) -> Found:
    """What `gvseg predict` finds on the first four frames, by its JSON lines."""
    pointed_at = POINTED_AT if task == "evs" else ()
    words = ("--task", task, "--model", str(model), "--dtype", "fp32", "--end", "f4", "--json", *SHOWS[task])
    done = gvseg("predict", str(clip), *words, *pointed_at)
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2, 3]
    return {
        (line["frame"], segment["track_id"], segment["class_id"]): rle.decode(rle.from_coco(segment["segmentation"]))
        for line in lines
        for segment in line["segments"]
    }


def test_eval_gives_the_same_numbers(models: Models, gvseg: Gvseg) -> None:
    wanted, *others = (evaluated(gvseg, models.task, path) for path in (models.weights, *models.graphs))
    if models.task != "vis":  # where masks must be right, too
        assert any(numbers(wanted["metrics"]).values())
    for found in others:
        for part in ("metrics", "details"):
            assert numbers(found[part]) == pytest.approx(numbers(wanted[part]), abs=1e-3)
        assert found["info"]["model_sha256"] == wanted["info"]["model_sha256"]
        assert found["info"]["model_format"] == "graph"


def evaluated(gvseg: Gvseg, task: TaskName, model: Path) -> Any:
    videos = ("--data", "videos=2,frames=4,size=128x72,objects=3")
    done = gvseg(
        *("eval", "--bench", "synth", "--task", task, *videos, "--model", str(model), "--dtype", "fp32"),
        *("--json", "-", *SHOWS[task]),
    )
    assert done.code == 0, done.err
    return json.loads(done.out)


def numbers(value: Any, where: str = "") -> dict[str, float]:
    """All numbers of a JSON value, by where they are in it."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in numbers(inner, f"{where}.{key}").items()}
    if isinstance(value, list):
        return {k: v for i, inner in enumerate(value) for k, v in numbers(inner, f"{where}.{i}").items()}
    return {where: float(value)} if isinstance(value, (int, float)) else {}


@pytest.mark.parametrize("kind", [0, 1], ids=["onnx", "pt2"])
def test_memory_that_runs_out_is_the_device_s_fault_and_what_was_done_is_kept(
    models: Models, kind: int, gvseg: Gvseg, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    owner: Any = (onnxruntime.InferenceSession, Program)[kind]
    error = (RuntimeError("[ONNXRuntimeError] Failed to allocate memory for 4096 bytes"), torch.OutOfMemoryError())[
        kind
    ]
    run, calls = owner.run, list[int]()

    def full(self: Any, *asked: Any) -> Any:
        calls.append(len(calls))
        if len(calls) > 2:
            raise error
        return run(self, *asked)

    monkeypatch.setattr(owner, "run", full)
    pointed_at = POINTED_AT[:2] if models.task == "evs" else ()
    words = ("--task", models.task, "--model", str(models.graphs[kind]), "--end", "f6", "--save", "csv", "-o", "out")
    done = gvseg("predict", str(clips / CLIPS[0]), *words, *pointed_at)
    assert (done.code, len(done.errors)) == (6, 1), done.err
    assert "a smaller --size" in done.errors[0]
    assert "what was written ends after 2 frames" in done.err
