"""What one `train` run was asked for, beside its preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from gvseg_core.config import Settings
from gvseg_core.errors import UsageError
from gvseg_core.recipes import Preset, load_preset

DEFAULT_ROOT = Path("data")


class TrainRequest(Settings):
    """One run: this recipe, on that data, into this folder."""

    preset: str
    data: Path = DEFAULT_ROOT  # below it lie the sets
    out: Path | None = None  # the run's folder; None is runs/PRESET
    changes: dict[str, Any] = Field(default_factory=dict)  # of the preset, nested
    init: str | None = None  # weights to start from
    resume: bool = False
    allow_changed: bool = False  # go on although settings have changed
    allow_missing: bool = False  # leave out what cannot be read
    allow_partial: bool = False  # let whatever `init` does not give start anew
    device: str = "auto"
    tensorboard: bool = False
    offline: bool = False

    @property
    def folder(self) -> Path:
        """Where the run leaves everything."""
        return self.out if self.out is not None else Path("runs") / Path(self.preset).stem

    def recipe(self) -> Preset:
        """The preset with the changes.

        Raises:
            UsageError: no such preset, a setting that is not one, or nothing that says how to train.
        """
        preset = load_preset(self.preset, self.changes)
        if preset.train is None:
            raise UsageError(f"preset {self.preset} says nothing of training; it is for predict and export")
        return preset


def parse_changes(assignments: Sequence[str]) -> dict[str, Any]:
    """`("train.steps=100", "model.queries.spa=false")` as nested mappings; names and types are checked with the preset.

    Raises:
        UsageError: not `key=value`, a key given twice or beside a part of it, or a value that is not YAML.
    """
    nested: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        *path, name = key.strip().split(".")
        if not equals or not name or not all(path):
            raise UsageError(f"--set {assignment}: wanted key=value, such as train.steps=100")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise UsageError(f"--set {key}: {part} was given a value already")
        if name in place:
            raise UsageError(f"--set {key}: given twice")
        try:
            place[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"--set {assignment}: cannot read the value {text!r}") from None
    return nested


def as_json(preset: Preset) -> Mapping[str, Any]:
    """The resolved preset as JSON and YAML take it."""
    return preset.model_dump(mode="json")
