"""The table: what people read first."""

from __future__ import annotations

import sys

import pytest

from gvseg_cli.eval_table import PUBLISHED, show_table, table
from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.evaluation.outcome import Evaluated
from gvseg_core.types import Scores

NAN = float("nan")


def evaluated(bench: str, **metrics: float) -> Evaluated:
    found = choose_bench(bench)
    return Evaluated(found, Scores(metrics), num_videos=3, num_done=3, published=found.scoring.published)


def test_published_numbers_stand_beside_ours_in_per_cent() -> None:
    rows = table(evaluated("vipseg", STQ=0.4, VPQ=41.25, VPQ_1=42.0), everything=False)
    assert rows == [["metric", "result", PUBLISHED], ["VPQ", "41.25", "44.00"], ["STQ", "40.00", "44.90"]]


def test_there_is_no_column_where_nothing_was_published() -> None:
    assert table(evaluated("kitti_step", STQ=0.5), everything=False) == [["metric", "result"], ["STQ", "50.00"]]


def test_the_rest_comes_after_what_people_look_for() -> None:
    rows = table(evaluated("vipseg", VPQ_1=42.0, AQ=0.5, VPQ=41.25), everything=True)
    assert [row[0] for row in rows[1:]] == ["VPQ", "AQ", "VPQ_1"]


def test_what_is_not_defined_is_a_dash() -> None:
    rows = table(evaluated("ytvis21", AP=NAN, AP50=-1.0, AP75=0.0), everything=False)
    assert [row[1] for row in rows[1:]] == ["-", "-", "0.00"]


def test_a_terminal_gets_it_drawn_and_a_pipe_plain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = evaluated("ytvis21", AP=0.5, AR10=0.625)
    show_table(done, everything=False)
    plain = capsys.readouterr().out.splitlines()
    assert plain[0].endswith("3 videos, in per cent")
    assert plain[1:] == [
        "metric  result  GvSEG R-50 (published)",
        "AP       50.00                   49.60",
        "AR10     62.50                       -",
    ]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    show_table(done, everything=False)
    drawn = capsys.readouterr().out
    assert "┃" in drawn
    assert "50.00" in drawn
