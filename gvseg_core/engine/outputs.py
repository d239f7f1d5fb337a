"""Where the results of a run go: names that mirror the inputs, and every conflict found before any work is done."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gvseg_core.engine.settings import STREAMS, PredictSettings
from gvseg_core.errors import GvsegError, OutputError, UsageError, VideoError
from gvseg_core.files import check_target, writing
from gvseg_core.sinks import FOLDERS, SUFFIXES, output_paths, sink_builder
from gvseg_core.video.formats import CONTAINERS
from gvseg_core.video.inputs import Input, expand, with_lists_read

OWN_SUFFIXES: dict[str, frozenset[str]] = {
    "video": frozenset(f".{name}" for name in CONTAINERS),
    "alpha": frozenset(f".{name}" for name, kind in CONTAINERS.items() if kind.alpha_codec),
    "json": frozenset({".json"}),
    "csv": frozenset({".csv"}),
    "mots": frozenset({".txt"}),
    "contact": frozenset({".png"}),
}
"""The file names under which a kind of result may be asked for with `-o FILE`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its results go."""

    shown: str  # the input's name, for people
    source: Input | None = None  # None where there is no such input
    targets: Mapping[str, Path] = field(default_factory=dict)  # by the words of --save; empty: all goes to a stream
    is_done: bool = False  # all its outputs exist, and existing ones are to be skipped
    error: GvsegError | None = None  # why it cannot be begun


def plan(settings: PredictSettings) -> tuple[Job, ...]:
    """Every input of a run with its outputs, in order; nothing is opened and nothing written.

    Raises:
        UsageError: a kind of result that does not exist or go with the task, `output` does not suit the inputs, or two
            inputs would be written to one file.
        OutputError: an output exists, is one of the inputs, or could not be written.
        VideoError: an input does not exist, and it is the only one or the run is to stop at errors.
    """
    for word in settings.save:
        sink_builder(word, settings.task)
    jobs = _inputs(settings)
    jobs = [replace(job, targets=_targets(job.source, settings, len(jobs))) if job.source else job for job in jobs]
    _refuse_shared_targets(jobs)
    _refuse_inputs_as_targets(jobs, settings)
    goes_on = len(jobs) > 1 and settings.on_error == "skip"
    return tuple(_checked(job, settings, goes_on) for job in jobs)


def _inputs(settings: PredictSettings) -> list[Job]:
    words = with_lists_read(settings.inputs)
    jobs: list[Job] = []
    for word in words:
        try:
            jobs += [Job(source.shown, source) for source in expand([word], recursive=settings.recursive)]
        except VideoError as error:
            if len(words) == 1 or settings.on_error == "stop":
                raise
            jobs.append(Job(word, error=error))
    return jobs


def _targets(source: Input, settings: PredictSettings, num_inputs: int) -> dict[str, Path]:
    output = settings.output
    if output is not None and output in STREAMS:
        _check_stream(output, settings.save, num_inputs)
        return {}
    if output is not None and _is_file_name(output, num_inputs):
        return _beside(Path(output), settings)
    folder = Path(output or ".") / source.folder
    return {word: folder / name for word, name in output_paths(settings.task, source.name, settings.save).items()}


def _check_stream(output: str, save: Sequence[str], num_inputs: int) -> None:
    if len(save) != 1:
        raise UsageError(f"-o {output} takes one kind of result; --save names {len(save)}: {', '.join(save)}")
    if num_inputs != 1:
        raise UsageError(f"-o {output} takes one input; there are {num_inputs}. --json writes lines for any number")
    if save[0] in FOLDERS:
        raise UsageError(f"--save {save[0]} makes many files, which do not fit into a stream; give a folder with -o")


def _is_file_name(output: str, num_inputs: int) -> bool:
    path = Path(output)
    if path.is_dir() or output.endswith(("/", os.sep)) or not path.suffix:
        return False
    if num_inputs == 1:
        return True
    if path.suffix.lower() in frozenset().union(*OWN_SUFFIXES.values()):
        raise UsageError(f"-o {output} names one file for {num_inputs} inputs; give a folder")
    return False


def _beside(path: Path, settings: PredictSettings) -> dict[str, Path]:
    """`path` for the kind of result that its suffix stands for; the same name with other endings for the rest."""
    suffix = path.suffix.lower()
    owner = next((word for word in settings.save if suffix in OWN_SUFFIXES.get(word, ())), None)
    if owner is None and len(settings.save) == 1 and settings.save[0] in FOLDERS:
        owner = settings.save[0]
    if owner is None:
        known = sorted(frozenset().union(*(OWN_SUFFIXES.get(word, ()) for word in settings.save)))
        raise UsageError(
            f"-o {path}: no {' or '.join(settings.save)} is written as {suffix}; known: {', '.join(known)} "
            "(a folder of that name: end it with /)"
        )
    return {word: path if word == owner else path.with_suffix(SUFFIXES[word]) for word in settings.save}


def _refuse_shared_targets(jobs: Sequence[Job]) -> None:
    """Two results may not have one name, however it is spelt."""
    owners: dict[str, str] = {}
    for job in jobs:
        for path in job.targets.values():
            key = os.path.normcase(os.path.realpath(path))
            if key in owners:
                raise UsageError(
                    f"{path} would be written twice, for {owners[key]} and for {job.shown}; name the folder that both "
                    "lie in (its tree is mirrored), or run them one by one with -o"
                )
            owners[key] = job.shown


def _refuse_inputs_as_targets(jobs: Sequence[Job], settings: PredictSettings) -> None:
    """What is read is never written: not by another spelling, a link, or a file system that ignores case either."""
    read = {_identity(job.source.path): job.shown for job in jobs if job.source is not None and job.source.path}
    for word in (settings.model, *settings.exemplars):
        read[_identity(Path(word.partition(":")[2] or word))] = word
    for job in jobs:
        for path in job.targets.values():
            identity = _identity(path)
            if identity is not None and identity in read:
                raise OutputError(
                    f"{path} is itself an input, {read[identity]}, and never overwritten; choose another -o"
                )


def _identity(path: Path) -> tuple[int, int] | None:
    """What two names of one file share; None where there is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _checked(job: Job, settings: PredictSettings, goes_on: bool) -> Job:
    if settings.existing == "skip" and job.targets and all(os.path.lexists(path) for path in job.targets.values()):
        return replace(job, is_done=True)
    try:
        for word, path in job.targets.items():
            _check(path, settings, folder=word in FOLDERS)
    except OutputError as error:
        # With --skip-existing, an input of which only some outputs exist has failed; the others go on.
        if not (goes_on and settings.existing == "skip"):
            raise
        return replace(job, error=error)
    return job


def _check(path: Path, settings: PredictSettings, *, folder: bool) -> None:
    """As `check_target`, but the folders below `output` that mirror those of the inputs may be missing."""
    root = Path(settings.output or ".")
    if not path.parent.exists() and root in path.parent.parents:
        first = root / path.relative_to(root).parts[0] if root.exists() else root
        check_target(first, overwrite=True, folder=True)
    else:
        check_target(path, settings.existing == "replace", folder=folder)


def make_folders(targets: Iterable[Path]) -> list[Path]:
    """Make the folders that `targets` lie in; those that were missing, the outermost first.

    Raises:
        OutputError: the system refuses.
    """
    made: list[Path] = []
    for path in targets:
        for folder in reversed(path.parents):
            if not folder.exists():
                with writing(folder):
                    folder.mkdir(exist_ok=True)
                made.append(folder)
    return made


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove those of the folders that nothing came to lie in."""
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            folder.rmdir()
