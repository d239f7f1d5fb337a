"""Which way deformable attention goes; what it gives is in the tests of the ways."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from gvseg_core.ops import deformable_operator
from gvseg_core.ops.deformable import deformable_attention
from gvseg_core.ops.deformable_bags import attend_by_bags
from gvseg_core.ops.deformable_operator import has_kernel


def test_on_a_cpu_there_is_no_kernel_and_bags_are_taken():
    value, places, logits = torch.randn(1, 6, 2, 4), torch.rand(1, 3, 2, 2, 1, 2), torch.randn(1, 3, 2, 1, 2)
    assert not has_kernel(value)
    out = deformable_attention(value, ((2, 3),), places, logits)
    assert torch.equal(out, attend_by_bags(value, ((2, 3),), places, logits))


@pytest.mark.parametrize(
    ("channels", "dtype", "has_one"),
    [
        (32, torch.float32, True),
        (16, torch.bfloat16, True),
        (4, torch.float16, True),
        (24, torch.float32, False),
        (2, torch.float32, False),
        (512, torch.float32, False),
        (32, torch.float64, False),
    ],
)
def test_kernels_are_for_heads_of_a_power_of_two_and_for_up_to_float32(monkeypatch, channels, dtype, has_one):
    monkeypatch.setattr(deformable_operator, "usable", lambda _: True)
    assert has_kernel(torch.empty(1, 6, 2, channels, dtype=dtype)) is has_one


def test_without_a_cuda_tensor_triton_is_never_imported():
    program = "import sys; import gvseg_core.model.network; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
