"""Swin-T and ResNet-50 at true size against `transformers`, by the measure of parity/README.md."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from gvseg_core.model.network import Network
from gvseg_core.model.weights import read_checkpoint
from tests.conftest import shared

TOLERANCE = 5e-4  # mask logits reach 35; two correct float32 implementations differ by 8e-5


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    pytest.importorskip("transformers", reason="the reference is made by transformers (extra: test)")
    path = shared("parity", "make_reference.py")
    spec = importlib.util.spec_from_file_location("make_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_reference"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("preset", ["swin_t", "r50"])
def test_true_sizes_equal_transformers(preset, maker, tmp_path):
    maker.build(tmp_path, maker.PRESETS[preset], seed=0, tries=3, full_arrays=False, want_full=False)
    checkpoint = read_checkpoint(tmp_path)
    network = Network(checkpoint.settings, checkpoint.heads)
    network.load_state_dict(checkpoint.state)
    network.prepare_for_inference()
    wanted = np.load(tmp_path / "reference.npz")
    for case in ("even", "odd"):
        pixels = torch.from_numpy(wanted[f"{case}.pixel_values"])
        with torch.inference_mode():
            queries = network.queries["learned"](1)
            prediction = network.decode(network.encode(pixels[:, None]), queries, next(iter(checkpoint.heads)))
        for name, found in (("class", prediction.class_logits), ("mask", prediction.mask_logits()[:, :, 0])):
            difference = (found - torch.from_numpy(wanted[f"{case}.{name}_logits"])).abs().max()
            assert difference < TOLERANCE, f"{preset}, {case}, {name} logits: {difference:.1e}"
