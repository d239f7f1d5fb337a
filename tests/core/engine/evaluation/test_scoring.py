"""Two streams, walked once: every metric sees every frame, and the numbers of several lie together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.engine.evaluation.scoring import score_video, total
from gvseg_core.errors import DataError
from gvseg_core.types import Answer, FrameResult, Metric, Partial, Scores, VideoScorer


class Frames(Metric):
    """Counts the frames it has seen, and how often it saw one index on both sides."""

    def __init__(self, name: str) -> None:
        self.name = name

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:
        return _Frames()

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        counts = {video: int(partial["counts"][0]) for video, partial in partials}
        same = sum(int(partial["counts"][1]) for _, partial in partials)
        return Scores(
            {self.name: same / sum(counts.values())}, {"per_video": {v: {self.name: n} for v, n in counts.items()}}
        )


class _Frames(VideoScorer):
    def __init__(self) -> None:
        self.counts = np.zeros(2, np.int64)

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        self.counts += 1, truth.frame.index == found.frame.index

    def partial(self) -> Partial:
        return {"counts": self.counts}


def frames(*indices: int) -> Iterator[FrameResult]:
    return (FrameResult(unseen_frame(index, (4, 4)), ()) for index in indices)


METRICS = Frames("one"), Frames("other")


def test_every_metric_sees_every_frame_of_streams_that_are_read_once() -> None:
    kept = score_video(METRICS, Answer("v", frames(0, 1, 2)), Answer("v", frames(0, 5, 2)))
    assert {name: partial["counts"].tolist() for name, partial in kept.items()} == {"one": [3, 2], "other": [3, 2]}


@pytest.mark.parametrize(("found", "says"), [((0,), "end after 1 frames"), ((0, 1, 2), "go on after the 2 frames")])
def test_results_of_another_length_are_refused(found: tuple[int, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        score_video(METRICS, Answer("v", frames(0, 1)), Answer("v", frames(*found)))


def test_what_metrics_say_of_one_video_lies_together() -> None:
    kept = [
        (video, score_video(METRICS, Answer(video, frames(0, 1)), Answer(video, frames(0, last))))
        for video, last in (("a", 1), ("b", 7))
    ]
    scores = total(METRICS, kept)
    assert scores.metrics == {"one": 0.75, "other": 0.75}
    assert scores.details == {"per_video": {"a": {"one": 2, "other": 2}, "b": {"one": 2, "other": 2}}}
