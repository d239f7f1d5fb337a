"""What `gvseg export` is asked for, checked before anything heavy is imported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from gvseg_core.config import Settings
from gvseg_core.errors import UsageError
from gvseg_core.recipes import BUNDLED
from gvseg_core.types import Size, TaskName

Format = Literal["onnx", "torch", "hf", "safetensors"]

SUFFIX: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2", "hf": "-hf", "safetensors": ".safetensors"}
GRAPHS: frozenset[Format] = frozenset({"onnx", "torch"})
"""Formats that hold the network's computations, not its weights alone."""

_WIDE = (16, 9)  # width and height of the pictures that `--size S` means


class ExportSettings(Settings):
    """One export."""

    model: str = BUNDLED
    format: Format
    output: str | None = None  # a file, or for hf a folder; None is the model's name in the working directory
    size: str | None = None  # "S": short side of 16:9 pictures, or "WxH": of the pictures, in pixels; None is its own
    dynamic: bool = False  # any height and width
    task: TaskName | None = None  # which task's queries go along, where the network has several
    vocabulary: str | None = None  # which class head goes along, or what its classes are
    dtype: Literal["fp32", "fp16"] | None = None  # of the tensors in our own file; None is as they are
    run: Path | None = None  # a training run's folder, whose settings and log go along in our own file
    init: str | None = None  # the weights that run began with, where the weights do not say; a file
    overwrite: bool = False
    offline: bool = False

    @field_validator("size")
    @classmethod
    def _is_size(cls, size: str | None) -> str | None:
        if size is not None and not re.fullmatch(r"[1-9]\d{1,4}(x[1-9]\d{1,4})?", size):
            raise ValueError("wanted a short side in pixels (360), or width and height (640x360)")
        return size

    @property
    def target(self) -> Path:
        """What is written."""
        name = self.model.rstrip("/").rpartition("/")[2].partition("@")[0]
        stem = re.sub(r"\.(safetensors|pth|pkl|pt|bin)$", "", name)
        usual = Path(stem + SUFFIX[self.format])
        if self.output is None:
            return usual
        given = Path(self.output)
        return given / usual if self.format != "hf" and given.is_dir() else given


def check_together(settings: ExportSettings) -> None:
    """Refuse options that would have no effect, and names that would mislead.

    Raises:
        UsageError: names them, and what to do.
    """
    if settings.format not in GRAPHS:
        idle = {"--size": settings.size, "--dynamic": settings.dynamic, "--task": settings.task}
        if without := [flag for flag, value in idle.items() if value]:
            raise UsageError(f"{', '.join(without)}: no effect on --format {settings.format}; leave it out")
    if settings.format != "safetensors":
        own = {"--dtype": settings.dtype is not None, "--run": settings.run is not None}
        if without := [flag for flag, is_given in own.items() if is_given]:
            raise UsageError(f"{', '.join(without)}: for --format safetensors alone; leave it out")
    if settings.init is not None and settings.run is None:
        raise UsageError("--init says what a training began with; --run says which")
    suffix = settings.target.suffix.lower()
    if settings.format != "hf" and suffix != SUFFIX[settings.format]:
        raise UsageError(
            f"-o {settings.output}: --format {settings.format} writes {SUFFIX[settings.format]} files, "
            f"and the name ends with {suffix or 'nothing'}"
        )


def picture_size(wanted: str | None, short_side: int) -> Size:
    """(H, W) in pixels of the pictures that an export is made for; `short_side` is the model's own."""
    if wanted is not None and "x" in wanted:
        width, height = map(int, wanted.split("x"))
        return height, width
    height = int(wanted) if wanted is not None else short_side
    return height, -(-height * _WIDE[0] // _WIDE[1])
