"""B8: how long it takes from mask logits to finished masks, beside the official chain of resizes.

    python -m tests.bench.post [--repeats 9] [--threads 1] [--device cuda] [--json FILE]

The official side is `F.interpolate` twice and a comparison, as Mask2Former-VIS and DVIS have it. Three questions:

- to bits: boolean masks of the whole picture on both sides;
- to RLE: both end with COCO's strings, theirs by pycocotools;
- as it is: ours with RLE, theirs without, which is what a frame costs in each program.

Timed is core time on a CPU and wall time on a GPU, by turns, medians; logits at stride 4 to 720 × 1280. Masks are blobs
of about 4 % of the picture with rough edges. Gate before any time is printed: on a CPU no pixel differs; on a GPU none
whose logit is not within rounding of 0; of maps none that float32 can decide. Held on a CPU: 10 masks, as it is, in an
eighth of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pycocotools import mask as coco
from torch import Tensor

from gvseg_core.ops import rle
from gvseg_core.ops.maps import compete, semantic_map
from gvseg_core.ops.masks import crops, instance_masks
from gvseg_core.ops.regions import Grid
from tests.bench.machine import arguments, hold, measure, medians, skip_unless, tell, waits_for

GRIDS = {
    "360p to 720p": Grid((96, 160), (384, 640), (360, 640), (720, 1280)),
    "720p to 720p": Grid((184, 320), (736, 1280), (720, 1280), (720, 1280)),
}
SMALL = {"small": Grid((16, 24), (64, 96), (60, 96), (90, 140))}
NUM_CLASSES = 124
MUST = 8.0  # 10 masks at 360p, as it is
Timed = dict[str, tuple[Callable[[], object], Callable[[], object]]]


def blobs(num: int, h: int, w: int) -> Tensor:
    """(N, h, w) logits of ellipses, noisy."""
    y, x = torch.meshgrid(torch.arange(h) / h, torch.arange(w) / w, indexing="ij")
    centre, radius = torch.rand(2, num, 1, 1), torch.rand(2, num, 1, 1) * 0.15 + 0.05
    away = torch.hypot((y - centre[0]) / radius[0], (x - centre[1]) / radius[1])
    return (1 - away) * 6 + torch.randn(num, h, w) * 0.3


def resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]


def at_input(logits: Tensor, grid: Grid) -> Tensor:
    return resized(logits, grid.padded_size)[:, : grid.input_size[0], : grid.input_size[1]]


def official(logits: Tensor, grid: Grid) -> Tensor:
    """(N, H, W) bool."""
    return (resized(at_input(logits, grid), grid.source_size) > 0).cpu()


def whole_masks(logits: Tensor, grid: Grid) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(N, H, W) bool by our way, for whoever wants bits and not runs."""
    out = np.zeros((len(logits), *grid.source_size), np.bool_)
    for crop in crops(logits, grid):
        (y, x), (h, w) = crop.origin, crop.mask.shape
        out[crop.row, y : y + h, x : x + w] = crop.mask
    return out


def official_rle(logits: Tensor, grid: Grid) -> list[Any]:
    """pycocotools wants columns first, and all masks at once."""
    return coco.encode(np.asfortranarray(official(logits, grid).permute(1, 2, 0).numpy().view(np.uint8)))  # type: ignore[no-any-return]


def instances(num: int, grid: Grid, device: str) -> Timed:
    """
    Raises:
        SystemExit: masks, or their runs, differ.
    """
    logits = blobs(num, *grid.cells).to(device)
    values = resized(at_input(logits.double(), grid), grid.source_size).cpu()
    sure = values.abs() > 2e-6 * float(logits.abs().max())
    found = instance_masks(logits, grid)
    drawn = np.stack([np.zeros(grid.source_size, bool) if m is None else rle.decode(m).astype(bool) for m in found])
    wanted = official(logits, grid).numpy()
    apart = (drawn != wanted) & (np.ones_like(drawn) if device == "cpu" else sure.numpy())
    if apart.any():
        raise SystemExit(f"{int(apart.sum())} pixels of {num} masks differ from their definition")
    as_it_is = (lambda: instance_masks(logits, grid), lambda: official(logits, grid))
    if device != "cpu":
        return {f"{num} instances, as it is": as_it_is}
    if (whole_masks(logits, grid) != wanted).any():
        raise SystemExit(f"bits of {num} masks differ from their definition")
    strings = [m.counts for m in found if m is not None]
    if strings != [m["counts"] for m in official_rle(logits, grid) if m["counts"] and coco.area(m)]:
        raise SystemExit(f"runs of {num} masks differ from those of pycocotools")
    return {
        f"{num} instances, to bits": (lambda: whole_masks(logits, grid), lambda: official(logits, grid)),
        f"{num} instances, to RLE": (lambda: instance_masks(logits, grid), lambda: official_rle(logits, grid)),
        f"{num} instances, as it is": as_it_is,
    }


