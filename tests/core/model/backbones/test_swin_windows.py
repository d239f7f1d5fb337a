"""Windows cut by arithmetic, as exported graphs cut them, are the windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

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


class Cutting(nn.Module):
    """The windows of maps (B, h, w), shifted."""

    def forward(self, maps: Tensor) -> tuple[Tensor, ...]:
        num_maps, h, w = maps.shape
        return tuple(cut_windows_of_any_size(num_maps, (h, w), 4, 2, maps.device))


def test_one_onnx_graph_cuts_windows_of_any_size(tmp_path: Path) -> None:
    """What `gvseg export --format onnx --dynamic` needs of Swin: `%` by a size that is free cannot be translated."""
    import onnxruntime

    free = {1: 4 * Dim("down", min=1, max=64), 2: 4 * Dim("across", min=1, max=64)}
    program = torch.export.export(Cutting(), (torch.zeros(2, 8, 12),), dynamic_shapes=(free,), strict=False)
    made = torch.onnx.export(program, dynamo=True, opset_version=18, verbose=False)
    assert made is not None
    made.save(tmp_path / "cut.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "cut.onnx", providers=["CPUExecutionProvider"])
    (pixels,) = session.get_inputs()
    for size in ((8, 12), (4, 4), (20, 8)):
        found = session.run(None, {pixels.name: np.zeros((2, *size), np.float32)})
        for ours, theirs in zip(Cutting()(torch.zeros(2, *size)), found, strict=True):
            assert torch.equal(ours, torch.from_numpy(theirs))
