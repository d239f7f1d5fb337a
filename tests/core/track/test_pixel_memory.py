"""What pixels and queries count: the rules of `PixelMemory`, one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gvseg_core.track.pixel_memory import PixelMemory

SIZE = (8, 8)
LOOKS = torch.eye(64).view(64, *SIZE)  # each cell is like itself alone
HERE = torch.zeros(SIZE)
HERE[1:5, 1:5] = 1
THERE = HERE.roll((3, 3), (0, 1))


def says(mask: Tensor, sureness: float = 3.0) -> Tensor:
    """(1, h, w) logits."""
    return torch.where(mask > 0, sureness, -sureness)[None]


def begun(query: Tensor, propagation: float = 0.8, radius: int = 2) -> PixelMemory:
    """Given `HERE`, of which the query says that."""
    memory = PixelMemory(propagation, radius)
    first = memory.follow(LOOKS, says(query), [0], {0: HERE})
    assert first.equal(says(query))
    return memory


def test_a_query_that_missed_what_was_given_has_no_say() -> None:
    memory = begun(THERE)
    found = memory.follow(LOOKS, says(THERE, 50.0), (), {})
    assert (found[0] > 0).equal(HERE > 0)


def test_a_query_that_found_it_counts_beside_the_pixels_and_neither_is_sure() -> None:
    half = HERE.clone()
    half[1] = 0
    most = torch.tensor(0.98 / 0.02).log()
    for propagation in (0.3, 0.8):
        found = begun(HERE, propagation).follow(LOOKS, says(half, 50.0), (), {})[0]
        sure = float(most)
        assert float(found[1, 1]) == pytest.approx((2 * propagation - 1) * sure, rel=0.01)  # pixels yes, the query no
        assert float(found[2, 2]) == pytest.approx(sure, rel=0.01)
        assert float(found[7, 7]) == pytest.approx(-sure, rel=0.01)


def test_between_the_two_it_counts_in_part() -> None:
    found_most = HERE.clone()
    found_most[1, :] = 0  # 12 of 16 cells: IoU 0.75, five sixths of the way from 0.5 to 0.8
    other = torch.zeros(SIZE)
    found = begun(found_most).follow(LOOKS, says(other, 50.0), (), {})[0]
    most = torch.tensor(0.98 / 0.02).log()
    counts = 0.2 * (0.75 - 0.5) / (0.8 - 0.5)
    assert float(found[2, 2]) == pytest.approx((1 - 2 * counts) * float(most), rel=0.01)


@pytest.mark.parametrize(("query", "is_found"), [(HERE, True), (THERE, False)])
def test_what_is_gone_from_the_pixels_is_for_a_good_query_to_find(query: Tensor, is_found: bool) -> None:
    memory = begun(query, radius=8)
    empty = LOOKS[:, 7:, 7:].expand(-1, *SIZE)  # every cell looks like one that was none of the object
    found = memory.follow(empty, says(THERE), (), {})
    assert (found[0] > 0).equal(THERE > 0) == is_found


def test_it_comes_back_where_it_was_given() -> None:
    memory = begun(THERE)
    for _ in range(5):
        memory.follow(LOOKS.roll(32, 0), says(torch.zeros(SIZE)), (), {})
    assert (memory.follow(LOOKS, says(torch.zeros(SIZE)), (), {})[0] > 0).equal(HERE > 0)


def test_objects_share_no_more_than_there_is() -> None:
    memory = PixelMemory(0.8, radius=2)
    both = torch.cat([says(HERE), says(THERE)])
    memory.follow(LOOKS, both, [0, 1], {0: HERE, 1: THERE})
    shares = torch.cat([torch.zeros(1, *SIZE), memory.follow(LOOKS, both, (), {})]).softmax(0)
    overlap = (HERE * THERE) > 0
    assert shares[1][overlap].mean() == pytest.approx(float(shares[2][overlap].mean()), abs=0.05)
    assert (shares[1] > 0.5).equal((HERE > 0) & ~overlap)


def test_frames_of_another_size_are_not_compared() -> None:
    memory = begun(HERE)
    small = torch.eye(64)[:, :16].view(64, 4, 4)
    logits = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert memory.follow(small, logits, (), {}).equal(logits)
