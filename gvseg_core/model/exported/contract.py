"""What an exported graph says of itself: all that is needed to prepare its input and to read its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from gvseg_core import __version__
from gvseg_core.config import InputSettings, ModelSettings, parse
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.weights.native import rows_of, vocabulary_from
from gvseg_core.types import Size, TaskName, Vocabulary

KEY = "gvseg"
VERSION = 1  # raised when an older gvseg could no longer run the graph rightly

STATE = ("regions", "pooled", "places")


@dataclass(frozen=True)
class Contract:
    """The agreement between a graph and whoever runs it."""

    settings: ModelSettings
    input: InputSettings
    vocabulary: Vocabulary
    sha256: str  # of the weights it was made of
    size: Size | None  # (H, W) of the padded pictures; None is any
    task: TaskName | None = None  # whose queries it has; None where they are learnt, and serve all
    tasks: tuple[TaskName, ...] = ()  # what the weights were trained for; empty when nobody says
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_state(self) -> bool:
        """Whether objects that were pointed at go in and come out."""
        return self.task == "evs"

    @property
    def describes(self) -> bool:
        """Whether shapes and positions come out."""
        return self.task not in {"vss", "evs"}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names, in the graph's order."""
        return ("pixels", "picture", *(STATE if self.has_state else ()))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names, in the graph's order."""
        said = ("class_logits", "embeddings", "mask_embeddings", "mask_features")
        described = ("descriptors",) if self.describes else ()
        return (*said, *described, *(("pooled_next", "features") if self.has_state else ()))

    def check_task(self, task: TaskName) -> None:
        """Refuse a task whose queries are not in the graph, or that the weights were not trained for.

        Raises:
            ModelError: names what it is for.
        """
        if self.task is not None and task != self.task:
            raise ModelError(f"this graph was exported for {self.task}, not for {task}; export one with --task {task}")
        if self.tasks and task not in self.tasks:
            raise ModelError(f"these weights are for {', '.join(self.tasks)}, not for {task}; choose another --model")

    def as_text(self) -> str:
        """JSON."""
        said = {
            "format_version": VERSION,
            "version": __version__,
            "sha256": self.sha256,
            "task": self.task,
            "tasks": list(self.tasks),
            "size": None if self.size is None else list(self.size),
            "clip_length": self.settings.clip_length,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "input": self.input.model_dump(mode="json"),
            "model": self.settings.model_dump(mode="json"),
            "vocabulary": {"name": self.vocabulary.name, "classes": rows_of(self.vocabulary)},
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }
        return json.dumps(said, sort_keys=True, ensure_ascii=False)


def contract_from(text: str, where: str) -> Contract:
    """The contract in a file's metadata.

    Raises:
        ModelError: not one, or of a newer gvseg.
    """
    try:
        said = json.loads(text)
        if said["format_version"] > VERSION:
            raise ModelError(
                f"{where}: graph format {said['format_version']}, this gvseg reads up to {VERSION}; "
                f"install gvseg >= {said['version']}"
            )
        task, size = said["task"], said["size"]
        if task is not None and task not in get_args(TaskName):
            raise ValueError(f"task {task!r}")
        return Contract(
            settings=parse(ModelSettings, said["model"], "model"),
            input=parse(InputSettings, said["input"], "input"),
            vocabulary=vocabulary_from(str(said["vocabulary"]["name"]), said["vocabulary"]["classes"]),
            sha256=str(said["sha256"]),
            size=None if size is None else (int(size[0]), int(size[1])),
            task=task,
            tasks=tuple(name for name in said["tasks"] if name in get_args(TaskName)),
            notes=tuple(map(str, said["notes"])),
            provenance={str(key): str(value) for key, value in said["provenance"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        reason = error if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
        raise ModelError(f"{where}: its metadata cannot be read ({reason}); export it again") from error


def missing_contract(where: str) -> ModelError:
    """What is said of somebody else's graph."""
    return ModelError(
        f"{where}: a graph that gvseg did not export: nothing says what its classes are, or how pictures are prepared; "
        "wanted what gvseg export writes"
    )
