"""`gvseg export` as a command: what it says, how it ends, and that predict takes what it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gvseg_core.engine.exporting import comparison
from gvseg_core.model.weights import read_checkpoint, write_checkpoint
from gvseg_core.recipes import load_preset
from tests.cli.conftest import Done, start
from tests.models import make_checkpoint

Gvseg = Callable[..., Done]


def test_a_model_is_converted_and_its_path_is_on_stdout(gvseg: Gvseg, tmp_path: Path) -> None:
    done = gvseg("export", "--model", "MODEL", "--format", "safetensors", "-o", "new.safetensors")
    assert (done.code, done.out) == (0, b"new.safetensors\n")
    assert (tmp_path / "new.safetensors").is_file()
    assert "vps: 7 frames of 114x64, class logits differ by at most 0.0e+00" in done.err


def test_json_tells_the_comparison_and_quiet_tells_nothing_else(gvseg: Gvseg) -> None:
    done = gvseg("export", "--model", "MODEL", "--format", "safetensors", "-o", "n.safetensors", "--json", "-q")
    said = json.loads(done.out)
    assert [entry["what"] for entry in said["comparisons"]] == ["vis", "vss", "vps", "evs"]
    assert said["bounds"] == {"class_logits": 0.01, "mask_iou": 0.999}
    assert said["path"] == "n.safetensors"
    assert done.err == ""


def test_half_precision_is_half_the_size_says_the_same_of_itself_and_answers_the_same_every_time(
    gvseg: Gvseg, tmp_path: Path, model: Path
) -> None:
    words = ("export", "--format", "safetensors", "--dtype", "fp16")
    done = gvseg(*words, "--model", "MODEL", "-o", "half.safetensors", "--json")
    assert done.code == 0, done.err
    half, whole = read_checkpoint(tmp_path / "half.safetensors"), read_checkpoint(model)
    assert {tensor.dtype for tensor in half.state.values()} == {torch.float16}
    for name, tensor in whole.state.items():
        torch.testing.assert_close(half.state[name].float(), tensor, rtol=2**-11, atol=1e-7)
    assert (half.settings, half.vocabularies, half.provenance) == (whole.settings, whole.vocabularies, whole.provenance)
    said = json.loads(done.out)
    assert said["sha256"] == half.sha256
    assert said["bounds"] == {"class_logits": 2.0, "mask_iou": 0.98}
    assert all(entry["is_rounded"] and entry["class_logits"] > 0 for entry in said["comparisons"])
    tensors = sum(tensor.numel() for tensor in whole.state.values())
    assert model.stat().st_size - (tmp_path / "half.safetensors").stat().st_size == pytest.approx(2 * tensors, rel=0.05)
    answers = []
    for folder in ("one", "two"):
        words = ("--task", "vps", "--model", "half.safetensors", "--save", "json", "-o", folder)
        assert gvseg("predict", "demo:frames=2,size=64x48", *words).code == 0
        answers.append((tmp_path / folder / "demo.vps.json").read_bytes())
    assert answers[0] == answers[1]


def test_a_number_beyond_half_precision_is_named_and_nothing_is_written(gvseg: Gvseg, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(load_preset("tiny").model)
    checkpoint.state["decoder.norm.weight"][0] = 1e5
    write_checkpoint(tmp_path / "wide.safetensors", checkpoint)
    words = ("--model", "wide.safetensors", "--format", "safetensors", "--dtype", "fp16", "-o", "half.safetensors")
    done = gvseg("export", *words)
    assert (done.code, len(done.errors)) == (1, 1)
    assert "decoder.norm.weight holds numbers beyond 65504, the largest of half precision" in done.errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["wide.safetensors"]


def test_a_dry_run_writes_nothing(gvseg: Gvseg, tmp_path: Path) -> None:
    done = gvseg("export", "--model", "MODEL", "--format", "onnx", "--task", "vis", "--dry-run")
    assert done.code == 0
    assert done.out.decode().endswith("15 classes -> tiny.onnx\n")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unless_it_is_wanted(gvseg: Gvseg, tmp_path: Path) -> None:
    (tmp_path / "n.safetensors").write_text("mine")
    refused = gvseg("export", "--model", "MODEL", "--format", "safetensors", "-o", "n.safetensors")
    assert refused.code == 4
    assert (tmp_path / "n.safetensors").read_text() == "mine"
    assert gvseg("export", "--model", "MODEL", "--format", "safetensors", "-o", "n.safetensors", "-y").code == 0


def test_a_difference_is_exit_1_and_leaves_no_file(
    gvseg: Gvseg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MASK_IOU", 1.5)
    done = gvseg("export", "--model", "MODEL", "--format", "safetensors", "-o", "n.safetensors")
    assert done.code == 1
    assert "does not answer as" in done.errors[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "onnx"), "say whose with --task"),
        (("--model", "MODEL", "--format", "onnx", "--dtype", "fp16"), "--dtype: for --format safetensors alone"),
        (("--model", "MODEL", "--format", "hf", "--run", "."), "--run: for --format safetensors alone"),
        (("--model", "MODEL", "--format", "safetensors", "--init", "w"), "--run says which"),
        (("--model", "MODEL", "--format", "safetensors", "--dtype", "int8"), "input should be 'fp32' or 'fp16'"),
        (("--model", "MODEL"), "say what to write: --format onnx, torch"),
        (("--model", "MODEL", "--format", "tflite"), "'onnx', 'torch', 'hf' or 'safetensors'"),
        (("--model", "truth", "--format", "onnx"), "has no network to export"),
        (("--model", "MODEL", "--format", "onnx"), "say whose with --task (vis, vss, vps, evs)"),
        (("--model", "MODEL", "--format", "hf", "--dynamic", "--size", "360"), "--size, --dynamic: no effect on"),
        (("--model", "MODEL", "--format", "onnx", "--size", "big"), "wanted a short side in pixels (360)"),
        (("--model", "MODEL", "--format", "onnx", "-o", "m.pt2"), "--format onnx writes .onnx files"),
    ],
)
def test_a_wrong_command_is_told_what_is_wrong(gvseg: Gvseg, words: tuple[str, ...], message: str) -> None:
    done = gvseg("export", *words)
    assert done.code == 2
    assert len(done.errors) == 1
    assert message in done.errors[0]


def test_the_model_itself_is_no_target(gvseg: Gvseg, model: Path) -> None:
    done = gvseg("export", "--model", "MODEL", "--format", "safetensors", "-o", str(model), "-y")
    assert done.code == 2
    assert "is the model itself" in done.errors[0]


def test_a_network_that_is_no_mask2former_is_no_folder_for_transformers(gvseg: Gvseg) -> None:
    done = gvseg("export", "--model", "MODEL", "--format", "hf")
    assert done.code == 5
    assert "its queries are each task's own" in done.errors[0]


def test_a_foreign_graph_and_a_missing_library_are_told(
    gvseg: Gvseg, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value])
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    done = gvseg("predict", "clip.mp4", "--task", "vis", "--model", "other.onnx")
    assert done.code == 5
    assert "a graph that gvseg did not export" in done.errors[0]


def test_predict_takes_what_export_wrote_as_processes_of_their_own(model: Path, clip: Path, tmp_path: Path) -> None:
    words = ("--model", str(model), "--task", "vss")
    process = start("export", *words, "--format", "torch", "--size", "96x64", "-o", "m.pt2", cwd=tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err.decode()
    assert out == b"m.pt2\n"
    for name, more in ((str(model), ("--size", "64")), ("m.pt2", ())):
        words = ("--task", "vss", "--model", name, "--dtype", "fp32", "--save", "json", "-o", Path(name).suffix[1:])
        process = start("predict", "clip.mp4", *words, *more, cwd=tmp_path)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err.decode()
    ours, theirs = (json.loads((tmp_path / name / "clip.vss.json").read_text()) for name in ("safetensors", "pt2"))
    for mine, other in zip(ours["annotations"], theirs["annotations"], strict=True):
        assert mine["category_id"] == other["category_id"]
        assert mine["segmentations"] == other["segmentations"]  # to the pixel
        assert mine["score"] == pytest.approx(other["score"], abs=1e-5)
