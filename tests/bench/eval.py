"""B15: what `gvseg eval` takes to score files, beside the official programs and the bare decoding of the files.

    python -m tests.bench.eval [--sets ytvis,vspw,…] [--peers PYTHON] [--repeats 3] [--json FILE]

Timed: CPU seconds (user and system, children included) of a whole process, from start to exit, on generated sets of the
size of real ones; peak memory of the same process. Medians. A run scores everything its benchmark asks for, and counts
in full against each official program that computes a part of it. The official programs' figures are not of this run:
they are those of our notes on evaluators, measured once on a machine of the same kind with the sets generated here.
Programs that PyPI has run here, once, in an environment of their own (`--peers`, see eval_peers.py), if there is one.

The floor decodes every PNG of truth and results, or parses every JSON, and does nothing else: `× floor` is how far from
it a run is; both include the start of Python.

Gate before any time is printed: truth against itself is perfect, and where a peer has run it says the same numbers,
within 1e-9. Exit 1 where that or a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.eval_peers import NOT_INSTALLED
from tests.bench.machine import describe, tell


@dataclass(frozen=True)
class Official:
    """A program whose numbers ours are; what it took, and how many times faster we have to be."""

    metric: str
    program: str
    seconds: float
    mib: int | None
    bound: float
    perfect: dict[str, float]  # what truth must score against itself


@dataclass(frozen=True)
class Case:
    """One set: where its truth, results and perfect results are, and who else scores it."""

    bench: str
    size: str
    gt: str
    results: str
    perfect: str
    officials: tuple[Official, ...]
    peer: str | None = None


CASES = {
    "ytvis": Case(
        "ytvis19",
        "100 videos × 30 frames, 1280×720",
        "instances.json",
        "results.json",
        "perfect.json",
        (Official("AP", "ytvoseval.py", 2.2, 290, 1, {"AP": 1}),),
    ),
    "vspw": Case(
        "vspw",
        "20 videos × 40 frames, 1280×720",
        "gt",
        "pred",
        "perfect",
        (
            Official("mIoU", "evaluator_test.py", 6.4, 48, 2, {"mIoU": 1}),
            Official("mVC8, mVC16", "VC_perclip.py, twice", 18.8, 126, 3, {"mVC8": 1, "mVC16": 1}),
        ),
    ),
    "kitti_step": Case(
        "kitti_step",
        "20 videos × 40 frames, 1280×720",
        "gt",
        "pred",
        "gt/panoptic_maps/val",
        (Official("STQ", "deeplab2, NumPy", 42, 150, 10, {"STQ": 1}),),
    ),
    "vipseg": Case(
        "vipseg",
        "20 videos × 40 frames, 1280×720",
        "gt",
        "pred",
        "perfect",
        (
            Official("VPQ, 5 windows", "eval_vpq_vspw.py", 810, None, 50, {"VPQ": 100, "VPQ_1": 100, "VPQ_8": 100}),
            Official("STQ", "eval_stq_vspw.py", 102, None, 10, {"STQ": 1}),
        ),
    ),
    "davis": Case(
        "davis17",
        "20 videos × 60 frames, 854×480",
        "gt",
        "pred",
        "gt/Annotations/480p",
        (Official("J&F", "davis2017-evaluation", 126, 1935, 10, {"J-Mean": 1, "F-Mean": 1}),),
        "vos_benchmark",
    ),
    "burst": Case(
        "burst",
        "20 videos × 40 frames, 1280×720",
        "gt/all_classes.json",
        "pred/predictions.json",
        "gt/all_classes.json",
        (Official("HOTA", "burstapi/eval/run.py", 0.6, 87, 1, {"HOTA_all": 100, "AP_all": 100}),),
        "trackeval",
    ),
}


@dataclass(frozen=True)
class Spent:
    """What a process took."""

    seconds: float
    mib: float


def spend(command: Sequence[str], told: Path, accepted: Sequence[int] = (0,)) -> tuple[Spent, int]:
    """Run a process, its output in `told`; this one holds little memory, because a child's peak starts with it."""
    errors = told.with_suffix(".errors")
    with told.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accepted:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{errors.read_text()[-2000:]}")
    return Spent(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), process.returncode


def make(name: str, folder: Path, *more: str) -> None:
    spend([sys.executable, "-m", "tests.bench.eval_truth", name, str(folder), *more], folder.with_suffix(".made"))


def score(case: Case, folder: Path, results: str) -> tuple[Spent, dict[str, Any]]:
    told = folder.with_suffix(".json")
    paths = ["--gt", str(folder / case.gt), "--results", str(folder / results)]
    command = [sys.executable, "-m", "gvseg_cli", "eval", "--bench", case.bench, *paths, "--json", "-", "--quiet"]
    spent, _ = spend(command, told)
    return spent, json.loads(told.read_bytes())


def check_truth(name: str, folder: Path) -> None:
    """Truth against itself, on a small set.

    Raises:
        SystemExit: it is not perfect.
    """
    make(name, folder, "--small")
    case = CASES[name]
    metrics = score(case, folder, case.perfect)[1]["metrics"]
    wanted = {key: value for official in case.officials for key, value in official.perfect.items()}
    wrong = {key: metrics[key] for key, value in wanted.items() if not abs(metrics[key] - value) < 1e-9}
    if wrong:
        raise SystemExit(f"{name}: the truth scored against itself is not perfect: {wrong}")


