"""AP and AR of tubes: the official numbers, and the definition in plain words."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings

from gvseg_core.data import ovis, ytvis21
from gvseg_core.errors import DataError
from gvseg_core.metrics.tube_ap import TubeAp
from gvseg_core.types import Scores, Truth
from tests.conftest import shared
from tests.core.metrics.golden import assert_agrees, opened, score
from tests.core.metrics.tubes import (
    Tube,
    TubeVideo,
    slow_class,
    slow_headline,
    told_otherwise,
    tube_videos,
    without_ties,
)

CASES = ["basic", "areas", "edge", "maxdets"]


class Drawn:
    """Videos as truth or as results."""

    def __init__(self, videos: list[TubeVideo], side: int) -> None:
        self.videos = [video.name for video in videos]
        self._answers = {video.name: video.answers()[side] for video in videos}
        self.answer = self._answers.__getitem__


def scored(metric: TubeAp, videos: list[TubeVideo]) -> Scores:
    return score(metric, cast("Truth", Drawn(videos, 0)), cast("Truth", Drawn(videos, 1)))


@pytest.mark.parametrize("case", CASES)
def test_on_youtube_vis_numbers_are_those_of_the_official_program(case: str) -> None:
    truth, results, wanted = opened(ytvis21.BENCHMARK, f"ytvis/{case}", "pred")
    scores = score(TubeAp(truth.vocabulary), truth, results)
    assert list(scores.metrics) == list(wanted["metrics"])
    assert_agrees(scores.metrics, wanted["metrics"], 1e-9)
    assert_agrees(scores.details, wanted["details"], 1e-9)
    assert scores.variants == {}


def test_on_ovis_numbers_are_those_of_the_official_program() -> None:
    truth, results, wanted = opened(ovis.BENCHMARK, "ovis/basic", "pred")
    scores = score(TubeAp(truth.vocabulary, occlusion=True), truth, results)
    assert list(scores.metrics) == list(wanted["metrics"])
    assert_agrees(scores.metrics, wanted["metrics"], 1e-9)
    assert_agrees(scores.details, wanted["details"], 1e-9)
    assert_agrees(scores.variants, wanted["variants"], 1e-9)


@pytest.mark.parametrize("case", ["ytvis/basic", "ytvis/areas", "ytvis/maxdets", "ovis/basic"])
def test_truth_against_itself_is_perfect(case: str) -> None:
    benchmark, occlusion = (ovis.BENCHMARK, True) if case.startswith("ovis") else (ytvis21.BENCHMARK, False)
    truth = benchmark.read_truth(shared("golden", case) / "gt")
    metrics = score(TubeAp(occlusion=occlusion), truth, truth).metrics
    assert metrics["AP"] == pytest.approx(1)
    # Of several objects of a class in a video one prediction finds one; and not every range has an object.
    assert {round(value, 12) for name, value in metrics.items() if name != "AR1"} <= {1.0, -1.0}


@given(tube_videos())
def test_so_are_any_objects_that_can_be_seen(videos: list[TubeVideo]) -> None:
    shown = [replace(video, true=[tube for tube in video.true if tube.masks.any()]) for video in videos]
    perfect = [replace(video, found=video.true) for video in shown]
    counted = any(not tube.is_crowd for video in shown for tube in video.true)
    assert scored(TubeAp(), perfect).metrics["AP"] == pytest.approx(1.0 if counted else -1.0)


@settings(max_examples=60)
@given(tube_videos())
def test_numbers_are_those_of_the_definition(videos: list[TubeVideo]) -> None:
    for occlusion in (False, True):
        scores = scored(TubeAp(occlusion=occlusion), videos)
        wanted = slow_headline(videos, occlusion=occlusion)
        assert list(scores.metrics) == list(wanted)
        assert_agrees(scores.metrics, wanted, 1e-9)
    known = {str(c) for c in (0, 1) if slow_class(videos, c, 0.5, (0, 1e10), None, 100) is not None}
    assert scores.details["per_category"].keys() == known
    for name, found in scores.details["per_category"].items():
        wanted_class = slow_class(videos, int(name), 0.75, (0, 1e10), None, 100)
        assert wanted_class is not None
        assert abs(found["AP75"] - wanted_class[0]) < 1e-9


@settings(max_examples=40)
@given(tube_videos())
def test_order_and_ids_do_not_matter(videos: list[TubeVideo]) -> None:
    untied = without_ties(videos)
    seen = [replace(video, true=_apart(video.true)) for video in untied]
    for occlusion in (False, True):
        one = scored(TubeAp(occlusion=occlusion), seen)
        other = scored(TubeAp(occlusion=occlusion), list(reversed(told_otherwise(seen))))
        assert_agrees(other.metrics, dict(one.metrics), 1e-12)
        assert_agrees(other.details, dict(one.details), 1e-12)


def _apart(tubes: list[Tube]) -> list[Tube]:
    """At most one object of each class, so that none overlaps a prediction as much as another."""
    return list({tube.class_id: tube for tube in tubes}.values())


@given(tube_videos())
def test_what_is_kept_of_a_video_is_plain_arrays(videos: list[TubeVideo]) -> None:
    for video in videos:
        true, found = video.answers()
        scorer = TubeAp(occlusion=True).begin(true, found)
        for pair in zip(true.frames, found.frames, strict=True):
            scorer.add(*pair)
        arrays = scorer.partial().values()
        assert all(type(array) is np.ndarray and array.dtype != object for array in arrays)


def disc(shape: tuple[int, int, int] = (3, 6, 6)) -> np.ndarray:
    masks = np.zeros(shape, bool)
    masks[:, 1:4, 2:5] = True
    return masks


def video(true: list[Tube], found: list[Tube], name: str = "a") -> TubeVideo:
    return TubeVideo(name, true, found, (3, 6, 6))


def test_finding_nothing_scores_nothing() -> None:
    metrics = scored(TubeAp(), [video([Tube(1, 0, 1.0, disc())], [])]).metrics
    assert (metrics["AP"], metrics["AR100"], metrics["APs"], metrics["APl"]) == (0, 0, 0, -1)


def test_where_nothing_is_to_be_found_nothing_is_defined() -> None:
    scores = scored(TubeAp(occlusion=True), [video([], [Tube(1, 0, 1.0, disc())])])
    assert set(scores.metrics.values()) == {-1.0}
    assert scores.details == {"per_category": {}}


def test_one_tube_may_be_submitted_under_several_classes() -> None:
    true = [Tube(1, 0, 1.0, disc()), Tube(2, 1, 1.0, disc())]
    found = [Tube(7, 1, 0.4, disc()), Tube(7, 0, 0.9, disc()), Tube(7, 2, 0.1, disc())]
    assert scored(TubeAp(), [video(true, found)]).metrics["AP"] == pytest.approx(1.0)


def test_of_objects_that_overlap_equally_the_last_is_taken() -> None:
    left, right = np.zeros((3, 6, 6), bool), np.zeros((3, 6, 6), bool)
    left[:, :, :3], right[:, :, 3:] = True, True
    found = [Tube(1, 0, 0.9, left | right), Tube(2, 0, 0.8, left)]
    in_turn = [Tube(1, 0, 1.0, left), Tube(2, 0, 1.0, right)]
    assert scored(TubeAp(), [video(in_turn, found)]).metrics["AP50"] == pytest.approx(1)
    assert scored(TubeAp(), [video(in_turn[::-1], found)]).metrics["AP50"] < 0.6


def test_no_more_than_a_hundred_predictions_of_a_class_count_in_a_video() -> None:
    wrong = np.zeros((3, 6, 6), bool)
    wrong[:, 5, 5] = True
    found = [Tube(n, 0, 0.9, wrong) for n in range(100)] + [Tube(200, 0, 0.8, disc())]
    assert scored(TubeAp(), [video([Tube(1, 0, 1.0, disc())], found)]).metrics["AR100"] == 0
    assert scored(TubeAp(), [video([Tube(1, 0, 1.0, disc())], found[1:])]).metrics["AR100"] == 1


def test_an_object_of_unknown_occlusion_is_in_no_range_of_it() -> None:
    metrics = scored(TubeAp(occlusion=True), [video([Tube(1, 0, 1.0, disc())], [Tube(1, 0, 0.5, disc())])]).metrics
    assert (metrics["AP"], metrics["AP_occ_light"], metrics["AP_occ_heavy"]) == (pytest.approx(1), -1, -1)


def test_a_level_of_occlusion_that_there_is_not_is_named() -> None:
    odd = Tube(4, 0, 1.0, disc(), occlusion=["no_occlusion", "partial", None])
    with pytest.raises(DataError, match=r"a: track 4\.occlusion: .* found 'partial'"):
        scored(TubeAp(occlusion=True), [video([odd], [])])
