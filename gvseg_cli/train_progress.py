"""Progress of a training run on stderr: losses, pace and what is left; as lines, as JSON lines, or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gvseg_cli.console import Console
from gvseg_cli.ways import chosen_way

if TYPE_CHECKING:
    from gvseg_core.engine.train import Pace

_SHOWN = ("loss", "class", "mask", "dice", "contrast")


class TrainProgress:
    """Lines, one each time the log gets one."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def note(self, text: str) -> None:
        self.console.note(text)

    def warn(self, text: str) -> None:
        self.console.warn(text)

    def pace(self, pace: Pace) -> None:
        losses = " ".join(f"{name} {pace.losses[name]:.3f}" for name in _SHOWN if name in pace.losses)
        left = time.strftime("%H:%M:%S", time.gmtime(pace.seconds * (pace.steps - pace.step)))
        days = int(pace.seconds * (pace.steps - pace.step) // 86400)
        memory = "" if pace.memory is None else f", {pace.memory / 2**30:.1f} GiB"
        self.console.note(
            f"step {pace.step}/{pace.steps}: {losses}, lr {pace.lr:.3g}, {pace.seconds:.3f} s a step "
            f"({100 * pace.waiting:.0f} % waiting for data){memory}, {f'{days} d ' if days else ''}{left} left"
        )

    def validated(self, step: int, metrics: Mapping[str, float], *, is_best: bool) -> None:
        told = ", ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:6])
        self.console.note(f"step {step}: {told}{' (best so far)' if is_best else ''}")

    def written(self, path: Path) -> None:
        self.console.detail(f"{path} written")


class TrainJson(TrainProgress):
    """One JSON object a line, for a program."""

    def pace(self, pace: Pace) -> None:
        told = {"step": pace.step, "steps": pace.steps, "seconds": pace.seconds, "waiting": pace.waiting}
        self.console.json(json.dumps({**told, "memory": pace.memory, "lr": pace.lr, **pace.losses}))

    def validated(self, step: int, metrics: Mapping[str, float], *, is_best: bool) -> None:
        self.console.json(json.dumps({"step": step, "validation": dict(metrics), "best": is_best}))


class TrainSilent(TrainProgress):
    """Warnings alone."""

    def pace(self, pace: Pace) -> None: ...
    def validated(self, step: int, metrics: Mapping[str, float], *, is_best: bool) -> None: ...


WAYS: Mapping[str, type[TrainProgress]] = {
    "bar": TrainProgress,
    "plain": TrainProgress,
    "json": TrainJson,
    "none": TrainSilent,
}


def train_progress(way: str, console: Console) -> TrainProgress:
    """The way to draw that `--progress` names, as `chosen_way` has it."""
    return chosen_way(way, console, WAYS)
