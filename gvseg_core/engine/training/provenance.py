"""What weights say of the training that they come of: texts in the `provenance` of their file.

| key | what it says |
|---|---|
| `gvseg`, `torch` | versions |
| `preset`, `steps` | the recipe's name, and how many steps were done |
| `settings` | the recipe itself, resolved, as JSON: `settings.yaml` again |
| `data` | each set, in the order of `train.data`: how many videos or stills, for which task, which class head |
| `init`, `init_sha256` | what it began with: the file's name, and the SHA-256 of its tensors; empty if from nothing |
| `log` | the run's log as JSON, a list for each quantity, thinned to `POINTS` records: `records_of` reads it |
| `licence` | what the weights may be used for, where the recipe says so |

Where data and weights lay on the machine on which it ran is left out, but for what the recipe itself says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import torch

from gvseg_core import __version__
from gvseg_core.data.training.sources import Source
from gvseg_core.engine.training.log import read_log
from gvseg_core.engine.training.settings import as_json
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.weights import Checkpoint, read_checkpoint
from gvseg_core.model.weights.hub import PREFIX as HUB
from gvseg_core.recipes import Preset, load_preset, presets
from gvseg_core.types import TaskName

POINTS = 200
SETTINGS = "settings.yaml"  # in a run's folder
_DIGITS = 5

_LESSON = re.compile(r"for (\w+), \d+ classes of ([^;]+)(?:;|$)")
"""What `data` has of a set, see `Source.__str__`: the task, the class head."""

Records = Sequence[Mapping[str, Any]]


def provenance_of(
    preset: Preset, name: str, step: int, sources: Sequence[Source], origin: Mapping[str, str], records: Records
) -> dict[str, str]:
    """All of it, as training writes it.

    Args:
        name: the preset's.
        step: steps done; later records do not count.
        origin: `init` and `init_sha256`, see `origin_of`.
        records: of the run's log.
    """
    said = {
        "gvseg": __version__,
        "torch": torch.__version__,
        "preset": name,
        "steps": str(step),
        "data": _with_places("; ".join(map(str, sources)), preset),
        **origin,
    }
    return said | _of_run(preset, step, records)


def origin_of(init: str | None, sha256: str) -> dict[str, str]:
    """What a run began with, by a name that means something elsewhere: a file's own, or where on the hub it is."""
    name = "" if init is None else init if init.startswith(HUB) else Path(init).name
    return {"init": name, "init_sha256": sha256 if name else ""}


def taught_by(sources: Sequence[Source]) -> dict[str, tuple[TaskName, ...]]:
    """Class head → the tasks that it is taught."""
    return _by_head((source.lesson.vocabulary.name, source.lesson.task) for source in sources)


def told_by_run(checkpoint: Checkpoint, run: Path, init: str | None = None) -> Checkpoint:
    """Weights that an older gvseg trained, with what it did not write into them and the run's folder still tells.

    Args:
        run: the folder in which they were trained.
        init: what that training began with, where they do not say.

    Raises:
        UsageError: it is no run's folder.
        ModelError: it is that of another network, or of a run that did not come so far; or `init` is not weights, or
            others than they say.
    """
    path, records = run / SETTINGS, read_log(run)
    if not path.is_file() or not records:
        raise UsageError(f"--run {run}: wanted the folder of a training run, with {SETTINGS} and log.jsonl")
    preset = load_preset(str(path))
    steps = checkpoint.provenance.get("steps", "")
    if preset.model != checkpoint.settings:
        raise ModelError(f"--run {run}: its network is another one; the weights are of {_name(checkpoint)}")
    if not steps.isdecimal() or int(steps) > max(record["step"] for record in records):
        raise ModelError(f"--run {run}: its log ends before the weights' {steps or 'unknown number of'} steps")
    own = checkpoint.provenance.get("preset", "")
    if preset.licence is None and own in presets():
        preset = preset.model_copy(update={"licence": load_preset(own).licence})
    lessons = ((head, task) for task, head in _LESSON.findall(checkpoint.provenance.get("data", "")))
    said = {**checkpoint.provenance, **_origin(checkpoint, init)}
    said["data"] = _with_places(said.get("data", ""), preset)
    return replace(
        checkpoint,
        taught=checkpoint.taught or _by_head(lessons),
        provenance=said | _of_run(preset, int(steps), records),
    )


def records_of(provenance: Mapping[str, str]) -> list[dict[str, float | None]]:
    """The log's records again, those that were kept; [] where there is none."""
    columns: Mapping[str, Sequence[float | None]] = json.loads(provenance.get("log", "{}"))
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _with_places(data: str, preset: Preset) -> str:
    """`data` with the folder of each set, as the recipe has it; as it is where that was done, or sets do not agree."""
    told, sets = data.split("; "), preset.train.data if preset.train is not None else ()
    if len(told) != len(sets) or " in " in data:
        return data
    places = [f" in {Path(s.path).name}: " if s.path and s.benchmark != "synth" else ": " for s in sets]
    return "; ".join(line.replace(": ", place, 1) for line, place in zip(told, places, strict=True))


def _origin(checkpoint: Checkpoint, init: str | None) -> dict[str, str]:
    name, known = checkpoint.provenance.get("init") or None, checkpoint.provenance.get("init_sha256", "")
    if init is None:
        return origin_of(name, known)
    found = read_checkpoint(init).sha256
    if known not in {"", found}:
        raise ModelError(f"--init {init}: the training began with other weights, SHA-256 {known[:16]}…")
    return origin_of(init, found)


def _of_run(preset: Preset, step: int, records: Records) -> dict[str, str]:
    said = {"settings": json.dumps(as_json(preset), separators=(",", ":"))}
    if log := _thinned([record for record in records if record["kind"] == "step" and record["step"] <= step]):
        said["log"] = json.dumps(log, separators=(",", ":"))
    return said | ({"licence": preset.licence} if preset.licence is not None else {})


def _thinned(records: Records) -> dict[str, list[float | None]]:
    """Evenly spread records, the first and the last among them, quantity by quantity; None where one has it not."""
    last = len(records) - 1
    kept = [records[i * last // (POINTS - 1)] for i in range(POINTS)] if last >= POINTS else records
    names = [name for name in dict.fromkeys(name for record in kept for name in record) if name != "kind"]
    return {name: [_rounded(record.get(name)) for record in kept] for name in names}


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _by_head(lessons: Any) -> dict[str, tuple[TaskName, ...]]:
    found: dict[str, set[TaskName]] = {}
    for head, task in lessons:
        if task in get_args(TaskName):
            found.setdefault(head, set()).add(task)
    return {head: tuple(sorted(tasks)) for head, tasks in found.items()}


def _name(checkpoint: Checkpoint) -> str:
    return " ".join(filter(None, (checkpoint.provenance.get("preset"), *checkpoint.hints[:1]))) or "unknown origin"
