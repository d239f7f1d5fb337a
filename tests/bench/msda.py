"""B7: deformable attention, as every encoder layer has it, beside `grid_sample`; forward, and backward.

    python -m tests.bench.msda [--n 5040,8505,19320] [--backward] [--device cuda] [--dtype f32|bf16] [--json FILE]

`--n` are the cells of three levels at 360p, 480p and 720p; 8 heads of 32 channels, 4 points a level, one picture.
Sides: `gvseg`, what `deformable_attention` takes on this device (a Triton kernel, or bags of rows); `grid_sample`,
level by level, in the way of the reference code's fallback; and `deformops` (MIT, Triton and CUDA kernels; its operator
as of 3.0.1) where it is installed and the device is CUDA. Medians by turns; core time on a CPU, wall time on a GPU.
Printed beside: GB/s of what an ideal cache would still have to read and write once, and the largest error against
float64.

Gate before any time is printed: results, and gradients with `--backward`, within 1e-4 of float64 relative to the
largest (bf16: 2e-2). Held: on a CPU 2.5 times as fast as `grid_sample`, on a GPU 5 times forward and 4 times both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from gvseg_core.ops.deformable import deformable_attention, deformable_attention_by_grid
from gvseg_core.ops.deformable_bags import attend_by_bags
from gvseg_core.ops.deformable_operator import has_kernel
from gvseg_core.types import Size
from tests.bench.machine import arguments, hold, measure, medians, skip_unless, tell, waits_for

LEVELS: dict[int, tuple[Size, ...]] = {
    84: ((2, 2), (4, 4), (8, 8)),
    5040: ((12, 20), (24, 40), (48, 80)),
    8505: ((15, 27), (30, 54), (60, 108)),
    19320: ((23, 40), (46, 80), (92, 160)),
}
HEADS, CHANNELS, POINTS = 8, 32, 4
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
Way = Callable[[Tensor, Any, Tensor, Tensor], Tensor]


def inputs(sizes: tuple[Size, ...], device: str, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Values, places a few cells around each query's own, and logits."""
    draw = torch.Generator().manual_seed(0)
    own = []
    for h, w in sizes:
        y, x = torch.meshgrid((torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w, indexing="ij")
        own.append(torch.stack([x.flatten(), y.flatten()], 1))
    extent = torch.tensor([[w for _, w in sizes], [h for h, _ in sizes]]).float()
    centre = torch.cat(own)[:, :, None] * extent - 0.5  # (N, 2, L)
    n, samples = len(centre), (HEADS, len(sizes), POINTS)
    places = centre[:, :, None, :, None] + 3 * torch.randn(n, 2, *samples, generator=draw)
    value = torch.randn(1, n, HEADS, CHANNELS, generator=draw)
    logits = torch.randn(1, n, *samples, generator=draw)
    return value.to(device, dtype), places[None].to(device), logits.to(device)


def both_ways(way: Way, sizes: tuple[Size, ...], leaves: tuple[Tensor, ...], wanted: Tensor) -> list[Tensor]:
    """The result and the gradients of value, places and logits."""
    leaves = tuple(x.detach().requires_grad_() for x in leaves)
    out = way(leaves[0], sizes, *leaves[1:])
    return [out.detach(), *torch.autograd.grad(out, leaves, wanted.to(out.dtype))]


def once(way: Way, sizes: tuple[Size, ...], leaves: tuple[Tensor, ...]) -> list[Tensor]:
    with torch.no_grad():
        return [way(leaves[0], sizes, *leaves[1:])]


def error(found: list[Tensor], true: list[Tensor]) -> float:
    """The largest, as a share of the largest number."""
    return max(float((a.cpu().double() - b).abs().max() / b.abs().max()) for a, b in zip(found, true, strict=True))


def by_deformops(device: str) -> Way | None:
    """The strongest peer on a GPU, where it is installed; its own order of dimensions, and places as shares."""
    if device == "cpu" or find_spec("deformops") is None:
        return None
    import_module("deformops.registry")  # which defines the operator
    attend: Any = torch.ops.deformops.msda_softmax

    def way(value: Tensor, sizes: Any, places: Tensor, logits: Tensor) -> Tensor:
        shapes = torch.tensor(sizes, device=device)
        starts = shapes.prod(1).cumsum(0).roll(1)
        starts[0] = 0
        shares = (places + 0.5).permute(0, 1, 3, 4, 5, 2) / shapes.flip(1)[:, None]
        return attend(value, shapes, starts, shares, logits.to(value.dtype))  # type: ignore[no-any-return]

    return way


def compare(num: int, device: str, dtype: torch.dtype, backward: bool, repeats: int) -> dict[str, Any]:
    """One size.

    Raises:
        SystemExit: a side is wrong.
    """
    sizes = LEVELS[num]
    leaves = inputs(sizes, device, dtype)
    wanted = torch.randn(1, num, HEADS * CHANNELS, generator=torch.Generator().manual_seed(1)).to(device)

    def run(way: Way, leaves: tuple[Tensor, ...] = leaves, wanted: Tensor = wanted) -> list[Tensor]:
        return both_ways(way, sizes, leaves, wanted) if backward else once(way, sizes, leaves)

    ways: dict[str, Way] = {"gvseg": deformable_attention, "grid_sample": deformable_attention_by_grid}
    if (peer := by_deformops(device)) is not None:
        ways["deformops"] = peer
    true = run(attend_by_bags, tuple(x.cpu().double() for x in leaves), wanted.cpu().double())
    bound = 1e-4 if dtype == torch.float32 else 2e-2
    errors = {name: error(run(way), true) for name, way in ways.items()}
    if errors["gvseg"] > bound:
        raise SystemExit(f"{num} cells: an error of {errors['gvseg']:.1e}, where {bound:.0e} is the most")
    kind = "core" if device == "cpu" else "wall"
    taken = medians(measure({name: lambda w=way: run(w) for name, way in ways.items()}, repeats, waits_for(device)))  # type: ignore[misc]
    once_through = sum(x.numel() * x.element_size() for x in (*leaves, leaves[0])) * (2 if backward else 1)
    return {
        "n": num,
        "way": "kernel" if has_kernel(leaves[0]) else "bags",
        "ms": {name: times[kind] * 1e3 for name, times in taken.items()},
        "error": errors,
        "gb_per_s": once_through / taken["gvseg"][kind] / 1e9,
        "ratio": {name: taken[name][kind] / taken["gvseg"][kind] for name in ways if name != "gvseg"},
    }


def main() -> None:
    parser = arguments(__doc__, repeats=7, threads=1)
    parser.add_argument("--n", default="5040,8505,19320", help="any of 5040, 8505, 19320")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--backward", action="store_true")
    options = parser.parse_args()
    skip_unless(options.device == "cpu" or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    nums = [84] if options.smoke else [int(word) for word in options.n.split(",")]
    rows = [compare(n, options.device, DTYPES[options.dtype], options.backward, options.repeats) for n in nums]
    ways = "forward and backward" if options.backward else "forward"
    kind = "core" if options.device == "cpu" else "wall"
    told = {
        "what": f"one layer, {ways}, {options.dtype}, {kind} time, medians of {options.repeats}",
        "device": options.device,
        "threads": options.threads,
    }
    tell({**told, "rows": rows}, options.json)
    must = 2.5 if options.device == "cpu" else 4.0 if options.backward else 5.0
    if not options.smoke:
        hold({f"{row['n']} cells, {must:g}× grid_sample": row["ratio"]["grid_sample"] >= must for row in rows})


if __name__ == "__main__":
    main()
