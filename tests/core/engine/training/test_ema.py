"""The average follows the weights, at first quickly."""

from __future__ import annotations

import torch
from torch import nn

from gvseg_core.engine.training.ema import Average


def test_the_average_is_the_recurrence_it_says() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    average, wanted = Average(layer, decay=0.5), 0.0
    for n, value in enumerate((1.0, 3.0, 2.0), start=1):
        nn.init.constant_(layer.weight, value)
        average.update(layer)
        decay = min(0.5, (1 + n) / (10 + n))
        wanted = decay * wanted + (1 - decay) * value
    assert torch.allclose(average.tensors["weight"], torch.tensor([[wanted]]))


def test_counters_are_copied_not_averaged() -> None:
    norm = nn.BatchNorm1d(2)
    average = Average(norm, decay=0.9)
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 7
    average.update(norm)
    assert int(average.tensors["num_batches_tracked"]) == 7


def test_an_average_goes_on_from_where_it_was_saved() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(2, 2)
    one = Average(layer, decay=0.9)
    nn.init.ones_(layer.weight)
    one.update(layer)
    other = Average(nn.Linear(2, 2), decay=0.9)
    other.restore(one.tensors, one.num_updates)
    nn.init.zeros_(layer.weight)
    one.update(layer)
    other.update(layer)
    assert torch.equal(one.tensors["weight"], other.tensors["weight"])
