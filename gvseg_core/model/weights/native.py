"""Our own format: one `.safetensors` file that says all that `predict` needs, and whose tensors are signed for.

Everything but the tensors is one JSON text under the metadata key `gvseg` (one key, because the format does not keep
the order of several, and the same model should be the same bytes). Of several class heads it says which tasks each was
`taught`, and which one `answers` for a task unless somebody says otherwise. `provenance` is texts, for people; those
that training writes are told of in `engine.training.provenance`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from safetensors.torch import save_file

from gvseg_core.config import InputSettings, ModelSettings, parse
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.weights.checkpoint import Checkpoint, check_numbers, hash_tensors
from gvseg_core.model.weights.containers import Container
from gvseg_core.types import ClassInfo, TaskName, Vocabulary

KEY = "gvseg"
VERSION = 1  # raised when an older gvseg could no longer read the file rightly
NEEDS = "0.1.0"  # the first gvseg that reads VERSION


def describes(container: Container) -> bool:
    """Whether this is a file of ours."""
    return KEY in container.extras


def read(container: Container) -> Checkpoint:
    """A checkpoint from our own file.

    Raises:
        ModelError: written by a newer gvseg, changed since it was written, or at odds with itself.
    """
    path = container.path
    try:
        said = json.loads(container.extras[KEY])
        version = said["format_version"]
        if version > VERSION:
            raise ModelError(
                f"{path}: file format {version}, this gvseg reads up to {VERSION}; install gvseg >= {said['needs']}"
            )
        vocabularies = {name: vocabulary_from(name, rows) for name, rows in said["vocabularies"].items()}
        tasks = tuple(task for task in said["tasks"] if task in get_args(TaskName))
        answers = {task: head for task, head in said.get("answers", {}).items() if head in vocabularies}
        taught = {
            head: tuple(task for task in tasks_of_head if task in get_args(TaskName))
            for head, tasks_of_head in said.get("taught", {}).items()
            if head in vocabularies
        }
        signed = str(said["sha256"])
        provenance = {str(key): str(value) for key, value in said["provenance"].items()}
        settings = parse(ModelSettings, said["model"], f"{path}: model")
        prepared = parse(InputSettings, said["input"], f"{path}: input")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        reason = error if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
        raise ModelError(f"{path}: its metadata cannot be read ({reason})") from error
    found = hash_tensors(container.tensors)
    if found != signed:
        raise ModelError(
            f"{path}: damaged: SHA-256 of its tensors is {found[:16]}…, written was {signed[:16]}…; download it again"
        )
    checkpoint = Checkpoint(
        settings=settings,
        input=prepared,
        state=dict(container.tensors),
        format="gvseg",
        sha256=found,
        vocabularies=vocabularies,
        tasks=tasks,
        answers=answers,
        taught=taught,
        hints=(path.stem,),
        provenance=provenance,
    )
    _check_classes(checkpoint, str(path))
    return checkpoint


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> str:
    """Write our own format; the same checkpoint gives the same bytes. The caller sees to it that files appear whole.

    Returns:
        The SHA-256 of the tensors, which the file also carries.

    Raises:
        ModelError: a class head without its vocabulary, or a tensor with NaN or infinity.
    """
    _check_classes(checkpoint, str(path))
    check_numbers(checkpoint.state, str(path))
    state = {name: checkpoint.state[name].detach().cpu().contiguous() for name in sorted(checkpoint.state)}
    sha256 = hash_tensors(state)
    said = {
        "format_version": VERSION,
        "needs": NEEDS,
        "sha256": sha256,
        "model": checkpoint.settings.model_dump(mode="json"),
        "input": checkpoint.input.model_dump(mode="json"),
        "vocabularies": {name: rows_of(vocabulary) for name, vocabulary in checkpoint.vocabularies.items()},
        "tasks": list(checkpoint.tasks),
        "answers": dict(checkpoint.answers),
        "taught": {head: list(tasks) for head, tasks in checkpoint.taught.items()},
        "provenance": dict(checkpoint.provenance),
    }
    save_file(state, path, metadata={KEY: json.dumps(said, sort_keys=True, ensure_ascii=False)})
    return sha256


def _check_classes(checkpoint: Checkpoint, where: str) -> None:
    """Each class head has a vocabulary of its size, and the other way round."""
    heads = checkpoint.heads
    named = {name: len(vocabulary) for name, vocabulary in checkpoint.vocabularies.items()}
    for name in sorted(heads.keys() | named.keys()):
        if name not in named:
            raise ModelError(f"{where}: nothing says what the {heads[name]} classes of head {name!r} are")
        if heads.get(name) != named[name]:
            raise ModelError(
                f"{where}: vocabulary {name!r} has {named[name]} classes, its head {heads.get(name, 'is missing')}"
            )


def rows_of(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """A vocabulary's classes as plain data."""
    return [
        {"name": c.name, "color": list(c.color), "thing": c.is_thing, "id": c.dataset_id} for c in vocabulary.classes
    ]


def vocabulary_from(name: str, rows: list[Mapping[str, Any]]) -> Vocabulary:
    """The way back from `rows_of`; fails in any way on rows that are not such."""
    classes = []
    for row in rows:
        r, g, b = (int(value) for value in row["color"])
        classes.append(ClassInfo(str(row["name"]), (r, g, b), is_thing=bool(row["thing"]), dataset_id=int(row["id"])))
    return Vocabulary(name, tuple(classes))
