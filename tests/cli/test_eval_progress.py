"""How an evaluation says how far it is."""

from __future__ import annotations

import json

import pytest

from gvseg_cli import eval_progress as module
from gvseg_cli.console import Console
from gvseg_cli.eval_progress import WAYS, Bar, EvalProgress, eval_progress
from gvseg_core.errors import UsageError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_the_time_left_counts_the_video_under_way_and_not_what_was_done_before(clock: list[float]) -> None:
    watcher = EvalProgress(Console())
    watcher.run_begins(10, 4)
    watcher.video_begins("dogs", 20)
    clock[0] = 2.0
    for _ in range(10):
        watcher.frame_done()
    # Half a video in two seconds: five and a half are left.
    assert watcher.numbers() == "4/10 videos, dogs frame 10/20, 5 frames a second, 22.0 s left"
    assert watcher.share() == 0.45


def test_files_are_counted_by_videos(clock: list[float]) -> None:
    watcher = EvalProgress(Console())
    watcher.run_begins(4, 0)
    clock[0] = 0.5
    watcher.video_ends("a")
    assert watcher.numbers() == "1/4 videos, 2 a second, 1.5 s left"


def test_nothing_to_do_divides_by_nothing(clock: list[float]) -> None:
    watcher = Bar(Console())
    watcher.run_begins(0, 0)
    assert (watcher.share(), watcher.numbers()) == (0.0, "0/0 videos, 0 a second")
    watcher.run_ends()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_notes_a_thing_once(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    watcher = eval_progress(way, Console())
    watcher.note("one thing")
    watcher.note("one thing")
    assert capsys.readouterr().err.count("one thing") == 1


def test_plain_lines_are_few_and_a_bar_is_one(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    for way, lines in (("plain", 3), ("bar", 30), ("none", 0)):
        watcher = eval_progress(way, Console())
        watcher.run_begins(30, 0)
        for number in range(30):
            clock[0] += 1.0
            watcher.video_ends(str(number))
        err = capsys.readouterr().err
        assert err.count("videos") == lines, way


def test_events_are_json(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    watcher = eval_progress("json", Console())
    watcher.model_loaded(0.5, {"model": "m"})
    watcher.run_begins(2, 1)
    clock[0] = 1.5
    watcher.video_ends("b")
    watcher.run_ends()
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == ["model", "begin", "note", "progress", "end"]
    assert events[3] == {"event": "progress", "videos": 2, "done": 2, "video": "b", "frame": 0, "frames": 0}


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'plain'"):
        eval_progress("plane", Console())
