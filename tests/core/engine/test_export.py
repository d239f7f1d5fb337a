"""What is exported answers as what it was made of, for all four tasks; else nothing is left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from gvseg_core import open_video
from gvseg_core.config import ModelSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.export import Export, Exported
from gvseg_core.engine.exporting import comparison
from gvseg_core.engine.exporting.comparison import compare
from gvseg_core.engine.exporting.settings import ExportSettings
from gvseg_core.errors import ExportError, GvsegError, ModelError, UsageError
from gvseg_core.model.weights import read_checkpoint, write_checkpoint
from gvseg_core.recipes import load_preset
from gvseg_core.types import Exemplar, Frame, Prompt, TaskName
from tests.models import traced_once, write_model

TASKS = get_args(TaskName)
TINY = load_preset("tiny").model
SMALL = TINY.model_copy(update={"decoder": TINY.decoder.model_copy(update={"num_layers": 1})})
SETTINGS: dict[str, Any] = {"settings": {"tracking": {"birth_score": 0.02}}}


def learned(clip_length: int = 2) -> ModelSettings:
    queries = SMALL.queries.model_copy(update={"source": "learned", "spa": False})
    return SMALL.model_copy(update={"queries": queries, "clip_length": clip_length})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`learned.safetensors` and `task.safetensors`."""
    made = tmp_path_factory.mktemp("export")
    write_model(made / "learned.safetensors", learned())
    write_model(made / "task.safetensors", SMALL)
    return made


def export(model: Path, kind: str, output: Path, say: Callable[[str], None] = lambda _: None, **more: Any) -> Exported:
    settings = ExportSettings(model=str(model), format=kind, output=str(output), **more)  # type: ignore[arg-type]
    job = Export(settings, say)
    job.plan()
    return job.run()


@pytest.fixture(scope="module")
def graphs(folder: Path) -> dict[str, Path]:
    """For all tasks and sizes: one ONNX file, and one `.pt2`."""
    with traced_once():
        model = folder / "learned.safetensors"
        return {
            kind: export(model, kind, folder / f"any.{suffix}", dynamic=True).path
            for kind, suffix in (("onnx", "onnx"), ("torch", "pt2"))
        }


@pytest.fixture(scope="module")
def any_size(graphs: dict[str, Path]) -> Path:
    """The ONNX file."""
    return graphs["onnx"]


@pytest.fixture(scope="module")
def program(folder: Path) -> Path:
    """A `.pt2` for objects that are pointed at, one size."""
    done = export(folder / "task.safetensors", "torch", folder / "evs.pt2", task="evs", size="96x64")
    assert [(c.what, c.size) for c in done.comparisons] == [("evs", (64, 96))]
    assert done.comparisons[0].num_segments
    assert done.comparisons[0].num_different == 0
    return done.path


def both(model: Path, graph: Path, task: TaskName) -> tuple[Any, Any]:
    conf = {"conf": 0.02} if task == "vis" else {}
    return (
        load_segmenter(model, task, device="cpu", dtype="fp32", **SETTINGS, **conf),  # type: ignore[arg-type]
        load_segmenter(graph, task, device="cpu", **SETTINGS, **conf),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("kind", ["onnx", "torch"])
@pytest.mark.parametrize("task", TASKS)
def test_one_file_does_all_tasks_at_any_size(folder: Path, graphs: dict[str, Path], task: TaskName, kind: str) -> None:
    ours, theirs = both(folder / "learned.safetensors", graphs[kind], task)
    for size in ((64, 96), (64, 64), (110, 64)):
        found = compare(ours, theirs, DemoSource(size, num_frames=5, num_objects=3), size)
        assert found.class_logits < 1e-4
        assert found.mask_iou > 0.999
        assert found.num_different == 0


@pytest.mark.parametrize("kind", ["onnx", "torch"])
@pytest.mark.parametrize("task", TASKS)
def test_real_clips_are_answered_alike(
    folder: Path, graphs: dict[str, Path], clips: Path, task: TaskName, kind: str
) -> None:
    ours, theirs = both(folder / "learned.safetensors", graphs[kind], task)
    for name in ("cars.mp4", "cat-portrait.mp4"):
        with open_video(str(clips / name)) as video:
            frames: list[Frame] = list(islice(video, 4))
        height, width = frames[0].image.shape[-2:]
        box = (0.3 * width, 0.3 * height, 0.6 * width, 0.7 * height)
        frames[0] = replace(frames[0], exemplar=Exemplar((Prompt(1, box=box),)))
        found = compare(ours, theirs, frames, (height, width))
        assert found.mask_iou > 0.999
        assert found.num_different == 0


def test_a_program_goes_on_from_clip_to_clip_and_objects_may_come_later(folder: Path, program: Path) -> None:
    ours, theirs = both(folder / "task.safetensors", program, "evs")
    frames = list(DemoSource((64, 96), num_frames=6, num_objects=4))
    frames[4] = replace(frames[4], exemplar=Exemplar((Prompt(77, box=(20, 10, 60, 50)), Prompt(1, point=(5, 5)))))
    found = compare(ours, theirs, frames, (64, 96))
    assert found.class_logits < 1e-4
    assert found.mask_iou > 0.999
    assert found.num_different == 0
    assert found.num_segments


def test_an_onnx_file_is_one_file_that_says_what_it_is(any_size: Path) -> None:
    import onnx

    model = onnx.load(any_size, load_external_data=False)
    onnx.checker.check_model(model)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] >= 17
    said = json.loads({entry.key: entry.value for entry in model.metadata_props}["gvseg"])
    assert said["vocabulary"]["name"] == "demo"
    assert said["input"]["short_side"] == 64
    assert said["model"]["clip_length"] == 2
    assert said["sha256"] == read_checkpoint(any_size.with_name("learned.safetensors")).sha256
    sides = [[d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] for x in model.graph.input]
    assert sides == [["frames", 3, "height", "width"], [2]]
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_the_file_alone_gives_masks_to_anybody(any_size: Path) -> None:
    """As in the docstring of `gvseg_core.model.exported`: nothing of gvseg is needed."""
    import onnxruntime

    session = onnxruntime.InferenceSession(any_size, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).standard_normal((1, 3, 64, 128)).astype(np.float32)
    logits, _, queries, features, _ = session.run(None, {"pixels": pixels, "picture": np.array([60, 120])})
    masks = np.einsum("qc,tchw->qthw", queries, features) > 0
    assert masks.shape == (len(logits), 1, 16, 32)
    assert masks.any()


