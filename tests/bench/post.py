"""How long it takes from mask logits to finished masks, beside the official chain of resizes, in the same run.

    python -m tests.bench.post [--runs 9] [--threads 1] [--json FILE]

Timed, in process time, logits at stride 4 to 720 × 1280: ours ends with RLE; the other, written with `F.interpolate`
as Mask2Former-VIS and DVIS have it, ends with boolean masks or a map of labels. Interleaved, medians. Gate before any
time is printed: no pixel differs; of a semantic map none that float32 can decide. Masks are blobs of about 4 % of the
picture with rough edges.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.ops import rle
from gvseg_core.ops.maps import compete, semantic_map
from gvseg_core.ops.masks import instance_masks
from gvseg_core.ops.regions import Grid
from tests.bench.machine import describe

GRIDS = {
    "360p to 720p": Grid((96, 160), (384, 640), (360, 640), (720, 1280)),
    "720p to 720p": Grid((184, 320), (736, 1280), (720, 1280), (720, 1280)),
}
NUM_CLASSES = 124
Timed = tuple[str, Callable[[], object], Callable[[], object]]


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


def pairs(grid: Grid) -> list[Timed]:
    """What is timed on this grid; raises SystemExit where results differ."""
    torch.manual_seed(0)
    timed: list[Timed] = []

    def instances(logits: Tensor) -> Tensor:
        return resized(at_input(logits, grid), grid.source_size) > 0

    for num in (1, 10, 100):
        logits = blobs(num, *grid.cells)
        for mask, truth in zip(instance_masks(logits, grid), instances(logits), strict=True):
            found = np.zeros(grid.source_size, bool) if mask is None else rle.decode(mask)
            if (found != truth.numpy()).any():
                raise SystemExit(f"a mask of {num} differs from its definition")
        timed.append((f"{num} instances", lambda x=logits: instance_masks(x, grid), lambda x=logits: instances(x)))  # type: ignore[misc]

    logits = blobs(15, *grid.cells)
    scores = torch.rand(15) / 5 + 0.8

    def panoptic() -> Tensor:
        probs = resized(at_input(logits, grid).sigmoid(), grid.source_size)
        winner = (scores[:, None, None] * probs).argmax(0)
        return torch.where((probs >= 0.5).gather(0, winner[None])[0], winner + 1, 0)

    if (compete(logits, scores.tolist(), grid).labels != panoptic().numpy()).any():
        raise SystemExit("a panoptic map differs from its definition")
    timed.append(("panoptic, 15 queries", lambda: compete(logits, scores.tolist(), grid), panoptic))

    queries = blobs(100, *grid.cells)
    weights = torch.randn(100, NUM_CLASSES + 1).mul(0.3)
    weights[torch.arange(100), torch.randint(NUM_CLASSES + 1, (100,))] += 9
    weights = weights.softmax(-1)[:, :-1]

    def semantic() -> Tensor:
        return torch.einsum("qk,qhw->khw", weights, resized(at_input(queries, grid).sigmoid(), grid.source_size))

    sums = semantic()
    behind = sums.amax(0) - sums.gather(0, torch.from_numpy(semantic_map(queries, weights, grid)).long()[None])[0]
    if behind.max() > 1e-5:
        raise SystemExit("a semantic map differs from its definition")
    del sums
    timed.append(
        (
            f"semantic, 100 queries, {NUM_CLASSES} classes",
            lambda: semantic_map(queries, weights, grid),
            lambda: semantic().argmax(0),
        )
    )
    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    rows = []
    for size, grid in GRIDS.items():
        for name, ours, official in pairs(grid):
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.runs):
                for which, run in enumerate((ours, official)):
                    start = time.process_time()
                    run()
                    times[which].append((time.process_time() - start) * 1e3)
            mine, theirs = (statistics.median(t) for t in times)
            rows.append({"size": size, "what": name, "ms": mine, "official_ms": theirs, "ratio": theirs / mine})
            print(f"{size}  {name:36s} {mine:8.2f} ms  official {theirs:8.2f} ms  {theirs / mine:5.1f}×", flush=True)
    print(f"process time, {options.threads} threads, medians of {options.runs}; {describe()}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
