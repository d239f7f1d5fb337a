"""How wrong classes and masks are: Mask2Former's three losses on every output of the decoder.

Source: Mask2Former, `criterion.py` (facebookresearch/Mask2Former, MIT), and its video version, where every frame of an
object counts like a mask of its own. Differences:
- full masks are made of matched queries alone, of all outputs of a clip in one product;
- void does not count: means are over the points that are known;
- classes are normalised over the whole step as masks are, not by each process and part for itself, so that processes
  and accumulated parts together give exactly what one large batch gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.losses.matching import Matching, Outputs, Pairs, outputs_of
from gvseg_core.losses.points import Points, choose_points, sample, truth_at
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.recipes import LossSettings
from gvseg_core.types import Prediction


@dataclass(frozen=True, slots=True)
class Normaliser:
    """What sums are divided by: amounts of a whole step, a process's mean share of it."""

    num_masks: float | Tensor  # targets
    class_weight: float | Tensor  # of all queries together: 1 for each that is matched, `no_object` for the others

    def __add__(self, other: Normaliser) -> Normaliser:
        return Normaliser(self.num_masks + other.num_masks, self.class_weight + other.class_weight)


def amounts(
    targets: Iterable[Targets], num_queries: int, settings: LossSettings, num_free: int | None = None
) -> Normaliser:
    """What clips contribute to the normaliser; it is known before the network has run. Parts may be added.

    Args:
        targets: of each clip.
        num_queries: Q.
        settings: for the weight of "no object".
        num_free: as for `match`.
    """
    num_masks, class_weight = 0, 0.0
    for target in targets:
        free = target.rows.count(FREE)
        matched = len(target) - free + min(free, num_queries if num_free is None else num_free)
        num_masks += len(target)
        class_weight += matched + settings.no_object * (num_queries - matched)
    return Normaliser(num_masks, class_weight)


def normaliser_of(
    total: Normaliser, device: torch.device, reduce_mean: Callable[[Tensor], Tensor] | None = None
) -> Normaliser:
    """From what this process has in a step to what it divides by.

    Args:
        total: the amounts of all of the process's clips in the step.
        device: of the losses.
        reduce_mean: the mean of a tensor over all processes; none where there is one.
    """
    both = torch.tensor([float(total.num_masks), float(total.class_weight)], device=device)
    if reduce_mean is not None:
        both = reduce_mean(both)
    return Normaliser(both[0].clamp(min=1), both[1].clamp(min=1e-6))


def segmentation_losses(
    prediction: Prediction,
    targets: Sequence[Targets],
    points: Sequence[Points],
    matching: Matching,
    settings: LossSettings,
    normaliser: Normaliser,
) -> dict[str, Tensor]:
    """The weighted losses of a batch; their sum is what is to fall.

    Args:
        prediction: of B clips.
        targets, points: B of each.
        matching: who answers for whom, at these points.
        settings: weights.
        normaliser: of the whole step, of which these clips may be a part.

    Returns:
        Scalars "class", "mask" and "dice" of the answer, and "class_0", "mask_0", … of the outputs before it.
    """
    outputs = outputs_of(prediction)
    with torch.autocast(prediction.mask_features.device.type, enabled=False):
        classes = _class_losses(outputs.class_logits, targets, matching.pairs, settings.no_object)
        masks, dices = classes.new_zeros(len(classes)), classes.new_zeros(len(classes))
        for b, (target, pairs) in enumerate(zip(targets, matching.pairs, strict=True)):
            mask, dice = _mask_losses(outputs, prediction.mask_features[b], b, target, points[b], pairs)
            masks, dices = masks + mask, dices + dice
    scaled = {
        "class": classes * (settings.class_weight / normaliser.class_weight),
        "mask": masks * (settings.mask_weight / normaliser.num_masks),
        "dice": dices * (settings.dice_weight / normaliser.num_masks),
    }
    return {
        f"{name}{suffix}": loss
        for name, losses in scaled.items()
        for suffix, loss in zip(outputs.suffixes, losses.unbind(), strict=True)
    }


def _class_losses(class_logits: Tensor, targets: Sequence[Targets], pairs: Sequence[Pairs], no_object: float) -> Tensor:
    """(L,) cross-entropies, summed over all queries of all clips."""
    nothing = class_logits.shape[-1] - 1
    classes = torch.full(class_logits.shape[:3], nothing, dtype=torch.int64, device=class_logits.device)
    for b, (target, pair) in enumerate(zip(targets, pairs, strict=True)):
        classes[:, b].scatter_(1, pair.queries, target.class_ids[pair.targets])
    weight = class_logits.new_ones(nothing + 1)
    weight[nothing] = no_object
    losses = F.cross_entropy(class_logits.flatten(0, 2), classes.flatten(), weight, reduction="none")
    return losses.view(len(class_logits), -1).sum(1)


def _mask_losses(
    outputs: Outputs, features: Tensor, clip: int, targets: Targets, points: Points, pairs: Pairs
) -> tuple[Tensor, Tensor]:
    """(L,) cross-entropies and (L,) dice losses of one clip, summed over its pairs and frames."""
    t, c, h, w = features.shape
    num_outputs, num_pairs = pairs.queries.shape
    queries = outputs.mask_embeddings[:, clip].gather(1, pairs.queries[..., None].expand(-1, -1, c)).flatten(0, 1)
    # R = L·n masks of T frames. `bmm` takes the features as they lie; `@` would copy them.
    logits = torch.bmm(queries.expand(t, -1, -1), features.float().flatten(2)).view(
        t, len(queries), h, w
    )  # R = L·n masks
    if not num_pairs:
        none = logits.sum().expand(num_outputs)  # 0, and a gradient of 0 for all that made it
        return none, none
    places, masks, known = choose_points(logits.detach(), pairs.targets.flatten(), points, truth_at(targets, points))
    at_points = sample(logits.flatten(0, 1)[:, None], places.flatten(0, 1)).view(masks.shape)
    mask = F.binary_cross_entropy_with_logits(at_points, masks, known, reduction="none").sum(-1)
    mask = mask / known.sum(-1).clamp(min=1)
    probs = at_points.sigmoid() * known
    inside = masks * known
    dice = 1 - (2 * (probs * inside).sum(-1) + 1) / (probs.sum(-1) + inside.sum(-1) + 1)
    return mask.view(t, num_outputs, -1).sum((0, 2)), dice.view(t, num_outputs, -1).sum((0, 2))
