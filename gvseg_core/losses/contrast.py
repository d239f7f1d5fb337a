"""Task-oriented temporal contrast: what attracts and what repels a query over time (GvSEG §3.3).

    loss of a query q = log(1 + Σ₊ Σ₋ exp((q·k₋ − q·k₊) / √C))

over positive keys k₊ and negative keys k₋. Which is which depends on what identity means:
- objects (vis, evs, the things of vps): keys are the matched queries of the sample's other clips. The same object is a
  positive from a clip nearby; from a distant one only if its shape and position have hardly changed, ΔH < τ, and a
  negative otherwise, because then it would be wrong to find it by what it looked like. All other objects are negatives;
- classes (vss, the stuff of vps): keys are the latest queries of every class over the training set (`ClassQueues`).
  Those of the same class are positives, all others negatives.

Choices the paper leaves open: products are divided by √C, as in attention, because queries leave the decoder about √C
long (its last layer is a norm), and their plain products would be won by the nearest key alone; ΔH is measured on true
masks, so that the rule is right from the first step. The form of the loss is IDOL's (Wu et al. 2022, VNext). Its second
term, (cosine − label)² of every pair, can be added; it is off unless it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.losses.matching import Pairs
from gvseg_core.losses.targets import Targets
from gvseg_core.recipes import ContrastSettings

_NONE = -1e30  # a similarity that adds nothing to a sum of exponentials, and is finite, so that gradients are


@dataclass(frozen=True, slots=True)
class View:
    """The matched queries of one clip."""

    embeddings: Tensor  # (n, C) what identity is told by
    class_ids: Tensor  # (n,) int64
    track_ids: Tensor  # (n,) int64: the same object in every clip of the sample
    is_thing: Tensor  # (n,) bool: an object; False where the class is the identity
    shapes: Tensor  # (n, D) shape–position, `true_shapes`; 0 where it is not known
    distant: bool = False  # from the key clip


def view_of(embeddings: Tensor, pairs: Pairs, targets: Targets, shapes: Tensor, *, distant: bool = False) -> View:
    """What contrast needs to know of one clip.

    Args:
        embeddings: (Q, C) of its queries.
        pairs: which of them answer for which targets.
        targets: N.
        shapes: (N, D) of the targets (`true_shapes`).
        distant: whether it lies far from the key clip.
    """
    queries, answered = pairs.final
    return View(
        embeddings=embeddings[queries],
        class_ids=targets.class_ids[answered],
        track_ids=targets.track_ids[answered],
        is_thing=targets.is_thing[answered],
        shapes=shapes[answered],
        distant=distant,
    )


@dataclass(frozen=True, slots=True)
class Relations:
    """What the keys are to each anchor; what is neither does not matter."""

    attracts: Tensor  # (A, n) bool
    repels: Tensor  # (A, n) bool


class ClassQueues(nn.Module):
    """The latest queries of every class, first in, first out; part of a run's state."""

    keys: Tensor
    written: Tensor

    def __init__(self, num_classes: int, length: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(num_classes, length, dim))
        self.register_buffer("written", torch.zeros(num_classes, dtype=torch.int64))  # since the beginning

    @torch.no_grad()
    def enqueue(self, embeddings: Tensor, class_ids: Tensor, gather: Callable[[Tensor], Tensor] | None = None) -> None:
        """Put queries in place of the oldest of their classes; once a step, after the losses.

        Args:
            embeddings: (n, C); n may differ between processes.
            class_ids: (n,) int64.
            gather: joins the rows of all processes by rank, so that the queues are the same everywhere; none where
                there is one process.
        """
        embeddings = embeddings.detach().to(self.keys.dtype)
        if gather is not None:
            embeddings, class_ids = gather(embeddings), gather(class_ids)
        num_classes, length = self.keys.shape[:2]
        same = (class_ids[:, None] == class_ids).tril(-1).sum(1)  # how many of its class come before each
        added = torch.bincount(class_ids, minlength=num_classes)
        latest = same >= (added - length)[class_ids]
        slot = (self.written[class_ids] + same) % length
        self.keys[class_ids[latest], slot[latest]] = embeddings[latest]
        self.written += added

    def forward(self, class_ids: Tensor) -> tuple[Tensor, Relations]:
        """The keys, and what they are to anchors of some classes.

        Args:
            class_ids: (A,) int64.

        Returns:
            (K·N, C) keys without gradient, and their relations; places that were never written are neither.
        """
        num_classes, length = self.keys.shape[:2]
        filled = (torch.arange(length, device=self.keys.device) < self.written[:, None]).flatten()
        classes = torch.arange(num_classes, device=self.keys.device).repeat_interleave(length)
        same = class_ids[:, None] == classes
        # A copy, because the queues move on before the backward pass may have come.
        return self.keys.flatten(0, 1).clone(), Relations(same & filled, ~same & filled)


