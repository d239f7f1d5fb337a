"""One step: its parts' losses and gradients, one move of the weights, what is remembered.

The divisors of the losses are known before the first part runs, so that a step in many parts, or in many processes,
moves the weights as one large batch would. A step whose loss or gradient is not finite moves nothing: neither weights,
nor class means, queues or batch statistics.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gvseg_core.data.training.samples import Sample
from gvseg_core.engine.training.learner import Amounts, Learner, Remembered
from gvseg_core.engine.training.optimiser import build_optimiser, groups_of, rate, set_rate
from gvseg_core.engine.training.processes import Processes
from gvseg_core.losses.matching import MatchProblems
from gvseg_core.losses.segmentation import Normaliser
from gvseg_core.model.layers import FrozenBatchNorm2d


@dataclass(frozen=True, slots=True)
class Told:
    """How a step went, over all processes."""

    losses: dict[str, float]  # weighted terms; "loss" is their sum
    gradient: float  # L2 norm before it was clipped
    is_finite: bool  # False: the weights have not moved
    problems: MatchProblems  # of this process


class Stepper:
    """Moves a learner's weights.

    Args:
        learner: on its device, made ready by `optimiser.trainable`.
        processes: those that train together.
    """

    def __init__(self, learner: Learner, processes: Processes) -> None:
        self.learner = learner
        self.settings = learner.settings
        self.groups = groups_of(learner.network, learner.settings, learner.pixels)
        self.optimiser = build_optimiser(self.groups, learner.settings)
        self.names: dict[Tensor, str] = {
            parameter: name
            for group in self.groups
            for name, parameter in zip(group.names, group.parameters, strict=True)
        }
        self.device = next(learner.parameters()).device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=learner.settings.amp == "fp16")
        self._processes = processes
        norms = [module for module in learner.modules() if isinstance(module, FrozenBatchNorm2d) and module.learns]
        self._statistics = [buffer for norm in norms for buffer in norm.buffers()]
        self._model: nn.Module = learner
        if processes.size > 1:
            # A step need not use every source of queries and every head, and queues are kept alike by `remember`.
            # Of 1 × 1 convolutions either layout is the same one.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            with warnings.catch_warnings():  # torch 2.13 gives the option a new name, which older ones do not know
                warnings.simplefilter("ignore", FutureWarning)
                self._model = DistributedDataParallel(learner, find_unused_parameters=True, broadcast_buffers=False)

    def step(self, number: int, samples: Sequence[Sample]) -> Told:
        """Take one step with this process's share of the batch.

        Raises:
            torch.OutOfMemoryError, RuntimeError: memory does not suffice.
        """
        divisors = self._divisors(samples)
        remembered = Remembered()
        statistics = [buffer.clone() for buffer in self._statistics]
        size = self.settings.micro_batch or len(samples)
        parts = [samples[i : i + size] for i in range(0, len(samples), size)]
        self.optimiser.zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = {}
        for part in parts:
            with self._processes.together(), self._apart(is_last=part is parts[-1]):
                total, told = self._model(part, divisors, remembered)
                self.scaler.scale(total).backward()
            for name, value in {**told, "loss": total.detach()}.items():
                losses[name] = losses.get(name, torch.zeros((), device=self.device)) + value
        shared = self._shared(losses)
        self.scaler.unscale_(self.optimiser)
        weights = [parameter for group in self.groups for parameter in group.parameters]
        gradient = float(torch.nn.utils.clip_grad_norm_(weights, self.settings.clip_norm))
        is_finite = all(map(math.isfinite, shared.values())) and (math.isfinite(gradient) or self._can_scale_down())
        is_finite = not self._processes.agree(not is_finite)
        if is_finite:
            set_rate(self.optimiser, rate(number, self.settings))
            self.scaler.step(self.optimiser)
            self.learner.remember(remembered, self._processes)
        else:
            self.optimiser.zero_grad(set_to_none=True)
            for buffer, before in zip(self._statistics, statistics, strict=True):
                buffer.copy_(before)
        self.scaler.update()
        return Told(shared, gradient, is_finite, remembered.problems)

    def _apart(self, *, is_last: bool) -> AbstractContextManager[None]:
        """Gradients of a part stay in this process until the last one's are sent."""
        if isinstance(self._model, DistributedDataParallel) and not is_last:
            return self._model.no_sync()
        return nullcontext()

    def _can_scale_down(self) -> bool:
        """In fp16 a gradient that overflows is the loss scale's fault, and the scaler's affair, while there is any."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1

    def _divisors(self, samples: Sequence[Sample]) -> Amounts:
        mine = self.learner.amounts(samples)
        counted = torch.tensor(
            [
                float(mine.segmentation.num_masks),
                float(mine.segmentation.class_weight),
                float(mine.anchors),
                float(mine.classified),
                float(mine.asked),
            ],
            device=self.device,
        )
        masks, classes, anchors, clips, asked = self._processes.mean(counted)
        normaliser = Normaliser(masks.clamp(min=1), classes.clamp(min=1e-6))
        return Amounts(normaliser, anchors.clamp(min=1), clips.clamp(min=1), asked.clamp(min=1))

    def _shared(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Means over processes: what one process alone would have found. Terms that nobody has are left out."""
        names = sorted(TERMS)
        values = torch.stack([losses.get(name, torch.zeros((), device=self.device)).float() for name in names])
        means = self._processes.mean(values).tolist()
        return {name: value for name, value in zip(names, means, strict=True) if name in losses or value}


TERMS = ("loss", "class", "mask", "dice", "contrast", "pixel", "propagation", "final_class", "final_mask", "final_dice")
