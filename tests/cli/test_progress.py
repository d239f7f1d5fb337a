"""What is said on stderr while a run goes on."""

from __future__ import annotations

import io
import json
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from gvseg_cli.console import Console
from gvseg_cli.progress import Progress, clock, progress
from gvseg_core.engine.report import Report, Summary
from gvseg_core.errors import UsageError, VideoError
from gvseg_core.types import VideoInfo


class Screen(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    seconds = [100.0]
    monkeypatch.setattr("gvseg_cli.progress.time.perf_counter", lambda: seconds[0])
    return seconds


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    shown = Screen()
    monkeypatch.setattr("gvseg_cli.console.sys", SimpleNamespace(stderr=shown, stdout=sys.stdout))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return shown


def watch(
    watcher: Progress, now: list[float], num_frames: int | None, count: int, seconds: float, total: int = 1
) -> None:
    watcher.input_begins("a.mp4", 1, total, VideoInfo("a", (48, 64), Fraction(25), num_frames=num_frames))
    for _ in range(count):
        now[0] += seconds
        watcher.frame_done()


def test_plain_lines_come_every_ten_seconds_with_rate_and_time_left(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    watch(progress("plain", Console()), now, 200, 60, 0.5)
    assert capsys.readouterr().err.splitlines() == [
        "gvseg: a.mp4: 20/200 frames, 2 a second, 1:30 left",
        "gvseg: a.mp4: 40/200 frames, 2 a second, 1:20 left",
        "gvseg: a.mp4: 60/200 frames, 2 a second, 1:10 left",
    ]


def test_there_is_no_time_left_where_nobody_knows_the_length(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    watch(progress("plain", Console()), now, None, 20, 0.5, total=3)
    assert capsys.readouterr().err == "gvseg: [1/3] a.mp4: 20 frames, 2 a second\n"


def test_a_header_that_promised_too_few_never_gives_more_than_all(now: list[float], screen: Screen) -> None:
    watch(progress("bar", Console()), now, 2, 4, 0.5)
    lines = screen.getvalue().replace("\x1b[K", "").split("\r")[1:]
    assert lines[1].startswith("[####################] 100% 2/2 frames, 2 a second, 0.0 s left  a.mp4")
    assert lines[2].startswith("3 frames, 2 a second  a.mp4")


def test_a_bar_is_wiped_before_another_line_and_fits_the_terminal(now: list[float], screen: Screen) -> None:
    console = Console()
    watch(progress("auto", console), now, 10, 5, 0.5)
    console.warn("x" * 200)
    drawn = screen.getvalue().split("\r")
    assert all(len(line.replace("\x1b[K", "")) <= 79 for line in drawn[:-1])
    assert drawn[-1].startswith("\x1b[Kgvseg: \x1b[33mwarning: \x1b[0mxxx")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_is_left_out_where_it_is_not_wanted(
    name: str, value: str, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    Console().error("no")
    assert screen.getvalue() == "gvseg: error: no\n"


def test_auto_is_plain_without_a_terminal_and_nothing_when_quiet() -> None:
    console = Console()
    assert type(progress("auto", console)).__name__ == "Progress"
    console.quiet = True
    assert type(progress("auto", console)).__name__ == "Silent"
    with pytest.raises(UsageError, match="did you mean 'plain'"):
        progress("plane", console)


def test_json_lines_tell_everything_to_a_program(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    watcher = progress("json", Console())
    watcher.model_loaded(1.5, {"model": "m", "device": "cpu"})
    watch(watcher, now, 8, 4, 0.5)
    watcher.input_ends(Report("a.mp4", "partial", (Path("a.json"),), 4, 2.0, {"model": 1.0}, ("n",), ("p",)))
    watcher.run_ends(Summary((Report("a.mp4", "partial"),), 1, 2.0))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["model", "begin", "progress", "progress", "end", "run"]
    assert lines[2] == {"event": "progress", "input": "a.mp4", "frame": 2, "frames": 8, "rate": 2.0}
    assert (lines[4]["state"], lines[4]["problems"], lines[4]["exit_code"]) == ("partial", ["p"], 1)
    model = {"seconds": 1.0, "busy": 0.5, "waiting": 0.5, "ms_per_frame": 250.0}
    assert (lines[4]["stages"], lines[4]["overlap"]) == ({"model": model}, 0.5)
    assert lines[5]["peak_memory"] > 2**20


def test_a_verbose_run_ends_with_a_table_of_its_stages(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.verbose = True
    stages = {"model": 9.0, "decode": 1.0, "write": 0.25}
    progress("plain", console).input_ends(Report("a.mp4", "done", (), 50, 10.0, stages))
    assert capsys.readouterr().err.splitlines()[1:] == [
        "gvseg: a.mp4: decode      1.00 s   10% busy   90% waiting     20.0 ms a frame",
        "gvseg: a.mp4: model       9.00 s   90% busy   10% waiting    180.0 ms a frame",
        "gvseg: a.mp4: write       0.25 s    2% busy   98% waiting      5.0 ms a frame",
        "gvseg: a.mp4: stages run side by side; the longest takes 90% of 10.0 s",
    ]


def test_quiet_says_errors_and_where_results_are(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    console = Console()
    console.quiet = True
    watcher = progress("auto", console)
    watcher.input_ends(Report("a.mp4", "done", (Path("a.json"),), 4, 2.0, notes=("n",), problems=("p",)))
    watcher.input_ends(Report("b.mp4", "failed", error=VideoError("b.mp4: is empty")))
    watcher.run_ends(Summary((), 2, 1.0))
    shown = capsysbinary.readouterr()
    assert (shown.out, shown.err) == (b"a.json\n", b"gvseg: error: b.mp4: is empty\n")


def test_a_bug_is_one_line_that_says_how_to_report_it(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(["predict", "a b.mp4"])
    console.failure(KeyError("x\ny"))
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "this is a bug in gvseg: KeyError" in shown
    assert "gvseg predict 'a b.mp4' --debug" in shown


def test_debug_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.debug = True
    try:
        raise VideoError("no")
    except VideoError as error:
        console.failure(error)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "gvseg: error: no"
    assert lines[1].startswith("Traceback")


@pytest.mark.parametrize(("seconds", "shown"), [(0.04, "0.0 s"), (7.52, "7.5 s"), (59.97, "1:00"), (7000, "1:56:40")])
def test_a_clock_reads_as_people_read_it(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
