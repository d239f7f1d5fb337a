"""What the formats of `gvseg export` have in common: one is refused, written, read back and compared like another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, get_args

import torch
from torch.export import ExportedProgram

from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.engine.build import build_network, make_segmenter
from gvseg_core.engine.exported import segmenter_of
from gvseg_core.engine.exporting.comparison import Comparison, compare, demo_frames
from gvseg_core.engine.exporting.graph_files import need_onnx, write_onnx, write_program
from gvseg_core.engine.exporting.peer import compare_with_transformers, has_transformers
from gvseg_core.engine.exporting.settings import Format
from gvseg_core.engine.exporting.tracing import trace
from gvseg_core.engine.parts import choose_head
from gvseg_core.errors import ExportError, UsageError
from gvseg_core.model.exported.contract import Contract
from gvseg_core.model.exported.running import open_graph
from gvseg_core.model.exported.whole import Whole
from gvseg_core.model.weights import Checkpoint, read_checkpoint, write_checkpoint
from gvseg_core.model.weights.containers import Kind
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
    unrounded: Checkpoint | None = None  # what it was before its weights were rounded to half precision

    def original(self, task: TaskName, head: Vocabulary | None = None) -> Segmenter:
        """The network as it was, ready for a task; `head` is another than the one that goes along."""
        spoken = (head or self.head).name
        return make_segmenter(self.unrounded or self.checkpoint, task, name="original", vocabulary=spoken)

    @property
    def graph_task(self) -> TaskName | None:
        """Whose queries a graph has; None where they are learnt.

        Raises:
            UsageError: a task is named where all share their queries, or none where each has its own.
            ModelError: the weights are not for the task.
        """
        if self.checkpoint.settings.queries.source == "learned":
            if self.task is not None:
                raise UsageError(
                    "--task: the network's queries are learnt, and one graph serves all tasks; leave it out"
                )
            return None
        task = self.task or (self.checkpoint.tasks[0] if len(self.checkpoint.tasks) == 1 else None)
        if task is None:
            known = ", ".join(self.tasks)
            raise UsageError(f"each task of this network has queries of its own; say whose with --task ({known})")
        self.checkpoint.check_task(task)
        return task

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
        again = read_checkpoint(path)
        # All heads go along; those speak that know what is shown.
        heads = {task: choose_head(again, None, task, DEMO_VOCABULARY) for task in job.tasks}
        for comparison in _prove_weights(again, job, heads):
            yield replace(comparison, is_rounded=job.unrounded is not None)

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
        again = again.with_vocabulary(next(iter(again.heads)), job.head)
        yield from _prove_weights(again, job, dict.fromkeys(job.tasks, job.head))
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


def _prove_weights(again: Checkpoint, job: Job, heads: Mapping[TaskName, Vocabulary]) -> Proof:
    """The same tensors to the bit, and the same answers of every task by the classes of its head."""
    wanted = {
        name: tensor
        for name, tensor in job.checkpoint.state.items()
        if not name.startswith("class_heads.") or name.split(".")[1] in again.heads
    }
    odd = [name for name, tensor in again.state.items() if name not in wanted or not _same(tensor, wanted.pop(name))]
    if odd or wanted:
        raise ExportError(f"{len(odd) + len(wanted)} tensors came back another: {', '.join([*odd, *wanted][:5])}")
    for task in job.tasks:
        ours = job.original(task, heads[task])
        theirs = make_segmenter(again, task, name="exported", vocabulary=heads[task].name)
        theirs.clip_length = theirs.clip_stride = ours.clip_length  # what a foreign format does not say
        theirs.network.settings = ours.network.settings
        yield compare(ours, theirs, demo_frames(job.size, ours.clip_length), job.size)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


class GraphFormat(ABC):
    """The network's computations, by standard operators."""

    is_folder = False
    kind: Kind

    def refuse(self, job: Job) -> None:
        _ = job.graph_task

    def write(self, path: Path, job: Job) -> None:
        checkpoint = job.checkpoint
        padded = [-(-side // checkpoint.input.divisor) * checkpoint.input.divisor for side in job.size]
        contract = Contract(
            settings=checkpoint.settings,
            input=checkpoint.input,
            vocabulary=job.head,
            sha256=checkpoint.sha256,
            size=None if job.dynamic else (padded[0], padded[1]),
            task=job.graph_task,
            tasks=checkpoint.tasks,
            notes=checkpoint.notes,
            provenance=checkpoint.provenance,
        )
        self.write_graph(path, trace(Whole(build_network(checkpoint), contract)), contract)

    @abstractmethod
    def write_graph(self, path: Path, program: ExportedProgram, contract: Contract) -> None:
        """Write what was traced."""

    def prove(self, path: Path, job: Job) -> Proof:
        graph = open_graph(path, self.kind, torch.device("cpu"))
        sizes = [job.size, job.size[::-1]] if job.dynamic else [job.size]
        for task in job.tasks if job.graph_task is None else [job.graph_task]:
            ours = job.original(task)
            for size in sizes:
                yield compare(
                    ours, segmenter_of(graph, task, name="exported"), demo_frames(size, ours.clip_length), size
                )

    def notes(self, job: Job) -> tuple[str, ...]:
        if others := sorted(job.checkpoint.heads.keys() - {job.head.name}):
            return (f"the class head {job.head.name} goes along; left out: {', '.join(others)}",)
        return ()


class Torch(GraphFormat):
    """A program of `torch.export`."""

    kind = "program"

    def write_graph(self, path: Path, program: ExportedProgram, contract: Contract) -> None:
        write_program(path, program, contract)


class Onnx(GraphFormat):
    """ONNX."""

    kind = "onnx"

    def refuse(self, job: Job) -> None:
        super().refuse(job)
        need_onnx()

    def write_graph(self, path: Path, program: ExportedProgram, contract: Contract) -> None:
        write_onnx(path, program, contract)


FORMATS: dict[Format, ExportFormat] = {
    "onnx": Onnx(),
    "torch": Torch(),
    "hf": HuggingFace(),
    "safetensors": Safetensors(),
}
