"""B14: `gvseg train` in two processes beside one, the same batch over all, one thread each.

    python -m tests.bench.ddp [--procs 2] [--steps 12] [--batch 8] [--size 128] [--json FILE]

Timed: seconds from one logged step to the next, medians; the sides run one after the other, several processes under
`torchrun` with gloo on the CPU. Efficiency is t(1) / (procs · t(procs)). Bound: 0.85, on as many idle cores as
processes.

Gate before any time is printed: loss and norm of the gradient at the first step, on equal weights and the same batch,
within 1e-5 of themselves, and all later losses within 1e-3.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from gvseg_core.engine.training.log import LOG, read_log
from gvseg_core.recipes import load_preset
from tests.bench.machine import arguments, hold, num_cores, tell

BOUND = 0.85


def write_recipe(path: Path, batch: int, size: int, steps: int) -> None:
    """The preset `tiny` on rendered videos, instances alone."""
    preset = load_preset("tiny").model_dump(mode="json")
    train = {
        "data": [{"benchmark": "synth", "task": "vis", "path": f"videos=8,frames=8,size={size * 3 // 2}x{size}"}],
        "steps": steps,
        "batch_size": batch,
        "lr": 1.0e-3,
        "amp": "fp32",
        "augment": {"short_sides": [size], "max_side": size * 3 // 2},
        "workers": 0,
        "log_every": 1,
        "save_every": steps,
    }
    path.write_text(yaml.safe_dump({**preset, "train": train}))


def run(folder: Path, name: str, procs: int, seconds: float = 1800) -> tuple[list[float], list[dict[str, Any]]]:
    """When each step was logged, and what."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={procs}"] if procs > 1 else []
    command = [sys.executable, *launcher, "-m", "gvseg_cli", "train", "--preset", "ddp.yaml", "--out", name, "-q"]
    where = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with (folder / f"{name}.err").open("w+") as errors:
        process = subprocess.Popen(
            [*command, "--device", "cpu"], cwd=folder, env=where, stdout=subprocess.DEVNULL, stderr=errors
        )
        times: list[float] = []
        log, end = folder / name / LOG, time.monotonic() + seconds
        try:
            while process.poll() is None and time.monotonic() < end:
                lines = log.read_bytes().count(b"\n") if log.exists() else 0
                times += [time.perf_counter()] * (lines - len(times))
                time.sleep(0.005)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{name} ended with {process.returncode}: {errors.read()}")
    return times, [record for record in read_log(folder / name) if record["kind"] == "step"]


def check(one: list[dict[str, Any]], many: list[dict[str, Any]]) -> dict[str, float]:
    """By how much of itself each number differs.

    Raises:
        SystemExit: by too much.
    """
    apart = {key: abs(many[0][key] - one[0][key]) / abs(one[0][key]) for key in ("loss", "gradient")}
    later = max(abs(b["loss"] - a["loss"]) / abs(a["loss"]) for a, b in zip(one, many, strict=True))
    if max(apart.values()) > 1e-5 or later > 1e-3:
        raise SystemExit(f"not the same training: first step within {apart}, losses within {later:.1e}")
    return {**apart, "later_losses": later}


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, repeats=1, threads=1)
    parser.add_argument("--procs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8, help="clips, over all processes")
    parser.add_argument("--size", type=int, default=128, help="height of the pictures")
    options = parser.parse_args(argv)
    if options.smoke:
        options.steps, options.batch, options.size = 3, 2, 64
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_recipe(folder / "ddp.yaml", options.batch, options.size, options.steps)
        (times, one), (others, many) = (run(folder, f"procs{n}", n) for n in (1, options.procs))
    apart = check(one, many)
    seconds = {
        str(procs): statistics.median(b - a for a, b in pairwise(logged))
        for procs, logged in ((1, times), (options.procs, others))
    }
    efficiency = seconds["1"] / (options.procs * max(seconds[str(options.procs)], 1e-9))
    tell(
        {
            "what": f"preset tiny, batch of {options.batch} clips at {options.size}p, {options.steps} steps, gloo",
            "first_step_differs": apart,
            "seconds_per_step": seconds,
            "efficiency": efficiency,
            "bound": BOUND,
            "noisy": num_cores() < options.procs or os.getloadavg()[0] > options.procs + 0.5,
        },
        options.json,
    )
    if not options.smoke:
        hold({f"efficiency of at least {BOUND}": efficiency >= BOUND})


if __name__ == "__main__":
    main()
