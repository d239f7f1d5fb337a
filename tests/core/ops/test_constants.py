"""Kept tensors are made once and work everywhere."""

from __future__ import annotations

import torch

from gvseg_core.ops.constants import held, kept


@kept(2)
def ramp(n: int) -> torch.Tensor:
    return torch.arange(n, dtype=torch.float32)


def test_what_was_made_is_given_again():
    assert ramp(3) is ramp(3)
    assert ramp(3) is not ramp(4)


def test_what_inference_made_first_can_be_trained_with_later():
    with torch.inference_mode():
        ramp(5)
    weight = torch.ones(5, requires_grad=True)
    (weight * ramp(5)).sum().backward()
    assert weight.grad.tolist() == [0, 1, 2, 3, 4]


def test_who_holds_what_is_given_out_has_it_for_as_long_as_it_takes():
    with held() as outer:
        first = ramp(7)
        with held() as inner:
            second = ramp(8)
    third = ramp(9)
    assert [one is wanted for one, wanted in zip(outer, (first, second), strict=True)] == [True, True]
    assert len(inner) == 1
    assert inner[0] is second
    assert ramp(9) is third
