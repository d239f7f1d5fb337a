"""What a file is, told by its bytes and not by its name, and the named tensors inside."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.onnx_files import looks_like_onnx
from gvseg_core.model.weights.pickles import read_numpy_pickle, read_torch_file
from gvseg_core.model.weights.program_files import is_program
from gvseg_core.model.weights.safetensor_files import read_safetensors

Kind = Literal["safetensors", "torch", "pickle", "onnx", "program"]
GRAPHS: frozenset[Kind] = frozenset({"onnx", "program"})
"""Kinds that hold a network's computations, and are run as they are (`gvseg_core.model.exported`)."""

LEGACY_TORCH = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # the magic number of torch.save before 1.6


@dataclass(frozen=True)
class Container:
    """A file's tensors under their own names, and what lay beside them."""

    path: Path
    tensors: dict[str, Tensor]
    extras: Mapping[str, Any] = field(default_factory=dict)  # metadata, "meta", "__author__" …


def read_container(path: Path) -> Container:
    """The tensors of any file of weights.

    Raises:
        ModelError: not such a file; the message says what it is instead.
    """
    kind = kind_of(path)
    if kind in GRAPHS:
        raise ModelError(
            f"{path}: an exported graph, which predict and eval run; for anything else use the model it was made of"
        )
    if kind == "safetensors":
        tensors, metadata = read_safetensors(path)
        return Container(path, tensors, metadata)
    loaded = read_torch_file(path) if kind == "torch" else read_numpy_pickle(path)
    if not isinstance(loaded, dict):
        raise ModelError(f"{path}: holds a {type(loaded).__name__}, wanted a table of tensors")
    inside = next((key for key in ("model", "state_dict", "blobs") if isinstance(loaded.get(key), dict)), None)
    table = loaded if inside is None else loaded[inside]
    tensors = {
        name: value for name, value in table.items() if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise ModelError(f"{path}: no tensors inside; found {', '.join(map(repr, list(table)[:5])) or 'nothing'}")
    extras = {str(key): value for key, value in loaded.items() if inside is not None and key != inside}
    return Container(path, tensors, extras)


def kind_of(path: Path) -> Kind:
    """Which reader a file is for.

    Raises:
        ModelError: none; says what the file looks like (missing, empty, a Git-LFS pointer, a web page, text …).
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}; is the path right?") from error
    if not head:
        raise ModelError(f"{path}: the file is empty; download it again")
    text = head.lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        raise ModelError(f"{path}: a Git-LFS pointer, not the weights; run `git lfs pull` where it was cloned")
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise ModelError(f"{path}: a web page{_title(head)}, not weights; the download failed, do it again")
    if head.startswith(b"PK\x03\x04"):
        return "program" if is_program(path) else "torch"
    if head[:1] == b"\x80" and LEGACY_TORCH in head[:16]:
        return "torch"
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        return "pickle"
    if head[8:9] == b"{" or (len(head) < 9 and path.suffix == ".safetensors"):
        return "safetensors"
    if looks_like_onnx(head):
        return "onnx"
    raise ModelError(f"{path}: {_likeness(head)}; wanted .safetensors, .pth, .pkl or a Hugging Face folder")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of settings.

    Raises:
        ModelError: missing, not JSON, or not a table.
    """
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {error}") from None
    if not isinstance(loaded, dict):
        raise ModelError(f"{path}: wanted a table of settings, found {type(loaded).__name__}")
    return loaded


def _title(head: bytes) -> str:
    _, _, rest = head.decode("utf-8", "replace").partition("<title>")
    title = " ".join(html.unescape(rest.partition("</title>")[0]).split())[:60]
    return f" ({title!r})" if title else ""


def _likeness(head: bytes) -> str:
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"\x00\x00\x00\x18ftyp", b"\x1aE\xdf\xa3")):
        return "a picture or a video"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return f"a text ({head[:30].decode('ascii')!r} …)"
    return f"not a file of weights (it starts with {head[:8].hex()})"
