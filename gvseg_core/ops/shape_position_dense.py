"""The shape–position descriptor with nothing whose size depends on what is in the masks: for exported graphs.

Every cell is placed in its bin, and counts only where it is on a boundary; the picture inside the padding is given by
tensors, not by cutting. That takes several times as long as `shape_position`, and gives the same histogram.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.ops.shape_position import NUM_ANGLES, NUM_BINS, NUM_RADII, RADII, bin_centres, moments


def shape_position_dense(masks: Tensor, frame: tuple[Tensor, Tensor], *, d_model: int = 256) -> Tensor:
    """As `shape_position`, with radii measured against the frame's diagonal.

    Args:
        masks: (..., h, w) bool, at least 3 × 3.
        frame: height and width of the unpadded picture in cells of the masks; float64, without dimensions.
        d_model: d in the -1/√d that marks bins outside the frame.

    Returns:
        (..., 36·12) float32.
    """
    lead, (h, w) = masks.shape[:-2], masks.shape[-2:]
    (height, width), device = frame, masks.device
    y = torch.arange(h, device=device) + 0.5
    x = torch.arange(w, device=device) + 0.5
    masks = masks.reshape(-1, h, w) & ((y < height)[:, None] & (x < width))
    area, x_mean, y_mean = moments(masks)

    dx, dy = torch.broadcast_tensors(x - x_mean[:, None, None], y[:, None] - y_mean[:, None, None])
    inner, outer = RADII["frame"]
    scale = (height.square() + width.square()).sqrt().float()
    distance = (dx.square() + dy.square()).sqrt()  # hypot is no operator of ONNX
    ring = (distance / (scale * inner)).clamp(min=1e-6).log() * (NUM_RADII / math.log(outer / inner))
    turn = torch.atan2(dy, dx) * (NUM_ANGLES / (2 * math.pi))
    bins = turn.floor().long() % NUM_ANGLES * NUM_RADII + ring.floor().long().clamp(0, NUM_RADII - 1)
    edge = _boundary(masks).flatten(1).float()
    share = edge / edge.sum(1, keepdim=True).clamp(min=1)
    histogram = torch.zeros(masks.shape[0], NUM_BINS, device=device).scatter_add(1, bins.flatten(1), share)

    centre_x, centre_y = bin_centres(inner, outer, device)
    bin_x = x_mean[:, None] + scale * centre_x
    bin_y = y_mean[:, None] + scale * centre_y
    outside = (bin_x < 0) | (bin_x >= width.float()) | (bin_y < 0) | (bin_y >= height.float())
    histogram = torch.where(outside & (area > 0)[:, None], -1 / math.sqrt(d_model), histogram)
    return histogram.view(*lead, NUM_BINS)


def _boundary(masks: Tensor) -> Tensor:
    """`shape_position.boundary` without writing into a part of a tensor, which few graphs can."""
    inside = masks[:, :-2, 1:-1] & masks[:, 2:, 1:-1] & masks[:, 1:-1, :-2] & masks[:, 1:-1, 2:]
    return masks & ~F.pad(inside, (1, 1, 1, 1))
