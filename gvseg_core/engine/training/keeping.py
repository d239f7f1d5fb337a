"""What of a run is kept in its folder: all it takes to go on, the weights for `--model`, a batch that went wrong."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from gvseg_core import __version__
from gvseg_core.data.training.samples import Sample
from gvseg_core.data.training.sources import Source, vocabularies_of
from gvseg_core.engine.training.ema import Average
from gvseg_core.engine.training.log import read_log
from gvseg_core.engine.training.provenance import SETTINGS, provenance_of, taught_by
from gvseg_core.engine.training.settings import TrainRequest, as_json
from gvseg_core.engine.training.state import State, pack_optimiser, unpack_optimiser, writing_tensors
from gvseg_core.engine.training.step import Stepper, Told
from gvseg_core.errors import ModelError, OutputError
from gvseg_core.files import PartFile, writing
from gvseg_core.model.weights import Checkpoint, write_checkpoint
from gvseg_core.recipes import Preset

BAD_BATCH = "bad-batch.safetensors"


@dataclass
class Means:
    """Losses since the last record of the log, over the steps that moved the weights."""

    sums: dict[str, float] = field(default_factory=dict)
    num: int = 0
    skipped: int = 0  # steps that moved nothing

    def add(self, told: Told) -> None:
        """One more step."""
        if not told.is_finite:
            self.skipped += 1
            return
        self.num += 1
        for name, value in told.losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The means, with "skipped" where there were such steps; what follows is counted anew."""
        means = {name: value / self.num for name, value in self.sums.items()}
        if self.skipped:
            means["skipped"] = self.skipped
        self.sums, self.num, self.skipped = {}, 0, 0
        return means


def surroundings_of(sources: Sequence[Source]) -> dict[str, str]:
    """What a run depends on beside its settings: the videos that each set has, and the code."""
    found = {"gvseg": __version__, "torch": torch.__version__}
    for source in sources:
        names = "\n".join(source.videos.name(video) for video in range(len(source.videos)))
        found[source.name] = f"{len(source.videos)} videos ({hashlib.sha256(names.encode()).hexdigest()[:8]})"
    return found


def state_of(
    step: int, stepper: Stepper, average: Average | None, preset: Preset, world_size: int, facts: Mapping[str, Any]
) -> State:
    """All that it takes to go on after `step`."""
    learner = stepper.learner
    tensors = {f"network.{name}": tensor for name, tensor in learner.network.state_dict().items()}
    tensors |= {f"queues.{name}": tensor for name, tensor in learner.queues.state_dict().items()}
    if learner.pixels is not None:
        tensors |= {f"pixels.{name}": tensor for name, tensor in learner.pixels.state_dict().items()}
    tensors |= pack_optimiser(stepper.optimiser, stepper.names)
    known = {**facts, "scaler": stepper.scaler.state_dict()}
    if average is not None:
        tensors |= {f"ema.{name}": tensor for name, tensor in average.tensors.items()}
        known["num_updates"] = average.num_updates
    return State(step, tensors, as_json(preset), world_size, known)


def put_back(state: State, stepper: Stepper, average: Average | None) -> None:
    """Make everything as it was when `state_of` was asked. An average that is new begins with the weights.

    Raises:
        ModelError: the state is of another network.
    """
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "queues": {}, "pixels": {}, "ema": {}}
    for name, tensor in state.tensors.items():
        part, _, rest = name.partition(".")
        if part in parts:
            parts[part][rest] = tensor
    try:
        stepper.learner.network.load_state_dict(parts["network"])
        stepper.learner.queues.load_state_dict(parts["queues"])
        if stepper.learner.pixels is not None:
            stepper.learner.pixels.load_state_dict(parts["pixels"])
    except RuntimeError as error:
        raise ModelError(f"{state.path}: does not fit the run's network: {' '.join(str(error).split())}") from None
    unpack_optimiser(stepper.optimiser, stepper.names, state.tensors)
    if average is not None:
        average.restore(parts["ema"] or parts["network"], int(state.facts.get("num_updates", 0)))
    if stepper.scaler.is_enabled() and state.facts["scaler"]:
        stepper.scaler.load_state_dict(dict(state.facts["scaler"]))


def write_weights(
    path: Path,
    step: int,
    stepper: Stepper,
    average: Average | None,
    preset: Preset,
    sources: Sequence[Source],
    request: TrainRequest,
    origin: Mapping[str, str],
) -> None:
    """The weights as `--model` reads them: averaged ones where there are. Of the class heads that were taught a task,
    that of the first set among the settings answers for it.

    Args:
        path: in the run's folder, whose log goes along.
        origin: what the run began with, see `provenance.origin_of`.

    Raises:
        OutputError: the file cannot be written; what stands there stays.
    """
    network = stepper.learner.network.state_dict() if average is None else average.tensors
    checkpoint = Checkpoint(
        settings=preset.model,
        input=preset.input,
        state={name: tensor.detach().cpu() for name, tensor in network.items()},
        format="gvseg",
        sha256="",
        vocabularies=vocabularies_of(sources),
        tasks=tuple(sorted({source.lesson.task for source in sources})),
        answers={source.lesson.task: source.lesson.vocabulary.name for source in reversed(sources)},
        taught=taught_by(sources),
        provenance=provenance_of(preset, Path(request.preset).stem, step, sources, origin, read_log(path.parent)),
    )
    with PartFile(path, overwrite=True) as part, writing_tensors(path):
        write_checkpoint(part.path, checkpoint)


def write_batch(path: Path, batch: Sequence[Sample]) -> None:
    """Samples as tensors, to look at: `NUMBER.CLIP.pixels`, `.labels`, `.class_ids` and `.track_ids` of every clip.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for sample in batch:
        for c, clip in enumerate(sample.clips):
            parts = {"pixels": clip.pixels, "labels": clip.labels}
            parts |= {"class_ids": clip.class_ids, "track_ids": clip.track_ids}
            tensors |= {f"{sample.number}.{c}.{name}": tensor.contiguous() for name, tensor in parts.items()}
    with PartFile(path, overwrite=True) as part, writing_tensors(path):
        save_file(tensors, part.path)


def begin_folder(folder: Path, preset: Preset) -> None:
    """Make a run's folder, and write the resolved preset into it.

    Raises:
        OutputError: the system refuses.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / SETTINGS
    with PartFile(path, overwrite=True) as part, writing(path):
        part.path.write_text(yaml.safe_dump(dict(as_json(preset)), sort_keys=False), encoding="utf-8")


def check_unused(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder in which a run has left something that it takes time to make; its log alone does not matter.

    Raises:
        OutputError: one of `names` lies there.
    """
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise OutputError(
            f"{folder} holds a run already ({', '.join(there)}); --resume goes on with it, --out begins elsewhere"
        )


def best_of(records: Sequence[Mapping[str, Any]], headline: str) -> float:
    """The best score that a log has of its validations; -inf where there is none."""
    scores = (record.get(headline) for record in records if record["kind"] == "validation")
    return max((float(score) for score in scores if score is not None), default=-math.inf)
