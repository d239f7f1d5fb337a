"""Which query answers for which target: the best one-to-one assignment, for every output of the decoder by itself.

Source: Mask2Former, `matcher.py` (facebookresearch/Mask2Former, MIT), and its video version, where the frames of a clip
share their points. Differences, none in the numbers:
- mask logits are made at the points alone: a bilinear sample of q·F is q·(sample of F), and F is sampled once for all
  queries of all outputs. The part of the cross-entropy that is linear in the logits needs no logits at all;
- costs of all clips and outputs leave the device together, once;
- costs that are no number are counted by term and output, and such a pair is made only where no other is left;
- a query that starts at a place may pay for its distance to the target (`place_weight`, 0 unless it is set). Two
  things that look alike are one to a network that has not told them apart yet: either query fits either thing, chance
  decides anew in every step who answers for which, and neither learns to leave the other out;
- targets may be bound to a query (class queries, exemplars), and only the first queries may be free for the others;
- void does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gvseg_core.losses.points import Points, known_at, sample, sample_masks
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.recipes import LossSettings
from gvseg_core.types import Prediction

TERMS = "class", "mask", "dice"


@dataclass(frozen=True, slots=True)
class MatchProblems:
    """Costs that were no finite numbers: how many, by term and output."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __add__(self, other: MatchProblems) -> MatchProblems:
        return MatchProblems(Counter(self.counts) + Counter(other.counts))

    def __str__(self) -> str:
        parts = [f"{term} of {output}: {count}" for (term, output), count in self.counts.items()]
        return f"costs of matching that are not finite: {', '.join(parts)}" if parts else "every cost is finite"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who answers for whom in one clip, by ascending target; L outputs, n pairs in each."""

    queries: Tensor  # (L, n) int64
    targets: Tensor  # (L, n) int64, below N

    @property
    def final(self) -> tuple[Tensor, Tensor]:
        """(n,) queries and their targets, of the last output."""
        return self.queries[-1], self.targets[-1]


@dataclass(frozen=True, slots=True)
class Matching:
    """Who answers for whom in a batch."""

    pairs: tuple[Pairs, ...]  # one for each clip
    problems: MatchProblems


@dataclass(frozen=True, slots=True)
class Outputs:
    """All that the decoder said, layer by layer; the last is its answer."""

    class_logits: Tensor  # (L, B, Q, K + 1) float32
    mask_embeddings: Tensor  # (L, B, Q, Cm) float32

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What tells the outputs apart in names: `_0`, `_1`, …, and nothing for the answer."""
        return (*(f"_{i}" for i in range(len(self.class_logits) - 1)), "")


def outputs_of(prediction: Prediction) -> Outputs:
    """The outputs of a prediction, auxiliary ones first."""
    outputs = [*prediction.auxiliary, (prediction.class_logits, prediction.mask_embeddings)]
    class_logits, mask_embeddings = zip(*outputs, strict=True)
    return Outputs(torch.stack(class_logits).float(), torch.stack(mask_embeddings).float())


@torch.no_grad()
def match(
    prediction: Prediction,
    targets: Sequence[Targets],
    points: Sequence[Points],
    settings: LossSettings,
    num_free: int | None = None,
    places: Tensor | None = None,
) -> Matching:
    """Assign every target of every clip, for each output anew.

    Args:
        prediction: of B clips.
        targets: B; where there are more than queries, the worst remain without one.
        points: B; where costs are taken.
        settings: the weights of the costs, which are those of the losses.
        num_free: how many queries, the first ones, may answer for targets that are not bound; all by default.
        places: (B, Q, 2) where queries start (`Queries.places`), if they do; the distance to a target's centre, as a
            share of the picture's diagonal, costs `place_weight`.

    Raises:
        ValueError: a target is bound to a query that is not there, is free, or is taken.
    """
    outputs = outputs_of(prediction)
    num_queries = outputs.class_logits.shape[2]
    num_free = num_queries if num_free is None else num_free
    for target in targets:
        _check(target.rows, num_queries, num_free)
    asked = [b for b, target in enumerate(targets) if num_free and FREE in target.rows]
    with torch.autocast(prediction.mask_features.device.type, enabled=False):
        found = [
            _costs(outputs, prediction.mask_features[b], b, targets[b], points[b], settings, num_free) for b in asked
        ]
        if places is not None and settings.place_weight:
            far = [settings.place_weight * distances(places[b, :num_free], targets[b]) for b in asked]
            found = [(cost + away, count) for (cost, count), away in zip(found, far, strict=True)]
    host = _to_host([cost for cost, _ in found] + [count for _, count in found])
    costs = dict(zip(asked, host, strict=False))
    nothing = np.zeros((len(outputs.suffixes), 0, 0))
    rows = [_pair(costs.get(b, nothing), target.rows) for b, target in enumerate(targets)]
    return Matching(_to_device(rows, prediction.mask_features.device), _problems(host[len(asked) :], outputs.suffixes))


def _check(rows: Sequence[int], num_queries: int, num_free: int) -> None:
    bound = [row for row in rows if row != FREE]
    if len(set(bound)) < len(bound) or any(not 0 <= row < num_queries for row in bound):
        raise ValueError(f"targets are bound to queries {bound} of {num_queries}")
    if FREE in rows and any(row < num_free for row in bound):
        raise ValueError(f"targets are bound to queries {bound}, of which the first {num_free} are free")


