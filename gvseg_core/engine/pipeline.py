"""One video from its frames to its sinks: decoding, the network and writing side by side, bounded in between."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from gvseg_core.engine.report import Stages
from gvseg_core.errors import DeviceError
from gvseg_core.segmenter import Segmenter
from gvseg_core.types import Clip, Frame, Outcome, Sink, VideoSource
from gvseg_core.video.prefetch import prefetch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended:
    """How one video ended."""

    outcome: Outcome  # as the sinks were told
    was_stopped: bool  # before the video's end
    undecided: str  # frames of which the network could say nothing, one line; empty when there were none


class _Feed:
    """Clips until there are no more or somebody says stop."""

    def __init__(self, clips: Iterator[Clip], stopped: Callable[[], bool]) -> None:
        self.was_stopped = False
        self._clips = clips
        self._stopped = stopped

    def __iter__(self) -> Iterator[Clip]:
        with _closed_after(self._clips):
            for clip in self._clips:
                if self._stopped():
                    self.was_stopped = True
                    return
                yield clip


def segment_video(
    source: VideoSource,
    frames: Iterable[Frame],
    segmenter: Segmenter,
    sinks: Sequence[Sink],
    *,
    stages: Stages,
    stopped: Callable[[], bool] = lambda: False,
    on_frame: Callable[[], None] = lambda: None,
) -> Ended:
    """Segment `frames` and hand each result to every sink; at the end the sinks' files appear.

    Decoding and the network run in threads of their own, sinks in the caller's. When anything fails, or there is no
    result at all, the sinks are left for the caller to abort.

    Args:
        source: where the frames come from, for what it knows of the video and of its damage.
        frames: of `source`, with exemplars where the task wants them.
        stages: is told how long decode, model and write took.
        stopped: asked before each clip that is fed to the network; the video ends where it says yes.
        on_frame: called after each frame that was written.

    Raises:
        DeviceError: memory does not suffice.
        GvsegError: an input that fails on the way, or an output that cannot be written.
        BrokenPipeError: nobody reads the stream that a sink writes to.
    """
    tracker = segmenter.task.tracker()
    feed = _Feed(prefetch(stages.timed("decode", segmenter.clips(frames)), depth=1), stopped)
    # The time that the network waits for clips is not the network's.
    results = prefetch(stages.timed("model", segmenter.segment(stages.timed("model", feed, sign=-1), tracker)))
    num_frames = num_undecided = 0
    why = ""
    with _memory_errors(), _closed_after(results):
        for sink in sinks:
            sink.begin(source.info)
        for result in results:
            with stages.time("write"):
                for sink in sinks:
                    sink.write(result)
            num_frames += 1
            num_undecided += bool(result.problem)
            why = result.problem or why
            on_frame()
    undecided = f"{num_undecided} of {num_frames} frames are empty: {why}" if num_undecided else ""
    reasons = [*source.problems, *[undecided] * bool(undecided), *["interrupted"] * feed.was_stopped]
    outcome = Outcome(tuple(tracker.tracks), num_frames, complete=not reasons, reason="; ".join(reasons))
    if num_frames:
        with stages.time("write"):
            for sink in sinks:
                sink.end(outcome)
    return Ended(outcome, feed.was_stopped, undecided)


@contextmanager
def _closed_after(items: Iterator[T]) -> Iterator[None]:
    """Close a generator on leaving, and with it what it draws from and the thread that it draws ahead with."""
    try:
        yield
    finally:
        if isinstance(items, Generator):
            items.close()


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
