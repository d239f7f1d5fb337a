"""What came of an ablation: a table, what each idea adds, and a picture; all of it from the runs' own files."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Run = Mapping[str, Any]

COLUMNS = {
    "synth VPQ": ("synth-vps", "VPQ", 1.0),
    "synth AP": ("synth-vis", "AP", 100.0),
    "synth mIoU": ("synth-vss", "mIoU", 100.0),
    "synth J&F": ("synth-evs", "J&F-Mean", 100.0),
    "CamVid VPQ": ("camvid-vps", "VPQ", 1.0),
    "CamVid STQ": ("camvid-vps", "STQ", 100.0),
    "CamVid mIoU": ("camvid-vss", "mIoU", 100.0),
    "CamVid mVC8": ("camvid-vss", "mVC8", 100.0),
    "DAVIS J&F": ("davis-evs", "J&F-Mean", 100.0),
    "DAVIS AP": ("davis-vis", "AP", 100.0),
}
"""Heading → test, metric, and what makes it per cent. More is better in all of them."""

SWITCHES = "switches"
"""Of 100 found objects of `synth`, those that have another id than when they were last found; less is better."""


def read_runs(folder: Path) -> list[Run]:
    """What is there; runs with one seed must have seen the same, and all must be of one size.

    Raises:
        SystemExit: they have not.
    """
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*-*.json"))]
    if not runs:
        raise SystemExit(f"{folder}: no run in it")
    for what in ("steps", "scale", "features"):
        if len({json.dumps(run[what]) for run in runs}) > 1:
            raise SystemExit(f"{folder}: runs of different {what}")
    for seed in {run["seed"] for run in runs}:
        if len({run["seen"] for run in runs if run["seed"] == seed}) > 1:
            raise SystemExit(f"{folder}: runs with seed {seed} have not seen the same pictures")
    return runs


def value_of(run: Run, column: str) -> float | None:
    """One figure of a run; None where it was not measured, or is not defined."""
    if column == SWITCHES:
        counts = run["scores"]["identity"]
        return 100.0 * counts["switches"] / counts["found"] if counts["found"] else None
    test, metric, scale = COLUMNS[column]
    value = run["scores"].get(test, {}).get(metric)
    return None if value is None else scale * value


def columns_of(runs: Sequence[Run]) -> list[str]:
    """Those that any run has a figure for."""
    return [column for column in (*COLUMNS, SWITCHES) if any(value_of(run, column) is not None for run in runs)]


def told(values: Sequence[float | None], sign: str = "") -> str:
    """Mean ± sample standard deviation; the latter is left out where there is one value alone."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = f"{statistics.mean(known):{sign}.1f}"
    return f"{mean} ± {statistics.stdev(known):.1f}" if len(known) > 1 else mean


def table_of(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Every configuration's means, in Markdown."""
    columns = columns_of(runs)
    lines = [_row(["configuration", "seeds", *columns, "paper VPQ"]), "|---" * (len(columns) + 3) + "|"]
    for name in names:
        if own := [run for run in runs if run["name"] == name]:
            cells = [told([value_of(run, column) for run in own]) for column in columns]
            lines.append(_row([own[0]["title"], str(len(own)), *cells, told([own[0]["paper"]])]))
    return lines


def gains_of(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """What each configuration has more than the first one with the same seed, in Markdown."""
    columns, first = columns_of(runs), names[0]
    base = {run["seed"]: run for run in runs if run["name"] == first}
    lines = [_row([f"more than {first}", "seeds", *columns, "paper VPQ"]), "|---" * (len(columns) + 3) + "|"]
    for name in names[1:]:
        own = [run for run in runs if run["name"] == name and run["seed"] in base]
        if own:
            cells = [told([_gain(run, base[run["seed"]], column) for run in own], "+") for column in columns]
            paper, before = own[0]["paper"], base[own[0]["seed"]]["paper"]
            more = None if paper is None else paper - before
            lines.append(_row([own[0]["title"], str(len(own)), *cells, told([more], "+")]))
    return lines


def _gain(run: Run, base: Run, column: str) -> float | None:
    value, other = value_of(run, column), value_of(base, column)
    return None if value is None or other is None else value - other


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(runs: Sequence[Run], names: Sequence[str], path: Path) -> None:
    """A panel for each figure: a bar is the mean, a point a seed."""
    from matplotlib.figure import Figure

    columns = columns_of(runs)
    across = min(4, len(columns))
    down = math.ceil(len(columns) / across)
    figure = Figure(figsize=(3.4 * across, 2.6 * down), layout="constrained")
    for number, column in enumerate(columns, start=1):
        axes = figure.add_subplot(down, across, number)
        for place, name in enumerate(names):
            values = [value_of(run, column) for run in runs if run["name"] == name]
            known = [value for value in values if value is not None]
            if known:
                axes.bar(place, statistics.mean(known), color=f"C{place}", alpha=0.35, width=0.7)
                axes.scatter([place] * len(known), known, color=f"C{place}", s=14, zorder=3)
        axes.set_title(f"{column} (less is better)" if column == SWITCHES else column, fontsize=9)
        axes.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names], fontsize=7)
        axes.tick_params(axis="y", labelsize=7)
        axes.grid(axis="y", alpha=0.3)
    figure.savefig(path, dpi=110)


def tell_report(folder: Path, names: Sequence[str]) -> None:
    """Print the tables, and draw FOLDER/ablation.png."""
    runs = read_runs(folder)
    minutes = sum(run["training"]["wall"] + run["scoring"]["wall"] for run in runs) / 60
    print(f"{runs[0]['steps']} steps a run, {len(runs)} runs, {minutes:.0f} minutes; {runs[0]['machine']}\n")
    print("\n".join([*table_of(runs, names), "", *gains_of(runs, names)]))
    draw(runs, names, folder / "ablation.png")