def _costs(
    outputs: Outputs,
    features: Tensor,
    clip: int,
    targets: Targets,
    points: Points,
    settings: LossSettings,
    num_free: int,
) -> tuple[Tensor, Tensor]:
    """(L, Q, N) weighted costs of the free queries and targets, and (3, L) how many are no number, term by term."""
    shared = points.shared.expand(len(features), -1, -1)
    chosen = [n for n, row in enumerate(targets.rows) if row == FREE]
    which = chosen if len(chosen) < len(targets) else slice(None)
    known_TP1 = known_at(targets, shared)[..., None]
    inside_TPN = sample_masks(targets, shared)[which].permute(1, 2, 0) * known_TP1
    features_TCP = sample(features.float(), shared)
    truth_TCN = features_TCP @ inside_TPN
    mask_cost, dice_cost = [], []
    for queries_QC in outputs.mask_embeddings[:, clip, :num_free]:
        # With x the logit and m the mask at a point, the cross-entropy is softplus(x) - m·x.
        logits_TQP = torch.bmm(queries_QC.expand(len(features), -1, -1), features_TCP)
        entropy_QN = (F.softplus(logits_TQP) @ known_TP1 - queries_QC @ truth_TCN).sum(0)
        mask_cost.append(entropy_QN / known_TP1.sum().clamp(min=1))
        probs_TQP = logits_TQP.sigmoid_()
        both_QN, either_QN = (probs_TQP @ inside_TPN).sum(0), (probs_TQP @ known_TP1).sum(0) + inside_TPN.sum((0, 1))
        dice_cost.append(1 - (2 * both_QN + 1) / (either_QN + 1))
    class_LQN = -outputs.class_logits[:, clip, :num_free].softmax(-1)[..., targets.class_ids[which]]
    terms = class_LQN, torch.stack(mask_cost), torch.stack(dice_cost)
    weights = settings.class_weight, settings.mask_weight, settings.dice_weight
    count = torch.stack([term.isfinite().logical_not_().sum((1, 2)) for term in terms])
    total_LQN = torch.zeros_like(class_LQN)
    for weight, term in zip(weights, terms, strict=True):
        if weight:  # 0 times infinity is no number
            total_LQN += weight * term
    return total_LQN, count


def distances(places: Tensor, targets: Targets) -> Tensor:
    """(Q, N) from each place to the centre of each target that is free, as shares of the padded picture's diagonal.

    Nothing is far from a target that the middle frame does not show, nor from a place that is none.
    """
    size = places.new_tensor([targets.labels.shape[-1], targets.labels.shape[-2]])
    free = [n for n, row in enumerate(targets.rows) if row == FREE]
    away = (places.detach()[:, None] - targets.centres[free]) * size
    return torch.nan_to_num(away.norm(dim=-1) / size.norm())


def _to_host(tensors: Sequence[Tensor]) -> list[NDArray[np.float64]]:
    """All of them in one copy."""
    if not tensors:
        return []
    flat = torch.cat([tensor.double().flatten() for tensor in tensors]).cpu().numpy()
    parts = np.split(flat, np.cumsum([tensor.numel() for tensor in tensors])[:-1])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def _pair(costs: NDArray[np.float64], rows: Sequence[int]) -> NDArray[np.int64]:
    """(L, Q, N) costs of the free → (2, L, n) queries and targets of all, by ascending target."""
    free = [n for n, row in enumerate(rows) if row == FREE]
    fixed = np.array([(row, n) for n, row in enumerate(rows) if row != FREE], np.int64).reshape(-1, 2)
    layers = []
    for cost in costs:
        queries, places = linear_sum_assignment(_finite(cost))
        pairs = np.concatenate([fixed, np.stack([queries, np.array(free, np.int64)[places]], axis=1)])
        layers.append(pairs[np.argsort(pairs[:, 1], kind="stable")].T)
    return np.stack(layers, axis=1)


def _finite(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs that are no number are so high that they are paid only where nothing else is possible."""
    finite = np.isfinite(cost)
    if finite.all():
        return cost
    known = cost[finite] if finite.any() else np.zeros(1)
    return np.where(finite, cost, known.max() + (np.ptp(known) + 1) * (min(cost.shape) + 1))


def _problems(counts: Sequence[NDArray[np.float64]], suffixes: Sequence[str]) -> MatchProblems:
    total: Counter[tuple[str, str]] = Counter()
    for count in counts:
        for i, term in enumerate(TERMS):
            for layer, suffix in enumerate(suffixes):
                total[term, f"output{suffix.replace('_', ' ')}" if suffix else "the answer"] += int(count[i, layer])
    return MatchProblems(+total)


def _to_device(rows: Sequence[NDArray[np.int64]], device: torch.device) -> tuple[Pairs, ...]:
    """All pairs in one copy."""
    flat = torch.from_numpy(np.concatenate([part.ravel() for part in rows])).to(device, non_blocking=True)
    parts = flat.split([part.size for part in rows])
    return tuple(Pairs(*part.view(block.shape)) for part, block in zip(parts, rows, strict=True))
