"""What counts when queries are compared."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gvseg_core.track.association import Cues, cosines, first_shown, last_shown


@pytest.fixture
def queries() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(4, 8), torch.randn(4, 12), torch.randn(6, 8), torch.randn(6, 12)


def test_the_weight_goes_from_appearance_to_shape_and_position(queries: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    q, h, p, g = queries
    torch.testing.assert_close(Cues(0.0).similarity(q, None, p, None), cosines(q, p))
    torch.testing.assert_close(Cues(1.0).similarity(q, h, p, g), cosines(h, g))
    torch.testing.assert_close(Cues(0.25).similarity(q, h, p, g), 0.75 * cosines(q, p) + 0.25 * cosines(h, g))


def test_a_learnt_projection_says_how_much_shape_and_position_weigh(
    queries: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    q, h, p, g = queries
    projection = torch.randn(8, 12)
    found = Cues(0.25, projection).similarity(q, h, p, g)
    torch.testing.assert_close(found, cosines(q + h @ projection.T, p + g @ projection.T))
    unlearnt = Cues(0.25, torch.zeros(8, 12)).similarity(q, h, p, g)
    torch.testing.assert_close(unlearnt, cosines(q, p))


def test_cues_that_count_must_be_there() -> None:
    with pytest.raises(ValueError, match="without descriptors"):
        Cues(0.25).similarity(torch.ones(1, 2), None, torch.ones(1, 2), None)


def test_nothing_is_like_nothing() -> None:
    assert cosines(torch.zeros(1, 3), torch.tensor([[0.0, 0, 0], [1, 2, 3]])).tolist() == [[0, 0]]


def test_the_last_frame_that_shows_the_object_meets_the_first_that_does() -> None:
    descriptors = torch.tensor([[[0.0], [2], [3], [0]], [[0], [0], [0], [0]], [[5], [0], [6], [7]]])
    assert first_shown(descriptors).tolist() == [[2], [0], [5]]
    assert last_shown(descriptors).tolist() == [[3], [0], [7]]
