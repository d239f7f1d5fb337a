"""Graphs written: as a `.pt2` of `torch.export`, or as ONNX, with all that is needed to use them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from gvseg_core import __version__
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.exported.contract import KEY, Contract
from gvseg_core.model.weights.onnx_files import MAX_BYTES
from gvseg_core.model.weights.program_files import EXTRA

OPSET = 18  # the first whose ScatterElements adds up, which descriptors need

_AXES = {
    "pixels": ("frames", None, "height", "width"),
    "regions": ("objects", "height/8", "width/8"),
    "pooled": ("objects", None),
    "places": ("objects", None),
    "mask_features": ("frames", None, "height/4", "width/4"),
    "descriptors": (None, "frames", None),
    "features": (None, "height/8", "width/8"),
}
"""What sizes are called where they are free."""


def write_program(path: Path, program: ExportedProgram, contract: Contract) -> None:
    """A `.pt2` without pickles, guards, or notes about the source (`weights.program_files` says why)."""
    program._example_inputs = None
    program._guards_code = []
    whole = BytesIO()  # PyTorch's writer ends the process when a disk is full
    with _quietly():
        torch.export.save(program, whole, extra_files={EXTRA: contract.as_text()})
    path.write_bytes(whole.getbuffer())


def need_onnx() -> None:
    """Refuse an ONNX export where what it needs is missing.

    Raises:
        UsageError: names it.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(name)
        except ImportError:
            raise UsageError(f'--format onnx needs {name}: pip install "gvseg[onnx]"') from None


def write_onnx(path: Path, program: ExportedProgram, contract: Contract) -> None:
    """One ONNX file, weights inside.

    Raises:
        ModelError: it would be larger than such a file can be.
    """
    weights = sum(tensor.numel() * tensor.element_size() for tensor in program.state_dict.values())
    if weights > MAX_BYTES:
        raise ModelError(f"--format onnx: {weights:,} bytes of weights, one file holds at most {MAX_BYTES:,}")
    with _quietly():
        made: Any = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(contract.inputs),
            output_names=list(contract.outputs),
            verbose=False,
        )
    model = made.model
    model.producer_name, model.producer_version = "gvseg", __version__
    model.doc_string = "see gvseg_core.model.exported; masks at stride 4: mask_embeddings · mask_features"
    model.metadata_props.clear()
    model.metadata_props[KEY] = contract.as_text()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs):
        _name_axes(value)
    made.save(path, external_data=False)


def _name_axes(value: Any) -> None:
    from onnx_ir import Shape

    names = _AXES.get(value.name)
    value.metadata_props.clear()
    if names is not None and value.shape is not None:
        axes = zip(value.shape, names, strict=True)
        value.shape = Shape([axis if isinstance(axis, int) else name for axis, name in axes])


@contextmanager
def _quietly() -> Iterator[None]:
    """Exporters tell developers of theirs a lot; what matters to users is said by the comparison."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
