"""Tensors out of pickles, with nothing executed.

A pickle is a program. detectron2's `.pkl` files hold numpy arrays and need nine names to be rebuilt; those nine are
answered here by stand-ins of our own that check every shape and length, and any other name ends the reading. Files of
`torch.save` go through PyTorch's own restricted reader (`weights_only=True`), which was unsafe before 2.10
(CVE-2025-32434, CVE-2026-24747).
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gvseg_core.errors import ModelError

MAX_OPCODES = 5_000_000  # Mask2Former with Swin-L has about 40,000
MAX_MEMO = 1_000_000  # entries; the C reader allocates as many slots as the largest index says
DTYPE = re.compile(r"[fiub][1248]")
TORCH_NEEDED = (2, 10)
CURE = "nothing was executed; convert it to .safetensors in a sandbox, where you trust it"


def read_numpy_pickle(path: Path) -> Any:
    """What a pickle of numpy arrays holds, arrays as tensors.

    Raises:
        ModelError: it names anything but numpy arrays and plain containers, is cut off, or asks for too much memory.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # A memory map, because its `read` never allocates more than there is, whatever length the pickle claims.
        _check_opcodes(data, path)
        data.seek(0)
        try:
            return _tensors(_ArraysOnly(data, path).load())
        except ModelError:
            raise
        except MemoryError as error:
            raise ModelError(f"{path}: asks for more memory than there is; {CURE}") from error
        except Exception as error:  # a hostile or damaged pickle can fail in any way at all
            raise ModelError(f"{path}: damaged or cut off ({_one_line(error)}); download it again") from error


def read_torch_file(path: Path) -> Any:
    """What a file of `torch.save` holds: tensors on the CPU in plain containers.

    Raises:
        ModelError: PyTorch is too old to do it safely, the file is damaged, or it holds more than tensors.
    """
    have = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
    if have < TORCH_NEEDED:
        raise ModelError(
            f"{path}: reading .pth is safe only with torch 2.10 or newer (CVE-2026-24747), not {torch.__version__}; "
            "pip install -U torch, or use .safetensors"
        )
    is_zip = zipfile.is_zipfile(path)
    if is_zip:
        check_zip(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path}: {_refusal(str(error))}; {CURE}") from error
    except Exception as error:  # what a damaged file raises is not documented
        raise ModelError(f"{path}: damaged or cut off ({_one_line(error)}); download it again") from error


def check_zip(path: Path) -> None:
    """`torch.save` stores its parts uncompressed; a compressed part could be a bomb."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    packed = next((part.filename for part in parts if part.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None or sum(part.file_size for part in parts) > path.stat().st_size:
        raise ModelError(f"{path}: a compressed archive, which torch.save never writes; {CURE}")


def _refusal(message: str) -> str:
    named = re.search(r"(?:GLOBAL|global|Unsupported class|type) ([\w.]+\.[\w.]+)", message)
    what = f"holds {named[1]}" if named else "holds something"
    return f"{what} beside tensors, which could run code on loading"


def _check_opcodes(data: mmap.mmap, path: Path) -> None:
    """Look the program over before any of it runs: its length, and how much memory its memo would take."""
    steps = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):  # type: ignore[arg-type]
            steps += 1
            if steps > MAX_OPCODES:
                raise ModelError(f"{path}: more than {MAX_OPCODES:,} steps, wanted a file of weights; {CURE}")
            if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} and isinstance(argument, int) and argument > MAX_MEMO:
                raise ModelError(f"{path}: asks for {argument:,} memo slots; {CURE}")
    except (ValueError, UnicodeDecodeError, OverflowError) as error:
        raise ModelError(f"{path}: damaged or cut off ({_one_line(error)}); download it again") from error


class _Array:
    """A numpy array while it is being read: the bytes stay bytes until shape, type and length agree."""

    __slots__ = ("array",)

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes | str]) -> None:
        _, shape, dtype, fortran, raw = state
        data = raw.encode("latin1") if isinstance(raw, str) else raw  # Python 2 wrote bytes as text
        self.array = _build(data, dtype, shape, "F" if fortran else "C")


class _Dtype:
    """A numpy number type while it is being read."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        if not DTYPE.fullmatch(code):
            raise ValueError(f"array of {code!r}, wanted numbers")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        if order not in {"<", ">", "|", "="}:
            raise ValueError(f"byte order {order!r}")
        self.order = order


def _build(raw: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray[Any, Any]:
    kind = np.dtype(dtype.order + dtype.code)
    if any(type(n) is not int or n < 0 for n in shape) or prod(shape) * kind.itemsize != len(raw):
        raise ValueError(f"array of shape {shape} with {len(raw)} bytes")
    array = np.frombuffer(raw, kind).reshape(shape, order="F" if order == "F" else "C")
    return np.ascontiguousarray(array, dtype=kind.newbyteorder("=")).reshape(shape)


class _ArraysOnly(pickle.Unpickler):
    """Knows the names numpy arrays are pickled under, in every spelling since numpy 1 and pickle 2, and no other."""

    def __init__(self, data: Any, path: Path) -> None:
        super().__init__(data, encoding="latin1")
        self.path = path
        self.known: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): None,  # only ever handed to `_reconstruct`
            ("numpy", "dtype"): self.dtype,
            ("collections", "OrderedDict"): OrderedDict,
            ("_codecs", "encode"): self.encode,
        }
        for core in ("numpy.core", "numpy._core"):
            self.known[f"{core}.multiarray", "_reconstruct"] = self.reconstruct
            self.known[f"{core}.multiarray", "scalar"] = self.scalar
            self.known[f"{core}.numeric", "_frombuffer"] = self.frombuffer

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.known[module, name]
        except KeyError:
            raise ModelError(f"{self.path}: names {module}.{name}, which weights do not need; {CURE}") from None

    # Bound methods, because a pickle may set attributes on whatever it was given, and these take none.

    def dtype(self, code: str, _align: Any = False, _copy: Any = True) -> _Dtype:
        return _Dtype(code)

    def encode(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise ValueError(f"encoding {encoding!r}")
        return text.encode("latin1")

    def reconstruct(self, _kind: None, _shape: Any, _code: Any) -> _Array:
        return _Array()

    def scalar(self, dtype: _Dtype, raw: bytes) -> np.ndarray[Any, Any]:
        return _build(raw, dtype, (), "C")

    def frombuffer(self, raw: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: str) -> Any:
        return _build(raw, dtype, shape, order)


def _tensors(value: Any) -> Any:
    """Arrays as tensors, two dictionaries deep, as deep as files of weights go."""

    def convert(item: Any, deeper: Callable[[Any], Any]) -> Any:
        if isinstance(item, _Array):
            item = item.array
        if isinstance(item, np.ndarray):
            return torch.from_numpy(item if item.flags.writeable else item.copy())
        if isinstance(item, dict):
            return {key: deeper(inner) for key, inner in item.items()}
        return item

    return convert(value, lambda outer: convert(outer, lambda inner: convert(inner, lambda last: last)))


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
