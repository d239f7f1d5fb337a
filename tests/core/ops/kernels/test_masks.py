"""Packed masks from the kernel are those of the portable path, but within rounding of 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.ops import bits, kernels, masks
from gvseg_core.ops.regions import Grid
from gvseg_core.ops.rle import decode

BOUND = 2e-6  # of the largest logit
GRIDS = [
    Grid((8, 8), (32, 32), (25, 31), (40, 50)),  # 40 rows: whole bytes
    Grid((8, 16), (32, 64), (30, 60), (67, 33)),  # more than one tile each way
    Grid((8, 8), (32, 32), (32, 32), (7, 1)),
    Grid((8, 8), (32, 32), (32, 32), (32, 32)),
]


def by_definition(logits, grid):
    padded = F.interpolate(logits.double()[None], grid.padded_size, mode="bilinear")
    inside = padded[..., : grid.input_size[0], : grid.input_size[1]]
    return F.interpolate(inside, grid.source_size, mode="bilinear")[0]


def packed(logits, grid, device):
    from gvseg_core.ops.kernels.masks import pack

    return pack(logits.to(device), grid).cpu().numpy()


def unpacked(found, size):
    return np.unpackbits(found, axis=1, bitorder="little")[:, : size[0]].T.astype(bool)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: str(grid.source_size))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_bit_is_the_sign_of_the_resized_logit(device, grid, dtype):
    torch.manual_seed(0)
    logits = torch.randn(2, *grid.cells).to(dtype)
    values = by_definition(logits, grid)
    clear = (values.abs() > BOUND * float(logits.abs().max())).numpy()
    for found, value, sure in zip(packed(logits, grid, device), values, clear, strict=True):
        np.testing.assert_array_equal(unpacked(found, grid.source_size)[sure], (value > 0).numpy()[sure])


@settings(max_examples=6)
@given(
    inside=st.tuples(st.integers(1, 32), st.integers(1, 32)),
    source=st.tuples(st.integers(1, 70), st.integers(1, 40)),
    seed=st.integers(0, 1000),
)
def test_masks_of_any_size_are_those_of_the_portable_path(inside, source, seed):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    grid = Grid((8, 8), (32, 32), inside, source)
    torch.manual_seed(seed)
    logits = torch.randn(1, 8, 8)
    (found,), (wanted,) = packed(logits, grid, device), masks.instance_masks(logits, grid)
    mask = bits.encode(found, source)
    unsure = int((by_definition(logits, grid).abs() <= BOUND * float(logits.abs().max())).sum())
    pixels, true = (np.zeros(source, bool) if m is None else decode(m).astype(bool) for m in (mask, wanted))
    assert int((pixels != true).sum()) <= unsure


def test_nothing_to_pack_is_nothing(device):
    grid = GRIDS[0]
    assert packed(torch.zeros(0, 8, 8), grid, device).shape == (0, 50, 6)
    assert not packed(torch.zeros(1, 8, 8), grid, device).any()


def test_masks_are_the_same_whichever_way_they_are_made(device, monkeypatch):
    torch.manual_seed(0)
    logits = torch.randn(3, 8, 8, device=device)
    logits[1] = -1
    portable = masks.instance_masks(logits.cpu(), GRIDS[0])
    monkeypatch.setattr(kernels, "usable", lambda _: True)
    monkeypatch.setattr(kernels, "_broken", set())
    assert masks.instance_masks(logits, GRIDS[0]) == portable
    assert portable[1] is None
    assert not kernels._broken


def test_where_the_kernel_cannot_run_masks_are_made_without_it(device, monkeypatch):
    from gvseg_core.ops.kernels import masks as own

    monkeypatch.setattr(kernels, "usable", lambda _: True)
    monkeypatch.setattr(kernels, "_broken", set())
    monkeypatch.delattr(own, "_pack")
    logits = torch.randn(1, 8, 8, device=device)
    assert masks.instance_masks(logits, GRIDS[0]) == masks._instances(logits, GRIDS[0])
    assert kernels._broken == {"masks"}
