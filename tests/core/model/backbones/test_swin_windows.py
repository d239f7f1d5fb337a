"""Windows cut by arithmetic, as exported graphs cut them, are the windows."""

from __future__ import annotations

import pytest
import torch

from gvseg_core.model.backbones.swin import WindowAttention, cut_windows, cut_windows_of_any_size


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (3, 5), (16, 4)])
@pytest.mark.parametrize("window", [4, 7])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("num_maps", [1, 2])
def test_attention_sees_the_same(size: tuple[int, int], window: int, shifted: bool, num_maps: int) -> None:
    torch.manual_seed(0)
    attention = WindowAttention(16, 2, window)
    x = torch.randn(num_maps, size[0] * size[1], 16)
    where = (num_maps, size, window, window // 2 if shifted else 0, x.device)
    with torch.inference_mode():
        wanted = attention(x, cut_windows(*where))
        found = attention(x, cut_windows_of_any_size(*where))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
