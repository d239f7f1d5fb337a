"""Results in the form that a benchmark asks for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch

from gvseg_core.data.unseen import NoPicture, unseen_frame
from gvseg_core.engine.evaluation.answers import Collector, answer
from gvseg_core.engine.evaluation.classes import Translation
from gvseg_core.ops import rle
from gvseg_core.types import Frame, FrameResult, Outcome, Segment, Track

MASK = rle.encode(np.eye(4, dtype=np.bool_))
TRANSLATION = Translation((1, None, 0), 2)


def frame(*segments: tuple[int, int]) -> FrameResult:
    return FrameResult(unseen_frame(0, (4, 4)), tuple(Segment(i, c, 0.5, MASK) for i, c in segments))


def track(track_id: int, class_id: int, *class_scores: float, num_frames: int = 1) -> Track:
    return Track(track_id, class_id, 0.5, 0, 0, num_frames, class_scores)


def pairs(tracks: list[Track], per_video: int | None = None) -> list[tuple[int, int, float]]:
    said = answer("v", [], tracks, says="pairs", translation=TRANSLATION, per_video=per_video)
    return [(t.track_id, t.class_id, t.score) for t in said.tracks]


def test_objects_are_submitted_under_every_class_of_the_benchmark_the_surest_first() -> None:
    tracks = [track(1, 0, 0.3, 0.6, 0.1), track(2, 2, 0.2, 0.0, 0.7)]
    assert pairs(tracks) == [(2, 0, 0.7), (1, 1, 0.3), (2, 1, 0.2), (1, 0, 0.1)]


def test_a_video_has_no_more_predictions_than_the_server_takes() -> None:
    tracks = [track(1, 0, 0.3, 0.6, 0.1), track(2, 2, 0.2, 0.0, 0.7)]
    assert pairs(tracks, per_video=2) == [(2, 0, 0.7), (1, 1, 0.3)]


def test_equal_scores_keep_the_order_of_the_tracks() -> None:
    assert [p[0] for p in pairs([track(5, 0, 0.4), track(3, 0, 0.4), track(4, 0, 0.4)])] == [5, 3, 4]


def test_an_object_without_probabilities_has_its_own_class_and_score() -> None:
    assert pairs([track(1, 2)]) == [(1, 0, 0.5)]


def test_an_object_that_never_covered_a_pixel_is_no_prediction() -> None:
    assert pairs([track(1, 0, 0.9, num_frames=0)]) == []


def test_two_classes_of_the_model_that_are_one_of_the_benchmark_add_up() -> None:
    said = answer("v", [], [track(1, 0, 0.25, 0.5)], says="pairs", translation=Translation((0, 0), 1))
    assert [t.score for t in said.tracks] == [0.75]


def test_masks_of_objects_that_are_not_submitted_are_left_out() -> None:
    tracks = [track(1, 0, 0.9), track(2, 0, 0.1)]
    said = answer("v", [frame((1, 0), (2, 0))], tracks, says="pairs", translation=TRANSLATION, per_video=1)
    assert [s.track_id for result in said.frames for s in result.segments] == [1]


def test_a_region_has_one_class_and_none_that_the_benchmark_lacks() -> None:
    tracks = [track(1, 0), track(2, 1), track(3, 2)]
    said = answer("v", [frame((1, 0), (2, 1), (3, 2))], tracks, says="classes", translation=TRANSLATION)
    assert [(t.track_id, t.class_id) for t in said.tracks] == [(1, 1), (3, 0)]
    assert [(s.track_id, s.class_id) for result in said.frames for s in result.segments] == [(1, 1), (3, 0)]


def test_where_no_class_counts_all_are_objects_whatever_the_model_calls_them() -> None:
    said = answer("v", [frame((1, 7))], [track(1, 7)], says="objects", translation=Translation((), 1))
    assert [t.class_id for t in said.tracks] == [0]
    assert [s.class_id for result in said.frames for s in result.segments] == [0]


def test_a_collector_keeps_results_and_lets_pictures_go() -> None:
    collector = Collector()
    picture = Frame(3, Fraction(1, 5), torch.zeros(3, 4, 6, dtype=torch.uint8))
    collector.write(FrameResult(picture, (Segment(1, 0, 0.5, MASK),), "odd"))
    collector.end(Outcome((track(1, 0),), 1))
    (kept,) = collector.results
    assert isinstance(kept.frame.image, NoPicture)
    assert (kept.frame.index, kept.frame.time, kept.frame.image.shape) == (3, Fraction(1, 5), (3, 4, 6))
    assert (len(kept.segments), kept.problem, len(collector.tracks)) == (1, "odd", 1)
