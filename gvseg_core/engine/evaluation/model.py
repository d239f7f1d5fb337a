"""A model on the videos of a benchmark: by the same path as `predict`, under the benchmark's conditions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.engine.benchmarks import Bench
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.evaluation.answers import Collector, answer
from gvseg_core.engine.evaluation.classes import Translation, translate
from gvseg_core.engine.evaluation.exemplars import pointed_at
from gvseg_core.engine.evaluation.settings import GUIDED, EvalSettings, ExemplarKind
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Watcher
from gvseg_core.engine.exported import ExportedSegmenter
from gvseg_core.engine.pipeline import segment_video
from gvseg_core.engine.report import Stages
from gvseg_core.engine.truth import TRUTH, TruthSegmenter
from gvseg_core.recipes import BUNDLED
from gvseg_core.segmenter import Segmenter
from gvseg_core.sinks.official import VideoFacts
from gvseg_core.types import Answer, Footage, Frame, Vocabulary

LOW_CONF = 0.05
"""The least score where predictions are ranked, so that unsure ones can only help; elsewhere tasks keep their own."""

_MUCH_LARGER = 1.25


@dataclass(frozen=True, slots=True)
class Found:
    """What a model said of one video."""

    answer: Answer
    facts: VideoFacts


def load_for(
    bench: Bench, settings: EvalSettings, team: Team, watcher: Watcher, classes: Vocabulary | None = None
) -> Segmenter:
    """The model, set up as the benchmark is usually tested, where `settings` does not say otherwise.

    Args:
        classes: of the videos; of several class heads the one that has most of them answers.

    Raises:
        GvsegError: as `load_segmenter`.
    """
    model = settings.model or BUNDLED
    benchmark, conf, overrides = bench.benchmark, settings.conf, dict(settings.overrides)
    if model != TRUTH and bench.scoring.says == "pairs":
        conf = LOW_CONF if conf is None else conf
        overrides["tracking"] = {"birth_score": conf, **overrides.get("tracking", {})}
    start = time.perf_counter()
    watcher.model_loading(model)
    segmenter = load_segmenter(
        model,
        benchmark.task,
        device=_device(settings.device, team),
        dtype=settings.dtype,
        size=settings.size,
        conf=conf,
        vocabulary=settings.vocabulary,
        wanted=classes if bench.scoring.says != "objects" else None,
        settings=overrides,
        compile=settings.compile,
        offline=settings.offline,
    )
    if settings.size is None and "short_side" not in overrides.get("input", {}):
        own = 0 if isinstance(segmenter, TruthSegmenter) else segmenter.input_settings.short_side
        _see_as_tested(segmenter, benchmark)
        if own and segmenter.input_settings.short_side > _MUCH_LARGER * own:
            side = segmenter.input_settings.short_side
            watcher.note(
                f"pictures have a short side of {side} px, as {benchmark.name} is usually run; the model's own is "
                f"{own} px: --size {own} may suit it better"
            )
    watcher.model_loaded(time.perf_counter() - start, segmenter.provenance)
    return segmenter


def _see_as_tested(segmenter: Segmenter, benchmark: Benchmark) -> None:
    """Show the network pictures of the size that is usual for its backbone; the model's own where none is."""
    if isinstance(segmenter, TruthSegmenter):
        return
    if isinstance(segmenter, ExportedSegmenter):
        settings = segmenter.graph.contract.settings
        if segmenter.graph.contract.size is not None:
            return
    else:
        settings = segmenter.network.settings
    side = benchmark.short_side.get(settings.backbone.kind)
    if side is not None:
        sides = {"short_side": side, "max_side": benchmark.max_side}
        segmenter.input_settings = segmenter.input_settings.model_copy(update=sides)


def _device(name: str, team: Team) -> str:
    """Of several processes on one machine, each has a GPU of its own, as far as there are enough."""
    num = torch.cuda.device_count() if name in {"auto", "cuda"} and team.size > 1 else 0
    return f"cuda:{team.local_rank % num}" if num else name


class Runner:
    """Shows a segmenter one video after the other.

    Args:
        segmenter: for the benchmark's task.
        bench: what results are, and how many.
        footage: the videos.
        exemplar_kind: how objects are pointed at.
        seed: of all chance; each video begins with it, so that their order does not matter.

    Raises:
        ModelError: the model knows no class of the benchmark.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        bench: Bench,
        footage: Footage,
        *,
        exemplar_kind: ExemplarKind = "mask",
        seed: int = 0,
    ) -> None:
        self.segmenter = segmenter
        self.translation = Translation((0,), 1)
        self.notes: list[str] = []
        self._bench = bench
        self._footage = footage
        self._exemplar_kind = exemplar_kind
        self._seed = seed
        if bench.scoring.says != "objects":
            self.translation = translate(segmenter.task.vocabulary, footage.vocabulary)
            self.notes += filter(None, [self.translation.note(segmenter.task.vocabulary, footage.vocabulary)])

    def run(self, video: str, watcher: Watcher) -> Found:
        """What the model says of one video.

        Raises:
            GvsegError: a picture that cannot be read, or memory that does not suffice.
        """
        torch.manual_seed(self._seed)
        collector, given = Collector(), _Given(self._exemplar_kind)
        with closing(self._footage.open(video)) as source:
            watcher.video_begins(video, source.info.num_frames)
            ended = segment_video(
                source,
                given.seen(source),
                self.segmenter,
                [collector],
                stages=Stages(),
                on_frame=watcher.frame_done,
            )
        if ended.error is not None:
            raise ended.error
        for note in ended.notes:
            watcher.note(f"{video}: {note}")
        if ended.undecided:
            watcher.note(f"{video}: {ended.undecided}")
        named = [(result, self._footage.frame_name(video, result.frame)) for result in collector.results]
        wanted = [(result, name) for result, name in named if name]
        said = answer(
            video,
            [result for result, _ in wanted],
            collector.tracks,
            says=self._bench.scoring.says,
            translation=self.translation,
            per_video=self._bench.benchmark.per_video,
        )
        facts: dict[str, Any] = {**self._footage.facts(video)}
        return Found(
            said,
            VideoFacts(
                video,
                source.info.size,
                tuple(name for _, name in wanted),
                number=facts.pop("number", None),
                object_ids=given.ids if self._bench.benchmark.task in GUIDED else None,
                details=facts,
            ),
        )


class _Given:
    """Frames on their way to the network, and which objects were pointed at on them."""

    def __init__(self, kind: ExemplarKind) -> None:
        self.ids: frozenset[int] = frozenset()
        self._kind = kind

    def seen(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in pointed_at(frames, self._kind):
            if frame.exemplar is not None:
                self.ids |= {prompt.track_id for prompt in frame.exemplar.prompts}
            yield frame
