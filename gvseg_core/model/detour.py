"""A network whose two halves run another way than by being called, in its place wherever one is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from gvseg_core.config import ModelSettings
from gvseg_core.model.network import Network
from gvseg_core.types import Features, Prediction, Queries


class Detour(ABC):
    """Stands in for a network that is ready for inference; a way is how `encode` and `decode` are run.

    While the network is in float32 for a clip that its own precision did not suffice for, it is called directly: a way
    may have been made for other weights.
    """

    def __init__(self, network: Network | Detour) -> None:
        self.network = network
        self._is_direct = False

    @property
    def settings(self) -> ModelSettings:
        """The network's."""
        return self.network.settings

    def encode(self, pixels: Tensor) -> Features:
        """As `Network.encode`."""
        features: Features = self._run("encode", (pixels,), {})
        return features

    def decode(self, features: Features, queries: Queries, vocabulary: str, **kwargs: Any) -> Prediction:
        """As `Network.decode`."""
        prediction: Prediction = self._run("decode", (features, queries, vocabulary), kwargs)
        return prediction

    def float(self) -> Self:
        """As `Network.float`."""
        self._is_direct = True
        self.network.float()
        return self

    def prepare_for_inference(self, dtype: torch.dtype = torch.float32) -> Self:
        """As `Network.prepare_for_inference`; what was made for the weights before is forgotten."""
        self.network.prepare_for_inference(dtype)
        self.forget()
        self._is_direct = False
        return self

    def forget(self) -> None:
        """Let go of all that was made for the weights as they are; there may be nothing."""
        return

    @abstractmethod
    def go(self, name: str, half: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`half(*args, **kwargs)` on this way; the half's name is "encode" or "decode"."""

    def _run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        half = getattr(self.network, name)
        return half(*args, **kwargs) if self._is_direct else self.go(name, half, args, kwargs)