def run_peer(case: Case, python: str, folder: Path, ours: dict[str, Any]) -> dict[str, Any] | None:
    """What the peer took, and how far its numbers are from ours; none if it is not installed.

    Raises:
        SystemExit: they are not the same.
    """
    assert case.peer
    told = folder.with_suffix(".peer")
    script = Path(__file__).with_name("eval_peers.py")
    spent, exit_code = spend([python, str(script), case.peer, str(folder)], told, accepted=(0, NOT_INSTALLED))
    if exit_code:
        return None
    peer = json.loads(told.read_text().splitlines()[-1])
    objects = ours["details"].get("per_object", {})
    values = ours["metrics"] | {f"{key}/{name}": one[name] for key, one in objects.items() for name in ("J", "F")}
    apart = max(abs(value - values[key]) for key, value in peer["values"].items())
    if not apart < 1e-9:
        raise SystemExit(f"{peer['program']} says other numbers than we do: they differ by {apart:.1e}")
    return {"program": peer["program"], **asdict(spent), "numbers": len(peer["values"]), "difference": apart}


def decode(folder: Path) -> None:
    """The floor: all files decoded, as we decode them, and nothing else done."""
    if pictures := list(folder.rglob("*.png")):
        import av

        for path in pictures:
            codec = av.CodecContext.create("png", "r")
            codec.thread_count = 1
            codec.decode(av.Packet(path.read_bytes()))
    for path in folder.rglob("*.json"):
        json.loads(path.read_bytes())


def measure(name: str, root: Path, repeats: int, peers: str) -> dict[str, Any]:
    """All figures of one set; runs and floors take turns."""
    case, folder = CASES[name], root / name
    check_truth(name, root / f"{name}-small")
    make(name, folder)
    runs, floors = [], []
    scores: dict[str, Any] = {}
    for _ in range(repeats):
        spent, scores = score(case, folder, case.results)
        runs.append(spent)
        floors.append(spend([sys.executable, "-m", "tests.bench.eval", "--floor", str(folder)], root / "floor")[0])
    run = Spent(statistics.median(r.seconds for r in runs), max(r.mib for r in runs))
    floor = statistics.median(f.seconds for f in floors)
    return {
        "set": f"{case.bench}: {case.size}",
        **asdict(run),
        "spread": [min(r.seconds for r in runs), max(r.seconds for r in runs)],
        "floor_seconds": floor,
        "times_floor": run.seconds / floor,
        "officials": [{**asdict(o), "ratio": o.seconds / run.seconds} for o in case.officials],
        "peer": run_peer(case, peers, folder, scores) if case.peer else None,
    }


def show(found: dict[str, Any], peer: str | None) -> None:
    print(
        f"\n{found['set']}\n  gvseg eval  {found['seconds']:.2f} CPU s ({found['spread'][0]:.2f} to "
        f"{found['spread'][1]:.2f}), {found['mib']:.0f} MiB; floor {found['floor_seconds']:.2f} s, "
        f"× floor {found['times_floor']:.1f}"
    )
    for one in found["officials"]:
        peak = f", {one['mib']} MiB" if one["mib"] else ""
        short = "" if one["ratio"] >= one["bound"] else "  SHORT"
        print(
            f"  {one['metric']}: {one['program']} {one['seconds']} s{peak} (not in this run): "
            f"{one['ratio']:.1f}× (bound {one['bound']}×){short}"
        )
    if other := found["peer"]:
        print(
            f"  {other['program']} (in this run) {other['seconds']:.2f} s, {other['mib']:.0f} MiB: "
            f"{other['seconds'] / found['seconds']:.1f}×; {other['numbers']} numbers within {other['difference']:.0e}"
        )
    elif peer:
        print(f"  {peer}: not installed where --peers points; not run")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(CASES))
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="that has vos-benchmark or trackeval")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="no figures: the gate of one set")
    options = parser.parse_args(argv)
    if options.floor:
        decode(options.floor)
        return
    names = options.sets.split(",")
    if unknown := set(names) - set(CASES):
        parser.error(f"no sets {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if options.smoke:
        with tempfile.TemporaryDirectory() as root:
            check_truth(names[0], Path(root) / "small")
        tell({"what": f"{names[0]}: the truth scored against itself is perfect"}, options.json)
        return
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{describe()}{load}\nCPU seconds of whole processes, medians of {options.repeats}")
    figures = {}
    with tempfile.TemporaryDirectory() as root:
        for name in names:
            figures[name] = measure(name, Path(root), options.repeats, options.peers)
            show(figures[name], CASES[name].peer)
    if options.json:
        options.json.write_text(json.dumps({"machine": describe(), "sets": figures}, indent=1), encoding="utf-8")
    short = [name for name, found in figures.items() if any(o["ratio"] < o["bound"] for o in found["officials"])]
    if short:
        raise SystemExit(f"below a bound: {', '.join(short)}")


if __name__ == "__main__":
    main()
