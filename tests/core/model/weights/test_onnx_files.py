"""ONNX files are looked over before anything opens them: weights elsewhere, too much, or not whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.containers import kind_of
from gvseg_core.model.weights.onnx_files import MAX_BYTES, read_metadata


def elsewhere(location: str = "../../etc/passwd") -> TensorProto:
    """A tensor that another file holds."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def plain() -> TensorProto:
    return numpy_helper.from_array(np.ones(4, np.float32), "w")


def model(weights: TensorProto, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    graph = helper.make_graph([*nodes, helper.make_node("Identity", ["w"], ["y"])], "g", [], [value], [weights])
    made = helper.make_model(graph, producer_name="gvseg")
    helper.set_model_props(made, {"gvseg": "{}", "other": "ü"})
    return made


def in_an_initializer() -> onnx.ModelProto:
    return model(elsewhere())


def by_an_absolute_path() -> onnx.ModelProto:
    return model(elsewhere("/etc/passwd"))


def in_the_same_folder() -> onnx.ModelProto:
    return model(elsewhere("weights.bin"))


def in_a_constant() -> onnx.ModelProto:
    return model(plain(), helper.make_node("Constant", [], ["c"], value=elsewhere()))


def in_a_graph_within_a_node() -> onnx.ModelProto:
    value = helper.make_tensor_value_info("z", TensorProto.FLOAT, [4])
    inner = helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "inner", [], [value], [elsewhere()])
    return model(plain(), helper.make_node("If", ["b"], ["z"], then_branch=inner, else_branch=inner))


def in_a_function() -> onnx.ModelProto:
    made = model(plain())
    constant = helper.make_node("Constant", [], ["z"], value=elsewhere())
    made.functions.append(helper.make_function("own", "f", [], ["z"], [constant], [helper.make_opsetid("", 18)]))
    return made


def only_by_its_location() -> onnx.ModelProto:
    tensor = plain()
    tensor.data_location = TensorProto.EXTERNAL
    return model(tensor)


@pytest.mark.parametrize(
    "make",
    [
        in_an_initializer,
        by_an_absolute_path,
        in_the_same_folder,
        in_a_constant,
        in_a_graph_within_a_node,
        in_a_function,
        only_by_its_location,
    ],
)
def test_weights_in_another_file_are_refused(tmp_path: Path, make: Callable[[], onnx.ModelProto]) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(make().SerializeToString())
    (tmp_path / "weights.bin").symlink_to("/etc/passwd")
    assert kind_of(path) == "onnx"
    with pytest.raises(ModelError, match=r"m\.onnx: one of its tensors lies in another file.*nothing was opened"):
        read_metadata(path)


def test_a_whole_file_says_what_it_has_to_say(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model(plain()).SerializeToString())
    assert read_metadata(path) == {"gvseg": "{}", "other": "ü"}


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    whole, path = model(plain()).SerializeToString(), tmp_path / "m.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match="damaged or cut off"):
        read_metadata(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x0a\x12\x05")
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: it takes no room
    with pytest.raises(ModelError, match=r"2,147,483,648 bytes, an ONNX file has at most 2,147,483,647"):
        read_metadata(path)


def test_graphs_in_graphs_end_somewhere(tmp_path: Path) -> None:
    inner = b""
    for _ in range(40):  # a graph of one node of one attribute that is a graph …
        for tag in (0x32, 0x2A, 0x0A):  # attribute.g, node.attribute, graph.node
            inner = bytes([tag]) + _length(len(inner)) + inner
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x0a\x12\x00" + b"\x3a" + _length(len(inner)) + inner)
    with pytest.raises(ModelError, match="graphs within graphs"):
        read_metadata(path)


def _length(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])