def test_a_program_holds_nothing_that_runs_on_loading(program: Path) -> None:
    import zipfile

    with zipfile.ZipFile(program) as archive:
        names = archive.namelist()
        assert not any(archive.read(name).startswith(b"PK") or b"\x80\x02" in archive.read(name)[:2] for name in names)
        said = json.loads(archive.read(next(name for name in names if name.endswith("model.json"))))
    assert said["guards_code"] == []


def test_weights_are_converted_to_the_bit(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    done = export(folder / "task.safetensors", "safetensors", tmp_path / "again.safetensors", lines.append)
    assert done.path.read_bytes() == (folder / "task.safetensors").read_bytes()
    assert [c.what for c in done.comparisons] == list(TASKS)
    assert all(c.class_logits == c.mask_logits == c.num_different == 0 for c in done.comparisons)
    assert "vis: 7 frames of 114x64, class logits differ by at most 0.0e+00" in lines[1]


def test_a_folder_for_transformers_is_run_by_transformers(folder: Path, tmp_path: Path) -> None:
    done = export(folder / "learned.safetensors", "hf", tmp_path / "hf")
    assert sorted(file.name for file in done.path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    last = done.comparisons[-1]
    assert last.what == "transformers"
    assert last.class_logits < 1e-4
    assert last.mask_logits < 1e-4
    assert "frame by frame, not in clips of 2" in done.notes[1]


def test_what_answers_differently_is_not_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MASK_IOU", 1.5)  # no export can reach it
    with pytest.raises(ExportError, match=r"a\.safetensors does not answer as .*mask IoU 1\.0.*; nothing was kept"):
        export(folder / "task.safetensors", "safetensors", tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []
    assert ExportError.exit_code == 1


def test_weights_that_changed_on_the_way_are_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gvseg_core.engine.exporting import formats

    def damaged(path: Path, checkpoint: Any) -> None:
        state = {name: tensor.clone() for name, tensor in checkpoint.state.items()}
        state["decoder.norm.bias"][0] += 1e-3
        write_checkpoint(path, replace(checkpoint, state=state))

    monkeypatch.setattr(formats, "write_checkpoint", damaged)
    with pytest.raises(ExportError, match=r"1 tensors came back another: decoder\.norm\.bias"):
        export(folder / "task.safetensors", "safetensors", tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "kind", "more", "kind_of_error", "message"),
    [
        ("task", "onnx", {}, UsageError, r"queries of its own; say whose with --task \(vis, vss, vps, evs\)"),
        ("learned", "torch", {"task": "vis"}, UsageError, "one graph serves all tasks; leave it out"),
        ("task", "hf", {}, ModelError, "its queries are each task's own"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_any_work(
    folder: Path,
    tmp_path: Path,
    model: str,
    kind: str,
    more: dict[str, Any],
    kind_of_error: type[GvsegError],
    message: str,
) -> None:
    settings = ExportSettings(
        model=str(folder / f"{model}.safetensors"),
        format=kind,
        output=str(tmp_path / "x"),
        **more,  # type: ignore[arg-type]
    )
    with pytest.raises(kind_of_error, match=message):
        Export(settings, lambda _: None).plan()
    assert list(tmp_path.iterdir()) == []


def test_a_graph_is_run_not_read(program: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="an exported graph, which predict and eval run"):
        read_checkpoint(program)
    copy = shutil.copy(program, tmp_path / "named.pth")  # what it is, its bytes say
    assert load_segmenter(copy, "evs").provenance["model_format"] == "graph"
