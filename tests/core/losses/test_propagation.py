"""Labels carried over by mask features: against a loop over cells."""

from __future__ import annotations

import math

import pytest
import torch

from gvseg_core.losses.propagation import propagation_loss
from gvseg_core.losses.targets import Targets, bound, targets_of
from gvseg_core.ops.propagation import TEMPERATURE
from gvseg_core.types import VOID, Features, LabelledClip

SIZE = (8, 12)  # pixels, 2 × 3 cells of stride 4
KEY = [[7, 7, 0], [9, VOID, 0]]  # track ids cell by cell; 7 and 9 are pointed at
LATER = [[0, 7, 7], [9, 5, VOID]]  # 5 is not: it has come since


def targets_from(cells: list[list[int]], known: list[int]) -> Targets:
    """One frame, a cell each 4 × 4 pixels."""
    ids = sorted({value for row in cells for value in row if value > 0}, reverse=True)
    labels = torch.tensor([[value if value <= 0 else ids.index(value) + 1 for value in row] for row in cells])
    labels = labels.repeat_interleave(4, 0).repeat_interleave(4, 1)[None].to(torch.int16)
    track_ids = torch.tensor(ids, dtype=torch.int64)
    clip = LabelledClip(torch.zeros(1, 3, *SIZE), labels, torch.zeros(len(ids), dtype=torch.int64), track_ids, (0,))
    return targets_of(clip, SIZE, things=(0,), rows=bound(track_ids, known))


def made(clips: int = 2) -> Features:
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(clips, 1, 5, 2, 3, generator=generator, requires_grad=True)
    return Features((torch.zeros(clips, 1, 5, 1, 2),), maps)


def chances(num: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(num)]


def by_hand(features: Features, y: int, x: int, label: int) -> float:
    """-log of what the cells of the key clip with `label` weigh, for one cell of the other."""
    looks = torch.nn.functional.normalize(features.mask_features.detach()[:, 0], dim=1)
    weights = {
        (i, j): math.exp(float(looks[1, :, y, x] @ looks[0, :, i, j]) / TEMPERATURE)
        for i in range(2)
        for j in range(3)
        if KEY[i][j] != VOID
    }
    right = sum(weight for (i, j), weight in weights.items() if KEY[i][j] == label)
    return -math.log(right / sum(weights.values()))


def test_every_object_and_the_rest_are_asked_for_alike() -> None:
    features = made()
    loss = propagation_loss(features, [targets_from(KEY, [7, 9]), targets_from(LATER, [7, 9])], [0, 0], chances(2))
    of_7 = (by_hand(features, 0, 1, 7) + by_hand(features, 0, 2, 7)) / 2
    of_9 = by_hand(features, 1, 0, 9)
    # What nobody pointed at is none of the objects, whatever it is.
    of_none = (by_hand(features, 0, 0, 0) + by_hand(features, 1, 1, 0)) / 2
    each = [of_7, of_9, of_none]
    assert max(each) > 1.5 * min(each), "a scene that tells them apart"
    assert float(loss.detach()) == pytest.approx(sum(each) / 3, rel=0.15)  # 256 draws of the cells


def test_an_object_that_the_key_clip_does_not_show_is_not_asked_for() -> None:
    key = [[7, 7, 0], [0, 0, 0]]
    features = made()
    both = [targets_from(key, [7, 9]), targets_from([[9, 9, 9], [9, 9, 9]], [7, 9])]
    loss = propagation_loss(features, both, [0, 0], chances(2))
    loss.backward()
    assert loss == 0
    assert features.mask_features.grad is not None
    assert features.mask_features.grad.eq(0).all()


def test_it_does_not_depend_on_what_else_is_in_the_batch() -> None:
    features, pair = made(), [targets_from(KEY, [7, 9]), targets_from(LATER, [7, 9])]
    alone = propagation_loss(features, pair, [0, 0], chances(2))
    twice = Features(features.multi_scale, features.mask_features.repeat(2, 1, 1, 1, 1))
    together = propagation_loss(twice, pair * 2, [0, 0, 2, 2], chances(2) + chances(2))
    torch.testing.assert_close(together, 2 * alone)


def test_it_falls() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 1, 5, 2, 3, requires_grad=True)
    both = [targets_from(KEY, [7, 9]), targets_from(LATER, [7, 9])]
    optimiser = torch.optim.SGD([maps], lr=0.3)
    losses = []
    for _ in range(60):
        loss = propagation_loss(Features((), maps), both, [0, 0], chances(2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]
