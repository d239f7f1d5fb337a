"""Truth and results of one video, walked in step once through every metric; and all videos together.

No picture is looked at, and no torch is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gvseg_core.errors import DataError
from gvseg_core.types import Answer, Metric, Partial, Scores

Kept = Mapping[str, Partial]
"""What every metric keeps of one video, by the metric's name."""


def score_video(metrics: Sequence[Metric], truth: Answer, found: Answer) -> Kept:
    """What every metric keeps of one video; each frame is read once.

    Raises:
        DataError: the results have another number of frames than the truth, or what reading them says.
    """
    scorers = {metric.name: metric.begin(truth, found) for metric in metrics}
    answers = iter(found.frames)
    num_frames = 0
    for wanted in truth.frames:
        answer = next(answers, None)
        if answer is None:
            raise DataError(f"{truth.video}: the results end after {num_frames} frames, before the ground truth does")
        for scorer in scorers.values():
            scorer.add(wanted, answer)
        num_frames += 1
    if next(answers, None) is not None:
        raise DataError(f"{truth.video}: the results go on after the {num_frames} frames of the ground truth")
    return {name: scorer.partial() for name, scorer in scorers.items()}


def total(metrics: Sequence[Metric], kept: Sequence[tuple[str, Kept]]) -> Scores:
    """What the metrics say of all videos, (video, what was kept), in the benchmark's order."""
    metric_values: dict[str, float] = {}
    details: dict[str, Any] = {}
    variants: dict[str, Any] = {}
    for metric in metrics:
        scores = metric.total([(video, partials[metric.name]) for video, partials in kept])
        metric_values |= scores.metrics
        _join(details, scores.details)
        _join(variants, scores.variants)
    return Scores(metric_values, details, variants)


def _join(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """What two metrics say of the same class or video lies together."""
    for key, value in more.items():
        if isinstance(into.get(key), dict) and isinstance(value, Mapping):
            _join(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value
