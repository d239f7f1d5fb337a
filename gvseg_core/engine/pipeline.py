"""One video from its frames to its sinks: every stage in a thread of its own, bounded in between.

    decode → prepare → model → decide → draw → write

| stage | what it does | thread |
|---|---|---|
| decode | frames out of the source, cut into windows | its own |
| prepare | resized, normalised, padded; into pinned memory where a GPU wants it | its own |
| model | the network; it never waits for its answer, but for that of the clip before | its own |
| decide | the task's decisions, masks at full resolution as RLE, names from the tracker | its own, but see below |
| draw | what a sink can do for one frame apart from others: pictures, PNGs | a few, where a sink has such work |
| write | the sinks, in order: encoders, files | the caller's |

Between two stages at most a few things wait, and a prediction never does (it is the largest): while one is decided, the
next is computed. A task whose questions depend on what was found before (`looks_back`: evs) has model and decide in one
thread, clip after clip. What comes out is the same to the last bit in either way, and as without any thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from gvseg_core.engine.report import Stages
from gvseg_core.errors import DeviceError
from gvseg_core.segmenter import Predicted, Segmenter
from gvseg_core.types import Clip, DraftingSink, Frame, FrameResult, Outcome, Sink, Tracker, VideoSource
from gvseg_core.video.prefetch import prefetch, spread

T = TypeVar("T")
R = TypeVar("R")

_FRAMES_AT_ONCE = 12
"""What keeps a large GPU busy."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one video ended."""

    outcome: Outcome  # as the sinks were told
    was_stopped: bool  # before the video's end
    undecided: str  # frames of which the network could say nothing, one line; empty when there were none
    notes: tuple[str, ...] = ()  # one line each: what was done differently, and lost nothing
    error: DeviceError | None = None  # memory ran out on the way; what was done by then has been written


def segment_video(
    source: VideoSource,
    frames: Iterable[Frame],
    segmenter: Segmenter,
    sinks: Sequence[Sink],
    *,
    stages: Stages,
    batch: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_frame: Callable[[], None] = lambda: None,
) -> Ended:
    """Segment `frames` and hand each result to every sink; at the end the sinks' files appear.

    When anything fails, or there is no result at all, the sinks are left for the caller to abort; but if memory runs
    out on the way, what was done by then is kept, as of a video that was cut.

    Args:
        source: where the frames come from, for what it knows of the video and of its damage.
        frames: of `source`, with exemplars where the task wants them.
        stages: is told how long each stage took.
        batch: clips computed at once; by default as many as keep the device busy.
        stopped: asked before each clip that is fed to the network; the video ends where it says yes.
        on_frame: called after each frame that was written.

    Raises:
        DeviceError: memory does not suffice for the first frame, or for writing one.
        GvsegError: an input that fails on the way, or an output that cannot be written.
        BrokenPipeError: nobody reads the stream that a sink writes to.
    """
    tracker, notes = segmenter.task.tracker(), list[str]()
    feed = _Feed(stopped)
    num_frames = num_undecided = 0
    why = ""
    error: DeviceError | None = None
    with _Line(stages) as line:
        ready = _results(line, frames, segmenter, tracker, feed, sinks, batch or batch_for(segmenter), notes)
        for sink in sinks:
            sink.begin(source.info)
        while True:
            try:
                with _memory_errors():
                    result, drafts = next(ready)
            except StopIteration:
                break
            except DeviceError as failure:
                if not num_frames:
                    raise
                error = DeviceError(f"{source.info.name}: memory ran out after {num_frames} frames; {failure}")
                break
            with _memory_errors(), stages.time("write"):
                for sink, draft in zip(sinks, drafts, strict=True):
                    if isinstance(sink, DraftingSink):
                        sink.write(result, draft)
                    else:
                        sink.write(result)
            num_frames += 1
            num_undecided += bool(result.problem)
            why = result.problem or why
            del result, drafts
            on_frame()
    undecided = f"{num_undecided} of {num_frames} frames are empty: {why}" if num_undecided else ""
    reasons = [*source.problems, *[undecided] * bool(undecided), *["interrupted"] * feed.was_stopped]
    reasons += ["memory ran out"] * (error is not None)
    outcome = Outcome(tuple(tracker.tracks), num_frames, complete=not reasons, reason="; ".join(reasons))
    if num_frames:
        with stages.time("write"):
            for sink in sinks:
                sink.end(outcome)
    return Ended(outcome, feed.was_stopped, undecided, tuple(notes), error)


