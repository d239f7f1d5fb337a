"""The result of an evaluation as a table on stdout: drawn on a terminal, plain aligned columns anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gvseg_core.engine.evaluation.outcome import Evaluated

PUBLISHED = "GvSEG R-50 (published)"
NONE = "-"


def show_table(evaluated: Evaluated, everything: bool) -> None:
    """Write the table.

    Args:
        evaluated: with scores.
        everything: all metrics, not only those that people look for.
    """
    head, *rows = table(evaluated, everything)
    videos = f"{evaluated.num_videos} video{'s' * (evaluated.num_videos != 1)}"
    title = f"{evaluated.bench.benchmark.title}, {videos}, in per cent"
    if sys.stdout.isatty():
        _draw(title, head, rows)
    else:
        print(title)
        for line in _aligned([head, *rows]):
            print(line)


def table(evaluated: Evaluated, everything: bool) -> list[list[str]]:
    """The head and a row for each metric; a column of published numbers where there are any of these metrics."""
    assert evaluated.scores is not None, "there is nothing to show"
    values = evaluated.scores.metrics
    keys = [key for key in evaluated.bench.scoring.headline if key in values]
    keys += [key for key in values if everything and key not in keys]
    beside = any(key in evaluated.published for key in keys)
    rows = [["metric", "result", *[PUBLISHED] * beside]]
    for key in keys:
        scale = 1 if evaluated.bench.in_percent(key) else 100
        published = evaluated.published.get(key)
        row = [key, _number(values[key] * scale)]
        rows.append([*row, NONE if published is None else _number(published * scale)] if beside else row)
    return rows


def _number(value: float) -> str:
    """Two decimals; nothing for NaN, and for -1, with which official programs say that a metric is not defined."""
    return f"{value:.2f}" if value == value and value != -100 else NONE


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ([cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join([row[0].ljust(widths[0]), *cells[1:]]) for row, cells in zip(rows, padded, strict=True)]


def _draw(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left")
    for column, name in enumerate(head):
        drawn.add_column(name, justify="right" if column else "left")
    for number, row in enumerate(rows):
        drawn.add_row(*row, style="bold" if number == 0 else None)
    Console().print(drawn)
