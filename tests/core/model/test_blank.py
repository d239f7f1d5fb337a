"""Networks without numbers: the same but for them, and made without PyTorch's compiler, whose import takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gvseg_core.config import BACKBONES, ModelSettings
from gvseg_core.model.blank import blank
from gvseg_core.model.network import Network
from gvseg_core.recipes import load_preset
from tests.models import write_tiny_model

FROM_FILE_TO_MASKS = """
import sys
from gvseg_core import load_segmenter
from gvseg_core.data.demo import DemoSource

for task in ("vis", "vss", "vps", "evs"):
    segmenter = load_segmenter(sys.argv[1], task, device="cpu", dtype="fp32")
    print(len(list(segmenter.run(DemoSource((48, 64), num_frames=3, num_objects=1), segmenter.task.tracker()))))
print(sorted({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)))
"""


@pytest.mark.parametrize("name", ["tiny", *BACKBONES])
def test_all_is_there_but_the_numbers(name: str) -> None:
    settings = load_preset("tiny").model if name == "tiny" else ModelSettings(backbone=BACKBONES[name])
    with blank():
        network = Network(settings, {"animals": 7})
    tensors = network.state_dict()
    assert {tensor.device.type for tensor in (*tensors.values(), *network.buffers())} == {"meta"}
    if name in {"tiny", "resnet50", "swin_tiny"}:  # the large ones take a while to fill
        wanted = Network(settings, {"animals": 7}).state_dict()
        assert {n: (t.shape, t.dtype) for n, t in tensors.items()} == {n: (t.shape, t.dtype) for n, t in wanted.items()}


def test_afterwards_numbers_are_drawn_again() -> None:
    with pytest.raises(ZeroDivisionError), blank():
        _ = 1 / 0
    assert torch.nn.init.normal_(torch.zeros(9)).abs().min() > 0


def test_weights_become_masks_without_pytorch_s_compiler(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", FROM_FILE_TO_MASKS, str(model)], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines() == ["3", "3", "3", "3", "[]"]