def batch_for(segmenter: Segmenter) -> int:
    """How many clips to compute at once: one, but on a GPU as many as make a dozen frames.

    Larger batches gain little there (`tests.bench.video` shows what they do), and all wait for the last of them.
    """
    if segmenter.device.type != "cuda" or segmenter.task.looks_back:
        return 1
    return max(1, _FRAMES_AT_ONCE // segmenter.clip_length)


Drafted = tuple[FrameResult, list[Any]]
"""A result, and for each sink its draft; None where it makes none."""


def _results(
    line: _Line,
    frames: Iterable[Frame],
    segmenter: Segmenter,
    tracker: Tracker,
    feed: _Feed,
    sinks: Sequence[Sink],
    batch: int,
    notes: list[str],
) -> Iterator[Drafted]:
    """All stages but the last."""
    windows = line.apart(line.stage("decode", segmenter.windows, frames, waits=False), depth=1)
    clips = line.apart(line.stage("prepare", segmenter.prepare, windows), depth=1)

    def predict(clips: Iterable[Clip]) -> Iterator[Predicted]:
        return segmenter.predict(clips, tracker, batch=batch, notes=notes)

    predicted = line.stage("model", predict, feed.of(clips))
    if not segmenter.task.looks_back:
        predicted = line.apart(predicted, depth=0)

    def decide(predicted: Iterable[Predicted]) -> Iterator[FrameResult]:
        return segmenter.decide(predicted, tracker)

    results = line.apart(line.stage("decide", decide, predicted), depth=2)
    return line.drawn(results, [sink.draft if isinstance(sink, DraftingSink) else None for sink in sinks])


class _Line:
    """Stages one behind the other, timed. On leaving, the last is closed first, and with each its thread."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._ending = ExitStack()

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def stage(
        self, name: str, work: Callable[[Iterable[T]], Iterator[R]], items: Iterable[T], *, waits: bool = True
    ) -> Iterator[R]:
        """`work` on `items`; where another stage makes them, the time that this one `waits` for them is not its own."""
        return self._ended(self._stages.timed(name, work(self._stages.timed(name, items, sign=-1) if waits else items)))

    def apart(self, items: Iterator[T], *, depth: int) -> Iterator[T]:
        """The same items, made in a thread of its own."""
        return self._ended(prefetch(items, depth))

    def drawn(
        self, results: Iterator[FrameResult], drafts: Sequence[Callable[[FrameResult], Any] | None]
    ) -> Iterator[Drafted]:
        """Results with what sinks can do for each apart from the others, done by several threads."""
        num = _hands()

        def work(result: FrameResult) -> Drafted:
            with self._stages.time("draw", share=1 / num):
                return result, [None if draft is None else draft(result) for draft in drafts]

        if not any(drafts):
            return self._ended((result, [None] * len(drafts)) for result in results)
        return self._ended(spread(work, results, num))

    def _ended(self, items: Iterator[T]) -> Iterator[T]:
        if isinstance(items, Generator):
            self._ending.callback(items.close)
        return items


class _Feed:
    """Clips until there are no more or somebody says stop."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self.was_stopped = False
        self._stopped = stopped

    def of(self, clips: Iterable[Clip]) -> Iterator[Clip]:
        """`clips`, as long as nobody does."""
        for clip in clips:
            if self._stopped():
                self.was_stopped = True
                return
            yield clip
            del clip  # or it would still be there while the next one is made


def _hands() -> int:
    """Threads that draw: a quarter of the processor's, which decoding and encoding want too, but no more than help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, cores // 4))


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Say what to do when memory runs out, wherever it does.

    Raises:
        DeviceError: in place of PyTorch's own errors; its allocator on the CPU raises a bare RuntimeError.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError("the GPU's memory does not suffice; a smaller --size or --dtype bf16 needs less") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
            raise
        raise DeviceError("memory does not suffice; a smaller --size needs less") from error
