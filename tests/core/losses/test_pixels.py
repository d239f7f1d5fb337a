"""What every pixel is: against a loop over cells."""

from __future__ import annotations

import pytest
import torch

from gvseg_core.losses.pixels import PixelClasses
from gvseg_core.losses.targets import Targets, class_map, targets_of
from gvseg_core.types import VOID, Features, LabelledClip

SIZE = (16, 24)  # pixels, 2 × 3 cells of stride 8


def targets() -> list[Targets]:
    """Two clips of one frame: a thing (class 0), ground (class 2), unlabelled pixels and void; and one of ground."""
    labels = torch.zeros(1, *SIZE, dtype=torch.int16)
    labels[0, :8, :8], labels[0, 8:, :8], labels[0, 8:, 16:] = 1, 2, VOID
    first = LabelledClip(torch.zeros(1, 3, *SIZE), labels, torch.tensor([0, 2]), torch.tensor([1, 2]), (0,))
    second = LabelledClip(torch.zeros(1, 3, *SIZE), torch.ones_like(labels), torch.tensor([2]), torch.tensor([1]), (0,))
    return [targets_of(clip, SIZE, things=()) for clip in (first, second)]


def made(seed: int = 0) -> tuple[PixelClasses, Features]:
    generator = torch.Generator().manual_seed(seed)
    classes = PixelClasses({"three": 3}, 5)
    for parameter in classes.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    level = torch.randn(2, 1, 5, 2, 3, generator=generator, requires_grad=True)
    return classes, Features((level,), torch.zeros(2, 1, 5, 4, 6))


@pytest.mark.parametrize("unlabelled", [(), (1, 3), (3,)])
def test_each_target_of_a_clip_counts_alike_and_so_does_the_rest_where_it_is_known(unlabelled: tuple[int, ...]) -> None:
    classes, features = made()
    probs = classes.heads["three"](features.multi_scale[0].permute(0, 1, 3, 4, 2)).softmax(-1)
    # Cells of the first clip, row by row: thing, unlabelled, unlabelled; ground, unlabelled, void.
    first = [probs[0, 0, 0, 0, 0].log(), probs[0, 0, 1, 0, 2].log()]
    if unlabelled:
        rest = [probs[0, 0, y, x, list(unlabelled)].sum() for y, x in ((0, 1), (0, 2), (1, 1))]
        first.append(torch.stack(rest).log().mean())
    wanted = -torch.stack(first).mean() - probs[1, 0, :, :, 2].log().mean()
    torch.testing.assert_close(classes(features, "three", targets(), unlabelled), wanted)


def test_a_clip_of_which_nothing_is_known_counts_nothing_and_gives_a_gradient_of_zero() -> None:
    classes, features = made()
    labels = torch.full((1, *SIZE), VOID, dtype=torch.int16)
    empty = torch.zeros(0, dtype=torch.int64)
    clip = LabelledClip(torch.zeros(1, 3, *SIZE), labels, empty, empty, (0,))
    loss = classes(features, "three", [targets_of(clip, SIZE, things=())] * 2, (3,))
    loss.backward()
    assert loss == 0
    assert features.multi_scale[0].grad is not None
    assert features.multi_scale[0].grad.eq(0).all()


def test_it_reaches_the_features_and_the_head_and_falls() -> None:
    classes, features = made()
    loss = classes(features, "three", targets(), (3,))
    loss.backward()
    level = features.multi_scale[0]
    assert level.grad is not None
    with torch.no_grad():
        moved = Features((level - 0.1 * level.grad,), features.mask_features)
    assert classes(moved, "three", targets(), (3,)) < loss
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in classes.parameters())


def test_the_head_begins_without_chance() -> None:
    assert all(parameter.eq(0).all() for parameter in PixelClasses({"a": 2, "b": 4}, 8).parameters())


def test_a_pixel_that_nobody_has_is_told_from_void() -> None:
    found = class_map(targets()[0], (2, 3), nobody=-7)
    assert found[0].tolist() == [[0, -7, -7], [2, -7, VOID]]
