"""What every pixel is, asked of the pixel decoder itself: an auxiliary loss for networks that learn from little.

Queries start from pixel features (GvSEG §3.2), and a decoder's losses reach those only through attention; where a
network begins from nothing, they are told directly what they show. The head is training's own and is left behind.
Source: the auxiliary semantic loss of MaX-DeepLab (Wang et al., CVPR 2021, §3.4) and kMaX-DeepLab (Yu et al., ECCV
2022, §3.3). Differences: it stands at stride 8, where queries start; every target of a clip counts alike, however few
pixels it has, or small things would not be heard beside the ground; and a pixel without a label may be told what it is
not, because instance sets label things alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.losses.targets import Targets, class_map, owner_map
from gvseg_core.types import VOID, Features

NOTHING = VOID - 1
"""In a map of classes: no target is here, and that is known."""


class PixelClasses(nn.Module):
    """A linear classifier of stride-8 features for each vocabulary; row K is what no class describes.

    Args:
        vocabularies: number of classes of each.
        dim: channels of the features.
    """

    def __init__(self, vocabularies: Mapping[str, int], dim: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(dim, num + 1) for name, num in vocabularies.items()})
        for parameter in self.parameters():
            nn.init.zeros_(parameter)  # no chance: the run's seed makes the network alone

    def forward(
        self, features: Features, vocabulary: str, targets: Sequence[Targets], unlabelled: Collection[int]
    ) -> Tensor:
        """The sum over B clips of the mean over each one's targets of their mean cross-entropy.

        Args:
            features: of B clips.
            vocabulary: whose classes these are.
            targets: of each clip.
            unlabelled: the classes that a pixel without a target may be of, K among them; () where it may be any, so
                that nothing is learnt from it. All pixels without one are a target more.

        Returns:
            A scalar.
        """
        level = features.multi_scale[-1]
        size = level.shape[-2], level.shape[-1]
        with torch.autocast(level.device.type, enabled=False):
            logits: Tensor = self.heads[vocabulary](level.float().permute(0, 1, 3, 4, 2))  # (B, T, h, w, K + 1)
            total = logits.sum() * 0  # where nothing is known, a gradient of 0 for all that made it
            for clip_logits, target in zip(logits, targets, strict=True):
                losses = _cross_entropy(
                    clip_logits.flatten(0, -2), class_map(target, size, NOTHING).flatten(), unlabelled
                )
                owners = owner_map(target, size).flatten()
                total = total + (losses * _shares(owners, len(target), is_rest_known=bool(unlabelled))).sum()
        return total


def _shares(owners: Tensor, num_targets: int, *, is_rest_known: bool) -> Tensor:
    """(P,) what each cell counts: targets alike, and the cells of each; together 1, or 0 where nothing is known."""
    known = owners != VOID if is_rest_known else owners > 0
    counts = torch.bincount(owners[known], minlength=num_targets + 1)
    share = 1 / (counts.clamp(min=1) * counts.count_nonzero().clamp(min=1))
    return torch.where(known, share[owners.clamp(min=0)], 0.0)


def _cross_entropy(logits: Tensor, labels: Tensor, unlabelled: Collection[int]) -> Tensor:
    """(P, K + 1) logits and (P,) labels → (P,); 0 where the label is VOID, and for NOTHING without `unlabelled`."""
    losses = F.cross_entropy(logits, labels.clamp(min=VOID), ignore_index=VOID, reduction="none")
    if not unlabelled:
        return losses
    allowed = logits[:, sorted(unlabelled)].logsumexp(-1)
    return torch.where(labels == NOTHING, logits.logsumexp(-1) - allowed, losses)
