"""What a run tells about itself, while it goes on and afterwards; nothing here is printed, a command draws it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from gvseg_core.errors import GvsegError
from gvseg_core.types import VideoInfo

State = Literal["done", "partial", "failed", "skipped", "interrupted"]
T = TypeVar("T")
_END: Any = object()


STAGES = ("decode", "prepare", "model", "decide", "draw", "write")
"""What a video goes through (`engine.pipeline`)."""


class StageShare(NamedTuple):
    """One stage's part in a video's time."""

    seconds: float
    busy: float  # share of the video's time in which it worked …
    waiting: float  # … and in which it had nothing to work on, or nowhere to put it
    ms_per_frame: float


@dataclass(frozen=True, slots=True)
class Report:
    """How one input ended."""

    name: str  # as given, safe to show
    state: State
    outputs: tuple[Path, ...] = ()  # written, whole
    num_frames: int = 0  # segmented
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)  # seconds by stage, from decode to write; they overlap
    notes: tuple[str, ...] = ()  # one line each: what was done differently, and lost nothing
    problems: tuple[str, ...] = ()  # one line each: what was lost, of the input or in an output
    error: Exception | None = None  # why it failed

    def stage_shares(self) -> dict[str, StageShare]:
        """Where the time went, in the order of the stages."""
        wall, num = max(self.seconds, 1e-9), max(self.num_frames, 1)
        return {
            name: StageShare(seconds, busy := min(seconds / wall, 1.0), 1 - busy, 1000 * seconds / num)
            for name in STAGES
            if (seconds := self.stages.get(name)) is not None
        }

    @property
    def overlap(self) -> float:
        """How well the stages lie over each other: the longest one's share of the whole time, 1 if it never waited."""
        return max((share.busy for share in self.stage_shares().values()), default=0.0)

    @property
    def exit_code(self) -> int:
        """What a run of this input alone ends with."""
        if isinstance(self.error, GvsegError):
            return self.error.exit_code
        if self.state == "failed":
            return GvsegError.exit_code
        return int(self.state == "partial")


@dataclass(frozen=True, slots=True)
class Summary:
    """How a whole run ended."""

    reports: tuple[Report, ...]  # of the inputs that were begun
    num_inputs: int
    seconds: float
    gave_up: bool = False  # after the last of them, as --on-error stop asks

    @property
    def exit_code(self) -> int:
        """0 all is well; 1 some inputs failed or were cut; that of the one input there was, or that ended the run."""
        codes = [report.exit_code for report in self.reports]
        return codes[-1] if codes and (self.num_inputs == 1 or self.gave_up) else int(any(codes))


class Observer(Protocol):
    """Who watches a run."""

    def model_loading(self, model: str) -> None: ...
    def model_loaded(self, seconds: float, provenance: Mapping[str, Any]) -> None: ...
    def input_begins(self, name: str, number: int, total: int, video: VideoInfo) -> None:
        """The `number`-th of `total` inputs is open."""

    def frame_done(self) -> None: ...
    def input_ends(self, report: Report) -> None: ...


class Stages:
    """Wall time by stage, in seconds; each may be in a thread of its own, or in several."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def time(self, stage: str, share: float = 1) -> Iterator[None]:
        """Count this share of the time that the body takes towards `stage`: -1 takes it off."""
        start = time.perf_counter()
        try:
            yield
        finally:
            taken = share * (time.perf_counter() - start)
            with self._lock:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + taken

    def timed(self, stage: str, items: Iterable[T], sign: int = 1) -> Iterator[T]:
        """`items`, the time that making them takes counted as by `time`."""
        iterator = iter(items)
        try:
            while True:
                with self.time(stage, sign):
                    item = next(iterator, _END)
                if item is _END:
                    return
                yield item
                del item
        finally:
            if isinstance(iterator, Generator):
                iterator.close()


def peak_memory() -> int | None:
    """The most bytes of main memory that this process ever held at once; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where `getrusage` may count what the parent process held
        lines = status.read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
