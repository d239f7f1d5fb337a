from __future__ import annotations

import json
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.safetensor_files import read_header, read_safetensors

WHOLE = save({"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}, {"who": "me"})


def with_header(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(begin: int, end: int, shape: Any, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {"a": torch.randn(3, 2), "empty": torch.zeros(0, 4), "half": torch.randn(5).half()}
    save_file(tensors, path, {"k": "v"})
    found, metadata = read_safetensors(path)
    assert metadata == {"k": "v"}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


BOMBS: dict[str, Any] = {
    "huge shape": {"a": entry(0, 16, [2**40, 2**40])},
    "huge shape that wraps": {"a": entry(0, 0, [2**32, 2**32])},
    "huge offsets": {"a": entry(0, 4 * 2**60, [2**60])},
    "negative shape": {"a": entry(0, 16, [-2, -2])},
    "backwards": {"a": entry(16, 0, [4])},
    "overlap": {"a": entry(0, 16, [4]), "b": entry(8, 24, [4])},
    "same bytes twice": {"a": entry(0, 16, [4]), "b": entry(0, 16, [4])},
    "hole": {"a": entry(0, 8, [2]), "b": entry(12, 16, [1])},
    "starts late": {"a": entry(8, 16, [2])},
    "unknown type": {"a": entry(0, 16, [4], "F128")},
    "number for a shape": {"a": entry(0, 16, 4)},
    "text in a shape": {"a": entry(0, 16, ["4"])},
    "true in a shape": {"a": entry(0, 4, [True])},
    "three offsets": {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8, 16]}},
    "nothing said": {"a": {}},
    "a list": [1, 2],
    "a number": 5,
    "metadata of numbers": {"__metadata__": {"a": 1}},
    "nested": b"[" * 100_000,
    "a name twice": b'{"a": 1, "a": 2}',
    "not text": b"\xff\xfe{}",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_header_that_lies_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ModelError):
        read_safetensors(with_header(tmp_path / "x.safetensors", BOMBS[kind], bytes(16)))


@pytest.mark.parametrize("kind", ["100 MB", "claimed only", "100,000 tensors", "20,000 tensors"])
def test_a_header_made_to_exhaust_is_refused_at_once_and_without_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb.safetensors"
    if kind == "100 MB":
        with_header(path, b"{" + b" " * 100_000_000 + b"}")
    elif kind == "claimed only":
        with_header(path, b"{}", length=2**63)
    else:
        count = int(kind.split()[0].replace(",", ""))
        with_header(path, {f"t{i}": entry(i, i + 1, [1], "U8") for i in range(count)}, bytes(count))
    start = time.process_time()
    with pytest.raises(ModelError, match=r"wanted at most"):
        read_header(path)
    assert time.process_time() - start < 1.0
    tracemalloc.start()
    with pytest.raises(ModelError):
        read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_cut_file_says_that_it_is_cut(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(WHOLE[:length])
    with pytest.raises(ModelError, match=r"cut off.*download it again"):
        read_safetensors(path)


def test_bytes_too_many_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(WHOLE + b"\0")
    with pytest.raises(ModelError, match="1 bytes too many"):
        read_safetensors(path)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_never_brings_more_than_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "model.safetensors"
    changed = bytearray(WHOLE)
    changed[place] ^= 1 << bit
    path.write_bytes(changed)
    try:
        tensors, _ = read_safetensors(path)
    except ModelError:
        return
    assert sum(t.numel() * t.element_size() for t in tensors.values()) == 6 * 4 + 4 * 2
