"""Runs small enough to be whole tests: rendered videos of 64 × 96, the network `tiny` or smaller, a few steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gvseg_core.config import parse
from gvseg_core.data.training.loader import samples
from gvseg_core.data.training.samples import Sample
from gvseg_core.data.training.sources import Source, open_sources, vocabularies_of
from gvseg_core.engine.training.activations import checkpoint_activations
from gvseg_core.engine.training.learner import Learner
from gvseg_core.engine.training.optimiser import trainable
from gvseg_core.engine.training.processes import Processes
from gvseg_core.engine.training.start import new_network
from gvseg_core.engine.training.state import pack_optimiser
from gvseg_core.engine.training.step import Stepper
from gvseg_core.recipes import Preset, load_preset, merged

TASKS = ("vis", "vss", "vps", "evs")
MODEL = {"clip_length": 1, "decoder": {"num_layers": 1}, "queries": {"num_queries": 8, "grid": 4}}


def train_settings(*tasks: str, **changes: Any) -> dict[str, Any]:
    """What a preset's `train` says: these tasks on rendered videos, as little of everything as will do."""
    data = [
        {"benchmark": "synth", "task": task, "path": f"videos=8,frames=12,size=96x64,seed={100 * place}"}
        for place, task in enumerate(tasks)
    ]
    settings: dict[str, Any] = {
        "data": data,
        "steps": 4,
        "batch_size": 4,
        "lr": 1.0e-3,
        "clip_norm": 1.0,
        "amp": "fp32",
        "loss": {"num_points": 100, "pixel_weight": 1.0, "propagation_weight": 1.0},
        "augment": {"short_sides": [64], "max_side": 96},
        "contrast": {"near": 2, "distant": 5},
        "workers": 0,
        "log_every": 2,
        "save_every": 2,
    }
    return merged(settings, changes)


def recipe(*tasks: str, model: Mapping[str, Any] = MODEL, **changes: Any) -> Preset:
    """The preset `tiny` that trains so."""
    base = load_preset("tiny").model_dump(mode="json")
    settings = merged(base["model"], model)
    settings["backbone"] = model.get("backbone", base["model"]["backbone"])  # whole: another kind has other settings
    return parse(Preset, {**base, "model": settings, "train": train_settings(*tasks, **changes)}, "tiny")


def write_recipe(path: Path, *tasks: str, **changes: Any) -> Path:
    """The same as a file."""
    import yaml

    path.write_text(yaml.safe_dump(recipe(*tasks, **changes).model_dump(mode="json")))
    return path


def sources_of(preset: Preset, root: Path = Path()) -> tuple[Source, ...]:
    assert preset.train is not None
    return open_sources(preset.train.data, root, preset.task)


def stepper_of(preset: Preset, sources: Sequence[Source], processes: Processes | None = None) -> Stepper:
    """A new network, ready for its first step, as `Training` makes it."""
    settings = preset.train
    assert settings is not None
    network, *_ = new_network(preset.model, vocabularies_of(sources), seed=settings.seed)
    if settings.checkpointing:
        checkpoint_activations(network)
    lessons = {(s.lesson.task, s.lesson.vocabulary.name): s.lesson.vocabulary for s in sources}
    learner = Learner(trainable(network, settings), lessons, settings, preset.input)
    return Stepper(learner, processes or Processes())


def batches(preset: Preset, sources: Sequence[Source]) -> Iterator[list[Sample]]:
    """The batches of a run, step by step."""
    assert preset.train is not None
    with samples(preset.train, sources, clip_length=preset.model.clip_length) as stream:
        while True:
            yield list(islice(stream, preset.train.batch_size))


def steps_of(preset: Preset, num: int) -> tuple[Stepper, list[dict[str, float]]]:
    """The first steps of a run: what moves the weights, as it is afterwards; and what each step said."""
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    told = [stepper.step(i, batch).losses for i, batch in enumerate(islice(batches(preset, sources), num))]
    return stepper, told


def copy_of(stepper: Stepper) -> dict[str, Tensor]:
    """All that training moves: weights, class means, batch statistics, queues, the optimiser's moments."""
    moved = {**stepper.learner.state_dict(), **pack_optimiser(stepper.optimiser, stepper.names)}
    return {name: tensor.detach().clone() for name, tensor in moved.items()}


NOISE = re.compile(r"network\.(pixel_decoder\.input_proj\.\d\.0\.bias|.*in_proj_bias)$")
"""A bias before a norm of its one channel, or of an attention's keys: its gradient is 0 but for rounding, which Adam
makes as large as any. Its moments are compared all the same."""


def assert_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], tolerance: float = 0.0) -> None:
    """Bit for bit, or, with a tolerance, but for what is noise."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        if not (tolerance and NOISE.search(name)):
            told = f"{name}: {{}}".format
            torch.testing.assert_close(found[name], tensor, atol=tolerance, rtol=tolerance, msg=told, equal_nan=True)
