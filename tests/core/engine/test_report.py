"""What a run says of itself: exit codes, stage times, memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from gvseg_core.engine.report import Report, Stages, Summary, peak_memory
from gvseg_core.errors import OutputError, VideoError

DONE = Report("a", "done")
PARTIAL = Report("b", "partial")
FAILED = Report("c", "failed", error=VideoError("no"))
FULL = Report("d", "failed", error=OutputError("full"))
BUG = Report("e", "failed", error=KeyError("x"))


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([DONE], 0),
        ([Report("s", "skipped")], 0),
        ([PARTIAL], 1),
        ([FAILED], 3),
        ([FULL], 4),
        ([BUG], 70),
        ([DONE, DONE], 0),
        ([DONE, PARTIAL], 1),
        ([FAILED, FULL], 1),
        ([DONE, BUG], 1),
    ],
)
def test_one_input_has_its_own_exit_code_and_several_have_one_for_all(reports: list[Report], code: int) -> None:
    assert Summary(tuple(reports), len(reports), 1.0).exit_code == code


def test_a_run_that_gave_up_ends_as_the_input_that_ended_it() -> None:
    assert Summary((DONE, FULL), 5, 1.0, gave_up=True).exit_code == 4


def test_the_first_of_several_inputs_does_not_speak_for_those_not_begun() -> None:
    assert Summary((FAILED,), 2, 1.0).exit_code == 1


def test_a_stage_counts_what_is_made_in_it_and_not_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("gvseg_core.engine.report.time.perf_counter", lambda: now[0])

    def taking(seconds: float, items: Iterator[int]) -> Iterator[int]:
        for item in items:
            now[0] += seconds
            yield item

    stages = Stages()
    waiting = stages.timed("model", taking(8.0, iter(range(5))), sign=-1)
    assert list(stages.timed("model", taking(1.0, waiting))) == [0, 1, 2, 3, 4]
    with stages.time("write"):
        now[0] += 3.0
    assert stages.seconds == {"model": 5.0, "write": 3.0}


def test_shares_of_a_report_are_in_the_order_of_the_stages_and_never_above_one() -> None:
    report = Report("a", "done", num_frames=10, seconds=4.0, stages={"write": 1.0, "model": 4.1, "decode": 2.0})
    shares = report.stage_shares()
    assert list(shares) == ["decode", "model", "write"]
    assert shares["decode"] == (2.0, 0.5, 0.5, 200.0)
    assert shares["model"].busy == report.overlap == 1.0
    assert Report("a", "skipped").overlap == 0.0


def test_threads_of_one_stage_count_by_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("gvseg_core.engine.report.time.perf_counter", lambda: now[0])
    stages = Stages()
    for _ in range(2):
        with stages.time("draw", share=0.5):
            now[0] += 3.0
    assert stages.seconds == {"draw": 3.0}


def test_closing_a_timed_iterator_closes_what_it_draws_from() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.append(True)

    items = Stages().timed("decode", source())
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_peak_memory_sees_what_was_there_and_is_gone() -> None:
    code = """
from gvseg_core.engine.report import peak_memory
before = peak_memory()
block = bytearray(200 * 2**20)
for i in range(0, len(block), 4096): block[i] = 1
del block
print(peak_memory() - before)
"""
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert peak_memory() is not None
    assert int(grown) > 150 * 2**20
