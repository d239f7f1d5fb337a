"""Hostile pickles do nothing; honest ones give the arrays that went in."""

from __future__ import annotations

import argparse
import os
import pickle
import struct
import subprocess
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.pickles import read_numpy_pickle, read_torch_file


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.reduced


def attacks(flag: Path) -> dict[str, Call]:
    touch = f"open({str(flag)!r}, 'w').close()"
    return {
        "system": Call(os.system, f"touch {flag}"),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "open": Call(open, str(flag), "w"),
        "popen": Call(subprocess.Popen, ["touch", str(flag)]),
        "numpy": Call(np.save, str(flag), np.ones(1)),
        "torch": Call(torch.save, {}, str(flag)),
    }


KINDS = tuple(attacks(Path("x")))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_that_calls_something_is_refused_and_nothing_runs(tmp_path: Path, kind: str, protocol: int) -> None:
    flag, path = tmp_path / "flag", tmp_path / "model.pkl"
    evil = attacks(flag)[kind]
    path.write_bytes(pickle.dumps({"model": {"a": np.ones(2), "b": evil}}, protocol=protocol))
    with pytest.raises(ModelError, match="nothing was executed") as caught:
        read_numpy_pickle(path)
    function = evil.reduced[0]
    assert f".{function.__name__}" in str(caught.value)
    assert not flag.exists()
    pickle.loads(path.read_bytes())  # the attack is real: an ordinary reader falls for it
    time.sleep(0.1 if kind == "popen" else 0)
    assert flag.exists() or kind == "numpy"


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_torch_file_that_calls_something_is_refused_and_nothing_runs(tmp_path: Path, kind: str, legacy: bool) -> None:
    flag, path = tmp_path / "flag", tmp_path / "model.pth"
    torch.save(
        {"model": {"a": torch.ones(2)}, "evil": attacks(flag)[kind]}, path, _use_new_zipfile_serialization=not legacy
    )
    with pytest.raises(ModelError, match="nothing was executed"):
        read_torch_file(path)
    assert not flag.exists()


def test_objects_that_mmengine_puts_beside_the_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "epoch_1.pth"
    torch.save({"meta": {"args": argparse.Namespace(a=1)}, "state_dict": {"a": torch.ones(2)}}, path)
    with pytest.raises(ModelError, match=r"holds argparse\.Namespace beside tensors.*sandbox"):
        read_torch_file(path)


def test_an_old_torch_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pth"
    torch.save({"a": torch.ones(1)}, path)
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu126")
    with pytest.raises(ModelError, match=r"torch 2\.10 or newer.*not 2\.9\.1"):
        read_torch_file(path)


def test_a_compressed_torch_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data/0", bytes(10**7))
    with pytest.raises(ModelError, match="compressed archive"):
        read_torch_file(path)


def test_a_memo_made_to_fill_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b".")
    with pytest.raises(ModelError, match="memo slots"):
        read_numpy_pickle(path)


def test_a_length_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.")
    with pytest.raises(ModelError, match="damaged or cut off"):
        read_numpy_pickle(path)


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


REBUILT = named("numpy._core.multiarray", "_reconstruct") + b"NNN\x87R"  # an array before its state is set


@pytest.mark.parametrize(
    "program",
    [
        named("numpy", "ndarray") + b"K\x05\x85R",  # called with a shape: memory of any size
        named("numpy", "ndarray") + b"K\x05\x85\x81",
        named("numpy", "dtype") + b"]\x85R",
        named("_codecs", "encode") + b"X\x01\0\0\0aX\x05\0\0\0rot13\x86R",
        named("collections", "OrderedDict") + b"}X\x01\0\0\0aK\x01sb",  # an attribute set on the class
        REBUILT + b"(K\x01K\x02K\x03tb",
        REBUILT,
        b"Psomewhere\n",
        b"\x82\x01",
    ],
    ids=["call", "new", "dtype", "codec", "attribute", "state", "no state", "persistent", "extension"],
)
def test_allowed_names_used_otherwise_are_refused(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02" + program + b".")
    with pytest.raises(ModelError):
        read_numpy_pickle(path)


class Shape:
    """Pickles as an array whose shape is not that of its bytes."""

    def __init__(self, shape: tuple[Any, ...]) -> None:
        self.shape = shape

    def __reduce__(self) -> Any:
        rebuild, arguments, state = np.ones(4, np.float32).__reduce__()
        return rebuild, arguments, (state[0], self.shape, *state[2:])


@pytest.mark.parametrize("shape", [(5,), (2**40,), (-4,), (-2, -2), (2**32, 2**32, 0, 1), (4.0,), ("4",)])
def test_a_shape_that_does_not_go_with_its_bytes_is_refused(tmp_path: Path, shape: tuple[Any, ...]) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Shape(shape), protocol=2))
    with pytest.raises(ModelError, match="array of shape"):
        read_numpy_pickle(path)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"a": np.array([{}], dtype=object)}))
    with pytest.raises(ModelError, match="wanted numbers"):
        read_numpy_pickle(path)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@settings(max_examples=30, deadline=None)
@given(
    array=hnp.arrays(st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i8", "|u1", "|b1"]), hnp.array_shapes(min_dims=0))
)
def test_what_numpy_wrote_comes_back(
    tmp_path_factory: pytest.TempPathFactory, protocol: int, array: np.ndarray[Any, Any]
) -> None:
    path = tmp_path_factory.mktemp("pickles") / "model.pkl"
    table = {"plain": array, "turned": np.asfortranarray(array), "one": array.reshape(-1)[0]}
    path.write_bytes(pickle.dumps({"model": OrderedDict(table), "__author__": "me"}, protocol=protocol))
    loaded = read_numpy_pickle(path)
    assert loaded["__author__"] == "me"
    for name, wanted in table.items():
        found = loaded["model"][name].numpy()
        assert found.dtype == wanted.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, wanted)


def test_numpy_1_spelled_its_names_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    new = pickle.dumps({"model": {"a": np.arange(3.0)}}, protocol=2)
    path.write_bytes(new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_numpy_pickle(path)["model"]["a"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("save", ["pickle", "torch", "legacy"])
def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path, save: str) -> None:
    path = tmp_path / "model"
    if save == "pickle":
        path.write_bytes(pickle.dumps({"model": {"a": np.arange(50.0), "b": np.arange(9)}}))
    else:
        torch.save(
            {"a": torch.arange(50.0), "b": torch.arange(9)}, path, _use_new_zipfile_serialization=save == "torch"
        )
    whole = path.read_bytes()
    for length in range(20, len(whole) - 1, max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            (read_numpy_pickle if save == "pickle" else read_torch_file)(path)
