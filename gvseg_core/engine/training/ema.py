"""A second set of weights that follows the first slowly: the mean over the last steps, for validation and release."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of everything in a module's state dict that is a floating-point number.

    In the first steps the decay is smaller, (1 + n) / (10 + n), so that the mean does not hang on the random start
    (as TensorFlow's `ExponentialMovingAverage` has it).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.num_updates = 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """One more step of the module has been taken."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    def restore(self, tensors: Mapping[str, Tensor], num_updates: int) -> None:
        """Go on from what `tensors` and `num_updates` were when they were saved."""
        self.num_updates = num_updates
        for name, tensor in tensors.items():
            self.tensors[name].copy_(tensor)
