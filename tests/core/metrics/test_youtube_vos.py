"""G of YouTube-VOS: the numbers made with DAVIS's own functions, and the rules for which frames count."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.data.ytvos18 import BENCHMARK
from gvseg_core.metrics.youtube_vos import YoutubeVos
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import Answer, FrameResult, Scores, Track
from tests.core.metrics.golden import assert_agrees, opened, score


@pytest.mark.parametrize("case", ["basic", "edge"])
def test_numbers_are_those_of_the_golden_case(case: str) -> None:
    truth, results, wanted = opened(BENCHMARK, f"youtube_vos/{case}", "pred")
    scores = score(YoutubeVos(), truth, results)
    assert_agrees(scores.metrics, wanted["metrics"], 1e-9)
    assert_agrees(scores.details, wanted["details"], 1e-9)
    benchmark = scores.variants["vos_benchmark"]
    assert_agrees(benchmark, wanted["variants"]["vos_benchmark"], 1e-7)
    assert_agrees(scores.variants, {**wanted["variants"], "vos_benchmark": benchmark}, 1e-9)


@pytest.mark.parametrize("case", ["basic", "edge"])
def test_the_truth_is_perfect(case: str) -> None:
    truth, _, _ = opened(BENCHMARK, f"youtube_vos/{case}", "pred")
    scores = score(YoutubeVos(), truth, truth)
    assert set(scores.metrics.values()) == {1}
    assert scores.variants["vos_benchmark"]["all_frames"]["J&F"] == 100


NAMES = ("00000", "00005", "00010", "00015")


def video(
    found: str, *, listed: tuple[str, ...] = NAMES, unseen: bool = False, name: str = "v"
) -> tuple[Answer, Answer]:
    """One object that fills a frame of 2 × 2 and stays; it is found where `found` has a 1."""
    there = np.ones((2, 2), np.uint8)

    def frames(flags: str) -> list[FrameResult]:
        maps = [there * int(flag) for flag in flags]
        return [FrameResult(unseen_frame(i, (2, 2)), MapSegments(m, {1: (1, 0, False)})) for i, m in enumerate(maps)]

    details = {"category": "dog", "unseen": unseen, "frames": listed}
    track = Track(1, 0, 1.0, 0, 3, 4, details=details)
    return Answer(name, frames("1111"), [track], {"frames": NAMES}), Answer(name, frames(found))


def scored(*pairs: tuple[Answer, Answer]) -> Scores:
    metric, partials = YoutubeVos(), []
    for true, found in pairs:
        scorer = metric.begin(true, found)
        for pair in zip(true.frames, found.frames, strict=True):
            scorer.add(*pair)
        partials.append((true.video, scorer.partial()))
    return metric.total(partials)


def test_the_first_frame_of_an_object_does_not_count_and_all_other_listed_ones_do() -> None:
    assert scored(video("0101")).metrics["J_seen"] == pytest.approx(2 / 3)
    assert scored(video("1000", listed=NAMES[1:3])).metrics["J_seen"] == 0
    assert scored(video("0011", listed=NAMES[1:])).metrics["J_seen"] == 1


@pytest.mark.parametrize(
    ("rule", "listed", "wanted"),
    [
        ("with_first", NAMES, 1 / 4),
        ("with_first", NAMES[2:], 1 / 2),
        ("between", NAMES, 0),
        ("between", NAMES[:3], 0),
        ("pytracking", NAMES, 0),
        ("pytracking", NAMES[:2], 0),  # the third frame counts, the last does not
    ],
)
def test_other_rules_take_other_frames(rule: str, listed: tuple[str, ...], wanted: float) -> None:
    assert scored(video("0001", listed=listed)).variants[rule]["J_seen"] == pytest.approx(wanted)


def test_g_is_the_mean_over_seen_and_unseen() -> None:
    metrics = scored(video("1111", name="a"), video("1100", name="b", unseen=True), video("1111", name="c")).metrics
    assert metrics["J_seen"] == 1
    assert metrics["J_unseen"] == pytest.approx(1 / 3)
    assert metrics["G"] == pytest.approx((1 + 1 + 1 / 3 + metrics["F_unseen"]) / 4)


def test_g_is_the_mean_of_what_is_defined() -> None:
    metrics = scored(video("1111")).metrics
    assert metrics["G"] == 1
    assert math.isnan(metrics["J_unseen"])


def test_an_object_with_nothing_but_its_first_frame_is_in_no_mean() -> None:
    alone = video("0000", listed=NAMES[:1], name="alone")
    assert scored(video("1111"), alone).metrics["J_seen"] == 1


def test_a_category_that_is_not_told_stays_so() -> None:
    true, found = video("1111")
    nameless = replace(true.tracks[0], details={**true.tracks[0].details, "category": None})
    scores = scored((replace(true, tracks=[nameless]), found))
    assert scores.details["per_object"]["v/1"]["category"] is None


def test_the_order_of_videos_does_not_matter() -> None:
    pairs = [video("1010", name="a"), video("1100", name="b", unseen=True), video("1011", name="c")]
    again = [video("1010", name="a"), video("1100", name="b", unseen=True), video("1011", name="c")]
    assert scored(*pairs).metrics == pytest.approx(scored(*again[::-1]).metrics)
