"""Exported graphs, run: by onnxruntime, or by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from gvseg_core.errors import DeviceError, ModelError, UsageError
from gvseg_core.model.exported.contract import KEY, Contract, contract_from, missing_contract
from gvseg_core.model.weights import onnx_files, program_files
from gvseg_core.model.weights.containers import Kind


class Graph(Protocol):
    """A graph that has been opened."""

    contract: Contract
    device: torch.device

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All that the contract's inputs give, by the names of its outputs; wherever it was computed."""


def open_graph(path: Path, kind: Kind, device: torch.device | None) -> Graph:
    """Look a file over, and open it.

    Args:
        path: as `containers.kind_of` has it.
        kind: "onnx" or "program".
        device: where it is to run; None is a GPU where all that is needed for one is there.

    Raises:
        UsageError: onnxruntime is not installed.
        ModelError: not ours, hostile, or damaged.
        DeviceError: onnxruntime cannot use the device.
    """
    text = onnx_files.read_metadata(path).get(KEY) if kind == "onnx" else program_files.read_metadata(path)
    if text is None:
        raise missing_contract(str(path))
    contract = contract_from(text, str(path))
    return OnnxGraph(path, contract, device) if kind == "onnx" else Program(path, contract, device)


class OnnxGraph:
    """By onnxruntime."""

    def __init__(self, path: Path, contract: Contract, device: torch.device | None) -> None:
        ort = _onnxruntime(path)
        providers: list[Any] = ["CPUExecutionProvider"]
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type != "cpu":
            if f"{self.device.type.upper()}ExecutionProvider" in ort.get_available_providers():
                chosen = {"device_id": str(self.device.index or 0)}
                providers.insert(0, (f"{self.device.type.upper()}ExecutionProvider", chosen))
            elif device is None:
                self.device = torch.device("cpu")
            else:
                raise DeviceError(
                    f"--device {device}: the onnxruntime that is installed runs on "
                    f"{', '.join(name.removesuffix('ExecutionProvider') for name in ort.get_available_providers())}; "
                    "for CUDA: pip install onnxruntime-gpu; --device cpu works anywhere"
                )
        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = torch.get_num_threads()
        self.contract = contract
        try:
            self._session = ort.InferenceSession(path, options, providers=providers)
        except Exception as error:  # its errors have no common base
            raise ModelError(f"{path}: onnxruntime does not open it ({_one_line(error)}); export it again") from error
        found = tuple(tuple(x.name for x in side) for side in (self._session.get_inputs(), self._session.get_outputs()))
        if found != (contract.inputs, contract.outputs):
            raise ModelError(f"{path}: its inputs and outputs are {found}, not what it says; export it again")

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        feeds = {name: inputs[name].contiguous().numpy() for name in self.contract.inputs}
        try:
            answers = self._session.run(list(self.contract.outputs), feeds)
        except Exception as error:
            if "allocate" in str(error) or "out of memory" in str(error):
                raise DeviceError(f"{self.device} has no memory for the graph; a smaller --size needs less") from error
            raise
        return {name: torch.from_numpy(a) for name, a in zip(self.contract.outputs, answers, strict=True)}


class Program:
    """By PyTorch."""

    def __init__(self, path: Path, contract: Contract, device: torch.device | None) -> None:
        self.contract = contract
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            with path.open("rb") as file:
                program: Any = torch.export.load(file)
            if self.device.type != "cpu":
                from torch.export.passes import move_to_device_pass

                program = move_to_device_pass(program, str(self.device))
            # Without guards: they are Python made of texts, and refuse clips of one frame, which the graph can do.
            self._module = program.module(check_guards=False)
        except Exception as error:  # what a damaged or older program raises is not documented
            raise ModelError(f"{path}: PyTorch does not load it ({_one_line(error)}); export it again") from error

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        answers = self._module(*(inputs[name].to(self.device) for name in self.contract.inputs))
        return dict(zip(self.contract.outputs, answers, strict=True))


def _onnxruntime(path: Path) -> Any:
    try:
        return import_module("onnxruntime")
    except ImportError:
        raise UsageError(f'{path}: running ONNX needs onnxruntime: pip install "gvseg[onnx]"') from None


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
