"""One video from frames to sinks: order, bounds, endings."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from gvseg_core.data.demo import DemoSource
from gvseg_core.engine.pipeline import Ended, segment_video
from gvseg_core.engine.report import Stages
from gvseg_core.engine.truth import TruthSegmenter
from gvseg_core.errors import DeviceError, VideoError
from gvseg_core.types import Clip, Frame, FrameResult, Outcome, VideoInfo


class Kept:
    """A sink that remembers, and may fail."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.indices: list[int] = []
        self.outcome: Outcome | None = None
        self.begun: VideoInfo | None = None
        self._fails_at = fails_at

    def begin(self, video: VideoInfo) -> None:
        self.begun = video

    def write(self, result: FrameResult) -> None:
        if result.frame.index == self._fails_at:
            raise OSError("full")
        self.indices.append(result.frame.index)

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def abort(self) -> None:
        raise AssertionError("left to the caller")


class Counted(DemoSource):
    """The demo, counting the frames that were taken from it; it may break."""

    def __init__(self, num_frames: int, breaks_at: int | None = None) -> None:
        super().__init__((32, 48), num_frames)
        self.num_taken = 0
        self._breaks_at = breaks_at

    def __iter__(self) -> Iterator[Any]:
        for frame in super().__iter__():
            if frame.index == self._breaks_at:
                raise VideoError("gone")
            self.num_taken += 1
            yield frame


def run(source: DemoSource, sinks: list[Kept], segmenter: Any = None, **more: Any) -> Ended:
    return segment_video(source, source, segmenter or TruthSegmenter("vis"), sinks, stages=Stages(), **more)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_every_sink_gets_every_frame_once_in_order() -> None:
    sinks = [Kept(), Kept()]
    ended = run(Counted(30), sinks)
    for sink in sinks:
        assert sink.indices == list(range(30))
        assert sink.outcome == ended.outcome
    assert (ended.outcome.num_frames, ended.outcome.complete, ended.outcome.reason) == (30, True, "")
    assert ended.outcome.tracks


def test_few_frames_wait_between_the_stages() -> None:
    source, sink = Counted(200), Kept()
    ahead: list[int] = []
    run(source, [sink], on_frame=lambda: ahead.append(source.num_taken - len(sink.indices)))
    assert max(ahead) <= 10


def test_stopping_ends_the_video_properly_and_says_why() -> None:
    sink = Kept()
    ended = run(Counted(10**6), [sink], stopped=lambda: len(sink.indices) >= 20)
    assert ended.was_stopped
    assert sink.outcome is not None
    assert (sink.outcome.complete, sink.outcome.reason) == (False, "interrupted")
    assert 20 <= sink.outcome.num_frames == len(sink.indices) <= 30


def test_stopping_before_the_first_frame_ends_no_file() -> None:
    sink = Kept()
    assert run(Counted(9), [sink], stopped=lambda: True).outcome.num_frames == 0
    assert sink.outcome is None


def test_a_sink_that_fails_ends_it_at_once() -> None:
    source, sink = Counted(10**6), Kept(fails_at=5)
    with pytest.raises(OSError, match="full"):
        run(source, [sink])
    assert sink.outcome is None
    assert source.num_taken < 30


def test_a_source_that_fails_ends_it_after_the_frames_before() -> None:
    sink = Kept()
    with pytest.raises(VideoError, match="gone"):
        run(Counted(30, breaks_at=12), [sink])
    assert sink.indices == list(range(12))
    assert sink.outcome is None


def test_damage_is_told_to_the_sinks() -> None:
    source, sink = Counted(3), Kept()
    source.problems.append("damaged: 3 of 5 frames could be decoded")
    run(source, [sink])
    assert sink.outcome is not None
    assert (sink.outcome.complete, sink.outcome.reason) == (False, source.problems[0])


class Undecided(TruthSegmenter):
    def segment(self, clips: Iterable[Clip], tracker: Any) -> Iterator[FrameResult]:
        for result in super().segment(clips, tracker):
            yield replace(result, segments=(), problem="not finite") if result.frame.index == 2 else result


def test_frames_of_which_nothing_can_be_said_are_counted() -> None:
    sink = Kept()
    ended = run(Counted(4), [sink], Undecided("vis"))
    assert ended.undecided == "1 of 4 frames are empty: not finite"
    assert sink.outcome is not None
    assert not sink.outcome.complete


class OutOfMemory(TruthSegmenter):
    def __init__(self, error: Exception) -> None:
        super().__init__("vis")
        self._error = error

    def clips(self, frames: Iterable[Frame]) -> Iterator[Clip]:
        raise self._error
        yield


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9")],
)
def test_memory_that_does_not_suffice_is_the_device_s_fault(error: Exception) -> None:
    with pytest.raises(DeviceError, match="--size"):
        run(Counted(4), [Kept()], OutOfMemory(error))


def test_another_runtime_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        run(Counted(4), [Kept()], OutOfMemory(RuntimeError("shapes differ")))
