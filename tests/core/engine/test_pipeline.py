"""One video from frames to sinks: order, bounds, endings."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from gvseg_core.data.demo import DemoSource
from gvseg_core.engine.evaluation.answers import Collector
from gvseg_core.engine.pipeline import Ended, segment_video
from gvseg_core.engine.report import Stages
from gvseg_core.engine.truth import TruthSegmenter
from gvseg_core.errors import DeviceError, VideoError
from gvseg_core.segmenter import Predicted
from gvseg_core.tasks import TASKS
from gvseg_core.types import Clip, FrameResult, Outcome, Prompt, VideoInfo
from gvseg_core.video.windows import Window
from tests.core.segmenters import make_frames, make_segmenter, square


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


class Drafting(Kept):
    """A sink with work that any thread may do."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def draft(self, result: FrameResult) -> int:
        self.threads.add(threading.get_ident())
        return result.frame.index

    def write(self, result: FrameResult, draft: int | None = None) -> None:
        assert draft == result.frame.index
        super().write(result)


def test_drafts_are_made_in_other_threads_and_written_in_order() -> None:
    drafting, plain = Drafting(), Kept()
    run(Counted(30), [plain, drafting])
    assert drafting.indices == plain.indices == list(range(30))
    assert threading.get_ident() not in drafting.threads


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("batch", [1, 3])
def test_threads_change_no_bit_of_the_results(task: str, batch: int) -> None:
    segmenter = make_segmenter(task, clip_length=2)
    frames = list(make_frames(11, prompts={1: (Prompt(2, mask=square(3, 4)),)} if task == "evs" else None))
    tracker = segmenter.task.tracker()
    wanted = list(segmenter.segment(segmenter.clips(frames), tracker))
    sink = Collector()
    source = DemoSource((40, 56), 11)
    ended = segment_video(source, frames, segmenter, [sink], stages=Stages(), batch=batch)
    assert any(result.segments for result in wanted)
    assert [r.frame.index for r in sink.results] == list(range(11))
    if batch == 1:
        assert [r.segments for r in sink.results] == [r.segments for r in wanted]
        assert ended.outcome.tracks == tuple(tracker.tracks)
    else:
        masks = [[(s.track_id, s.mask) for s in r.segments] for r in sink.results]
        assert masks == [[(s.track_id, s.mask) for s in r.segments] for r in wanted]


def test_one_clip_is_decided_while_the_network_sees_the_next_unless_the_task_looks_back() -> None:
    for task, most in (("vis", 2), ("evs", 1)):
        segmenter = make_segmenter(task, clip_length=1)
        alive: weakref.WeakSet[Any] = weakref.WeakSet()
        seen = []
        decode = segmenter.network.decode

        def watching(*args: Any, decode: Any = decode, alive: Any = alive, seen: Any = seen, **kwargs: Any) -> Any:
            seen.append(len(alive) + 1)
            prediction = decode(*args, **kwargs)
            alive.add(prediction.mask_features)
            return prediction

        segmenter.network.decode = watching  # type: ignore[method-assign]
        frames = make_frames(12, prompts={0: (Prompt(1, box=(5, 5, 30, 30)),)} if task == "evs" else None)
        segment_video(DemoSource((40, 56), 12), frames, segmenter, [Kept()], stages=Stages())
        assert len(seen) == 12
        assert max(seen) <= most


class Undecided(TruthSegmenter):
    def decide(self, predicted: Iterable[Predicted], tracker: Any) -> Iterator[FrameResult]:
        for result in super().decide(predicted, tracker):
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

    def prepare(self, windows: Iterable[Window]) -> Iterator[Clip]:
        raise self._error
        yield


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9")],
)
def test_memory_that_does_not_suffice_is_the_device_s_fault(error: Exception) -> None:
    with pytest.raises(DeviceError, match="--size"):
        run(Counted(4), [Kept()], OutOfMemory(error))


class RunsOut(TruthSegmenter):
    """Has no memory for one frame, nor for any after it."""

    def __init__(self, at: int) -> None:
        super().__init__("vis")
        self._at = at

    def predict(self, clips: Iterable[Clip], tracker: Any, **how: Any) -> Iterator[Predicted]:
        for predicted in super().predict(clips, tracker, **how):
            if predicted.clip.frames[0].index == self._at:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield predicted


def test_what_was_done_before_memory_ran_out_is_kept_as_a_part() -> None:
    sink = Kept()
    ended = run(Counted(30), [sink], RunsOut(17))
    assert sink.indices == list(range(17))
    assert isinstance(ended.error, DeviceError)
    assert "memory ran out after 17 frames; the GPU's memory does not suffice" in str(ended.error)
    assert sink.outcome == ended.outcome
    assert (ended.outcome.complete, ended.outcome.reason) == (False, "memory ran out")


def test_memory_that_does_not_suffice_for_the_first_frame_leaves_nothing() -> None:
    sink = Kept()
    with pytest.raises(DeviceError, match="--size"):
        run(Counted(30), [sink], RunsOut(0))
    assert sink.outcome is None


def test_another_runtime_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        run(Counted(4), [Kept()], OutOfMemory(RuntimeError("shapes differ")))