def panoptic(num: int, grid: Grid, device: str) -> Timed:
    """
    Raises:
        SystemExit: labels differ.
    """
    logits, scores = blobs(num, *grid.cells).to(device), (torch.rand(num) / 5 + 0.8).to(device)

    def by_definition() -> Tensor:
        probs = resized(at_input(logits, grid).sigmoid(), grid.source_size)
        winner = (scores[:, None, None] * probs).argmax(0)
        return torch.where((probs >= 0.5).gather(0, winner[None])[0], winner + 1, 0).cpu()

    def ours() -> object:
        return compete(logits, scores.tolist(), grid).labels

    apart = float((torch.from_numpy(compete(logits, scores.tolist(), grid).labels) != by_definition()).float().mean())
    if apart > (0 if device == "cpu" else 1e-5):
        raise SystemExit(f"a share of {apart} of a panoptic map differs from its definition")
    return {f"panoptic, {num} queries": (ours, by_definition)}


def semantic(num: int, grid: Grid, device: str) -> Timed:
    """
    Raises:
        SystemExit: a class is not the best, by more than float32 can tell.
    """
    logits = blobs(num, *grid.cells).to(device)
    weights = torch.randn(num, NUM_CLASSES + 1).mul(0.3)
    weights[torch.arange(num), torch.randint(NUM_CLASSES + 1, (num,))] += 9
    weights = weights.softmax(-1)[:, :-1].to(device)

    def sums() -> Tensor:
        return torch.einsum("qk,qhw->khw", weights, resized(at_input(logits, grid).sigmoid(), grid.source_size))

    wanted = sums()
    found = torch.from_numpy(semantic_map(logits, weights, grid)).long().to(device)
    if (wanted.amax(0) - wanted.gather(0, found[None])[0]).max() > 1e-5:
        raise SystemExit("a semantic map differs from its definition")
    name = f"semantic, {num} queries, {NUM_CLASSES} classes"
    return {name: (lambda: semantic_map(logits, weights, grid), lambda: sums().argmax(0).cpu())}


def main() -> None:
    parser = arguments(__doc__, repeats=9, threads=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    skip_unless(options.device == "cpu" or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    kind = "core" if options.device == "cpu" else "wall"
    rows, ratios = [], {}
    for size, grid in (SMALL if options.smoke else GRIDS).items():
        torch.manual_seed(0)
        timed: Timed = {}
        for num in (1, 10) if options.smoke else (1, 10, 100):
            timed |= instances(num, grid, options.device)
        timed |= panoptic(15, grid, options.device) | semantic(100, grid, options.device)
        for what, (ours, theirs) in timed.items():
            taken = medians(measure({"gvseg": ours, "official": theirs}, options.repeats, waits_for(options.device)))
            mine, other = taken["gvseg"][kind] * 1e3, taken["official"][kind] * 1e3
            ratios[size, what] = other / mine
            rows.append({"size": size, "what": what, "ms": mine, "official_ms": other, "ratio": other / mine})
    told = {"what": f"{kind} time, {options.threads} threads, medians of {options.repeats}", "device": options.device}
    tell({**told, "rows": rows}, options.json)
    if options.device == "cpu" and not options.smoke:
        hold({f"10 masks from 360p, as it is, {MUST:g}×": ratios["360p to 720p", "10 instances, as it is"] >= MUST})


if __name__ == "__main__":
    main()
