"""The parts of a segmenter beside its network: classes, a task with its settings, and how pictures go in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from gvseg_core.config import InputSettings, TrackSettings, parse
from gvseg_core.data.vocabularies import choose_vocabulary, complete_vocabulary
from gvseg_core.engine.evaluation.classes import num_common
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.weights import Checkpoint
from gvseg_core.registry import choose
from gvseg_core.tasks import TASKS
from gvseg_core.types import Task, TaskName, Vocabulary


def name_classes(checkpoint: Checkpoint, vocabulary: str | None = None) -> Checkpoint:
    """The checkpoint with classes for every head: its own, those of the known set `vocabulary`, or the likeliest.

    Raises:
        UsageError: no known set and no head is called `vocabulary`.
        ModelError: it has another number of classes than the head.
    """
    for head, num_classes in checkpoint.heads.items():
        if head in checkpoint.vocabularies:
            continue
        names = checkpoint.class_names.get(head)
        known = (
            choose_vocabulary(vocabulary)
            if vocabulary is not None
            else complete_vocabulary(num_classes, names, checkpoint.hints)
        )
        checkpoint = checkpoint.with_vocabulary(head, known)
    return checkpoint


def choose_head(
    checkpoint: Checkpoint,
    vocabulary: str | None,
    task: TaskName | None = None,
    wanted: Vocabulary | None = None,
) -> Vocabulary:
    """Whose classes answer.

    The head that is named; else, of those that were taught `task`, the one that has most of the `wanted` classes; where
    several have as many, or none has any, the one that the file gives for the task; else the first.

    Args:
        vocabulary: a head's name; it is taken at its word, whatever the head was taught.
        task: None is any.
        wanted: what results will be compared with, if that is known.

    Raises:
        ModelError: there is no class head.
        UsageError: none is called `vocabulary`.
    """
    known = dict(checkpoint.vocabularies)
    if not known:
        raise ModelError("the weights have no class head; they are not a segmenter")
    if vocabulary is not None:
        return choose("vocabulary", known, vocabulary)
    taught = [head for head in known if task is None or checkpoint.knows(head, task)] or list(known)
    usual = checkpoint.answers.get(task, "") if task is not None else ""
    heads = sorted(taught, key=lambda head: head != usual)  # the usual one first, the others as they are
    return known[heads[0] if wanted is None else max(heads, key=lambda head: num_common(known[head], wanted))]


def untaught(checkpoint: Checkpoint, head: Vocabulary, task: TaskName) -> tuple[str, ...]:
    """A line for people where a head answers that the task was not taught; none otherwise."""
    if checkpoint.knows(head.name, task):
        return ()
    learnt = ", ".join(checkpoint.taught.get(head.name, ())) or "nothing"
    return (f"its classes {head.name} were taught {learnt}, not {task}: expect little",)


def make_task(
    name: TaskName,
    queries: nn.ModuleDict,
    head: Vocabulary,
    projection: Tensor | None,
    *,
    conf: float | None = None,
    classes: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Task:
    """A task and its settings, from the parts of a network.

    Args:
        name: of the task.
        queries: the network's sources of queries.
        head: the classes that answer.
        projection: of descriptors, if it has been learnt.
        conf: score from which objects count; the task's own by default.
        classes: names or numbers of those that are wanted; all by default.
        settings: of `engine.settings.Overridable`, nested: what `tracking` and the task itself are to have otherwise.

    Raises:
        UsageError: a setting that is wrong, or of no effect on this task.
    """
    kind: Any = choose("task", TASKS, name)
    settings = settings or {}
    refuse_without_effect(
        {f"set {other}.{key}": True for other in TASKS if other != name for key in settings.get(other, {})},
        f"--task {name}",
    )
    own = _task_settings(kind.settings_type, name, conf, class_ids(head, classes))
    return kind(  # type: ignore[no-any-return]
        queries,
        head,
        _changed(own, settings.get(name, {}), name),
        _changed(TrackSettings(), settings.get("tracking", {}), "tracking"),
        projection,
    )


def change_input(own: InputSettings, changes: Mapping[str, Any], size: int | None) -> InputSettings:
    """A model's own input settings with what `--set` and `--size` change.

    Raises:
        UsageError: a setting that is wrong.
    """
    changed: InputSettings = _changed(own, changes, "input")
    if size is not None:
        changed = _changed(changed, {"short_side": size, "max_side": max(size, changed.max_side)}, "--size")
    return changed


def class_ids(vocabulary: Vocabulary, wanted: Sequence[str]) -> frozenset[int] | None:
    """The class ids of names (case does not matter) or numbers; None, which is all, where nothing is named.

    Raises:
        UsageError: a class that is not in the vocabulary; the nearest one is named.
    """
    ids = {info.name.lower(): class_id for class_id, info in enumerate(vocabulary.classes)}
    found = set()
    for word in wanted:
        if word.lower() in ids:
            found.add(ids[word.lower()])
        elif word.isdecimal() and int(word) < len(vocabulary):
            found.add(int(word))
        else:
            near = get_close_matches(word.lower(), ids, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(list(ids)[:8])} …"
            raise UsageError(f"--classes: no class {word!r} among the {len(ids)} of {vocabulary.name}; {hint}")
    return frozenset(found) or None


def refuse_without_effect(options: Mapping[str, Any], where: str) -> None:
    """Refuse options that are given, and would change nothing.

    Raises:
        UsageError: names the first.
    """
    for name, value in options.items():
        if value:
            raise UsageError(f"--{name} has no effect on {where}; leave it out")


def _task_settings(kind: Any, task: TaskName, conf: float | None, classes: frozenset[int] | None) -> Any:
    values = {name: value for name, value in (("conf", conf), ("classes", classes)) if value is not None}
    refuse_without_effect({name: v for name, v in values.items() if name not in kind.model_fields}, f"--task {task}")
    return kind(**values)


def _changed(settings: Any, values: Mapping[str, Any], where: str) -> Any:
    return parse(type(settings), {**settings.model_dump(), **values}, where)
