"""What any file of weights is read into, and the checks that every file must pass."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gvseg_core.config import InputSettings, ModelSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.weights.renaming import some
from gvseg_core.types import TaskName, Vocabulary

UNNAMED = "classes"
"""The class head of a file that does not name its vocabulary."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights under our names, and all that is known about them.

    A head is in `vocabularies` when the file tells everything about its classes (our own format), in `class_names`
    when it tells names only (Hugging Face, mmdet), in neither when it tells nothing (detectron2). Who knows the data
    sets completes it with `with_vocabulary`.
    """

    settings: ModelSettings
    input: InputSettings
    state: dict[str, Tensor]  # on the CPU, in the file's own precision
    format: str  # "gvseg", "huggingface", "detectron2", "mmdet"
    sha256: str  # of the tensors, see `hash_tensors`: the same weights have the same hash in every format
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tasks: tuple[TaskName, ...] = ()  # what it was trained for; empty when nobody says
    answers: Mapping[TaskName, str] = field(default_factory=dict)  # the class head of each task, of several
    taught: Mapping[str, tuple[TaskName, ...]] = field(default_factory=dict)  # class head → tasks; empty: nobody says
    hints: tuple[str, ...] = ()  # words that may tell the data set: file and folder names, configured data sets
    notes: tuple[str, ...] = ()  # one line each, for people: what was left out of the file, and why
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def heads(self) -> dict[str, int]:
        """Class heads and how many classes each has, "no object" not counted."""
        return {
            name.split(".")[1]: int(bias.shape[0]) - 1
            for name, bias in self.state.items()
            if name.startswith("class_heads.") and name.endswith(".bias")
        }

    def with_vocabulary(self, head: str, vocabulary: Vocabulary) -> Checkpoint:
        """The same weights with `head` renamed to `vocabulary.name` and its classes known.

        Raises:
            ModelError: no such head, or another number of classes.
        """
        heads = self.heads
        if head not in heads:
            raise ModelError(f"no class head {head!r} in these weights; there is {', '.join(heads) or 'none'}")
        if len(vocabulary) != heads[head]:
            raise ModelError(
                f"vocabulary {vocabulary.name!r} has {len(vocabulary)} classes, class head {head!r} has {heads[head]}"
            )
        old, new = f"class_heads.{head}.", f"class_heads.{vocabulary.name}."
        state = {new + n.removeprefix(old) if n.startswith(old) else n: t for n, t in self.state.items()}
        known = {name: v for name, v in self.vocabularies.items() if name != head} | {vocabulary.name: vocabulary}
        names = {name: n for name, n in self.class_names.items() if name != head}
        answers = {task: vocabulary.name if name == head else name for task, name in self.answers.items()}
        taught = {vocabulary.name if name == head else name: tasks for name, tasks in self.taught.items()}
        return replace(self, state=state, vocabularies=known, class_names=names, answers=answers, taught=taught)

    def knows(self, head: str, task: TaskName) -> bool:
        """Whether a class head was taught a task, as far as the file says: one that says nothing may know any."""
        return not self.taught or task in self.taught.get(head, ())

    def check_task(self, task: TaskName) -> None:
        """Refuse a task that the weights were not trained for, when they say what they were trained for.

        Raises:
            ModelError: names the tasks they are for.
        """
        if self.tasks and task not in self.tasks:
            raise ModelError(f"these weights are for {', '.join(self.tasks)}, not for {task}; choose another --model")


def hash_tensors(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over every tensor's name, type, shape and bytes, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def check_numbers(state: Mapping[str, Tensor], where: str) -> None:
    """Every tensor must hold real, finite numbers.

    Raises:
        ModelError: names the tensor, and whether it holds NaN or infinity.
    """
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            raise ModelError(f"{where}: {name} holds {tensor.dtype}, wanted floating-point numbers")
        if not bool(torch.isfinite(tensor).all()):
            what = "NaN" if bool(torch.isnan(tensor).any()) else "infinity"
            raise ModelError(f"{where}: {name} holds {what}; the weights are damaged or their training diverged")


def match(
    state: Mapping[str, Tensor],
    expected: Mapping[str, Sequence[int]],
    where: str,
    *,
    allow_partial: bool = False,
    hint: str = "",
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors that fit the network, and one line for each kind of thing that does not.

    Args:
        state: tensors under our names.
        expected: the network's own names and shapes.
        where: the file, for the message.
        allow_partial: go on with what fits (fine-tuning), and say what does not.
        hint: what to do instead, at the end of the message.

    Raises:
        ModelError: anything missing, unknown or of another shape, the first five of each kind by name.
    """
    shapes = {name: tuple(shape) for name, shape in expected.items()}
    fits = {n: t for n, t in state.items() if shapes.get(n) == tuple(t.shape)}
    misshapen = [
        f"{n} is {tuple(t.shape)}, wanted {shapes[n]}" for n, t in state.items() if n in shapes and n not in fits
    ]
    problems = []
    if missing := shapes.keys() - state.keys():
        problems.append(f"{len(missing)} missing: {some(missing)}")
    if extra := state.keys() - shapes.keys():
        problems.append(f"{len(extra)} not in the network: {some(extra)}")
    if misshapen:
        problems.append(f"{len(misshapen)} of another shape: {some(misshapen)}")
    if problems and not allow_partial:
        raise ModelError(f"{where}: weights do not fit the network: " + "; ".join(problems) + (hint and f"; {hint}"))
    return fits, tuple(problems)
