"""Where masks are compared: a few thousand points of each frame instead of every pixel.

Source: Mask2Former §3.3 after PointRend (detectron2, projects/PointRend/point_rend/point_features.py, Apache-2.0).
Differences:
- one draw serves all masks and all outputs of a clip: each mask still takes its own points from as many candidates, so
  that no mask sees another distribution, but the order of the targets makes no difference, what is true at the
  candidates is looked up once, and a step draws some hundred times fewer numbers;
- masks of the truth are sampled from their map of labels, four whole numbers for a point, whatever the number of masks;
- no point is spent on void: it is the last that counts as uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.losses.targets import Targets
from gvseg_core.recipes import LossSettings
from gvseg_core.types import VOID

_AT_ONCE = 64  # masks that choose among their candidates together: 64 · T · 3P numbers are held


@dataclass(frozen=True, slots=True)
class Points:
    """The points of one clip: x and y as shares of the padded picture, in [0, 1)."""

    shared: Tensor  # (P, 2) of every frame, at which all queries are matched
    candidates: Tensor  # (T, S, 2) among which a mask takes those where it is least sure
    uniform: Tensor  # (T, U, 2) that it takes besides; U = P minus those

    @property
    def num_uncertain(self) -> int:
        """How many of the candidates a mask takes on each frame."""
        return len(self.shared) - self.uniform.shape[1]


def draw_points(
    settings: LossSettings, num_frames: int, device: torch.device, chance: torch.Generator | None = None
) -> Points:
    """The points of one clip of T frames.

    Args:
        settings: how many.
        num_frames: T.
        device: where they are wanted.
        chance: the clip's own, so that its losses depend neither on the rest of the batch nor on the number of
            processes; the device's common one by default.
    """
    p = settings.num_points
    u = p - int(settings.importance * p)
    s = int(settings.oversample * p)
    at = chance.device if chance is not None else device
    drawn = torch.rand(p + num_frames * (s + u), 2, generator=chance, device=at).to(device)
    shared, candidates, uniform = drawn.split([p, num_frames * s, num_frames * u])
    return Points(shared, candidates.view(num_frames, s, 2), uniform.view(num_frames, u, 2))


def sample(maps: Tensor, points: Tensor) -> Tensor:
    """Bilinear samples of maps, with zeros outside.

    Args:
        maps: (N, C, h, w).
        points: (N, P, 2).

    Returns:
        (N, C, P).
    """
    return F.grid_sample(maps, 2 * points[:, None] - 1, align_corners=False)[:, :, 0]


def sample_masks(targets: Targets, points: Tensor) -> Tensor:
    """Bilinear samples of each target's mask.

    Args:
        targets: of a clip of T frames.
        points: (T, P, 2).

    Returns:
        (N, T, P) float32 in [0, 1].
    """
    height, width = targets.labels.shape[-2:]
    x, y = (points * points.new_tensor([width, height]) - 0.5).unbind(-1)
    left, top = x.floor(), y.floor()
    flat, numbers = targets.labels.flatten(1), targets.numbers[:, None, None]
    total = points.new_zeros(len(targets), *points.shape[:2])
    for i in (0, 1):
        for j in (0, 1):
            column, row = left.long() + i, top.long() + j
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            label = flat.gather(1, row.clamp(0, height - 1) * width + column.clamp(0, width - 1))
            weight = (1 - (x - left - i).abs()) * (1 - (y - top - j).abs()) * inside
            total += (label == numbers) * weight
    return total


def known_at(targets: Targets, points: Tensor) -> Tensor:
    """(T, P) float32: 1 where the pixel under a point may be learnt from, 0 where it is void."""
    if not targets.has_void:
        return points.new_ones(points.shape[:2])
    height, width = targets.labels.shape[-2:]
    column, row = (points * points.new_tensor([width, height])).long().unbind(-1)
    at = row.clamp(max=height - 1) * width + column.clamp(max=width - 1)
    return targets.labels.flatten(1).gather(1, at).ne(VOID).to(points.dtype)


@dataclass(frozen=True, slots=True)
class PointTruth:
    """What the truth is at the points of one clip."""

    masks: Tensor  # (N, T, S) at the candidates
    known: Tensor  # (T, S)
    uniform_masks: Tensor  # (N, T, U)
    uniform_known: Tensor  # (T, U)


def truth_at(targets: Targets, points: Points) -> PointTruth:
    """Looked up once for all outputs."""
    return PointTruth(
        masks=sample_masks(targets, points.candidates),
        known=known_at(targets, points.candidates),
        uniform_masks=sample_masks(targets, points.uniform),
        uniform_known=known_at(targets, points.uniform),
    )


@torch.no_grad()
def choose_points(logits: Tensor, answers: Tensor, points: Points, truth: PointTruth) -> tuple[Tensor, Tensor, Tensor]:
    """The points at which each mask is compared, and what should have been there.

    Args:
        logits: (T, R, h, w) of R masks.
        answers: (R,) the target that each should have been.
        points: of the clip.
        truth: at these points.

    Returns:
        (T, R, P, 2) points, (T, R, P) true masks in [0, 1], (T, R, P) 1 where it is known, else 0.
    """
    frame = torch.arange(len(points.candidates), device=logits.device)[:, None, None]
    places, masks, known = [], [], []
    for part, answer in zip(logits.split(_AT_ONCE, 1), answers.split(_AT_ONCE), strict=True):
        doubt = sample(part, points.candidates).abs_()
        doubt.masked_fill_(truth.known.eq(0)[:, None], torch.inf)
        chosen = least(doubt, points.num_uncertain)
        r = len(answer)
        places.append(torch.cat([points.candidates[frame, chosen], points.uniform[:, None].expand(-1, r, -1, -1)], 2))
        uncertain, uniform = truth.masks[answer[:, None], frame, chosen], truth.uniform_masks[answer].transpose(0, 1)
        masks.append(torch.cat([uncertain, uniform], 2))
        known.append(torch.cat([truth.known[frame, chosen], truth.uniform_known[:, None].expand(-1, r, -1)], 2))
    return torch.cat(places, 1), torch.cat(masks, 1), torch.cat(known, 1)


def least(values: Tensor, num: int) -> Tensor:
    """Where the smallest values are along the last dimension, in any order; what is no number counts as largest.

    Args:
        values: (..., S).
        num: how many, at most S.

    Returns:
        (..., num) int64. On a CPU by NumPy, which takes a quarter of the time.
    """
    if values.device.type == "cpu":
        return torch.from_numpy(np.argpartition(values.numpy(), num - 1)[..., :num])
    return values.topk(num, largest=False, sorted=False).indices
