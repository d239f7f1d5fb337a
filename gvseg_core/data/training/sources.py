"""The sets of a run, opened: what each teaches, to which class head, in whose words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gvseg_core.data.object_maps import OBJECT
from gvseg_core.data.training.category_maps import class_map
from gvseg_core.data.training.layouts import open_videos
from gvseg_core.data.training.targets import RULES, Lesson
from gvseg_core.data.training.videos import TrainingVideos
from gvseg_core.data.vocabularies import VOCABULARIES, choose_vocabulary
from gvseg_core.errors import DataError, UsageError
from gvseg_core.recipes import SourceSettings
from gvseg_core.types import TaskName, Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One set of a run."""

    name: str  # for messages: its place among the run's sets, and what it is
    videos: TrainingVideos
    lesson: Lesson
    weight: float
    max_objects: int  # that are given at once, where objects are given

    def __str__(self) -> str:
        """One line for people."""
        lesson = self.lesson
        kind = "stills" if self.videos.is_still else "videos"
        head = f"{len(lesson.vocabulary)} classes of {lesson.vocabulary.name}"
        return f"{self.name}: {len(self.videos)} {kind}, for {lesson.task}, {head}"


def open_sources(data: Sequence[SourceSettings], root: Path, task: TaskName | None) -> tuple[Source, ...]:
    """Open the sets of a run.

    Args:
        root: what `--data` says; a set lies in its `path` below it.
        task: what a set teaches that does not say.

    Raises:
        UsageError: a set without a task, or one whose labels cannot teach it.
        DataError: a set that is missing or incomplete, or two that mean different classes by one head.
    """
    sources = tuple(_open(i, settings, root, task) for i, settings in enumerate(data))
    vocabularies_of(sources)
    return sources


def vocabularies_of(sources: Sequence[Source]) -> Mapping[str, Vocabulary]:
    """The class heads that a run teaches, by name.

    Raises:
        DataError: two sets mean different classes by one name.
    """
    heads: dict[str, Vocabulary] = {}
    taken: dict[str, str] = {}
    for source in sources:
        own = source.lesson.vocabulary
        known = heads.setdefault(own.name, own)
        names, others = [info.name for info in known.classes], [info.name for info in own.classes]
        if names != others:
            raise DataError(
                f"{taken[own.name]} and {source.name} both teach the head {own.name!r}, but mean other classes by it "
                f"({len(names)} and {len(others)}); rename one with `vocabulary`, or translate it with `classes_as`"
            )
        taken.setdefault(own.name, source.name)
    return heads


def _open(place: int, settings: SourceSettings, root: Path, default: TaskName | None) -> Source:
    name = f"train.data[{place}], {settings.benchmark} {settings.split}"
    task = settings.task or default
    if task is None:
        raise UsageError(f"{name}: says nothing of its task, and neither does the preset; add `task`")
    if settings.partial and not RULES[task].guided:
        raise UsageError(f"{name}: `partial` labels can only teach evs, what is not labelled being unknown; not {task}")
    try:
        videos = open_videos(settings, root, task)
        if task not in videos.tasks:
            raise UsageError(f"its labels can teach {', '.join(sorted(videos.tasks))}; not {task}")
        lesson = _lesson(videos.vocabulary, task, settings)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    return Source(name, videos, lesson, settings.weight, settings.objects)


OWN = "own"
"""In place of a vocabulary in `classes_as`: all of the set's classes, also where a task is taught of things alone."""


def _lesson(own: Vocabulary, task: TaskName, settings: SourceSettings) -> Lesson:
    rule = RULES[task]
    if rule.guided:
        if settings.classes_as is not None:
            raise UsageError("`classes_as` has no effect: evs knows but one class")
        head = OBJECT
        mapped = tuple(0 if info.is_thing else None for info in own.classes)
    else:
        head = own if rule.classes else _things(own)
        if settings.classes_as == OWN:
            head = own
        elif settings.classes_as is not None:
            head = choose_vocabulary(settings.classes_as)
        mapped = class_map(own, head)
        if not rule.classes:
            mapped = tuple(i if info.is_thing else None for i, info in zip(mapped, own.classes, strict=True))
    if settings.vocabulary is not None:
        head = replace(head, name=settings.vocabulary)
    return Lesson(task, own, head, mapped)


def _things(own: Vocabulary) -> Vocabulary:
    """The countable classes of a set: a known vocabulary where they are its classes, else one named after the set."""
    things = tuple(info for info in own.classes if info.is_thing)
    if len(things) == len(own):
        return own
    known = (v for v in VOCABULARIES.values() if v.classes == things)
    return next(known, Vocabulary(f"{own.name}_things", things))
