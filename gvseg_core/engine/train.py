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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from gvseg_core.data.training.loader import Samples, samples
from gvseg_core.data.training.samples import Sample
from gvseg_core.data.training.sources import open_sources, vocabularies_of
from gvseg_core.engine.devices import choose_device
from gvseg_core.engine.report import peak_memory
from gvseg_core.engine.training.activations import checkpoint_activations
from gvseg_core.engine.training.ema import Average
from gvseg_core.engine.training.keeping import (
    BAD_BATCH,
    Means,
    begin_folder,
    best_of,
    check_unused,
    put_back,
    state_of,
    surroundings_of,
    write_batch,
    write_weights,
)
from gvseg_core.engine.training.learner import Learner
from gvseg_core.engine.training.log import RunLog, draw_curves, read_log
from gvseg_core.engine.training.optimiser import rate, trainable
from gvseg_core.engine.training.processes import Processes
from gvseg_core.engine.training.provenance import origin_of
from gvseg_core.engine.training.settings import TrainRequest, as_json
from gvseg_core.engine.training.start import new_network
from gvseg_core.engine.training.state import (
    BEST,
    LAST,
    PREVIOUS,
    STATE,
    State,
    check_resumable,
    load_state,
    save_state,
)
from gvseg_core.engine.training.step import Stepper
from gvseg_core.engine.training.validation import headline_of, is_due, validate
from gvseg_core.errors import DataError, DeviceError, UsageError
from gvseg_core.model.network import Network
from gvseg_core.recipes import Preset, TrainSettings


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
        self.folder = request.folder
        with self.processes.all_or_none():
            self.device = self._device()
            state = self._found()
            network = self._network(is_new=state is None)
        lessons = {(s.lesson.task, s.lesson.vocabulary.name): s.lesson.vocabulary for s in self.sources}
        learner = Learner(trainable(network, self.settings), lessons, self.settings, self.preset.input)
        self.average = Average(network, self.settings.ema) if self.settings.ema is not None else None
        with self.processes.together():
            self.stepper = Stepper(learner.to(self.device), self.processes)
        self.step, self.bad_in_row, self.means = 0, 0, Means()
        with self.processes.all_or_none():
            if state is not None:
                self._go_on(state)
            if self.processes.is_first:
                begin_folder(self.folder, self.preset)
                self.log = RunLog(self.folder, self.step, tensorboard=request.tensorboard)

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
        with self._samples() as source:
            is_looked_at = self._validate()  # a run may have been stopped between a step and its validation
            while self.step < settings.steps and is_looked_at:
                batch = [next(source) for _ in range(settings.batch_size // self.processes.size)]
                self._take(batch)
                is_last = self.step == settings.steps
                stop = self.processes.agree(self.stopped())
                if self.step % settings.log_every == 0 or is_last or stop:
                    n, now = self.step - since, time.perf_counter()
                    self._tell((now - begun) / n, (source.waited - waited) / (now - begun))
                    begun, waited, since = now, source.waited, self.step
                if self.step % settings.save_every == 0 or is_last or stop or is_due(self.step, settings):
                    self._save()
                if stop:
                    break
                is_looked_at = self._validate()
            self._note(*source.problems)
        is_done = self.step >= settings.steps and not self._lacks_validation()
        if self.processes.is_first:
            for path in draw_curves(self.folder):
                self.watcher.written(path)
            self.log.close()
        return is_done

    # --- begin --------------------------------------------------------------------------------------------------------

    def _device(self) -> torch.device:
        name = self.request.device
        if self.processes.size > 1 and name in {"auto", "cuda"} and torch.cuda.is_available():
            name = f"cuda:{self.processes.local_rank}"
        device = choose_device(name)
        if device.type == "cpu" and self.settings.amp == "fp16":
            raise UsageError("train.amp: fp16 has no fast arithmetic on a CPU; --set train.amp=bf16 or fp32")
        return device

    def _found(self) -> State | None:
        """The run's data, opened; and the state to go on from, if that is wanted."""
        request = self.request
        state, note = load_state(self.folder) if request.resume else (None, "")
        self._note(*[note] * bool(note))
        if state is None:
            check_unused(self.folder, (STATE, PREVIOUS, LAST, BEST))
        self.sources = open_sources(self.settings.data, request.data, self.preset.task)
        self._note(*map(str, self.sources), *(note for source in self.sources for note in source.videos.notes))
        if state is not None:
            changed = check_resumable(
                state,
                as_json(self.preset),
                self.processes.size,
                allow_changed=request.allow_changed,
                surroundings=surroundings_of(self.sources),
            )
            self._note(*(f"going on although it has changed: {line}" for line in changed))
        return state

    def _network(self, *, is_new: bool) -> Network:
        init = self.request.init if is_new else None
        network, notes, sha256 = new_network(
            self.preset.model,
            vocabularies_of(self.sources),
            init=init,
            seed=self.settings.seed,
            allow_partial=self.request.allow_partial,
            offline=self.request.offline,
        )
        self.origin = origin_of(init, sha256)
        self._note(*notes)
        if self.settings.checkpointing:
            checkpoint_activations(network)
        return network

    def _go_on(self, state: State) -> None:
        put_back(state, self.stepper, self.average)
        self.step, self.bad_in_row = state.step, int(state.facts["bad"])
        self.means = Means(**state.facts["means"])
        self.origin = dict(state.facts.get("origin", self.origin))
        self._note(f"going on after step {self.step} of {self.settings.steps}")
        if self.processes.is_first:  # it may have been killed before these were written
            self._write_weights(LAST)

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

    def _take(self, batch: list[Sample]) -> None:
        """One step more, whether or not it moves anything."""
        try:
            told = self.stepper.step(self.step, batch)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise DeviceError(
                "memory does not suffice; train.micro_batch=1 or train.checkpointing=true need less"
            ) from error
        if told.problems:
            self._warn(f"step {self.step + 1}: {told.problems}")
        self.gradient = told.gradient
        self.means.add(told)
        if told.is_finite:
            self.bad_in_row = 0
            if self.average is not None:
                self.average.update(self.stepper.learner.network)
        else:
            self._mind(batch)
        self.step += 1

    def _mind(self, batch: list[Sample]) -> None:
        """A step that moved nothing: say so, and give up after too many of them."""
        self.bad_in_row += 1
        videos = ", ".join(sorted({clip.video for sample in batch for clip in sample.clips}))
        self._warn(f"step {self.step + 1}: the loss or its gradient is not finite, nothing learnt; it had {videos}")
        if self.bad_in_row < self.settings.max_bad_steps:
            return
        rank = self.processes.rank
        path = self.folder / (f"{rank}.{BAD_BATCH}" if rank else BAD_BATCH)
        write_batch(path, batch)
        num, self.bad_in_row = self.bad_in_row, 0
        self._save()
        raise DataError(
            f"{num} steps in a row without a finite loss; the last batch is in {path}, the last good state in "
            f"{self.folder}; a smaller train.lr, or train.amp=fp32, may help"
        )

    def _save(self) -> None:
        with self.processes.all_or_none():
            if self.processes.is_first:
                facts = {
                    "bad": self.bad_in_row,
                    "means": asdict(self.means),
                    "origin": self.origin,
                    "surroundings": surroundings_of(self.sources),
                }
                size = self.processes.size
                save_state(self.folder, state_of(self.step, self.stepper, self.average, self.preset, size, facts))
                self._write_weights(LAST)
                draw_curves(self.folder)

    def _write_weights(self, name: str) -> None:
        path = self.folder / name
        stepper, average = self.stepper, self.average
        write_weights(path, self.step, stepper, average, self.preset, self.sources, self.request, self.origin)

    def _lacks_validation(self) -> bool:
        """Whether the weights are to be looked at after this step, and have not been."""
        if not is_due(self.step, self.settings):
            return False
        records = read_log(self.folder) if self.processes.is_first else []
        is_known = any(record["kind"] == "validation" and record["step"] == self.step for record in records)
        return self.processes.agree(self.processes.is_first and not is_known)

    def _validate(self) -> bool:
        """Look at the weights that have just been written, if this is the step for it.

        Returns:
            False where it was stopped; it is made up for when the run goes on.
        """
        source = self.settings.validation
        if source is None or not self._lacks_validation():
            return True
        metrics = validate(self.folder / LAST, source, self.preset.task, self.request, self.processes, self.stopped)
        if metrics is None:
            return False
        with self.processes.all_or_none():
            if self.processes.is_first:
                self._rank(metrics, headline_of(source, self.preset.task))
        return True

    def _rank(self, metrics: Mapping[str, float], headline: str) -> None:
        """Log a validation; the best weights so far are kept, first, so that a log never names what is not there."""
        is_best = metrics.get(headline, -math.inf) > best_of(read_log(self.folder), headline)
        if is_best:
            self._write_weights(BEST)
        self.log.add("validation", self.step, metrics)
        self.watcher.validated(self.step, metrics, is_best=is_best)

    # --- what is told -------------------------------------------------------------------------------------------------

    def _tell(self, seconds: float, waiting: float) -> None:
        """Show how it goes; log it where a run that nobody stops would."""
        settings = self.settings
        is_logged = self.step % settings.log_every == 0 or self.step == settings.steps
        losses = (self.means if is_logged else replace(self.means)).take()
        if not self.processes.is_first:
            return
        memory = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else peak_memory()
        lr = rate(self.step - 1, settings)
        if is_logged:
            self.log.add("step", self.step, {**losses, "gradient": self.gradient, "lr": lr})
        self.watcher.pace(Pace(self.step, settings.steps, seconds, waiting, memory, losses, lr))

    def _note(self, *lines: str) -> None:
        if self.processes.is_first:
            for line in lines:
                self.watcher.note(line)

    def _warn(self, line: str) -> None:
        if self.processes.is_first:
            self.watcher.warn(line)


def _of(preset: Preset) -> TrainSettings:
    assert preset.train is not None, "TrainRequest.recipe sees to it"
    return preset.train
