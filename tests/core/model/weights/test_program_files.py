"""Programs of torch.export are looked over before PyTorch reads them: nothing in them may run."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.containers import kind_of, read_container
from gvseg_core.model.weights.program_files import read_metadata

NODE = {
    "target": "torch.ops.aten.add.Tensor",
    "inputs": [{"arg": {"as_expr": {"expr_str": "Add(Mul(Integer(8), Symbol('s1', positive=True)), Integer(-1))"}}}],
    "metadata": {},
}
ENTRIES: dict[str, Any] = {
    "archive_format": "pt2",
    ".data/version": "3",
    "models/model.json": {
        "graph_module": {"graph": {"nodes": [NODE]}, "signature": {"in_spec": '[1, {"type": "builtins.tuple"}]'}},
        "guards_code": [],
    },
    "data/weights/model_weights_config.json": {"config": {"w": {"path_name": "weight_0", "use_pickle": False}}},
    "data/weights/weight_0": "1234",
    "data/constants/model_constants_config.json": {"config": {}},
    "data/sample_inputs/model.pt": "",
    "extra/gvseg.json": '{"said": 1}',
}


def write(path: Path, entries: dict[str, Any], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, value in entries.items():
            archive.writestr(f"m/{name}", value if isinstance(value, str) else json.dumps(value))
    return path


def changed(**node: Any) -> dict[str, Any]:
    entries = copy.deepcopy(ENTRIES)
    entries["models/model.json"]["graph_module"]["graph"]["nodes"][0] |= node
    return entries


def size(text: str) -> dict[str, Any]:
    return changed(inputs=[{"arg": {"as_expr": {"expr_str": text}}}])


def test_what_we_write_may_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pt2", ENTRIES)
    assert kind_of(path) == "program"
    assert read_metadata(path) == '{"said": 1}'
    without = {name: value for name, value in ENTRIES.items() if not name.startswith("extra/")}
    assert read_metadata(write(tmp_path / "m.pt2", without)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Mul(Integer(4), Pow(Symbol('s39', positive=True, integer=True), Integer(2)))",
        "FloorDiv(Add(Symbol('s39', positive=True, integer=True), Integer(6)), Integer(7))",
        "StrictGreaterThan(Symbol('u0', integer=True), Integer(1))",
        "IntTrueDiv(Float('2.0', precision=53), ToFloat(Symbol('s9', positive=True)))",
    ],
)
def test_arithmetic_on_sizes_may_be_read(tmp_path: Path, text: str) -> None:
    assert read_metadata(write(tmp_path / "m.pt2", size(text)))


def with_entry(name: str, value: str = "x") -> dict[str, Any]:
    return ENTRIES | {name: value}


HOSTILE = {
    "pickled samples": (with_entry("data/sample_inputs/model.pt"), "holds 'data/sample_inputs/model.pt'"),
    "pickled weights": (with_entry("data/weights/model.pt"), "holds 'data/weights/model.pt'"),
    "a compiled library": (with_entry("data/aotinductor/model/a.so"), "holds 'data/aotinductor"),
    "a custom object": (with_entry("data/constants/custom_obj_0"), "holds 'data/constants/custom_obj_0'"),
    "a weight as a pickle": (
        ENTRIES
        | {"data/weights/model_weights_config.json": {"config": {"w": {"path_name": "weight_0", "use_pickle": True}}}},
        "'w' as a pickle",
    ),
    "a constant as an object": (
        ENTRIES
        | {
            "data/constants/model_constants_config.json": {
                "config": {"c": {"path_name": "opaque_obj_0", "use_pickle": False}}
            }
        },
        "'c' as a pickle",
    ),
    "a guard": (
        ENTRIES | {"models/model.json": ENTRIES["models/model.json"] | {"guards_code": ["exec('')"]}},
        "has guards",
    ),
    "a function of torch": (changed(target="torch.hub.load"), "calls 'torch.hub.load'"),
    "an operator on files": (changed(target="torch.ops.aten.from_file.default"), "calls 'torch.ops.aten.from_file"),
    "a way out of operators": (changed(target="_operator.attrgetter"), "calls '_operator.attrgetter'"),
    "a way out of math": (changed(target="math.__loader__.load_module"), "calls 'math.__loader__"),
    "a size that is Python": (size("__import__('os').system('true')"), "has the size"),
    "a size with attributes": (size("Symbol('s1').__class__"), "has the size"),
    "a size with a power": (size("Pow(Integer(9), Integer(99999999))"), "has the size"),
    "a symbol that is code": (size("Symbol('s1+exit()')"), "has the size"),
    "notes": (changed(metadata={"torch_fn": "torch.hub.load"}), "has notes about its source"),
    "an argument of another kind": (
        ENTRIES
        | {
            "models/model.json": ENTRIES["models/model.json"]
            | {"signature": {"in_spec": '[1, {"type": "collections.namedtuple"}]'}}
        },
        "arguments of other kinds",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_run_code_is_refused(tmp_path: Path, name: str) -> None:
    entries, reason = HOSTILE[name]
    with pytest.raises(ModelError, match="nothing was loaded") as refusal:
        read_metadata(write(tmp_path / "m.pt2", entries))
    assert reason in str(refusal.value)


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a compressed archive"):
        read_metadata(write(tmp_path / "m.pt2", ENTRIES, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("missing", ["models/model.json", "data/weights/model_weights_config.json"])
def test_an_archive_with_parts_missing_is_damaged(tmp_path: Path, missing: str) -> None:
    entries = {name: value for name, value in ENTRIES.items() if name != missing}
    with pytest.raises(ModelError, match="damaged or cut off"):
        read_metadata(write(tmp_path / "m.pt2", entries))


def test_a_file_of_tensors_is_no_program_and_a_program_no_file_of_tensors(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "m.pth")
    assert kind_of(tmp_path / "m.pth") == "torch"
    with pytest.raises(ModelError, match="an exported graph, which predict and eval run"):
        read_container(write(tmp_path / "m.pt2", ENTRIES))


def test_an_older_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.9.1")
    with pytest.raises(ModelError, match=r"asks for torch 2\.10 or newer, not 2\.9\.1"):
        read_metadata(write(tmp_path / "m.pt2", ENTRIES))
