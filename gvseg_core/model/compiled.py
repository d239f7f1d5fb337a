"""The network through `torch.compile`: `--compile`.

Each size of clip is compiled for itself, when it first comes. On a CUDA device kernels are fused that PyTorch otherwise
launches one by one; on a CPU the network's own fused operators are as quick without, and compiling takes minutes (a
ResNet-50 at 360p: 1.2 times *slower* on AMD with AVX-512), so that it is off unless asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from gvseg_core.model.detour import Detour
from gvseg_core.model.network import Network

_log = logging.getLogger(__name__)


class Compiled(Detour):
    """Compiled halves; after the first failure, of which one line tells, the network itself."""

    def __init__(
        self,
        network: Network,
        *,
        on_failure: Callable[[], None] = lambda: None,
        compiler: Callable[..., Any] = torch.compile,
    ) -> None:
        """
        Args:
            network: on its device, ready for inference.
            on_failure: called when compiling has failed.
            compiler: called as `torch.compile`.
        """
        super().__init__(network)
        self._halves = {name: compiler(getattr(network, name), dynamic=False) for name in ("encode", "decode")}
        self._on_failure = on_failure
        self._has_failed = False

    def go(self, name: str, half: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The compiled half.

        Raises:
            torch.OutOfMemoryError: memory does not suffice.
        """
        if not self._has_failed:
            try:
                return self._halves[name](*args, **kwargs)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                self._has_failed = True
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                _log.warning("--compile does not work here, the run goes on without: %s", reason)
                self._on_failure()
        return half(*args, **kwargs)
