"""Progress of a run on stderr: a line that redraws itself, plain lines now and then, JSON lines, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from gvseg_cli.console import Console
from gvseg_cli.ways import chosen_way
from gvseg_core.engine.report import Report, Summary, peak_memory
from gvseg_core.types import VideoInfo

BAR_CELLS = 20


class Progress:
    """Watches a run (`engine.report.Observer`) and says how it goes; plain lines, one in ten seconds.

    Other ways to draw differ in `interval`, the least seconds between two words, and in `draw`.
    """

    interval = 10.0

    def __init__(self, console: Console) -> None:
        self.console = console
        self.name, self.number, self.total = "", 0, 0
        self.expected: int | None = None
        self.done = 0
        self._start = self._drawn = 0.0

    def run_begins(self) -> None:
        """The command has been understood; what it needs is being loaded."""

    def note(self, text: str) -> None:
        """One line worth knowing of the run as a whole."""
        self.console.note(text)

    def model_loading(self, model: str) -> None:
        self.console.detail(f"loading {model}")

    def model_loaded(self, seconds: float, provenance: Mapping[str, Any]) -> None:
        what = ", ".join(f"{key} {value}" for key, value in provenance.items() if isinstance(value, str | int))
        self.console.detail(f"model ready after {seconds:.1f} s: {what}")
        for note in provenance.get("notes", ()):
            self.console.note(f"{provenance.get('model')}: {note}")

    def input_begins(self, name: str, number: int, total: int, video: VideoInfo) -> None:
        self.name, self.number, self.total = name, number, total
        self.expected, self.done = video.num_frames, 0
        self._start = self._drawn = time.perf_counter()
        height, width = video.size
        rate = f", {float(video.rate):.4g} frames a second" if video.rate else ""
        details = "".join(f", {key} {value}" for key, value in video.details.items())
        self.console.detail(f"{name}: {width}x{height}{rate}{details}")

    def frame_done(self) -> None:
        self.done += 1
        now = time.perf_counter()
        if now - self._drawn >= self.interval:
            self._drawn = now
            self.draw()

    def draw(self) -> None:
        self.console.note(f"{self.which()}: {self.numbers()}")

    def input_ends(self, report: Report) -> None:
        for note in report.notes:
            self.console.note(f"{report.name}: {note}")
        for problem in report.problems:
            self.console.warn(f"{report.name}: {problem}")
        if report.error is not None:
            self.console.failure(report.error)
        else:
            self.console.note(f"{report.name}: {_how_it_ended(report)}")
        for line in stage_table(report):
            self.console.detail(f"{report.name}: {line}")
        for path in report.outputs:
            self.console.path(path)

    def run_ends(self, summary: Summary) -> None:
        """Sum up what several inputs came to, and what it took."""
        states = [report.state for report in summary.reports]
        counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
        left = summary.num_inputs - len(states)
        counts += [f"{left} not begun"] if left else []
        memory = peak_memory()
        took = f"{clock(summary.seconds)}" + (f", at most {memory / 2**20:.0f} MiB of memory" if memory else "")
        if summary.num_inputs > 1:
            self.console.note(f"{summary.num_inputs} inputs: {', '.join(counts)}; {took}")
        else:
            self.console.detail(took)

    def which(self) -> str:
        """The current input, and its number where there are several."""
        return f"[{self.number}/{self.total}] {self.name}" if self.total > 1 else self.name

    def numbers(self) -> str:
        """How far it is: frames, rate, and the time left where the length is known."""
        rate = self.rate()
        frames, left = f"{self.done} frames", ""
        if self.expected is not None and self.done <= self.expected:  # a header may have promised too few
            frames = f"{self.done}/{self.expected} frames"
            left = f", {clock((self.expected - self.done) / rate)} left"
        return f"{frames}, {rate:.3g} a second{left}"

    def rate(self) -> float:
        """Frames a second since the current input began."""
        return max(self.done, 1) / max(time.perf_counter() - self._start, 1e-9)


class Bar(Progress):
    """One line that redraws itself, for terminals."""

    interval = 0.1

    def run_begins(self) -> None:
        self.console.status("starting")

    def draw(self) -> None:
        bar = ""
        if self.expected is not None and self.done <= self.expected:
            share = self.done / self.expected
            filled = int(share * BAR_CELLS)
            bar = f"[{'#' * filled}{'-' * (BAR_CELLS - filled)}] {share:4.0%} "
        self.console.status(f"{bar}{self.numbers()}  {self.which()}")  # a long name is cut first


class Silent(Progress):
    """Nothing until an input has ended."""

    def draw(self) -> None:
        return


class JsonLines(Progress):
    """One JSON object a line, about once a second; `event` is note, model, begin, progress, end or run."""

    interval = 1.0

    def note(self, text: str) -> None:
        self.console.event("note", text=text)

    def model_loaded(self, seconds: float, provenance: Mapping[str, Any]) -> None:
        self.console.event("model", seconds=round(seconds, 3), **provenance)

    def input_begins(self, name: str, number: int, total: int, video: VideoInfo) -> None:
        super().input_begins(name, number, total, video)
        height, width = video.size
        self.console.event(
            "begin", input=name, number=number, total=total, width=width, height=height, frames=video.num_frames
        )

    def draw(self) -> None:
        self.console.event(
            "progress", input=self.name, frame=self.done, frames=self.expected, rate=round(self.rate(), 3)
        )

    def input_ends(self, report: Report) -> None:
        if report.error is not None:
            self.console.failure(report.error)
        self.console.event(
            "end",
            input=report.name,
            state=report.state,
            frame=report.num_frames,
            seconds=round(report.seconds, 3),
            stages={name: rounded(share._asdict()) for name, share in report.stage_shares().items()},
            overlap=round(report.overlap, 3),
            outputs=list(map(str, report.outputs)),
            notes=report.notes,
            problems=report.problems,
            error=None if report.error is None else str(report.error),
            exit_code=report.exit_code,
        )
        for path in report.outputs:
            self.console.path(path)

    def run_ends(self, summary: Summary) -> None:
        self.console.event(
            "run", seconds=round(summary.seconds, 3), peak_memory=peak_memory(), exit_code=summary.exit_code
        )


WAYS: Mapping[str, type[Progress]] = {"bar": Bar, "plain": Progress, "json": JsonLines, "none": Silent}


def progress(way: str, console: Console) -> Progress:
    """The way to draw that `--progress` names, as `chosen_way` has it."""
    return chosen_way(way, console, WAYS)


def clock(seconds: float) -> str:
    """`7.52` as "7.5 s", `75.2` as "1:15", `7000` as "1:56:40"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def stage_table(report: Report) -> list[str]:
    """Where an input's time went, a line for each stage; [] where nothing was done."""
    shares = report.stage_shares()
    if not shares:
        return []
    lines = [
        f"{name:8}{share.seconds:8.2f} s {share.busy:5.0%} busy {share.waiting:5.0%} waiting"
        f" {share.ms_per_frame:8.1f} ms a frame"
        for name, share in shares.items()
    ]
    return [*lines, f"stages run side by side; the longest takes {report.overlap:.0%} of {clock(report.seconds)}"]


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """To thousandths, for people who read JSON."""
    return {name: round(value, 3) for name, value in values.items()}


def _how_it_ended(report: Report) -> str:
    if report.state == "skipped":
        return "its outputs exist; skipped"
    rate = report.num_frames / report.seconds if report.seconds else 0.0
    text = f"{report.num_frames} frame{'s' * (report.num_frames != 1)} in {clock(report.seconds)}, {rate:.3g} a second"
    text = text if report.state == "done" else f"{report.state}: {text}"
    if report.outputs:
        return f"{text} -> {', '.join(map(str, report.outputs))}"
    return f"{text}; nothing was kept" if report.state == "interrupted" else text
