"""STQ: the official numbers, and the definition in plain words."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings

from gvseg_core.data import kitti_step, vipseg
from gvseg_core.data.benchmark import Benchmark
from gvseg_core.metrics.stq import Rule, Stq
from gvseg_core.types import VOID
from tests.core.metrics.golden import assert_agrees, opened, score
from tests.core.metrics.scenes import CLASSES, MEANING, Video, assert_same, pixels, scored, told_otherwise, videos

VARIANT = "STQ_deeplab2_tracks_numbered_from_1"


def slow(made: list[Video], *, crowds: bool) -> tuple[float, float]:
    """AQ and SQ, pixel by pixel; `crowds`: whether ignored things are left out of AQ."""
    iou, union = Counter[int](), Counter[int]()
    qualities = []
    for video in made:
        both, true_area, found_area = Counter[tuple[int, ...]](), Counter[tuple[int, int]](), Counter[tuple[int, int]]()
        sides = [(video.true, video.true_meaning), (video.found, video.found_meaning)]
        columns = [pixels(maps, meaning, place).ravel() for maps, meaning in sides for place in range(3)]
        for true_track, true_class, ignore, track, class_id, _ in zip(*(c.tolist() for c in columns), strict=True):
            if true_class != VOID:
                iou[true_class] += true_class == class_id
                union.update({true_class, class_id})
            is_thing, is_found = true_class in CLASSES.thing_ids, class_id in CLASSES.thing_ids
            if is_thing and crowds and ignore:
                continue
            true_area[true_class, true_track] += is_thing
            found_area[class_id, track] += is_found
            both[true_class, true_track, class_id, track] += is_thing and is_found
        for g in (g for g, area in true_area.items() if area):
            shares = ((both[*g, *p], true_area[g] + area - both[*g, *p]) for p, area in found_area.items() if area)
            qualities.append(sum(tpa * tpa / either for tpa, either in shares) / true_area[g])
    aq = float(np.mean(qualities)) if qualities else 0.0
    return aq, float(np.mean([iou[c] / union[c] for c in union])) if union else math.nan


def golden(bench: Benchmark, rule: Rule, case: str) -> None:
    truth, results, wanted = opened(bench, f"{bench.name}/{case}", "pred")
    scores = score(Stq(truth.vocabulary, rule), truth, results)
    assert_agrees(scores.metrics, {name: wanted["metrics"][name] for name in ("STQ", "AQ", "SQ")}, 1e-9)
    assert_agrees(scores.details, {"STQ": wanted["details"]["STQ"]}, 1e-9)
    assert_agrees(scores.variants, {n: v for n, v in wanted["variants"].items() if n.startswith("STQ")}, 1e-9)


@pytest.mark.parametrize("case", ["basic", "edge"])
def test_on_kitti_step_numbers_are_those_of_the_official_program(case: str) -> None:
    golden(kitti_step.BENCHMARK, "kitti_step", case)


@pytest.mark.parametrize("case", ["basic", "edge", "short"])
def test_on_vipseg_numbers_are_those_of_the_official_program(case: str) -> None:
    golden(vipseg.BENCHMARK, "vipseg", case)


@settings(max_examples=40)
@given(videos(most_frames=5))
def test_it_is_the_geometric_mean_of_how_tracks_and_classes_are_covered(made: list[Video]) -> None:
    scores = scored(Stq(CLASSES, "kitti_step"), made)
    aq, sq = slow(made, crowds=True)
    wanted = {"AQ": aq, "SQ": sq, "STQ": math.sqrt(aq * sq)}
    assert scores.metrics == pytest.approx(wanted, abs=1e-12, nan_ok=True)
    scores = scored(Stq(CLASSES, "vipseg"), made)
    aq, sq = slow(made, crowds=False)
    told = scores.variants[VARIANT]
    assert {"AQ": told["AQ"], "IoU": told["IoU"]} == pytest.approx({"AQ": aq, "IoU": sq}, abs=1e-12, nan_ok=True)


@settings(max_examples=25)
@given(videos(most_frames=5))
def test_order_and_names_do_not_matter(made: list[Video]) -> None:
    one, other = (scored(Stq(CLASSES, "kitti_step"), told) for told in (made, told_otherwise(made)))
    assert_same(one.metrics, other.metrics)
    one, other = (scored(Stq(CLASSES, "vipseg"), told) for told in (made, told_otherwise(made)))
    assert_same(*({k: s.variants[VARIANT][k] for k in ("STQ", "AQ", "IoU", "tracks")} for s in (one, other)))


def test_on_vipseg_the_first_segment_of_a_video_is_no_track_if_it_is_a_thing() -> None:
    maps = np.array([[[3, 3, 4, 4]], [[4, 4, 3, 3]]], np.uint8)
    for order, num_tracks in (((3, 4), 1), ((4, 3), 1), ((1, 3, 4), 1)):
        meaning = {label: MEANING[label] for label in order}
        scores = scored(Stq(CLASSES, "vipseg"), [Video("v", maps, maps, meaning, meaning)])
        assert scores.details["STQ"]["tracks"] == num_tracks
        assert scores.variants[VARIANT]["tracks"] == 2
    with_sky = np.array([[[1, 3, 4, 4]], [[4, 4, 3, 3]]], np.uint8)
    meaning = {label: MEANING[label] for label in (1, 3, 4)}
    assert scored(Stq(CLASSES, "vipseg"), [Video("v", with_sky, maps, meaning, meaning)]).details["STQ"]["tracks"] == 2


def test_a_found_track_that_changes_its_class_is_two() -> None:
    true = np.full((2, 1, 4), 5, np.uint8)
    found = np.array([[[5] * 4], [[9] * 4]], np.uint8)
    video = Video("v", true, found, MEANING, {5: (50, 3, False), 9: (50, 2, False)})
    assert scored(Stq(CLASSES, "kitti_step"), [video]).metrics["AQ"] == 0.5


def test_void_found_where_there_is_none_is_a_class_of_iou_0() -> None:
    video = Video("v", np.ones((1, 1, 4), np.uint8), np.array([[[1, 1, 1, 0]]], np.uint8), MEANING, MEANING)
    scores = scored(Stq(CLASSES, "kitti_step"), [video])
    assert scores.metrics["SQ"] == 0.75 / 2
    assert scores.details["STQ"]["per_class_IoU"] == {"7": 0.75, "8": 0.0}  # void has the next free number


@pytest.mark.parametrize("case", ["basic", "edge", "short"])
def test_the_truth_of_vipseg_is_perfect(case: str) -> None:
    truth, _, _ = opened(vipseg.BENCHMARK, f"vipseg/{case}", "pred")
    assert score(Stq(truth.vocabulary, "vipseg"), truth, truth).metrics == {"STQ": 1, "AQ": 1, "SQ": 1}


@pytest.mark.parametrize("case", ["basic", "edge"])
def test_the_truth_of_kitti_step_is_perfect(case: str) -> None:
    truth, _, _ = opened(kitti_step.BENCHMARK, f"kitti_step/{case}", "pred")
    assert score(Stq(truth.vocabulary, "kitti_step"), truth, truth).metrics == pytest.approx(
        {"STQ": 1, "AQ": 1, "SQ": 1}
    )


def test_without_tracks_aq_is_0_and_without_pixels_sq_is_not_defined() -> None:
    sky, empty = np.ones((1, 2, 2), np.uint8), np.zeros((1, 2, 2), np.uint8)
    metrics = scored(Stq(CLASSES, "kitti_step"), [Video("v", sky, sky, MEANING, MEANING)]).metrics
    assert metrics == {"STQ": 0, "AQ": 0, "SQ": 1}
    metrics = scored(Stq(CLASSES, "vipseg"), [Video("v", empty, empty, MEANING, MEANING)]).metrics
    assert metrics["AQ"] == 0
    assert math.isnan(metrics["SQ"])
