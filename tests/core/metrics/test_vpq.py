"""VPQ: the official numbers, and the definition in plain words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from gvseg_core.data import kitti_step, vipseg
from gvseg_core.metrics.vpq import HEADLINE, STEP_WINDOWS, WINDOWS, StepVpq, Vpq
from gvseg_core.types import VOID, Vocabulary
from tests.core.metrics.golden import assert_agrees, opened, score
from tests.core.metrics.scenes import CLASSES, MEANING, Video, assert_same, pixels, scored, told_otherwise, videos

Counts = dict[int, Counter[str]]


def tubes(video: Video, start: int, k: int) -> tuple[dict[int, Any], dict[int, Any]]:
    """Track → its class and its pixels in the window (k, H, W), in truth and in the results."""
    sides = []
    for maps, meaning in ((video.true, video.true_meaning), (video.found, video.found_meaning)):
        tracks = pixels(maps[start : start + k], meaning, 0)
        told = {track: (class_id, ignore) for track, class_id, ignore in meaning.values() if class_id != VOID}
        sides.append({t: (*told[t], tracks == t) for t in sorted(set(tracks.ravel().tolist()) & set(told))})
    return sides[0], sides[1]


def slow(made: list[Video], k: int, *, crowds: bool) -> Counts:
    """IoU, TP, FP and FN by class, tube by tube."""
    counts: Counts = defaultdict(Counter)
    for video in made:
        for start in range(len(video.true) - k + 1):
            true, found = tubes(video, start, k)
            void = pixels(video.true[start : start + k], video.true_meaning, 1) == VOID
            matched: set[int] = set()
            for c, crowd, mask in true.values():
                for p, (other, _, answer) in found.items():
                    both, either = (mask & answer).sum(), ((mask | answer) & ~(answer & void)).sum()
                    if c == other and both * 2 > either and not (crowds and crowd):
                        counts[c].update({"iou": both / either, "tp": 1})
                        matched.add(p)
                        break
                else:
                    counts[c]["fn"] += not (crowds and crowd)
            for p, (c, _, answer) in found.items():
                excused = void.copy()
                for other, crowd, mask in true.values():
                    excused |= mask & (crowds and crowd and other == c)
                counts[c]["fp"] += p not in matched and (answer & excused).sum() * 2 <= answer.sum()
    return counts


def pq(counts: Counter[str]) -> float:
    return counts["iou"] / (counts["tp"] + counts["fp"] / 2 + counts["fn"] / 2)


def mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def things(vocabulary: Vocabulary, kind: str) -> list[int]:
    return [c for c in range(len(vocabulary)) if kind == "VPQ" or (c in vocabulary.thing_ids) == (kind == "VPQ_Th")]


@pytest.mark.parametrize("case", ["basic", "edge", "short"])
def test_numbers_are_those_of_the_official_program(case: str) -> None:
    truth, results, wanted = opened(vipseg.BENCHMARK, f"vipseg/{case}", "pred")
    scores = score(Vpq(truth.vocabulary), truth, results)
    assert_agrees(scores.metrics, {n: v for n, v in wanted["metrics"].items() if n.startswith("VPQ")}, 1e-9)
    assert_agrees(scores.details, {"VPQ_windows": wanted["details"]["VPQ_windows"]}, 1e-9)
    assert_agrees(scores.variants, {n: v for n, v in wanted["variants"].items() if n.startswith("VPQ")}, 1e-9)


@pytest.mark.parametrize("case", ["basic", "edge"])
def test_on_kitti_step_they_are_those_of_video_k_net(case: str) -> None:
    truth, results, wanted = opened(kitti_step.BENCHMARK, f"kitti_step/{case}", "pred")
    assert_agrees(score(StepVpq(truth.vocabulary), truth, results).variants, wanted["variants"], 1e-9)


@settings(max_examples=30)
@given(videos())
def test_it_is_pq_over_tubes_in_windows_that_slide_by_a_frame(made: list[Video]) -> None:
    scores = scored(Vpq(CLASSES), made)
    wanted: dict[str, dict[int, float]] = {kind: {} for kind in ("VPQ", "VPQ_Th", "VPQ_St")}
    for k in WINDOWS:
        counts = slow(made, k, crowds=True)
        told = scores.details["VPQ_windows"][str(k)]["per_class"]
        occurring = [c for c in sorted(counts) if sum(counts[c].values())]
        assert set(told) == {str(CLASSES.classes[c].dataset_id) for c in occurring}
        for c in occurring:
            found = told[str(CLASSES.classes[c].dataset_id)]
            assert {n: found[n] for n in ("tp", "fp", "fn")} == {n: counts[c][n] for n in ("tp", "fp", "fn")}
            assert found["pq"] == pytest.approx(pq(counts[c]), abs=1e-12)
        for kind, by_window in wanted.items():
            by_window[k] = 100 * mean([pq(counts[c]) for c in occurring if c in things(CLASSES, kind)])
    for kind, by_window in wanted.items():
        assert scores.metrics[kind] == pytest.approx(mean([by_window[k] for k in HEADLINE]), nan_ok=True)
        told = scores.variants["VPQ_mean_over_1_2_4_6_8"][kind]
        assert told == pytest.approx(mean(list(by_window.values())), nan_ok=True)
        assert [scores.metrics[f"{kind}_{k}"] for k in WINDOWS] == pytest.approx(list(by_window.values()), nan_ok=True)


@settings(max_examples=20)
@given(videos())
def test_of_video_k_net_a_crowd_is_a_segment_and_a_class_that_does_not_occur_is_0(made: list[Video]) -> None:
    scores = scored(StepVpq(CLASSES), made).variants["VPQ_video_k_net"]
    for k in STEP_WINDOWS:
        counts = slow(made, k, crowds=False)
        for kind in ("VPQ", "VPQ_Th", "VPQ_St"):
            values = [pq(counts[c]) if sum(counts[c].values()) else 0.0 for c in things(CLASSES, kind)]
            assert scores[str(k)][kind] == pytest.approx(100 * mean(values), abs=1e-6)


@settings(max_examples=20)
@given(videos())
def test_order_and_names_do_not_matter(made: list[Video]) -> None:
    for metric in (Vpq(CLASSES), StepVpq(CLASSES)):
        one, other = scored(metric, made), scored(metric, told_otherwise(made))
        assert_same(one.metrics, other.metrics)
        for name in one.variants.keys() - {"VPQ_video_k_net"}:
            assert_same(one.variants[name], other.variants[name])


@pytest.mark.parametrize("case", ["basic", "edge", "short"])
def test_the_truth_is_perfect(case: str) -> None:
    truth, _, _ = opened(vipseg.BENCHMARK, f"vipseg/{case}", "pred")
    metrics = score(Vpq(truth.vocabulary), truth, truth).metrics
    assert all(value == 100 for value in metrics.values())


def test_a_window_takes_a_class_from_the_first_frame_that_has_it() -> None:
    """Truth is a cat; the same track is a cat first and a car then, and once the other way round."""
    true = np.full((2, 1, 4), 5, np.uint8)
    for first, then, value in ((5, 9, 100.0), (9, 5, 0.0)):
        found = np.array([[[first] * 4], [[then] * 4]], np.uint8)
        video = Video("v", true, found, {5: MEANING[5]}, {5: (50, 3, False), 9: (50, 2, False)})
        assert scored(Vpq(CLASSES), [video]).details["VPQ_windows"]["2"]["VPQ"] == value


@pytest.mark.parametrize(("order", "fp"), [((6, 7), 0), ((7, 6), 1)])
def test_of_several_crowds_of_a_class_the_last_one_listed_excuses(order: tuple[int, ...], fp: int) -> None:
    crowds = {6: (60, 3, True), 7: (61, 3, True)}
    true, found = np.array([[[6, 6, 7, 7, 7, 0]]], np.uint8), np.array([[[1, 1, 5, 5, 5, 1]]], np.uint8)
    meaning = {label: crowds[label] for label in order}
    video = Video("v", true, found, meaning, {5: (50, 3, False)})
    told = scored(Vpq(CLASSES), [video]).details["VPQ_windows"]["1"]["per_class"]
    assert told.get("0", {}).get("fp", 0) == fp


def test_a_crowd_that_an_earlier_frame_has_comes_before_one_that_a_later_frame_lists_first() -> None:
    """Crowd 6 is on both frames, crowd 7 on the second: 7 is the last one, whatever its place in the list."""
    true = np.array([[[6, 6, 6, 6]], [[6, 7, 7, 7]]], np.uint8)
    found = np.array([[[1, 1, 1, 1]], [[1, 5, 5, 5]]], np.uint8)
    crowds = {7: (61, 3, True), 6: (60, 3, True)}
    told = scored(Vpq(CLASSES), [Video("v", true, found, crowds, {5: (50, 3, False)})]).details["VPQ_windows"]
    assert "0" not in told["2"]["per_class"]
    assert told["1"]["per_class"]["0"]["fp"] == 1  # on the second frame alone, 6 is the last one


def test_of_video_k_net_an_id_of_two_classes_is_two_segments() -> None:
    true = np.full((2, 1, 4), 5, np.uint8)
    found = np.array([[[5] * 4], [[9] * 4]], np.uint8)
    video = Video("v", true, found, {5: MEANING[5]}, {5: (50, 3, False), 9: (50, 2, False)})
    told = scored(StepVpq(CLASSES), [video]).variants["VPQ_video_k_net"]["2"]["per_class"]
    assert {number: (of["tp"], of["fp"], of["fn"]) for number, of in told.items()} == {"0": (0, 1, 1), "5": (0, 1, 0)}


def test_where_nothing_occurs_the_mean_is_not_defined() -> None:
    empty = np.zeros((3, 2, 2), np.uint8)
    metrics = scored(Vpq(CLASSES), [Video("v", empty, empty, MEANING, MEANING)]).metrics
    assert all(math.isnan(value) for value in metrics.values())
