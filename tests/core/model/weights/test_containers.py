from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.containers import kind_of, read_container

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 176\n"
HTML = b"\n<!DOCTYPE html><html><head><title>404 &amp; gone</title></head></html>"


@pytest.mark.parametrize("name", ["model.safetensors", "model.pkl", "model.pth"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (LFS, "Git-LFS pointer.*git lfs pull"),
        (HTML, r"web page \('404 & gone'\).*download failed"),
        (b"Entry not found", r"a text \('Entry not found"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "a picture or a video"),
        (bytes(range(128, 200)), "not a file of weights"),
    ],
    ids=["empty", "lfs", "html", "text", "png", "noise"],
)
def test_what_is_no_file_of_weights_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_container(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.pth: No such file"):
        read_container(tmp_path / "gone.pth")


def test_the_kind_is_told_by_the_bytes_and_not_by_the_name(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    torch.save({"a": torch.ones(1)}, path)
    assert kind_of(path) == "torch"
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    assert kind_of(path) == "torch"
    path.write_bytes(pickle.dumps({"a": np.ones(1)}))
    assert kind_of(path) == "pickle"
    save_file({"a": torch.ones(1)}, path)
    assert kind_of(path) == "safetensors"


@pytest.mark.parametrize("key", ["model", "state_dict", None])
def test_tensors_are_found_where_each_code_base_puts_them(tmp_path: Path, key: str | None) -> None:
    path = tmp_path / "model.pth"
    table = {"a.weight": torch.ones(2)}
    torch.save(table if key is None else {key: table, "iteration": 7, "optimizer": {"state": {}}}, path)
    container = read_container(path)
    assert list(container.tensors) == ["a.weight"]
    assert container.extras.get("iteration") == (None if key is None else 7)


@pytest.mark.parametrize("content", [{"model": {}}, {"epoch": 3}, [1, 2]])
def test_a_file_without_tensors_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "model.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match=r"no tensors inside|wanted a table of tensors"):
        read_container(path)


def test_a_table_that_holds_itself_ends(tmp_path: Path) -> None:
    table: dict[str, object] = {}
    table["model"] = table
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(table))
    with pytest.raises(ModelError, match="no tensors inside; found 'model'"):
        read_container(path)
