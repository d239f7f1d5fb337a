"""The model called `truth`: the demo's own truth in place of a network's answer.

It shows what every way out makes of a perfect result, and gives those who write a reader for one something exact to
read. It knows the demo and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from gvseg_core.data.demo import DemoFrame
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.errors import UsageError
from gvseg_core.segmenter import Predicted, Segmenter
from gvseg_core.track.summary import Summary
from gvseg_core.types import Clip, FrameResult, TaskName, Track, Vocabulary
from gvseg_core.video.windows import Window

TRUTH = "truth"
"""The word that `--model` takes."""


class TruthTracker:
    """Sums up what was true; identity needs no memory here."""

    def __init__(self) -> None:
        self._summaries: dict[int, Summary] = {}

    @property
    def tracks(self) -> Sequence[Track]:
        """Everything that came into view so far, by ascending id."""
        return tuple(self._summaries[track_id].track() for track_id in sorted(self._summaries))

    def note(self, result: FrameResult) -> FrameResult:
        """`result`, counted."""
        for segment in result.segments:
            new = Summary(segment.track_id, segment.class_id, result.frame.index)
            summary = self._summaries.setdefault(segment.track_id, new)
            summary.seen(result.frame.index)
            summary.judged(1, segment.score)
        return result


class TruthTask:
    """As much of a task as a perfect answer needs."""

    def __init__(self, name: TaskName) -> None:
        self.name = name
        self.vocabulary: Vocabulary = DEMO_VOCABULARY
        self.looks_back = False

    def tracker(self) -> TruthTracker:
        """A memory for one video."""
        return TruthTracker()


class TruthSegmenter(Segmenter):
    """Frames in, results out, as every segmenter; there is no network in it."""

    def __init__(self, task: TaskName) -> None:
        self.task: Any = TruthTask(task)
        self.clip_length = self.clip_stride = 1
        self.device = torch.device("cpu")
        self.provenance = {"model": TRUTH, "vocabulary": DEMO_VOCABULARY.name}

    def prepare(self, windows: Iterable[Window]) -> Iterator[Clip]:
        """No pixels, since nobody looks."""
        for (frame,), _ in windows:
            size = int(frame.image.shape[1]), int(frame.image.shape[2])
            yield Clip((frame,), torch.empty(1, 3, 0, 0), input_size=size, source_size=size)

    def predict(
        self,
        clips: Iterable[Clip],
        tracker: Any,  # noqa: ARG002
        *,
        batch: int = 1,  # noqa: ARG002
        notes: list[str] | None = None,  # noqa: ARG002
    ) -> Iterator[Predicted]:
        """Nothing is asked."""
        for clip in clips:
            yield Predicted(clip, None)

    def decide(self, predicted: Iterable[Predicted], tracker: Any) -> Iterator[FrameResult]:
        """What is true of every frame of the demo.

        Raises:
            UsageError: a frame that is not of the demo.
        """
        for clip, _, _ in predicted:
            for frame in clip.frames:
                if not isinstance(frame, DemoFrame):
                    raise UsageError(f"--model {TRUTH} knows the truth of demo alone; give another input a model")
                yield tracker.note(frame.truth(self.task.name))
