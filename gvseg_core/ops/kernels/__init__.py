"""Triton kernels for CUDA devices; whoever has one beside a portable path asks here which of the two to take.

Nothing here imports Triton before a tensor on a CUDA device asks for it: PyTorch's CUDA wheels bring it along, others
do not have it (`pip install gvseg[triton]`). The modules of this package with kernels in them do import it; they are
imported by whoever launches one. With `TRITON_INTERPRET=1` in the environment kernels run on the CPU, slowly: tests do
that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TypeVar

import torch
from torch import Tensor

R = TypeVar("R")

HAS_TRITON = find_spec("triton") is not None

_log = logging.getLogger(__name__)
_broken: set[str] = set()  # kernels that could not be built or launched here


def usable(tensor: Tensor) -> bool:
    """Whether kernels can work on tensors that are where this one is."""
    return HAS_TRITON and tensor.device.type == "cuda"


def beside(tensor: Tensor) -> AbstractContextManager[object]:
    """Kernels are launched on the current device: in the body that is the one where the tensor is."""
    return torch.cuda.device(tensor.device) if tensor.device.type == "cuda" else nullcontext()


def or_portable(name: str, kernel: Callable[[], R], portable: Callable[[], R]) -> R:
    """What `kernel` gives; where it cannot be built or launched, one warning, and from then on what `portable` gives.

    A kernel may fail for reasons that are not its own: Triton needs a C compiler, and a device it knows.

    Raises:
        torch.OutOfMemoryError: memory does not suffice; the portable path would need more.
    """
    if name not in _broken:
        try:
            return kernel()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            _broken.add(name)
            reason = (str(error) or type(error).__name__).splitlines()[0]
            _log.warning("the Triton kernel for %s does not run here, the portable path does: %s", name, reason)
    return portable()
