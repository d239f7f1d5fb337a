"""Train: a recipe, its data, and a folder that holds all that comes of it.

    RUN/settings.yaml                 the resolved preset
    RUN/log.jsonl                     one record a few steps, and one a validation
    RUN/losses.png, metrics.png       curves of it
    RUN/state.safetensors             what --resume goes on from; and the one before, state.previous.safetensors
    RUN/last.safetensors, best.safetensors   weights for --model

A run that was stopped or killed goes on bit for bit: weights, moments, averages and queues are in the state; chance
and the order of the data are functions of the seed and the step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from gvseg_core import __version__
from gvseg_core.data.training.loader import Samples, samples
from gvseg_core.data.training.samples import Sample
from gvseg_core.data.training.sources import open_sources, vocabularies_of
from gvseg_core.engine.build import choose_device
from gvseg_core.engine.report import peak_memory
from gvseg_core.engine.training.activations import checkpoint_activations
from gvseg_core.engine.training.ema import Average
from gvseg_core.engine.training.learner import Learner
from gvseg_core.engine.training.log import RunLog, draw_curves
from gvseg_core.engine.training.optimiser import rate, trainable
from gvseg_core.engine.training.processes import Processes
from gvseg_core.engine.training.settings import TrainRequest, as_json
from gvseg_core.engine.training.start import new_network
from gvseg_core.engine.training.state import (
    State,
    check_resumable,
    load_state,
    pack_optimiser,
    save_state,
    unpack_optimiser,
)
from gvseg_core.engine.training.step import Stepper, Told
from gvseg_core.engine.training.validation import validate
from gvseg_core.errors import DataError, DeviceError, ModelError, OutputError
from gvseg_core.files import PartFile, writing
from gvseg_core.model.weights import Checkpoint, write_checkpoint
from gvseg_core.recipes import Preset, TrainSettings

LAST, BEST, BAD_BATCH = "last.safetensors", "best.safetensors", "bad-batch.safetensors"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run goes, since the last time it was told."""

    step: int  # done
    steps: int  # in all
    seconds: float  # a step
    waiting: float  # share of the time spent waiting for data
    memory: int | None  # bytes at most so far: of the GPU, or of the process
    losses: Mapping[str, float]
    lr: float


