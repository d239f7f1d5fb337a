"""What the benchmarks share: the machine in a line, two sides that take turns, medians, and where figures go.

How a benchmark behaves: it prints no time before its gate has passed; what it compares runs in the same process or by
turns, on the same input, with the same weights; figures are medians. `--json` writes what it prints; `--smoke` runs it
on sizes that say nothing about speed, for the test suite, and then no bound of speed is held, only the gate.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Times = dict[str, list[float]]
"""Seconds of every turn of one side: `wall`, and `core`, what the process used of all cores."""

_NOISE = 1.3


def describe() -> str:
    """Processor, cores in use, instruction sets that matter, memory, GPU, Python and (where imported) torch."""
    cpu, flags = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
        cpu, flags = fields.get("model name", cpu), fields.get("flags", "")
    sets = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags.split()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0
    torch = sys.modules.get("torch")
    gpu = f"{torch.cuda.get_device_name()}; " if torch and torch.cuda.is_available() else ""
    versions = f"Python {platform.python_version()}" + (f", torch {torch.__version__}" if torch else "")
    return f"{gpu}{cpu}, {num_cores()} cores ({' '.join(sets)}), {memory:.0f} GiB; {versions}"


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def arguments(doc: str | None, *, repeats: int = 5, threads: int | None = None) -> argparse.ArgumentParser:
    """The options that benchmarks have in common; `threads` is that of torch by default."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats, help="turns of each side")
    parser.add_argument("--threads", type=int, default=threads or num_cores(), help="of torch")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--smoke", action="store_true", help="sizes that say nothing about speed")
    return parser


def measure(
    sides: Mapping[str, Callable[[], object]], repeats: int, settle: Callable[[], object] = lambda: None
) -> dict[str, Times]:
    """Wall and core seconds of every side, taking turns, after one turn to warm up.

    Args:
        sides: what is timed, by name.
        repeats: turns that count.
        settle: waits for the device, before and after each.
    """
    times: dict[str, Times] = {name: {"wall": [], "core": []} for name in sides}
    for turn in range(repeats + 1):
        for name, run in sides.items():
            settle()
            wall, core = time.perf_counter(), time.process_time()
            run()
            settle()
            if turn:
                times[name]["wall"].append(time.perf_counter() - wall)
                times[name]["core"].append(time.process_time() - core)
    return times


def waits_for(device: str) -> Callable[[], object]:
    """What lets the work given to a device come to its end."""
    import torch

    return torch.cuda.synchronize if device.startswith("cuda") else lambda: None


def medians(times: Mapping[str, Times]) -> dict[str, dict[str, float]]:
    """Of every side's wall and core seconds."""
    return {side: {kind: statistics.median(taken) for kind, taken in kinds.items()} for side, kinds in times.items()}


def ratios(median: Mapping[str, Mapping[str, float]], peer: str, ours: str) -> dict[str, float]:
    """How many times faster than the peer, in wall and in core time."""
    return {kind: median[peer][kind] / max(median[ours][kind], 1e-12) for kind in ("wall", "core")}


def is_noisy(times: Mapping[str, Times], threads: int) -> bool:
    """Whether others used the processor, or threads waited: wall time × threads is far above core time, in any side."""
    return any(
        statistics.median(kinds["wall"]) * threads > _NOISE * statistics.median(kinds["core"])
        for kinds in times.values()
    )


def tell(figures: Mapping[str, Any], path: Path | None = None) -> None:
    """Print figures, with the machine first, and write them to `path`."""
    told = {
        "machine": describe(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        **figures,
    }
    text = json.dumps(told, indent=2, ensure_ascii=False, default=str)
    print(text)
    if path is not None:
        path.write_text(text + "\n", encoding="utf-8")


def hold(bounds: Mapping[str, bool]) -> None:
    """
    Raises:
        SystemExit: with status 1, and the bounds that were missed.
    """
    if missed := [bound for bound, is_held in bounds.items() if not is_held]:
        raise SystemExit(f"missed: {'; '.join(missed)}")


def skip_unless(is_there: bool, what: str) -> None:
    """Leave with status 0, saying what is missing, where nothing can be measured without it.

    Raises:
        SystemExit: with status 0.
    """
    if not is_there:
        print(f"skipped: {what}", file=sys.stderr)
        raise SystemExit(0)
