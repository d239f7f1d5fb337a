"""How weights move: AdamW in three groups, a step schedule, one norm for all gradients.

Source: Mask2Former, `train_net_video.py` (facebookresearch/Mask2Former, MIT): the backbone learns at a tenth of the
rate; norms, embeddings (learnt queries and their codes, the decoder's level code) and position biases do not decay;
gradients are clipped to an L2 norm of 0.01 over all weights together. Batch statistics and affine parameters of
`FrozenBatchNorm2d` stay as they are, as in detectron2, unless a network begins from nothing (`freeze_norms: false`;
each process then has statistics of its own share, and the first one's are kept).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from gvseg_core.model.layers import FrozenBatchNorm2d
from gvseg_core.model.network import Network
from gvseg_core.recipes import TrainSettings

_NORMS = (nn.LayerNorm, nn.GroupNorm, FrozenBatchNorm2d)
_EMBEDDINGS = ("queries.", "decoder.level_embed")
"""Parameters that Mask2Former keeps in `nn.Embedding`; of a query source its own codes alone, not its projections."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that move alike."""

    lr_scale: float
    weight_decay: float
    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]


def trainable(network: Network, settings: TrainSettings) -> Network:
    """The network with only those weights asking for gradients that training may move."""
    network.train()
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.requires_grad_(not settings.freeze_norms)
            module.learns = not settings.freeze_norms
    if settings.freeze_backbone:
        network.backbone.requires_grad_(False)
    return network


def groups_of(network: Network, settings: TrainSettings, pixels: nn.Module | None = None) -> tuple[Group, ...]:
    """Every parameter that asks for gradients, in exactly one group; groups without any are left out.

    Args:
        network: made ready by `trainable`.
        settings: of the run.
        pixels: what training adds to the network; its parameters are called `pixels.…`.
    """
    sorted_out: dict[tuple[float, float], list[tuple[str, nn.Parameter]]] = {}
    added = [] if pixels is None else [(f"pixels.{name}", p, True) for name, p in pixels.named_parameters()]
    for name, parameter, decays in (*_parameters(network), *added):
        scale = settings.backbone_lr_scale if name.startswith("backbone.") else 1.0
        key = scale, settings.weight_decay if decays else 0.0
        sorted_out.setdefault(key, []).append((name, parameter))
    return tuple(
        Group(scale, decay, tuple(name for name, _ in members), tuple(parameter for _, parameter in members))
        for (scale, decay), members in sorted(sorted_out.items(), key=lambda item: item[0])
    )


def build_optimiser(groups: Iterable[Group], settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW over the groups; `set_rate` sets the rate before each step.

    On a CPU one loop over each tensor instead of a dozen: a fifteenth of the smallest network's step.
    """
    groups = list(groups)
    on_cpu = all(parameter.device.type == "cpu" for group in groups for parameter in group.parameters)
    return torch.optim.AdamW(
        [
            {"params": list(group.parameters), "lr_scale": group.lr_scale, "weight_decay": group.weight_decay}
            for group in groups
        ],
        lr=settings.lr,
        fused=on_cpu or None,
    )


def rate(step: int, settings: TrainSettings) -> float:
    """The learning rate of a step, from 0: risen over `warmup`, multiplied by `decay` from each milestone on."""
    risen = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    passed = sum(step >= milestone for milestone in settings.milestones)
    return settings.lr * risen * settings.decay**passed


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """The same rate for all groups, each by its own scale."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["lr_scale"]


def _parameters(network: Network) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Each parameter that asks for gradients once, and whether it decays."""
    for prefix, module in network.named_modules():
        for own, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                name = f"{prefix}.{own}" if prefix else own
                yield name, parameter, not (isinstance(module, _NORMS) or _is_embedding(name, module))


def _is_embedding(name: str, module: nn.Module) -> bool:
    if name.endswith(("relative_position_bias_table", "absolute_pos_embed")):
        return True
    return name.startswith(_EMBEDDINGS) and not isinstance(module, nn.Linear)
