"""The descriptor of exported graphs is the descriptor."""

from __future__ import annotations

import pytest
import torch

from gvseg_core.ops.shape_position import shape_position
from gvseg_core.ops.shape_position_dense import shape_position_dense


@pytest.mark.parametrize("frame", [(12.0, 20.0), (10.3, 17.6), (4.0, 19.5)])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_it_gives_the_same_histograms(frame: tuple[float, float], share: float) -> None:
    chance = torch.Generator().manual_seed(0)
    masks = torch.rand(2, 5, 3, 12, 20, generator=chance) < share
    masks[0, 0] = False
    height, width = (torch.tensor(side, dtype=torch.float64) for side in frame)
    wanted = shape_position(masks, frame, d_model=64)
    found = shape_position_dense(masks, (height, width), d_model=64)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_a_mask_outside_of_the_picture_is_no_mask() -> None:
    masks = torch.zeros(1, 8, 8, dtype=torch.bool)
    masks[:, 6:] = True
    side = torch.tensor(6.0, dtype=torch.float64)
    assert not shape_position_dense(masks, (side, side + 2)).any()
