"""Clips with targets, and predictions at random, small enough to be worked out by hand or by loops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.losses.points import Points, draw_points
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.recipes import LossSettings
from gvseg_core.types import VOID, Prediction

SIZE = (24, 32)  # pixels; cells are 6 × 8
SETTINGS = LossSettings(num_points=40)
K = 4


def scene(
    num_targets: int, frames: int = 2, seed: int = 0, *, void: bool = False, rows: Sequence[int] | None = None
) -> Targets:
    """Blots that share no pixel, of classes 0, 1, … K - 1, 0, …; with `void`, a stripe of it."""
    draw = torch.Generator().manual_seed(seed)
    heights = F.interpolate(torch.randn(frames, num_targets + 1, 4, 5, generator=draw), SIZE, mode="bicubic")
    labels = heights.argmax(1).to(torch.int16)
    if void:
        labels[:, :, 10:17] = VOID
    return Targets(
        class_ids=torch.arange(num_targets) % K,
        track_ids=torch.arange(num_targets) + 10,
        labels=labels,
        is_thing=torch.ones(num_targets, dtype=torch.bool),
        rows=(FREE,) * num_targets if rows is None else tuple(rows),
        picture_size=SIZE,
        has_void=void,
    )


def guess(batch: int = 1, queries: int = 5, frames: int = 2, auxiliary: int = 2, seed: int = 0) -> Prediction:
    """A prediction whose every part asks for gradients."""
    draw = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw).requires_grad_()

    layers = tuple((some(batch, queries, K + 1), some(batch, queries, 6)) for _ in range(auxiliary + 1))
    features = some(batch, frames, 6, SIZE[0] // 4, SIZE[1] // 4)
    return Prediction(layers[-1][0], layers[-1][1], layers[-1][1], features, None, layers[:-1])


def parts_of(prediction: Prediction) -> list[Tensor]:
    """All that gradients are asked of."""
    layers = [*prediction.auxiliary, (prediction.class_logits, prediction.mask_embeddings)]
    return [prediction.mask_features, *(tensor for layer in layers for tensor in layer)]


def clips_of(prediction: Prediction, begin: int, end: int) -> Prediction:
    """Some of its clips."""
    part = slice(begin, end)
    return Prediction(
        prediction.class_logits[part],
        prediction.embeddings[part],
        prediction.mask_embeddings[part],
        prediction.mask_features[part],
        None,
        tuple((logits[part], embeddings[part]) for logits, embeddings in prediction.auxiliary),
    )


def draws(num: int, frames: int = 2, settings: LossSettings = SETTINGS) -> list[Points]:
    """Points for each of several clips, of a chance of its own."""
    return [draw_points(settings, frames, torch.device("cpu"), torch.Generator().manual_seed(b)) for b in range(num)]


def layers_of(prediction: Prediction) -> list[tuple[Tensor, Tensor]]:
    """(class logits (B, Q, K + 1), mask logits (B, Q, T, h, w)) of every output, as Mask2Former makes them."""
    layers = [*prediction.auxiliary, (prediction.class_logits, prediction.mask_embeddings)]
    return [(logits, torch.einsum("bqc,btchw->bqthw", e, prediction.mask_features)) for logits, e in layers]
