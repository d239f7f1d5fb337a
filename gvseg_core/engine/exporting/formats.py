"""What the formats of `gvseg export` have in common: one is refused, written, read back and compared like another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args

import torch

from gvseg_core.engine.build import make_segmenter
from gvseg_core.engine.exporting.comparison import Comparison, compare, demo_frames
from gvseg_core.engine.exporting.peer import compare_with_transformers, has_transformers
from gvseg_core.engine.exporting.settings import Format
from gvseg_core.errors import ExportError
from gvseg_core.model.weights import Checkpoint, read_checkpoint, write_checkpoint
from gvseg_core.model.weights.hugging_face_folder import refuse_unlike, write_folder
from gvseg_core.segmenter import Segmenter
from gvseg_core.types import Size, TaskName, Vocabulary

Proof = Iterator[Comparison]


@dataclass(frozen=True, slots=True)
class Job:
    """What is exported."""

    checkpoint: Checkpoint
    head: Vocabulary  # the class head that goes along, where one does
    size: Size  # (H, W) in pixels of the pictures it is made for, and compared on
    dynamic: bool  # any height and width
    task: TaskName | None  # as asked for

    def original(self, task: TaskName) -> Segmenter:
        """The network as it was, ready for a task."""
        return make_segmenter(self.checkpoint, task, name="original", vocabulary=self.head.name)

    @property
    def tasks(self) -> tuple[TaskName, ...]:
        """What the weights are for, as far as they say."""
        return self.checkpoint.tasks or get_args(TaskName)


class ExportFormat(Protocol):
    """One way out."""

    is_folder: bool

    def refuse(self, job: Job) -> None:
        """Raise what stands in the way, before any work is done."""

    def write(self, path: Path, job: Job) -> None:
        """Write the part; a folder exists and is empty."""

    def prove(self, path: Path, job: Job) -> Proof:
        """Read the part back and compare, task by task."""

    def notes(self, job: Job) -> tuple[str, ...]:
        """What did not go along, a line each."""


class Safetensors:
    """Our own file: all of the checkpoint, heads and vocabularies and provenance."""

    is_folder = False

    def refuse(self, job: Job) -> None:
        """Any weights will do."""

    def write(self, path: Path, job: Job) -> None:
        write_checkpoint(path, job.checkpoint)

    def prove(self, path: Path, job: Job) -> Proof:
        yield from _prove_weights(read_checkpoint(path), job)

    def notes(self, job: Job) -> tuple[str, ...]:
        return tuple(job.checkpoint.notes)


class HuggingFace:
    """A folder for `transformers`."""

    is_folder = True

    def refuse(self, job: Job) -> None:
        refuse_unlike(job.checkpoint.settings)

    def write(self, path: Path, job: Job) -> None:
        write_folder(path, job.checkpoint, job.head.name)

    def prove(self, path: Path, job: Job) -> Proof:
        again = read_checkpoint(path)
        yield from _prove_weights(again.with_vocabulary(next(iter(again.heads)), job.head), job)
        if has_transformers():
            yield compare_with_transformers(path, job.original("vis"), job.size)

    def notes(self, job: Job) -> tuple[str, ...]:
        notes = ["a Hugging Face folder has names for classes, but no colours, nor which of them are stuff"]
        if (length := job.checkpoint.settings.clip_length) > 1:
            notes.append(f"transformers runs it frame by frame, not in clips of {length}")
        if others := sorted(job.checkpoint.heads.keys() - {job.head.name}):
            notes.append(f"the class head {job.head.name} goes along; left out: {', '.join(others)}")
        if not has_transformers():
            notes.append("compared by gvseg's own reader; transformers is not installed")
        return tuple(notes)


def _prove_weights(again: Checkpoint, job: Job) -> Proof:
    """The same tensors to the bit, and the same answers."""
    wanted = {
        name: tensor
        for name, tensor in job.checkpoint.state.items()
        if not name.startswith("class_heads.") or name.split(".")[1] in again.heads
    }
    odd = [name for name, tensor in again.state.items() if name not in wanted or not _same(tensor, wanted.pop(name))]
    if odd or wanted:
        raise ExportError(f"{len(odd) + len(wanted)} tensors came back another: {', '.join([*odd, *wanted][:5])}")
    for task in job.tasks:
        ours = job.original(task)
        theirs = make_segmenter(again, task, name="exported", vocabulary=job.head.name)
        theirs.clip_length = theirs.clip_stride = ours.clip_length  # what a foreign format does not say
        theirs.network.settings = ours.network.settings
        yield compare(ours, theirs, demo_frames(job.size, ours.clip_length), job.size)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


FORMATS: dict[Format, ExportFormat] = {"safetensors": Safetensors(), "hf": HuggingFace()}