class TrainWatcher(Protocol):
    """Who watches a run; told in the first process alone."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def pace(self, pace: Pace) -> None: ...
    def validated(self, step: int, metrics: Mapping[str, float], *, is_best: bool) -> None: ...
    def written(self, path: Path) -> None: ...


@dataclass
class Training:
    """One run: `prepare` it, then `run` it.

    Args:
        request: what was asked for.
        watcher: is told of everything.
        processes: those that train together.
        stopped: asked after each step; once it says yes, in any process, the state is saved and the run ends.
    """

    request: TrainRequest
    watcher: TrainWatcher
    processes: Processes = field(default_factory=Processes)
    stopped: Callable[[], bool] = lambda: False

    def prepare(self) -> None:
        """Open the data, make or read the network, and begin or find the run's folder.

        Raises:
            UsageError: settings that are wrong, or have changed since the run was begun.
            DataError: a set that is missing or incomplete.
            ModelError: weights that do not fit.
            OutputError: the folder holds a run already.
            DeviceError: no such device.
        """
        request = self.request
        self.preset = request.recipe()
        self.settings: TrainSettings = _of(self.preset)
        self.device = self._device()
        self.folder = request.folder
        state = None
        if request.resume:
            state, note = load_state(self.folder)
            self._note(*[note] * bool(note))
            changed = check_resumable(
                state, as_json(self.preset), self.processes.size, allow_changed=request.allow_changed
            )
            self._note(*(f"going on although it has changed: {line}" for line in changed))
        elif (self.folder / "state.safetensors").exists() or (self.folder / "log.jsonl").exists():
            raise OutputError(f"{self.folder} holds a run already; --resume goes on with it, --out begins elsewhere")
        self.sources = open_sources(self.settings.data, request.data, self.preset.task)
        self._note(*map(str, self.sources), *(note for source in self.sources for note in source.videos.notes))
        self.vocabularies = vocabularies_of(self.sources)
        network, notes = new_network(
            self.preset.model,
            self.vocabularies,
            init=None if state else request.init,
            seed=self.settings.seed,
            allow_partial=request.allow_partial,
            offline=request.offline,
        )
        self._note(*notes)
        if self.settings.checkpointing:
            checkpoint_activations(network)
        lessons = {(s.lesson.task, s.lesson.vocabulary.name): s.lesson.vocabulary for s in self.sources}
        learner = Learner(trainable(network, self.settings), lessons, self.settings, self.preset.input)
        self.learner = learner.to(self.device)
        self.average = Average(network, self.settings.ema) if self.settings.ema is not None else None
        self.stepper = Stepper(self.learner, self.processes)
        self.step, self.best, self.bad_in_row = 0, -math.inf, 0
        if state is not None:
            self._restore(state)
        if self.processes.is_first:
            self._begin_folder()
            self.log = RunLog(self.folder, self.step, tensorboard=request.tensorboard)
        self.processes.wait()

    def run(self) -> bool:
        """Train until the last step, or until somebody says stop.

        Returns:
            Whether all steps are done.

        Raises:
            DataError: a file that cannot be read; or losses that are not finite for too many steps in a row.
            DeviceError: memory does not suffice.
            OutputError: the state cannot be written.
        """
        settings = self.settings
        begun, waited, since = time.perf_counter(), 0.0, self.step
        sums: dict[str, float] = {}
        saved = self.step
        with self._samples() as source:
            while self.step < settings.steps:
                share = settings.batch_size // self.processes.size
                batch = [next(source) for _ in range(share)]
                told = self._take(batch)
                self.step += 1
                for name, value in told.losses.items():
                    sums[name] = sums.get(name, 0.0) + value
                is_last = self.step == settings.steps
                stop = self.processes.agree(self.stopped())
                if self.step % settings.log_every == 0 or is_last or stop:
                    n, now = self.step - since, time.perf_counter()
                    means = {name: value / n for name, value in sums.items()}
                    self._tell(means, (now - begun) / n, (source.waited - waited) / (now - begun), told)
                    begun, waited, since, sums = now, source.waited, self.step, {}
                if self.step % settings.save_every == 0 or is_last or stop:
                    self._save()
                    saved = self.step
                if is_last or (settings.validate_every and self.step % settings.validate_every == 0):
                    self._validate(is_saved=saved == self.step)
                if stop and not is_last:
                    break
            self._note(*source.problems)
        if self.processes.is_first:
            for path in draw_curves(self.folder):
                self.watcher.written(path)
            self.log.close()
        return self.step >= settings.steps

    # --- steps --------------------------------------------------------------------------------------------------------

    def _samples(self) -> Samples:
        return samples(
            self.settings,
            self.sources,
            clip_length=self.preset.model.clip_length,
            start=self.step,
            rank=self.processes.rank,
            world_size=self.processes.size,
            allow_missing=self.request.allow_missing,
        )

    def _take(self, batch: list[Sample]) -> Told:
        try:
            told = self.stepper.step(self.step, batch)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise DeviceError(
                "memory does not suffice; train.micro_batch=1 or train.checkpointing=true need less"
            ) from error
        if told.problems:
            self._warn(f"step {self.step + 1}: {told.problems}")
        if told.is_finite:
            self.bad_in_row = 0
            if self.average is not None:
                self.average.update(self.learner.network)
            return told
        self.bad_in_row += 1
        videos = ", ".join(sorted({clip.video for sample in batch for clip in sample.clips}))
        self._warn(f"step {self.step + 1}: the loss or its gradient is not finite, nothing learnt; it had {videos}")
        if self.bad_in_row >= self.settings.max_bad_steps:
            path = self._keep_batch(batch)
            raise DataError(
                f"{self.bad_in_row} steps in a row without a finite loss; the last batch is in {path}, the last good "
                f"state in {self.folder}; a smaller train.lr, or train.amp=fp32, may help"
            )
        return told

    def _keep_batch(self, batch: list[Sample]) -> Path:
        path = self.folder / BAD_BATCH
        tensors: dict[str, Tensor] = {}
        for sample in batch:
            for c, clip in enumerate(sample.clips):
                name = f"{sample.number}.{c}"
                tensors |= {f"{name}.pixels": clip.pixels.contiguous(), f"{name}.labels": clip.labels.contiguous()}
                tensors |= {f"{name}.class_ids": clip.class_ids, f"{name}.track_ids": clip.track_ids}
        if self.processes.is_first:
            with PartFile(path, overwrite=True) as part, writing(path):
                save_file(tensors, part.path)
        return path

    # --- what is kept -------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self.processes.is_first:
            network = self.learner.network.state_dict()
            tensors = {f"network.{name}": tensor for name, tensor in network.items()}
            tensors |= {f"queues.{name}": tensor for name, tensor in self.learner.queues.state_dict().items()}
            tensors |= pack_optimiser(self.stepper.optimiser, self.stepper.names)
            facts: dict[str, Any] = {"best": self.best if math.isfinite(self.best) else None, "bad": self.bad_in_row}
            facts["scaler"] = self.stepper.scaler.state_dict()
            if self.average is not None:
                tensors |= {f"ema.{name}": tensor for name, tensor in self.average.tensors.items()}
                facts["num_updates"] = self.average.num_updates
            save_state(self.folder, State(self.step, tensors, as_json(self.preset), self.processes.size, facts))
            self._write_weights(LAST)
            draw_curves(self.folder)
        self.processes.wait()

    def _restore(self, state: State) -> None:
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "queues": {}, "ema": {}}
        for name, tensor in state.tensors.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = tensor
        try:
            self.learner.network.load_state_dict(parts["network"])
            self.learner.queues.load_state_dict(parts["queues"])
        except RuntimeError as error:
            raise ModelError(f"{state.path}: does not fit the run's network: {' '.join(str(error).split())}") from None
        unpack_optimiser(self.stepper.optimiser, self.stepper.names, state.tensors)
        if self.average is not None and parts["ema"]:
            self.average.restore(parts["ema"], int(state.facts["num_updates"]))
        if self.stepper.scaler.is_enabled():
            self.stepper.scaler.load_state_dict(dict(state.facts["scaler"]))
        self.step, self.bad_in_row = state.step, int(state.facts["bad"])
        self.best = -math.inf if state.facts["best"] is None else float(state.facts["best"])
        self._note(f"going on after step {self.step} of {self.settings.steps}")

    def _write_weights(self, name: str) -> Path:
        """The weights as `--model` reads them: averaged ones where there are."""
        network = self.learner.network.state_dict() if self.average is None else self.average.tensors
        tasks = tuple(sorted({source.lesson.task for source in self.sources}))
        checkpoint = Checkpoint(
            settings=self.preset.model,
            input=self.preset.input,
            state={name: tensor.detach().cpu() for name, tensor in network.items()},
            format="gvseg",
            sha256="",
            vocabularies=self.vocabularies,
            tasks=tasks,
            answers={source.lesson.task: source.lesson.vocabulary.name for source in reversed(self.sources)},
            provenance={
                "gvseg": __version__,
                "preset": Path(self.request.preset).stem,
                "steps": str(self.step),
                "data": "; ".join(map(str, self.sources)),
                "init": self.request.init or "",
            },
        )
        path = self.folder / name
        with PartFile(path, overwrite=True) as part:
            with writing(path):
                write_checkpoint(part.path, checkpoint)
            part.commit()
        return path

    def _validate(self, *, is_saved: bool) -> None:
        if self.settings.validation is None:
            return
        if not is_saved and self.processes.is_first:
            self._write_weights(LAST)
        self.processes.wait()
        metrics, headline = validate(
            self.folder / LAST, self.settings.validation, self.preset.task, self.request, self.processes
        )
        if not self.processes.is_first:
            return
        score = metrics.get(headline, math.nan)
        is_best = math.isfinite(score) and score > self.best
        if is_best:
            self.best = score
            self._write_weights(BEST)
        self.log.add("validation", self.step, metrics)
        self.watcher.validated(self.step, metrics, is_best=is_best)

    def _begin_folder(self) -> None:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "settings.yaml"
        with PartFile(path, overwrite=True) as part, writing(path):
            part.path.write_text(yaml.safe_dump(dict(as_json(self.preset)), sort_keys=False), encoding="utf-8")

    # --- what is told -------------------------------------------------------------------------------------------------

    def _tell(self, losses: Mapping[str, float], seconds: float, waiting: float, told: Told) -> None:
        if not self.processes.is_first:
            return
        memory = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else peak_memory()
        lr = rate(self.step - 1, self.settings)
        self.log.add("step", self.step, {**losses, "gradient": told.gradient, "lr": lr})
        self.watcher.pace(Pace(self.step, self.settings.steps, seconds, waiting, memory, losses, lr))

    def _note(self, *lines: str) -> None:
        if self.processes.is_first:
            for line in lines:
                self.watcher.note(line)

    def _warn(self, line: str) -> None:
        if self.processes.is_first:
            self.watcher.warn(line)

    def _device(self) -> torch.device:
        name = self.request.device
        if self.processes.size > 1 and name in {"auto", "cuda"} and torch.cuda.is_available():
            name = f"cuda:{self.processes.local_rank}"
        return choose_device(name)


def _of(preset: Preset) -> TrainSettings:
    assert preset.train is not None, "TrainRequest.recipe sees to it"
    return preset.train
