"""Shape–position descriptor: what an object looks like, and where in the frame it is (GvSEG §3.2).

The paper takes M = 200 points spaced evenly on the contour, in polar coordinates about the centroid, and counts them in
36 angles × 12 log-spaced radii. Differences, and choices the paper leaves open:
- all boundary cells of a low-resolution mask are counted: the limit of even sampling, and all masks at once;
- bins whose centre lies outside the *frame* hold -1/√d. Second-hand notes on the paper say "outside the mask", but that
  would not tell two equal shapes apart by their place, which is what these bins are there for;
- an edge of the picture that cuts through an object is part of its contour;
- a frame without the object gives all zeros, like nothing else and at right angles to everything;
- the radial scale is the diagonal of the frame, or the object's own size.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from gvseg_core.ops.constants import kept

NUM_ANGLES = 36
NUM_RADII = 12
NUM_BINS = NUM_ANGLES * NUM_RADII

Radial = Literal["frame", "object"]

# Inner and outer edge of the radial bins, as shares of the scale; what lies beyond falls into the first or last bin.
RADII: dict[Radial, tuple[float, float]] = {"frame": (1 / 64, 1.0), "object": (1 / 8, 2.0)}


@torch.no_grad()
def shape_position(
    masks: Tensor, frame: tuple[float, float] | None = None, *, d_model: int = 256, radial: Radial = "frame"
) -> Tensor:
    """Histogram of each mask's boundary in log-polar bins about its centroid.

    Args:
        masks: (..., h, w) bool, or logits whose sign decides.
        frame: height and width of the unpadded picture in cells of the masks; all of h × w by default. Cells whose
            centre is outside of it do not count.
        d_model: d in the -1/√d that marks bins outside the frame.
        radial: what a radius is measured against: the diagonal of the frame, or the mean radius of the boundary.

    Returns:
        (..., 36·12) float32, angle by angle, radii from inner to outer; the counts of a mask sum to 1 before the bins
        outside the frame are marked. Angle 0 points right, angles grow downwards. No gradient.
    """
    lead, (h, w) = masks.shape[:-2], masks.shape[-2:]
    height, width = frame or (float(h), float(w))
    device = masks.device
    masks = masks.reshape(-1, h, w)
    masks = masks if masks.dtype == torch.bool else masks > 0
    # Cells outside the picture are at the bottom and right: leave them out from here on.
    masks = masks[:, : math.ceil(height - 0.5), : math.ceil(width - 0.5)]
    area, x_mean, y_mean = moments(masks)

    row, y, x = boundary(masks).nonzero().unbind(1)
    dx, dy = x + 0.5 - x_mean[row], y + 0.5 - y_mean[row]
    distance = torch.hypot(dx, dy)
    count = torch.zeros_like(area).index_add_(0, row, torch.ones_like(distance))
    scale = torch.full_like(area, math.hypot(height, width))
    if radial == "object":
        total = torch.zeros_like(area).index_add_(0, row, distance)
        scale = (total / count.clamp(min=1)).clamp(min=0.5)  # half a cell: an object of one cell has radius 0

    inner, outer = RADII[radial]
    ring = (distance / (scale[row] * inner)).clamp(min=1e-6).log() * (NUM_RADII / math.log(outer / inner))
    turn = torch.atan2(dy, dx) * (NUM_ANGLES / (2 * math.pi))
    bins = turn.floor().long() % NUM_ANGLES * NUM_RADII + ring.floor().long().clamp(0, NUM_RADII - 1)
    histogram = torch.zeros(area.shape[0] * NUM_BINS, device=device)
    histogram.scatter_add_(0, row * NUM_BINS + bins, 1 / count[row])
    histogram = histogram.view(-1, NUM_BINS)

    centre_x, centre_y = bin_centres(inner, outer, device)
    bin_x = x_mean[:, None] + scale[:, None] * centre_x
    bin_y = y_mean[:, None] + scale[:, None] * centre_y
    outside = (bin_x < 0) | (bin_x >= width) | (bin_y < 0) | (bin_y >= height)
    histogram = torch.where(outside & (area > 0)[:, None], -1 / math.sqrt(d_model), histogram)
    return histogram.view(*lead, NUM_BINS)


def boundary(masks: Tensor) -> Tensor:
    """Cells of each mask with one of their four neighbours outside of it, or outside the picture: (N, h, w) bool."""
    inside = torch.zeros_like(masks)
    inside[:, 1:-1, 1:-1] = masks[:, :-2, 1:-1] & masks[:, 2:, 1:-1] & masks[:, 1:-1, :-2] & masks[:, 1:-1, 2:]
    return masks & ~inside


def moments(masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Area in cells and centroid (x, y), each (N,) float32; an empty mask's centroid is 0, 0."""
    cells = masks.float()
    columns, rows = cells.sum(1), cells.sum(2)
    area = columns.sum(1)
    x = columns @ (torch.arange(columns.shape[1], device=masks.device) + 0.5)
    y = rows @ (torch.arange(rows.shape[1], device=masks.device) + 0.5)
    return area, x / area.clamp(min=1), y / area.clamp(min=1)


@kept(4)
def bin_centres(inner: float, outer: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """x and y of each bin's centre (in the middle of its angle, and of its radius on the log scale): (36·12,) each."""
    angle = (torch.arange(NUM_ANGLES, device=device) + 0.5) * (2 * math.pi / NUM_ANGLES)
    radius = inner * (outer / inner) ** ((torch.arange(NUM_RADII, device=device) + 0.5) / NUM_RADII)
    return (angle.cos()[:, None] * radius).flatten(), (angle.sin()[:, None] * radius).flatten()
