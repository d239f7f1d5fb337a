"""Where a network runs, in which precision, and how that is told."""

from __future__ import annotations

from typing import Any

import torch

from gvseg_core.errors import DeviceError, UsageError
from gvseg_core.registry import choose

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" takes a GPU where there is one.

    Raises:
        UsageError: not a device's name.
        DeviceError: a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(f"cuda:{name}" if name.isdecimal() else name)
    except RuntimeError:
        raise UsageError(f"--device {name}: wanted auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {name}: {torch.cuda.device_count()} CUDA devices here; --device cpu works anywhere"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps: no Apple GPU here; --device cpu works anywhere")
    if device.type not in {"cpu", "cuda", "mps"}:
        raise UsageError(f"--device {name}: wanted auto, cpu, cuda, cuda:1 or mps")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision called `name`; "auto" is bf16 where the hardware multiplies it natively, else float32.

    Natively means CUDA devices that say so, and CPUs with AMX. AVX-512 alone gains too little for what bf16 costs in
    agreement.

    Raises:
        UsageError: not a precision, or fp16 on a CPU, which has no fast arithmetic for it.
    """
    if name == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device.type == "cuda"
            else device.type == "cpu" and torch.cpu._is_amx_tile_supported()
        )
        return torch.bfloat16 if native else torch.float32
    dtype = choose("dtype", DTYPES, name)
    if dtype == torch.float16 and device.type == "cpu":
        raise UsageError("--dtype fp16 has no fast arithmetic on a CPU; use --dtype bf16 or fp32")
    return dtype


def arithmetic(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What the numbers depend on beside the weights: results of two runs in which it differs may differ, a little.

    `tf32` is whether float32 products on a GPU are rounded to 10 bits; PyTorch does so in convolutions unless told
    otherwise.
    """
    on_gpu = device.type == "cuda"
    return {
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "tf32": on_gpu and (torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32),
        **({"cudnn": torch.backends.cudnn.version()} if on_gpu else {}),
    }
