"""One run of an ablation: what differs, what is the same for all, and the gates that say so. See `ablation`."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gvseg_core.data.training.loader import Samples
from gvseg_core.data.training.samples import Sample
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.train import Pace, Training
from gvseg_core.engine.training.learner import Learner
from gvseg_core.engine.training.settings import TrainRequest
from gvseg_core.engine.training.step import Told
from gvseg_core.model.weights import read_checkpoint, write_checkpoint
from gvseg_core.types import Features


def settings_of(task: str) -> dict[str, dict[str, float]]:
    """The paper's ideas alone: no motion, no pixels carried over, shapes only where the network has learnt them."""
    own = {"evs": {"propagation": 0.0}} if task == "evs" else {}
    return {"tracking": {"shape_weight": 0.0, "motion_weight": 0.0}, **own}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Which of the ideas a network has."""

    title: str
    paper: float | None  # VPQ on VIPSeg, ResNet-50
    task: bool = False  # each task's own queries, and association by them
    near: bool = False  # of these, the ones near a thing answer for it; ours
    spa: bool = False
    contrast: bool = False


class Quiet:
    """Watches a run, and says where it is."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def pace(self, pace: Pace) -> None:
        told = " ".join(f"{name} {value:.3f}" for name, value in pace.losses.items() if "final" not in name)
        print(f"  {pace.step}/{pace.steps}: {told}, {pace.seconds:.3f} s a step", file=sys.stderr, flush=True)

    def validated(self, step: int, metrics: Mapping[str, float], *, is_best: bool) -> None: ...
    def written(self, path: Path) -> None: ...


def keep_features(init: Path, path: Path) -> None:
    """Backbone and pixel decoder of some weights, and nothing else of them."""
    whole = read_checkpoint(init)
    state = features_of(whole.state)
    write_checkpoint(path, replace(whole, state=state, vocabularies={}, class_names={}, tasks=(), answers={}))


def features_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The part of a network's weights that makes features."""
    return {name: tensor for name, tensor in state.items() if name.startswith(("backbone.", "pixel_decoder."))}


class Shown:
    """What all configurations of a seed are shown: samples, and features of every clip, each made once."""

    def __init__(self) -> None:
        self._source: Samples | None = None
        self._samples: list[Sample] = []
        self._features: dict[bytes, tuple[Tensor, ...]] = {}

    def to(self, training: Training) -> None:
        """Let a run, prepared, have them."""
        network = training.stepper.learner.network
        make, encode = training._samples, network.encode
        network.pixel_decoder.requires_grad_(False)

        def samples() -> Samples:
            self._source = self._source or make()
            return Samples(self._all(self._source))

        @torch.no_grad()
        def encoded(pixels: Tensor) -> Features:
            keys = [
                hashlib.sha256(f"{tuple(clip.shape)}".encode() + clip.numpy().tobytes()).digest() for clip in pixels
            ]
            if new := [i for i, key in enumerate(keys) if key not in self._features]:
                made = encode(pixels[new])
                for i, *levels in zip(new, *made.multi_scale, made.mask_features, strict=True):
                    self._features[keys[i]] = tuple(level.clone() for level in levels)
            *multi_scale, mask_features = (
                torch.stack(maps) for maps in zip(*map(self._features.get, keys), strict=True)
            )
            return Features(tuple(multi_scale), mask_features)

        training._samples = samples  # type: ignore[method-assign]
        network.encode = encoded  # type: ignore[method-assign]

    def _all(self, source: Samples) -> Iterator[Sample]:
        for number in count():
            if number == len(self._samples):
                self._samples.append(next(source))
            yield self._samples[number]


def train(configuration: Configuration, request: TrainRequest, shown: Shown) -> tuple[Path, dict[str, Any]]:
    """Train; the weights, and what is known of the run."""
    training = Training(request, Quiet())
    training.prepare()
    shown.to(training)
    learner, stepper = training.stepper.learner, training.stepper
    network = check_network(configuration, learner)
    before = read_checkpoint(request.init or "", allow_partial=True).state
    seen, take = hashlib.sha256(), stepper.step

    def noted(number: int, batch: Sequence[Sample]) -> Told:
        for sample in batch:
            seen.update(f"{sample.number} {sample.task} {sample.vocabulary} {sample.distant}".encode())
            for clip in sample.clips:
                seen.update(clip.pixels.numpy().tobytes() + clip.labels.numpy().tobytes())
        told = take(number, batch)
        assert ("contrast" in told.losses) == configuration.contrast, f"the loss is {', '.join(told.losses)}"
        return told

    stepper.step = noted  # type: ignore[method-assign]
    begun = time.perf_counter(), time.process_time()
    training.run()
    seconds = {"wall": time.perf_counter() - begun[0], "core": time.process_time() - begun[1]}
    after = features_of(learner.network.state_dict())
    assert before.keys() == after.keys(), "the weights have not all the features that the network has"
    assert all(torch.equal(before[name], after[name]) for name in before), "the features have moved"
    if configuration.spa:
        projection = learner.network.decoder.shape_position
        assert projection is not None
        assert projection.weight.any(), "the projection of shapes has learnt nothing"
    weights = request.folder / "last.safetensors"
    check_tasks(configuration, weights)
    return weights, {"network": network, "seen": seen.hexdigest(), "training": seconds}


def check_network(configuration: Configuration, learner: Learner) -> dict[str, Any]:
    """The gate; and what was built, in numbers."""
    network = learner.network
    sources = sorted(network.queries)
    assert sources == (["evs", "vis", "vps", "vss"] if configuration.task else ["learned"]), sources
    assert (network.decoder.shape_position is not None) == configuration.spa
    assert (learner.settings.contrast.weight > 0) == configuration.contrast
    learning = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"decoder", "queries", "class_heads"}, learning
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "learning": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "queries": sources,
        "projection": configuration.spa,
        "contrast": learner.settings.contrast.weight,
    }


def check_tasks(configuration: Configuration, weights: Path) -> None:
    """The gate of association: what a task built from the weights compares."""
    for task in ("vis", "evs"):
        asked: Any = load_segmenter(weights, task, device="cpu", dtype="fp32", settings=settings_of(task)).task  # type: ignore[arg-type]
        assert asked.cues.use_descriptors == configuration.spa
        assert (asked.cues.projection is not None) == configuration.spa
        if task == "evs":
            assert asked.rows_are_objects == configuration.task
