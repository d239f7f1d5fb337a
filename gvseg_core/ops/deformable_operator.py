"""Deformable attention on a CUDA device as an operator of PyTorch's own kind: `torch.ops.gvseg.deformable_attention`.

Compilers and `torch.export` take it as one node and need not look inside; autograd knows its other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gvseg_core.ops.deformable_bags import attend_by_bags
from gvseg_core.ops.kernels import or_portable, usable
from gvseg_core.types import Size

_TYPES = frozenset({torch.float32, torch.bfloat16, torch.float16})


def has_kernel(value: Tensor) -> bool:
    """Whether there is a kernel for (B, N, M, D) values: on this device, of this type, with D a power of two."""
    d = value.shape[-1]
    return usable(value) and value.dtype in _TYPES and 4 <= d <= 256 and d & (d - 1) == 0


def attend_by_kernel(value: Tensor, sizes: Sequence[Size], places: Tensor, logits: Tensor) -> Tensor:
    """`gvseg_core.ops.deformable.deformable_attention`, where there `has_kernel`."""

    def kernel() -> Tensor:
        out: Tensor = deformable_attention(value, places, logits, [side for size in sizes for side in size])
        return out

    if torch.compiler.is_compiling():
        return kernel()
    return or_portable("deformable attention", kernel, lambda: attend_by_bags(value, sizes, places, logits))


@torch.library.custom_op("gvseg::deformable_attention", mutates_args=())
def deformable_attention(value: Tensor, places: Tensor, logits: Tensor, sides: Sequence[int]) -> Tensor:
    """As `gvseg_core.ops.deformable.deformable_attention`; `sides` are h, w of the first level, h, w of the second …"""
    if not usable(value):  # an exported program that has come to another machine
        return attend_by_bags(value, list(zip(sides[::2], sides[1::2], strict=True)), places, logits)
    from gvseg_core.ops.kernels.deformable import attend

    return attend(value, places, logits, sides)


@deformable_attention.register_fake
def _(value: Tensor, places: Tensor, logits: Tensor, sides: Sequence[int]) -> Tensor:  # noqa: ARG001
    b, _, heads, d = value.shape
    return value.new_empty(b, places.shape[1], heads * d)


@torch.library.custom_op("gvseg::deformable_attention_backward", mutates_args=())
def deformable_attention_backward(
    gradient: Tensor, value: Tensor, places: Tensor, logits: Tensor, sides: Sequence[int], learns_value: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of value, places and logits; that of value is empty, (0,), unless `learns_value`."""
    from gvseg_core.ops.kernels.deformable import learn

    return learn(gradient, value, places, logits, sides, learns_value=learns_value)


@deformable_attention_backward.register_fake
def _(
    gradient: Tensor,  # noqa: ARG001
    value: Tensor,
    places: Tensor,
    logits: Tensor,
    sides: Sequence[int],  # noqa: ARG001
    learns_value: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    to_value = value.new_empty(value.shape) if learns_value else value.new_empty(0)
    return to_value, places.new_empty(places.shape), logits.new_empty(logits.shape)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    value, places, logits, sides = inputs
    ctx.save_for_backward(value, places, logits)
    ctx.sides = sides


def _learn(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
    learns_value = ctx.needs_input_grad[0]
    to_value, to_places, to_logits = deformable_attention_backward(
        gradient.contiguous(), *ctx.saved_tensors, ctx.sides, learns_value
    )
    return to_value if learns_value else None, to_places, to_logits, None


deformable_attention.register_autograd(_learn, setup_context=_remember)
