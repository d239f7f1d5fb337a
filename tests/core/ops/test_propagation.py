"""Labels of remembered frames: against a loop over cells, and what must hold of any."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.ops.propagation import TEMPERATURE, Labelled, colours, directions, likeness, propagate


def frame(seed: int, size: tuple[int, int] = (11, 6), labels: int = 2) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    looks = directions(torch.randn(5, *size, generator=generator))
    return Labelled(looks, torch.rand(labels, *size, generator=generator))


def by_hand(looks: Tensor, known: list[Labelled], radius: int) -> Tensor:
    _, h, w = looks.shape
    found = torch.zeros(known[0].labels.shape)
    for y in range(h):
        for x in range(w):
            total = 0.0
            for other in known:
                for i in range(max(y - radius, 0), min(y + radius + 1, h)):
                    for j in range(max(x - radius, 0), min(x + radius + 1, w)):
                        weight = math.exp(float(looks[:, y, x] @ other.looks[:, i, j]) / TEMPERATURE)
                        found[:, y, x] += weight * other.labels[:, i, j]
                        total += weight
            found[:, y, x] /= total
    return found


@pytest.mark.parametrize("radius", [0, 2, 20])
def test_every_cell_is_what_those_near_it_are_that_look_like_it(radius: int) -> None:
    known = [frame(1), frame(2)]
    looks = frame(3).looks
    torch.testing.assert_close(propagate(looks, known, radius), by_hand(looks, known, radius), rtol=1e-4, atol=1e-5)


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_an_object_that_moves_as_a_whole_is_found_where_it_went(down: int, right: int) -> None:
    generator = torch.Generator().manual_seed(0)
    looks = directions(torch.randn(16, 20, 20, generator=generator))
    labels = torch.zeros(1, 20, 20)
    labels[0, 8:12, 7:13] = 1
    moved, wanted = (torch.roll(maps, (down, right), (1, 2)) for maps in (looks, labels))
    found = propagate(moved, [Labelled(looks, labels)], radius=3)
    assert (found > 0.5).equal(wanted > 0.5)


def test_where_it_went_too_far_it_is_lost() -> None:
    known = frame(1, (20, 20))
    labels = torch.zeros(1, 20, 20)
    labels[0, 2:5, 2:5] = 1
    moved = torch.roll(known.looks, (10, 10), (1, 2))
    assert not propagate(moved, [Labelled(known.looks, labels)], radius=3)[:, 10:, 10:].any()


def test_shares_stay_shares() -> None:
    known = frame(1, (9, 9))
    divided = Labelled(known.looks, known.labels / known.labels.sum(0))
    torch.testing.assert_close(propagate(frame(2, (9, 9)).looks, [divided], 2).sum(0), torch.ones(9, 9))


def test_the_nearer_of_two_looks_is_the_likelier_one_by_their_squared_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    these, those = torch.randn(5, 3, generator=generator), torch.randn(5, 4, generator=generator)
    squared = (these[:, :, None] - those[:, None]).square().sum(0)
    wanted = (-squared / (2 * TEMPERATURE)).log_softmax(1)
    torch.testing.assert_close(likeness(these, those).log_softmax(1), wanted, rtol=1e-4, atol=1e-3)


def test_colours_lie_where_the_picture_does_and_padding_has_none() -> None:
    picture = torch.zeros(3, 48, 80, dtype=torch.uint8)
    picture[:, :, 40:] = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]  # black, then red
    seen = colours(picture, shown=(24, 40), cells=(8, 12))  # 6 × 10 cells of the input's 8 × 12
    assert seen.shape == (12, 8, 12)
    brightness, blue, red = seen[0:4], seen[4:8], seen[8:12]  # each at four places of a cell
    assert not seen[:, :, :5].any()
    assert not seen[:, 6:].any()
    assert not seen[:, :, 10:].any()
    of_red = [2 * 0.299, -2 * 0.299, 2 * (1 - 0.299)]
    for channel, wanted in zip((brightness, blue, red), of_red, strict=True):
        torch.testing.assert_close(channel[:, :6, 5:10], torch.full((4, 6, 5), wanted))


def test_colours_tell_which_half_of_a_cell_they_are_in() -> None:
    picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
    picture[:, 4:6, :2] = 255  # the upper left quarter of the lower left of 2 × 2 cells
    seen = colours(picture, shown=(8, 8), cells=(2, 2))[:4]
    torch.testing.assert_close(seen[:, 1, 0], torch.tensor([2.0, 0, 0, 0]))
    assert not seen[:, 0].any()
    assert not seen[:, 1, 1].any()
