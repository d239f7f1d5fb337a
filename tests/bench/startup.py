"""B12: how long `gvseg --help` takes beside an empty Typer app, as whole processes, in the same run.

    python -m tests.bench.startup [--repeats 15] [--json FILE]

Timed: process start to exit, output thrown away. Bound: median ratio ≤ 1.25. Gate before any time is printed: the help
names `predict`, and neither torch, numpy, av nor cv2 was imported on the way.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.machine import arguments, hold, tell

EMPTY_APP = """
import typer
app = typer.Typer()

@app.command()
def predict(source: str) -> None:
    "Segment a video."

app()
"""
BOUND = 1.25
HEAVY = ("torch", "numpy", "av", "cv2", "pydantic", "scipy")


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def check(gvseg: list[str]) -> None:
    shown = subprocess.run([*gvseg, "--help"], check=True, capture_output=True, text=True).stdout
    if "predict" not in shown:
        raise SystemExit("gvseg --help does not name predict")
    timed = subprocess.run(
        [sys.executable, "-X", "importtime", *gvseg[1:], "--help"], check=True, capture_output=True, text=True
    ).stderr
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in timed.splitlines() if "|" in line}
    if imported & set(HEAVY):
        raise SystemExit(f"gvseg --help imports {sorted(imported & set(HEAVY))}")


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, repeats=15, threads=1)
    options = parser.parse_args(argv)
    repeats = 1 if options.smoke else options.repeats

    gvseg = [sys.executable, "-m", "gvseg_cli"]
    check(gvseg)
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty_app.py"
        empty.write_text(EMPTY_APP)
        commands = {"gvseg": [*gvseg, "--help"], "empty": [sys.executable, str(empty), "--help"]}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for run in range(repeats + 1):  # the first pair warms the file cache and is not counted
            for name, command in commands.items():
                taken = seconds(command)
                if run:
                    times[name].append(taken)
    pairs = [a / b for a, b in zip(times["gvseg"], times["empty"], strict=True)]
    ratio = statistics.median(pairs)
    tell(
        {
            "what": "process start to exit of --help, beside an empty Typer app",
            "repeats": repeats,
            "seconds": {name: statistics.median(taken) for name, taken in times.items()},
            "ratio": ratio,
            "ratio_range": [min(pairs), max(pairs)],
            "bound": BOUND,
            "noisy": max(times["empty"]) > 1.3 * min(times["empty"]),
        },
        options.json,
    )
    if not options.smoke:
        hold({f"at most {BOUND} × an empty app": ratio <= BOUND})


if __name__ == "__main__":
    main()
