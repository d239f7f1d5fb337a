"""What a `.pt2` file of `torch.export` holds, and whether it may be loaded: asked before PyTorch reads it.

`torch.export.load` trusts its file: tensors may be pickles, and are loaded as such; sizes are texts that SymPy has
Python evaluate; guards are Python, too; operators are looked up by name anywhere in `torch`. So the archive is looked
over first, and whatever our own exports do not hold is refused: an entry of another name, a pickle, an operator that
is not arithmetic on tensors, a size that is not arithmetic on whole numbers, a guard, a note about the source.

Source: pytorch/pytorch (BSD-3), `torch/export/pt2_archive` and `torch/_export/serde`, as of 2.13; names only.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.pickles import check_zip

EXTRA = "gvseg.json"  # what we say of the graph, beside it
TORCH_NEEDED = (2, 10)
MAX_TEXT = 64 * 2**20  # bytes of a description; R-50 has about 2 MB

_ENTRIES = re.compile(
    r"archive_format|archive_version|version|byteorder|\.data/(version|serialization_id)|\.format_version|"
    r"\.storage_alignment|models/model\.json|data/weights/(weight_\d+|model_weights_config\.json)|"
    r"data/constants/(tensor_\d+|model_constants_config\.json)|extra/" + re.escape(EXTRA)
)
_SAMPLES = "data/sample_inputs/model.pt"  # a pickle, where it is not empty
_SIZES = re.compile(  # SymPy's own way of writing an expression down
    r"[\s(),-]|\d+|(?:Add|Mul|Integer|Rational|FloorDiv|CleanDiv|CeilDiv|Mod|PythonMod|Max|Min|IntTrueDiv|FloatTrueDiv|"
    r"ToFloat|TruncToInt|FloorToInt|CeilToInt|(?:Strict)?(?:Greater|Less)Than|Equality|Unequality|And|Or|Not)(?=\()|"
    r"Pow(?=\(Symbol\('[a-z]+\d+'(?:, \w+=True)*\), Integer\([2-4]\)\))|Symbol\('[a-z]+\d+'|"
    r"(?:positive|nonnegative|integer)=True|Float\('[\d.e-]+'|precision=\d+"
)
_TREES = re.compile(r'"type": "(?!builtins\.(?:tuple|list|dict)")|__enum__')

_ATEN = re.compile(  # arithmetic on tensors, and nothing else; the last part of a name is the kind of its arguments
    r"torch\.ops\.aten\.(__and__|__or__|_assert_scalar|_assert_tensor_metadata|_to_copy|abs|add|add_|all|any|arange|"
    r"atan2|batch_norm|bitwise_and|bitwise_not|bitwise_or|broadcast_tensors|cat|chunk|clamp|clone|contiguous|conv2d|"
    r"cos|detach_?|div|eq|exp|expand|expand_as|flatten|floor|floor_divide|full|full_like|ge|gelu|grid_sampler|"
    r"group_norm|gt|index|index_select|isfinite|isinf|isnan|layer_norm|le|lift_fresh_copy|linear|log|logical_and|"
    r"logical_not|logical_or|lt|masked_fill|matmul|max_pool2d|maximum|meshgrid|minimum|mul|mul_|nan_to_num|ne|neg|"
    r"new_full|new_ones|new_zeros|ones|ones_like|pad|permute|pow|reciprocal|relu|relu_|remainder|repeat|reshape|roll|"
    r"rsqrt|rsub|scalar_tensor|scaled_dot_product_attention|scatter_add|select|sigmoid|sin|slice|softmax|split|"
    r"split_with_sizes|sqrt|square|squeeze|stack|sub|sub_|sum|sym_size|t|tanh|to|transpose|unbind|unflatten|unsqueeze|"
    r"upsample_bilinear2d|view|view_as|where|zeros|zeros_like)\.\w+"
)
_OTHER = re.compile(
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|neg|getitem|eq|ne|ge|gt|le|lt|and_|or_)|"
    r"math\.(ceil|floor|trunc)|torch\.sym_(int|float|max|min|not|ite|sum)"
)


def is_program(path: Path) -> bool:
    """Whether a zip archive is a program of `torch.export`, and not tensors of `torch.save`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/archive_format") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def read_metadata(path: Path) -> str | None:
    """What we said of the graph, once all of the archive has been looked over; None where somebody else wrote it.

    Raises:
        ModelError: PyTorch is too old, or the archive holds what could run code on loading, is damaged or cut off.
    """
    have = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
    if have < TORCH_NEEDED:
        raise ModelError(f"{path}: reading .pt2 asks for torch 2.10 or newer, not {torch.__version__}")
    check_zip(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            for name, info in entries.items():
                if name == _SAMPLES and info.file_size == 0:
                    continue
                if not _ENTRIES.fullmatch(name):
                    raise _refused(path, f"holds {name[:80]!r}")

            def text(name: str) -> Any:
                if entries[name].file_size > MAX_TEXT:
                    raise _refused(path, f"describes itself in {entries[name].file_size:,} bytes")
                return json.loads(archive.read(entries[name]))

            for name in ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json"):
                _check_tensors(text(name), path)
            _check_program(text("models/model.json"), path)
            extra = f"extra/{EXTRA}"
            return None if extra not in entries else archive.read(entries[extra]).decode("utf-8")
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise ModelError(f"{path}: damaged or cut off ({reason}); export it again") from None


def _check_tensors(config: Any, path: Path) -> None:
    for name, entry in config["config"].items():
        if entry["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
            raise _refused(path, f"has {name[:80]!r} as a pickle")


def _check_program(program: Any, path: Path) -> None:
    if program["guards_code"]:
        raise _refused(path, "has guards, which are Python")
    for key, value in _leaves(program):
        if key == "target" and not (_ATEN.fullmatch(value) or _OTHER.fullmatch(value)):
            raise _refused(path, f"calls {value[:80]!r}")
        if key == "expr_str" and _SIZES.sub("", value).strip():
            raise _refused(path, f"has the size {value[:80]!r}")
        if key in {"in_spec", "out_spec"} and _TREES.search(value):
            raise _refused(path, f"has arguments of other kinds than tensors: {value[:80]!r}")
        if key == "metadata":
            raise _refused(path, "has notes about its source")


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    """Every text of a description, under the key it is nearest to; a table under `metadata` counts as one text."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        key, inner = waiting.pop()
        if isinstance(inner, dict):
            if key == "metadata" and inner:
                yield key, ""
            waiting += inner.items()
        elif isinstance(inner, list):
            waiting += [(key, item) for item in inner]
        elif isinstance(inner, str):
            yield key, inner


def _refused(path: Path, what: str) -> ModelError:
    return ModelError(
        f"{path}: {what}, which what gvseg export writes does not, and which could run code on loading; nothing was "
        "loaded; export it again from the model it was made of"
    )
