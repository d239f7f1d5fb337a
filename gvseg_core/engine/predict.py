"""Predict: many inputs through one model, each to finished files.

One input's failure is recorded and the run goes on; only a model or a device that fails, and a stream that
nobody reads any more, end it.
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import BinaryIO

import torch

from gvseg_core import __version__
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.opening import Opened, is_cut, open_input
from gvseg_core.engine.outputs import Job, make_folders, remove_empty
from gvseg_core.engine.pipeline import Ended, segment_video
from gvseg_core.engine.report import Observer, Report, Stages, State, Summary
from gvseg_core.engine.settings import PredictSettings
from gvseg_core.errors import DeviceError, GvsegError, ModelError, UsageError, VideoError
from gvseg_core.model.weights.hub import PREFIX as HUB
from gvseg_core.segmenter import Segmenter
from gvseg_core.sinks import JsonLines, SinkSettings, make_sink
from gvseg_core.types import Sink, VideoInfo

OPENED_ONCE = frozenset({"stdin", "camera", "url"})
"""Kinds of input that are not the same when they are opened again."""

SHAPING = {"exemplars", "classes", "conf", "start", "end", "stride", "fps", "stream", "size", "clip_stride", "seed"}
SHAPING |= {"overrides"}
"""The settings on which results depend, beside the input and what the segmenter says of itself."""


class Prediction:
    """One run of `predict`: `prepare` it, then `run` it. As a context manager it leaves nothing open or half-written.

    Args:
        settings: what was asked for.
        jobs: the inputs, from `plan`.
        observer: is told of everything.
        stopped: asked between clips; once it says yes, the clip in hand is finished, its files are closed, and no
            further input is begun.
        stream: where results go that `settings` does not send to files.
    """

    def __init__(
        self,
        settings: PredictSettings,
        jobs: Sequence[Job],
        observer: Observer,
        *,
        stopped: Callable[[], bool] = lambda: False,
        stream: BinaryIO | None = None,
    ) -> None:
        self._settings = settings
        self._total = len(jobs)
        self._waiting = enumerate(jobs, start=1)
        self._observer = observer
        self._stopped = stopped
        self._stream = stream
        self._reports: list[Report] = []
        self._sinks: list[Sink] = []
        self._current: Opened | None = None
        self._segmenter: Segmenter | None = None

    def __enter__(self) -> Prediction:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abort()
        if self._current is not None:
            self._current.source.close()

    def abort(self) -> None:
        """Remove what is half-written. Safe at any time in the thread that runs, and more than once."""
        for sink in self._sinks:
            sink.abort()

    def prepare(self) -> None:
        """Open the first input that can be opened, then load the model; nothing is written yet.

        Raises:
            GvsegError: something is wrong with the model, the device or their settings.
        """
        self._current = self._open_next()
        if self._current is None:
            return
        start = time.perf_counter()
        self._observer.model_loading(self._settings.model)
        self._segmenter = _load(self._settings)
        self._observer.model_loaded(time.perf_counter() - start, self._segmenter.provenance)

    def run(self) -> Summary:
        """Segment every input.

        Raises:
            ModelError, DeviceError: every further input would fail like this one.
            BrokenPipeError: nobody reads `stream` any more.
        """
        start = time.perf_counter()
        while self._current is not None and self._segmenter is not None:
            opened = self._current
            report, failure = self._segment(opened, self._segmenter)
            self._finish(report)
            opened.source.close()
            if failure is not None:
                raise failure
            self._current = self._open_next()
        return self.summary(time.perf_counter() - start)

    def rehearse(self) -> Iterator[tuple[Job, VideoInfo | None]]:
        """Instead of `prepare` and `run`: each input that could be opened, and what it is; streams and cameras are not.

        Those that cannot be opened are in the reports.
        """
        for number, job in self._waiting:
            if job.is_done or (job.source is not None and job.source.kind in OPENED_ONCE):
                yield job, None
                continue
            try:
                opened = open_input(job, number, self._settings)
            except GvsegError as error:
                self._finish(Report(job.shown, "failed", error=error))
                continue
            with closing(opened.source):
                yield job, opened.source.info

    def rehearse_model(self) -> str:
        """Load the model to see that it does; what it is, in words. One that would be downloaded is left alone."""
        if self._settings.model.startswith(HUB):
            return f"{self._settings.model}, not looked at"
        segmenter = _load(self._settings)
        vocabulary = segmenter.task.vocabulary
        return f"{self._settings.model}: {len(vocabulary)} classes of {vocabulary.name}, on {segmenter.device}"

    def summary(self, seconds: float = 0.0) -> Summary:
        """How the inputs ended so far."""
        return Summary(tuple(self._reports), self._total, seconds, self._gave_up())

    # --- one input after the other ------------------------------------------------------------------------------------

    def _open_next(self) -> Opened | None:
        """The next input that is to be done and can be opened; those before it are reported."""
        for number, job in self._waiting:
            if self._stopped() or self._gave_up():
                return None
            if job.is_done:
                self._finish(Report(job.shown, "skipped"))
                continue
            try:
                return open_input(job, number, self._settings)
            except Exception as error:
                self._finish(Report(job.shown, "failed", error=error))
        return None

    def _gave_up(self) -> bool:
        return self._settings.on_error == "stop" and any(report.state == "failed" for report in self._reports)

    def _finish(self, report: Report) -> None:
        self._reports.append(report)
        self._observer.input_ends(report)

    # --- one input ----------------------------------------------------------------------------------------------------

    def _segment(self, opened: Opened, segmenter: Segmenter) -> tuple[Report, DeviceError | None]:
        """Its report, and why nothing further can be done, if that is so."""
        job, video = opened.job, opened.source.info
        self._observer.input_begins(job.shown, opened.number, self._total, video)
        torch.manual_seed(self._settings.seed)
        stages, start, made = Stages(), time.perf_counter(), []
        try:
            made = make_folders(job.targets.values())
            self._sinks = self._make_sinks(job, segmenter)
            ended = segment_video(
                opened.source,
                opened.frames(),
                segmenter,
                self._sinks,
                stages=stages,
                batch=self._settings.batch or (1 if _is_live(job) else None),
                stopped=self._stopped,
                on_frame=self._observer.frame_done,
            )
        except (ModelError, DeviceError, BrokenPipeError):
            raise
        except Exception as error:
            return Report(job.shown, "failed", seconds=time.perf_counter() - start, error=error), None
        finally:
            self.abort()  # what has appeared stays
            remove_empty(made)
        return self._report(opened, ended, time.perf_counter() - start, stages.seconds), ended.error

    def _make_sinks(self, job: Job, segmenter: Segmenter) -> list[Sink]:
        settings = self._settings
        told = SinkSettings(
            settings.task,
            segmenter.task.vocabulary,
            provenance=ChainMap(  # what the segmenter says of itself may change while it runs
                {"settings": settings.model_dump(mode="json", include=SHAPING, exclude_defaults=True)},
                segmenter.provenance,
                {"version": __version__, "input": job.shown},
            ),
            overwrite=settings.existing == "replace",
            alpha=settings.alpha,
            color_by=settings.color_by,
            labels=settings.labels,
            audio=settings.audio,
        )
        if self._stream is not None and settings.json_lines:
            return [JsonLines(self._stream, told), *(make_sink(w, p, told) for w, p in job.targets.items())]
        if self._stream is not None:
            return [make_sink(settings.save[0], self._stream, told)]
        return [make_sink(word, path, told) for word, path in job.targets.items()]

    def _report(self, opened: Opened, ended: Ended, seconds: float, stages: dict[str, float]) -> Report:
        source, outcome = opened.source, ended.outcome
        state: State = "done"
        error = None
        problems = (*_said("problems", source, *self._sinks), *[ended.undecided] * bool(ended.undecided))
        if ended.error is not None:
            problems = (*problems, f"memory ran out: what was written ends after {outcome.num_frames} frames")
        if ended.was_stopped:
            state = "interrupted"
        elif is_cut(source) or ended.undecided or ended.error is not None:
            state = "partial"
            if self._settings.strict:
                state, error = "failed", VideoError(f"{opened.job.shown}: {'; '.join(problems)}")
        return Report(
            opened.job.shown,
            state,
            outputs=tuple(opened.job.targets.values()) if outcome.num_frames else (),
            num_frames=outcome.num_frames,
            seconds=seconds,
            stages=stages,
            notes=(*opened.notes(), *ended.notes, *_said("notes", source, *self._sinks)),
            problems=() if error else problems,
            error=error,
        )


def _is_live(job: Job) -> bool:
    """Whether its frames come as time goes by, so that results should not wait for a batch."""
    return job.source is not None and job.source.kind in {"camera", "url"}


def _load(settings: PredictSettings) -> Segmenter:
    segmenter = load_segmenter(
        settings.model,
        settings.task,
        device=settings.device,
        dtype=settings.dtype,
        size=settings.size,
        conf=settings.conf,
        classes=settings.classes,
        vocabulary=settings.vocabulary,
        settings=settings.overrides,
        compile=settings.compile,
        offline=settings.offline,
        wanted=DEMO_VOCABULARY if settings.is_demo else None,
    )
    if settings.clip_stride is not None:
        length = segmenter.clip_length
        if settings.clip_stride > length:
            raise UsageError(
                f"--clip-stride {settings.clip_stride}: the model decodes {length} frame{'s' * (length > 1)} together; "
                f"wanted 1 … {length}"
            )
        segmenter.clip_stride = settings.clip_stride
    return segmenter


def _said(kind: str, *things: object) -> tuple[str, ...]:
    """What sources and sinks have to say; not every one has anything."""
    return tuple(line for thing in things for line in getattr(thing, kind, ()))
