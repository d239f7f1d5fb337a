"""Masks of one bit a pixel at source size, straight from logits: resized, compared with 0 and packed in one pass.

Over the bus go 115 kB for a mask at 720p, where float32 logits of that size would be 3.7 MB.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gvseg_core.ops.kernels import beside
from gvseg_core.ops.kernels.resizing import TILE, at_source, axes, tiles
from gvseg_core.ops.regions import Grid


@triton.jit
def _pack(
    logits,
    bits,
    h,
    w,
    height,
    width,
    stride,
    down_cells,
    down_near,
    down_far,
    across_cells,
    across_near,
    across_far,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    y = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    x = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    mask = tl.program_id(2).to(tl.int64)
    # Pixels outside of the picture are those of its last row and column, thrown away below.
    values = at_source(
        logits + mask * h * w,
        w,
        tl.minimum(y, height - 1)[:, None],
        tl.minimum(x, width - 1)[None, :],
        down_cells,
        down_near,
        down_far,
        across_cells,
        across_near,
        across_far,
        SIGMOID=False,
    )
    inside = ((values > 0) & (y < height)[:, None]).to(tl.int32)
    eights = tl.reshape(inside, (ROWS // 8, 8, COLUMNS))
    packed = tl.sum(eights << tl.arange(0, 8)[None, :, None], 1).to(tl.uint8)
    byte = tl.program_id(0) * (ROWS // 8) + tl.arange(0, ROWS // 8)
    at = (mask * width + x)[None, :] * stride + byte[:, None]
    tl.store(bits + at, packed, mask=(byte < stride)[:, None] & (x < width)[None, :])


def pack(logits: Tensor, grid: Grid) -> Tensor:
    """(N, h, w) → (N, W, H // 8 + 1) uint8: columns of bits, as `gvseg_core.ops.bits` reads them.

    A bit is whether the logit, resized to the source, is above 0: as `gvseg_core.ops.masks.instance_masks` has it, but
    where it is within rounding of 0, 2e-6 of the largest logit.
    """
    logits = logits.contiguous()
    (height, width), stride = grid.source_size, grid.source_size[0] // 8 + 1
    bits = torch.empty(len(logits), width, stride, dtype=torch.uint8, device=logits.device)
    down, across = axes(grid, logits.device)
    if len(logits):
        with beside(logits):
            _pack[(*tiles((stride * 8, width)), len(logits))](
                logits, bits, *grid.cells, height, width, stride, *down, *across, ROWS=TILE[0], COLUMNS=TILE[1]
            )
    return bits
