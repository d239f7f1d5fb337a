"""What can go wrong with exports: libraries that are missing, graphs that differ, full disks, files that are hostile.

Whatever it is, it is one line with its exit code, and nothing half-written stays.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper
from torch import nn

from gvseg_core.engine.exporting import formats
from gvseg_core.engine.exporting.comparison import LOGITS, MASK_IOU, Comparison
from gvseg_core.model.exported.contract import KEY
from gvseg_core.model.network import Network
from gvseg_core.recipes import load_preset
from tests.cli.conftest import Done
from tests.core.model.exported.test_contract import contract
from tests.models import write_model

Gvseg = Callable[..., Done]
DEMO = "demo:frames=2,size=64x48"

WITHOUT = """
import sys
sys.modules |= dict.fromkeys(["onnx", "onnxruntime", "onnxscript", "transformers"])  # import raises ImportError
from gvseg_cli.main import main
for kind, *words in (["safetensors", "-o", "a.safetensors"], ["onnx", "--task", "vis", "-o", "a.onnx"]):
    print(main(["export", "--model", sys.argv[1], "--format", kind, *words, "-q"]))
"""

ON_A_FULL_DISK = """
import resource, sys
from gvseg_cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))  # gives what a full disk gives
for kind, name in (("safetensors", "a.safetensors"), ("hf", "a"), ("torch", "a.pt2")):
    print(main(["export", "--model", sys.argv[1], "--format", kind, "-o", name, "-q", "-y"]), flush=True)
"""


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that every format takes, as small as they come."""
    tiny = load_preset("tiny").model
    parts = {
        "decoder": tiny.decoder.model_copy(update={"num_layers": 1}),
        "queries": tiny.queries.model_copy(update={"source": "learned", "spa": False}),
    }
    return write_model(
        tmp_path_factory.mktemp("model") / "learned.safetensors", tiny.model_copy(update={**parts, "clip_length": 1})
    )


def process(code: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{code}", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


# --- libraries that are missing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_an_export_that_misses_a_library_names_the_extra(
    name: str, gvseg: Gvseg, learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    done = gvseg("export", "--model", str(learned), "--format", "onnx")
    assert (done.code, len(done.errors)) == (2, 1)
    assert done.errors[0].endswith(f'--format onnx needs {name}: pip install "gvseg[onnx]"')
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_all_else_works(model: Path, tmp_path: Path) -> None:
    done = process(WITHOUT, str(model), cwd=tmp_path)
    assert done.stdout.split() == ["a.safetensors", "0", "2"], done.stderr
    assert done.stderr == 'gvseg: error: --format onnx needs onnx: pip install "gvseg[onnx]"\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("command", [("predict", DEMO), ("eval", "--bench", "synth")], ids=["predict", "eval"])
def test_a_graph_that_nothing_can_run_names_the_extra(
    command: tuple[str, ...], gvseg: Gvseg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_graph(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = gvseg(*command, "--task", "vis", "--model", "m.onnx")
    assert (done.code, len(done.errors)) == (2, 1)
    assert 'm.onnx: running ONNX needs onnxruntime: pip install "gvseg[onnx]"' in done.errors[0]


def write_graph(path: Path, weights: TensorProto | None = None) -> None:
    """A file that says it is ours, and computes nothing of worth."""
    value = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["pixels"], ["class_logits"])],
        "g",
        [value],
        [value],
        [weights] if weights else [],
    )
    made = helper.make_model(graph)
    helper.set_model_props(made, {KEY: contract().as_text()})
    path.write_bytes(made.SerializeToString())


# --- answers that differ ----------------------------------------------------------------------------------------------


def test_a_graph_that_answers_differently_is_exit_1_and_no_file(
    gvseg: Gvseg, learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network that is traced is a little off; what stood there stays."""
    build = formats.build_network

    def off(checkpoint: Any) -> Network:
        network = build(checkpoint)
        head = network.class_heads["demo"]
        head.bias = nn.Parameter(head.bias.detach() + 2 * LOGITS)
        return network

    monkeypatch.setattr(formats, "build_network", off)
    (tmp_path / "m.pt2").write_text("mine")
    done = gvseg("export", "--model", str(learned), "--format", "torch", "--size", "96x64", "-o", "m.pt2", "-y")
    assert (done.code, done.out, len(done.errors)) == (1, b"", 1)
    assert "m.pt2 does not answer as " in done.errors[0]
    assert "class logits differ by at most 2.0e-02, mask logits by " in done.errors[0]
    assert "wanted class logits within 0.01 and mask IoU from 0.999; nothing was kept" in done.errors[0]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"m.pt2": "mine"}


@pytest.mark.parametrize(
    ("logits", "iou", "is_close"),
    [(0.0, 1.0, True), (LOGITS, MASK_IOU, True), (1.01 * LOGITS, 1.0, False), (0.0, 0.9989, False)],
)
def test_both_bounds_must_be_kept(logits: float, iou: float, is_close: bool) -> None:
    assert Comparison("vis", (64, 96), 4, class_logits=logits, mask_logits=9.0, mask_iou=iou).is_close == is_close


# --- what stops a write -----------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_what_was_there(learned: Path, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_text("mine")
    done = process(ON_A_FULL_DISK, str(learned), cwd=tmp_path)
    assert done.stdout.split() == ["4", "4", "4"], done.stderr
    assert [line.partition(": error: ")[2][:14] for line in done.stderr.splitlines()] == ["cannot write a"] * 3
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.safetensors": "mine"}


@pytest.mark.parametrize("code", [130, 70], ids=["ctrl-c", "bug"])
@pytest.mark.parametrize("kind", ["safetensors", "hf"])
def test_whatever_ends_a_write_nothing_stays(
    kind: str, code: int, gvseg: Gvseg, learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halfway(path: Path, *_: Any) -> None:
        (path / "config.json" if path.is_dir() else path).write_text("half")
        if code == 130:
            signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError

    monkeypatch.setattr(formats, {"safetensors": "write_checkpoint", "hf": "write_folder"}[kind], halfway)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background do not have
    try:
        assert gvseg("export", "--model", str(learned), "--format", kind).code == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(tmp_path.iterdir()) == []


# --- files that are hostile -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "weights.bin"])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to", ""])
def test_a_graph_with_weights_elsewhere_is_refused(location: str, link: str, gvseg: Gvseg, tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    write_graph(tmp_path / "m.onnx", tensor)
    (tmp_path / "secret").write_bytes(b"\0" * 16)
    if link:
        getattr(tmp_path / "weights.bin", link)(tmp_path / "secret")
    done = gvseg("predict", DEMO, "--task", "vis", "--model", "m.onnx", "-o", "out")
    assert (done.code, len(done.errors)) == (5, 1)
    assert "m.onnx: one of its tensors lies in another file" in done.errors[0]
    assert "nothing was opened" in done.errors[0]
    assert not (tmp_path / "out").exists()
