"""Look-alikes that pass each other, and what they are called afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.track.encounters import Encounters
from gvseg_core.track.pixel_memory import PixelMemory

AREA = 100.0  # a radius of 5.6
LOOK = torch.tensor([1.0, 0.0])
NOWHERE = (float("nan"), float("nan"), 0.0)
SWAPPED = [1, 0]


def ways(*places: Sequence[float]) -> Tensor:
    """(N, 3)"""
    return torch.tensor([(*place, AREA) if len(place) == 2 else place for place in places])


def met(one: Sequence[float], other: Sequence[float], look: Tensor = LOOK) -> Encounters:
    """Two are pointed at, the second with a look of its own."""
    encounters = Encounters()
    encounters.begin(0, ways(one)[0], LOOK)
    encounters.begin(1, ways(other)[0], look)
    return encounters


def passing(speed: float, names_stay: bool, frames: int = 20) -> list[list[Sequence[float]]]:
    """Where two are found that go past each other from 60 apart, frame by frame; in the end on the sides they came from
    unless their names go with them."""
    found: list[list[Sequence[float]]] = []
    for t in range(1, frames + 1):
        here, there = (speed * t, 0.0), (60 - speed * t, 3.0)
        found.append([here, there] if names_stay or here[0] < 30 else [there, here])
    return found


@given(st.floats(2.5, 8.0))
def test_who_kept_the_wrong_side_is_named_anew_once(speed: float) -> None:
    encounters = met((0, 0), (60, 3))
    orders = []
    for here, there in passing(speed, names_stay=False):
        pair = (there, here) if SWAPPED in orders else (here, there)  # as is known of a name, so the next frame has it
        orders.append(encounters.settle(ways(*pair), ()))
    assert orders.count(SWAPPED) == 1
    assert 15 / speed < orders.index(SWAPPED) + 1 < 60 / speed  # not before they met, and before they were as far again


@given(st.floats(2.5, 8.0))
def test_whose_names_went_with_them_keep_them(speed: float) -> None:
    encounters = met((0, 0), (60, 3))
    assert all(encounters.settle(ways(*places), ()) == [0, 1] for places in passing(speed, names_stay=True))


def test_what_looks_different_is_left_alone() -> None:
    encounters = met((0, 0), (60, 3), torch.tensor([0.8, 0.6]))  # half the squared distance is 0.2
    assert all(encounters.settle(ways(*places), ()) == [0, 1] for places in passing(5, names_stay=False))


def test_who_is_hidden_for_a_while_is_known_again() -> None:
    encounters = met((0, 0), (60, 3))
    orders = []
    for t, places in enumerate(passing(5, names_stay=False)):
        orders.append(encounters.settle(ways(*places) if t not in {5, 6, 7} else ways(places[0], NOWHERE), ()))
        if orders[-1] == SWAPPED:
            break
    assert orders[-1] == SWAPPED


def test_who_stays_together_for_long_is_not_expected_anywhere() -> None:
    encounters = met((0, 0), (60, 3))
    for t in range(1, 6):
        encounters.settle(ways((5 * t, 0), (60 - 5 * t, 3)), ())
    for _ in range(13):
        encounters.settle(ways((28, 0), (32, 3)), ())  # too near each other to have sides
    assert encounters.settle(ways((20, 0), (40, 3)), ()) == [0, 1]


def test_what_is_given_is_no_guess_and_begins_anew() -> None:
    encounters = met((0, 0), (60, 3))
    found = passing(5, names_stay=False)
    for places in found[:6]:
        assert encounters.settle(ways(*places), ()) == [0, 1]
    encounters.begin(0, ways(found[6][0])[0], LOOK)
    assert encounters.settle(ways(*found[6]), {0}) == [0, 1]
    assert all(encounters.settle(ways(*places), ()) == [0, 1] for places in found[7:])


def test_given_again_it_is_what_was_given_last() -> None:
    encounters = met((0, 0), (60, 3))
    encounters.begin(1, ways((60, 3))[0], -LOOK)
    assert all(encounters.settle(ways(*places), ()) == [0, 1] for places in passing(5, names_stay=False))


def test_given_again_they_have_only_just_met() -> None:
    encounters = met((0, 0), (60, 3))
    for _ in range(13):
        encounters.settle(ways((28, 0), (32, 3)), ())
    encounters.begin(0, ways((26, 0))[0], LOOK)
    assert encounters.settle(ways((26, 0), (34, 0)), {0}) == [0, 1]
    encounters.begin(1, ways((34, 0))[0], LOOK)
    assert encounters.settle(ways((34, 0), (26, 0)), ()) == SWAPPED


def test_of_three_look_alikes_the_two_that_met_are_named_anew() -> None:
    encounters = met((0, 0), (60, 3))
    encounters.begin(2, ways((30, 80))[0], LOOK)
    orders = [encounters.settle(ways(*places, (30, 80)), ()) for places in passing(5, names_stay=False)[:7]]
    assert orders == [[0, 1, 2]] * 6 + [[1, 0, 2]]


@pytest.mark.parametrize("speed", [3, 4])
def test_pixels_carry_the_new_names_on(speed: int) -> None:
    """Two squares of one colour on a ground of another; the first hides the second while they pass each other. Queries
    missed them when they were given, so the pixels alone have a say."""
    height, width, side = 8, 48, 6
    memory = PixelMemory(0.8, radius=4)
    nothing = torch.full((2, height, width), -3.0)
    for t in range((width - side) // speed + 1):
        masks = torch.zeros(2, height, width)
        masks[0, 1 : 1 + side, speed * t : speed * t + side] = 1
        masks[1, 1 : 1 + side, width - side - speed * t : width - speed * t] = 1
        masks[1] *= 1 - masks[0]
        looks = torch.stack([masks.sum(0), 1 - masks.sum(0)])
        found = memory.follow(looks, nothing, (0, 1) if t == 0 else (), {0: masks[0], 1: masks[1]} if t == 0 else {})
    both = (found > 0) & (masks > 0)
    assert ((both.flatten(1).sum(1) / masks.flatten(1).sum(1)) > 0.9).all()
