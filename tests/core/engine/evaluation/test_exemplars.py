"""Exemplars given as less than the benchmark gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.engine.evaluation.exemplars import pointed_at
from gvseg_core.errors import UsageError
from gvseg_core.ops import rle
from gvseg_core.types import Exemplar, Frame, Prompt

RING = np.ones((6, 8), np.bool_)
RING[1:5, 1:7] = False


def given(prompt: Prompt) -> list[Frame]:
    plain = unseen_frame(0, (6, 8))
    return [replace(plain, exemplar=Exemplar((prompt,))), unseen_frame(1, (6, 8))]


def first(kind: str) -> Prompt:
    frame, other = pointed_at(given(Prompt(3, mask=rle.encode(RING))), kind)  # type: ignore[arg-type]
    assert other.exemplar is None
    assert frame.exemplar is not None
    return frame.exemplar.prompts[0]


def test_a_mask_stays_a_mask() -> None:
    assert first("mask") == Prompt(3, mask=rle.encode(RING))


def test_a_box_is_the_smallest_around_the_mask() -> None:
    assert first("box") == Prompt(3, box=(0.0, 0.0, 8.0, 6.0))


def test_a_point_lies_on_the_object_even_if_its_centre_does_not() -> None:
    prompt = first("point")
    assert prompt.point is not None
    x, y = prompt.point
    assert RING[int(y), int(x)]
    assert (x % 1, y % 1) == (0.5, 0.5)


@pytest.mark.parametrize("kind", ["box", "point"])
def test_less_than_a_mask_cannot_be_made_of_less(kind: str) -> None:
    with pytest.raises(UsageError, match=f"--exemplar-kind {kind}"):
        list(pointed_at(given(Prompt(1, box=(0, 0, 1, 1))), kind))  # type: ignore[arg-type]