def object_relations(anchors: View, keys: View, tau: float) -> Relations:
    """What the objects of another clip are to those of the key clip.

    Args:
        anchors: of the key clip.
        keys: of the other clip.
        tau: ΔH = ‖H' − H‖ / ‖H‖ from which on a distant look at the same object is a negative. Where either shape is
            not known it is neither.
    """
    both = anchors.is_thing[:, None] & keys.is_thing
    same = anchors.track_ids[:, None] == keys.track_ids
    alike, known = torch.ones_like(same), torch.ones_like(same)
    if keys.distant:
        size = anchors.shapes.norm(dim=1)
        known = size.gt(0)[:, None] & keys.shapes.ne(0).any(1)
        alike = (
            torch.cdist(anchors.shapes, keys.shapes, compute_mode="donot_use_mm_for_euclid_dist") < tau * size[:, None]
        )
    return Relations(both & same & known & alike, both & ~(same & (alike | ~known)))


def contrast(anchors: Tensor, keys: Tensor, relations: Relations, cosine: float = 0.0) -> Tensor:
    """The loss of each anchor; 0 without a positive or without a negative.

    Args:
        anchors: (A, C).
        keys: (n, C).
        relations: (A, n) each.
        cosine: weight of (cosine − label)², the mean over an anchor's pairs.

    Returns:
        (A,) float32.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        anchors, keys = anchors.float(), keys.float()
        alike = anchors @ keys.T / math.sqrt(anchors.shape[1])
        # log(1 + Σ₋ exp(s₋) · Σ₊ exp(−s₊)), without leaving the logarithms.
        repelled = torch.logsumexp(alike.masked_fill(~relations.repels, _NONE), 1)
        attracted = torch.logsumexp((-alike).masked_fill(~relations.attracts, _NONE), 1)
        losses = F.softplus(repelled + attracted)
        if cosine:
            pairs = relations.attracts | relations.repels
            apart = (F.normalize(anchors, dim=1) @ F.normalize(keys, dim=1).T - relations.attracts.float()).square()
            losses = losses + cosine * (apart * pairs).sum(1) / pairs.sum(1).clamp(min=1)
        return losses


def contrast_loss(
    samples: Sequence[Sequence[View]],
    settings: ContrastSettings,
    normaliser: float | Tensor,
    queues: ClassQueues | None = None,
    cosine: float = 0.0,
) -> dict[str, Tensor]:
    """The weighted loss of a batch of samples.

    Args:
        samples: of each its clips, the key clip first; its queries are the anchors.
        settings: weight and τ.
        normaliser: number of anchors in the whole step, a process's mean share of it, at least 1.
        queues: of the vocabulary; needed where a class is the identity.
        cosine: as for `contrast`.

    Returns:
        {"contrast": scalar}.
    """
    losses = []
    for key, *others in samples:
        if others:
            relations = [object_relations(key, other, settings.tau) for other in others]
            attracts = torch.cat([relation.attracts for relation in relations], 1)
            repels = torch.cat([relation.repels for relation in relations], 1)
            keys = torch.cat([other.embeddings for other in others])
            losses.append(contrast(key.embeddings, keys, Relations(attracts, repels), cosine))
        if queues is not None:
            keys, known = queues(key.class_ids)
            stuff = ~key.is_thing[:, None]
            by_class = Relations(known.attracts & stuff, known.repels & stuff)
            losses.append(contrast(key.embeddings, keys, by_class, cosine))
    total = torch.cat(losses).sum() if losses else torch.zeros(())
    return {"contrast": total * (settings.weight / normaliser)}
