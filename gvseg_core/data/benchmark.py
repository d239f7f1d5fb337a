"""What a benchmark's file says of it, in one shape for all: `data.benchmarks` lists them by the names of `--bench`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gvseg_core.types import Footage, Results, TaskName, Truth, Vocabulary

BackboneFamily = Literal["resnet", "swin"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: where its files lie, what they hold, how a network sees its pictures.

    `read_truth` and `read_results` need no pictures and load no torch; `open` is for running a network.
    """

    name: str  # as `--bench` has it
    title: str  # as people write it
    task: TaskName
    vocabulary: Vocabulary  # the official one; what is read may bring its own classes, in the same layout
    read_truth: Callable[[Path], Truth]
    """Ground truth: the official file, or the folder that holds it. DataError: wrong, incomplete, or another set's."""
    read_results: Callable[[Path, Truth], Results]
    """Results in the official layout: a file or a folder. DataError: malformed, or of a video `Truth` does not have."""
    open: Callable[[Path, str], Footage]
    """The official folder as downloaded, and a split. DataError: names the part that is missing."""
    splits: tuple[str, ...] = ("val",)  # the first is the usual one
    short_side: Mapping[BackboneFamily, int] = field(default_factory=lambda: {"resnet": 720, "swin": 720})  # px, test
    max_side: int = 1333  # px
    per_video: int | None = None  # most predictions a video, where a server takes a limited number
    server: str = ""  # where results are scored that cannot be scored here, and what it wants, one line
