"""Progress of an evaluation on stderr: a line that redraws itself, plain lines now and then, JSON lines, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from gvseg_cli.console import Console
from gvseg_cli.progress import BAR_CELLS, clock
from gvseg_cli.ways import chosen_way


class EvalProgress:
    """Watches an evaluation (`engine.evaluation.watching.Watcher`) and says how it goes; plain lines, one in 10 s.

    Other ways to draw differ in `interval`, the least seconds between two words, and in `draw`.
    """

    interval = 10.0

    def __init__(self, console: Console) -> None:
        self.console = console
        self.total = self.done = self.reused = 0
        self.name = ""
        self.frame, self.num_frames, self.frames = 0, 0, 0  # of the current video, of it in all, of all videos so far
        self._start = self._drawn = time.perf_counter()
        self._noted: set[str] = set()

    def model_loading(self, model: str) -> None:
        self.console.detail(f"loading {model}")

    def model_loaded(self, seconds: float, provenance: Mapping[str, Any]) -> None:
        what = ", ".join(f"{key} {value}" for key, value in provenance.items() if isinstance(value, str | int))
        self.console.detail(f"model ready after {seconds:.1f} s: {what}")
        for note in provenance.get("notes", ()):
            self.note(f"{provenance.get('model')}: {note}")

    def run_begins(self, num_videos: int, num_done: int) -> None:
        self.total, self.done, self.reused = num_videos, num_done, num_done
        self._start = self._drawn = time.perf_counter()
        if num_done:
            self.note(f"{num_done} of {num_videos} videos were done before and are taken as they are")

    def video_begins(self, name: str, num_frames: int | None) -> None:
        self.name, self.frame, self.num_frames = name, 0, num_frames or 0

    def frame_done(self) -> None:
        self.frame += 1
        self.frames += 1
        self._draw_now_and_then()

    def video_ends(self, name: str) -> None:
        self.done += 1
        self.name, self.frame, self.num_frames = name, 0, 0
        self._draw_now_and_then()

    def note(self, text: str) -> None:
        """Each but once."""
        if text not in self._noted:
            self._noted.add(text)
            self.console.note(text)

    def run_ends(self) -> None:
        """Sum up what it took."""
        seconds = time.perf_counter() - self._start
        frames = f", {self.frames} frames, {self.frames / max(seconds, 1e-9):.3g} a second" if self.frames else ""
        done = self.done - self.reused
        self.console.detail(f"{done} video{'s' * (done != 1)} in {clock(seconds)}{frames}")

    def _draw_now_and_then(self) -> None:
        now = time.perf_counter()
        if now - self._drawn >= self.interval:
            self._drawn = now
            self.draw()

    def draw(self) -> None:
        self.console.note(self.numbers())

    def share(self) -> float:
        """How much is done, 0 … 1; a video under way counts by its frames."""
        return (self.done + self._under_way()) / max(self.total, 1)

    def numbers(self) -> str:
        """Videos, frames of the current one, rate, and the time left."""
        seconds = time.perf_counter() - self._start
        new = self.done - self.reused + self._under_way()
        left = f", {clock((self.total - self.done - self._under_way()) * seconds / new)} left" if new else ""
        frame = f", {self.name} frame {self.frame}/{self.num_frames or '?'}" if self.frame else ""
        rate = self.frames / max(seconds, 1e-9) if self.frames else (self.done - self.reused) / max(seconds, 1e-9)
        return f"{self.done}/{self.total} videos{frame}, {rate:.3g} {'frames ' * bool(self.frames)}a second{left}"

    def _under_way(self) -> float:
        return min(self.frame / self.num_frames, 1.0) if self.num_frames else 0.0


class Bar(EvalProgress):
    """One line that redraws itself, for terminals."""

    interval = 0.1

    def draw(self) -> None:
        filled = int(self.share() * BAR_CELLS)
        self.console.status(f"[{'#' * filled}{'-' * (BAR_CELLS - filled)}] {self.share():4.0%} {self.numbers()}")


class Silent(EvalProgress):
    """Notes alone."""

    def draw(self) -> None:
        return


class JsonLines(EvalProgress):
    """One JSON object a line, about once a second, for programs: `event` is model, begin, progress, note or end."""

    interval = 1.0

    def model_loaded(self, seconds: float, provenance: Mapping[str, Any]) -> None:
        self.console.event("model", seconds=round(seconds, 3), **provenance)

    def run_begins(self, num_videos: int, num_done: int) -> None:
        self.console.event("begin", videos=num_videos, done=num_done)
        super().run_begins(num_videos, num_done)

    def note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self.console.event("note", text=text)

    def draw(self) -> None:
        self.console.event(
            "progress", videos=self.total, done=self.done, video=self.name, frame=self.frame, frames=self.frames
        )

    def run_ends(self) -> None:
        seconds = time.perf_counter() - self._start
        self.console.event("end", videos=self.total, done=self.done, frames=self.frames, seconds=round(seconds, 3))


WAYS: Mapping[str, type[EvalProgress]] = {"bar": Bar, "plain": EvalProgress, "json": JsonLines, "none": Silent}


def eval_progress(way: str, console: Console) -> EvalProgress:
    """The way to draw that `--progress` names, as `chosen_way` has it."""
    return chosen_way(way, console, WAYS)
