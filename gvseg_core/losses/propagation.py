"""What was pointed at, pixel by pixel: mask features of one object should be alike wherever a video shows it.

`ops.propagation` finds an object again by asking, for every cell, which remembered cells look most like it, and whose
they were. Here that question is asked with the answer known: of cells of a video's other clips, among all cells of its
key clip. Source: the soft nearest neighbours by which labels are propagated in Vondrick et al. (ECCV 2018, §3), who
learn it from colours; ours are told the labels themselves. Cells are drawn so that every object, and what is none of
them, is asked for alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gvseg_core.losses.targets import FREE, Targets, owner_map
from gvseg_core.ops.propagation import directions, likeness
from gvseg_core.types import VOID, Features

_CELLS = 256  # of a clip that are asked


def propagation_loss(
    features: Features, targets: Sequence[Targets], keys: Sequence[int], chance: Sequence[torch.Generator]
) -> Tensor:
    """The sum over the clips that are not key of the mean cross-entropy of the labels their cells would be given.

    Args:
        features: of B clips, those of a video next to each other.
        targets: of each clip; `rows` say which object of the key clip each is.
        keys: for each clip the place of its video's key clip.
        chance: what draws each clip's cells, on the CPU.

    Returns:
        A scalar.
    """
    maps = features.mask_features
    with torch.autocast(maps.device.type, enabled=False):
        looks = directions(maps).transpose(1, 2).flatten(2)  # (B, C, T·h·w)
        total = looks.sum() * 0  # where nothing is asked, a gradient of 0 for all that made it
        size = int(maps.shape[-2]), int(maps.shape[-1])
        owners = [_objects(target, size) for target in targets]
        for clip, key in enumerate(keys):
            if clip == key:
                continue
            known = owners[key]
            drawn = _draw(owners[clip], known, chance[clip])
            if not len(drawn):
                continue
            alike = likeness(looks[clip][:, drawn], looks[key]).masked_fill(known == VOID, float("-inf"))
            right = alike.masked_fill(owners[clip][drawn, None] != known, float("-inf"))
            total = total + (alike.logsumexp(1) - right.logsumexp(1)).mean()
    return total


def _objects(targets: Targets, size: tuple[int, int]) -> Tensor:
    """(T·h·w,) row + 1 of the key clip's object in each cell, 0 where there is none of them, or VOID."""
    rows = [0 if row == FREE else row + 1 for row in targets.rows]
    names = torch.tensor([VOID, 0, *rows], device=targets.labels.device)
    return names[owner_map(targets, size).flatten() - VOID]


def _draw(owners: Tensor, known: Tensor, chance: torch.Generator) -> Tensor:
    """Cells to ask, of those whose owner the key clip shows."""
    possible = torch.isin(owners, known) & (owners != VOID)
    counts = torch.bincount(owners.clamp(min=0)[possible], minlength=int(owners.max().clamp(min=0)) + 1)
    weights = torch.where(possible, 1 / counts.clamp(min=1)[owners.clamp(min=0)], 0.0).cpu()
    if not weights.any():
        return torch.zeros(0, dtype=torch.long, device=owners.device)
    return torch.multinomial(weights, _CELLS, replacement=True, generator=chance).to(owners.device)
