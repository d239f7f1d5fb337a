"""What one `predict` run was asked for: checked as a whole before anything is opened, written or loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveInt

from gvseg_core.config import EvsSettings, InputSettings, Settings, TrackSettings, VisSettings, VpsSettings, parse
from gvseg_core.errors import UsageError
from gvseg_core.recipes import BUNDLED
from gvseg_core.types import TaskName

STREAMS = frozenset({"-", os.devnull})
"""What `output` may be besides a folder and a file: stdout, and nowhere; both take one kind of result."""


class PredictSettings(Settings):
    """One run: these inputs, through this model, to those files."""

    inputs: tuple[str, ...] = Field(min_length=1)
    recursive: bool = False  # look into the folders within folders
    task: TaskName
    model: str = BUNDLED
    output: str | None = None  # a folder, a file (one input), or one of STREAMS; None is the working directory
    save: tuple[str, ...] = ("video", "json")
    json_lines: bool = False  # one line a frame on stdout

    exemplars: tuple[str, ...] = ()  # in the words of `data.exemplars`; for evs
    vocabulary: str | None = None  # the known set the classes are of, where the model does not tell; or which head
    classes: tuple[str, ...] = ()  # names or numbers; () is all
    conf: float | None = Field(default=None, ge=0, le=1)  # None is the task's own

    start: str | None = None  # seconds, h:mm:ss or f300
    end: str | None = None  # likewise; exclusive
    stride: PositiveInt = 1
    fps: float | None = Field(default=None, gt=0, le=1000)  # frames a second, in place of the input's own timestamps
    stream: int | None = Field(default=None, ge=0)  # None is the largest video stream

    labels: bool = True
    alpha: float = Field(default=0.5, ge=0, le=1)  # opacity of masks
    color_by: Literal["auto", "track", "class"] = "auto"
    audio: bool = True

    size: PositiveInt | None = None  # px, short side of the network's input; None is the model's own
    device: str = "auto"
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    batch: PositiveInt | None = None  # clips computed at once; None is what suits device and input
    clip_stride: PositiveInt | None = None  # frames from one clip to the next; None is the clip's length
    compile: bool = False  # through torch.compile
    seed: int = Field(default=0, ge=0)
    overrides: dict[str, Any] = Field(default_factory=dict)  # of `Overridable`, nested
    offline: bool = False

    existing: Literal["refuse", "replace", "skip"] = "refuse"
    on_error: Literal["skip", "stop"] = "skip"
    strict: bool = False  # an input that is cut or damaged has failed

    @property
    def is_demo(self) -> bool:
        """Whether every input is the rendered one, of which more is known than of others: its classes, its objects."""
        return all(word.partition(":")[0] == "demo" for word in self.inputs)


class Overridable(Settings):
    """Settings that a model brings along and a run may change."""

    input: InputSettings = InputSettings()
    tracking: TrackSettings = TrackSettings()
    vis: VisSettings = VisSettings()
    vps: VpsSettings = VpsSettings()
    evs: EvsSettings = EvsSettings()


_OPTIONS = "conf", "classes"  # of a task, that have options of their own


def parse_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """`("tracking.shape_weight=0", …)` as `{"tracking": {"shape_weight": 0}}`, checked by name, type and range.

    Raises:
        UsageError: not `key=value`, a key given twice, no such setting, or a value that it cannot take.
    """
    nested: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        section, dot, name = key.partition(".")
        if not (equals and dot):
            raise UsageError(f"--set {assignment}: wanted section.name=value, such as tracking.shape_weight=0")
        if name in nested.setdefault(section, {}):
            raise UsageError(f"--set {key}: given twice")
        try:
            nested[section][name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"--set {assignment}: cannot read the value {text!r}") from None
        if name in _OPTIONS and section not in {"input", "tracking"}:
            raise UsageError(f"--set {key}: there is an option for it, --{name}")
    parse(Overridable, nested, "--set")
    return nested


def check_together(settings: PredictSettings) -> None:
    """Refuse options that contradict each other or would have no effect.

    Raises:
        UsageError: the first of them.
    """
    by_example = settings.task == "evs"
    shows_itself = settings.is_demo
    if by_example and not settings.exemplars and not shows_itself:
        raise UsageError("--task evs follows what it is shown: add --exemplar first.png, box:x,y,w,h or point:x,y")
    if settings.exemplars and not by_example:
        raise UsageError(f"--exemplar is for --task evs; --task {settings.task} would not look at it")
    if by_example and (settings.batch or 1) > 1:
        raise UsageError("--batch has no effect on --task evs: each clip begins with what was found in the one before")
    if settings.output in STREAMS and settings.json_lines:
        raise UsageError(f"-o {settings.output} and --json both say where results stream to; choose one")
    if not settings.save and not settings.json_lines:
        raise UsageError("--save names nothing; there would be no result")
