"""mVC: the official numbers, and the definition in plain words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from gvseg_core.data.vspw import BENCHMARK
from gvseg_core.metrics.mvc import VideoConsistency
from gvseg_core.types import VOID
from tests.core.metrics.golden import assert_agrees, opened, score
from tests.core.metrics.scenes import Maps, Video, assert_same, pixels, scored, told_otherwise, videos

SEMANTIC = {1: (1, 0, False), 2: (2, 1, False), 3: (3, 2, False), 7: (70, VOID, True), 8: (80, VOID, True)}
VARIANT = "mVC_on_converted_masks"


def slow(true: Maps, found: Maps, n: int) -> list[float]:
    """The shares of the windows of one video, all but the last one, by stacking frames."""
    shares = []
    for start in range(len(true) - n):
        stays, stays_found = ((maps[start : start + n] == maps[start]).all(0) for maps in (true, found))
        shares.append((stays & stays_found & (found[start] > 0)).sum() / stays.sum() if stays.any() else math.nan)
    return shares


@pytest.mark.parametrize("case", ["basic", "edge", "short"])
def test_numbers_are_those_of_the_official_program(case: str) -> None:
    truth, results, wanted = opened(BENCHMARK, f"vspw/{case}", "pred")
    scores = score(VideoConsistency(), truth, results)
    assert_agrees(scores.metrics, {name: wanted["metrics"][name] for name in ("mVC8", "mVC16")}, 1e-9)
    assert_agrees(scores.details, {name: wanted["details"][name] for name in ("mVC8", "mVC16")}, 1e-9)
    assert_agrees(scores.variants, wanted["variants"], 1e-9)


@settings(max_examples=40)
@given(videos(SEMANTIC, most_frames=20))
def test_it_is_the_share_of_what_stays_in_truth_that_stays_in_the_results(made: list[Video]) -> None:
    scores = scored(VideoConsistency(), made)
    for n in (8, 16):
        for merged, told in ((False, scores.details), (True, scores.variants[VARIANT])):
            shares = []
            for video in made:
                true = np.where(video.true == 8, 7, video.true) if merged else video.true
                shares += slow(true, pixels(video.found, video.found_meaning, 0), n)
            wanted = np.nanmean(shares) if np.isfinite(shares).any() else math.nan
            assert np.isclose(told[f"mVC{n}"]["mVC"], wanted, rtol=1e-12, equal_nan=True)
            assert told[f"mVC{n}"]["skipped_videos"] == [v.name for v in made if len(v.true) <= n]


@settings(max_examples=25)
@given(videos(SEMANTIC, most_frames=20))
def test_order_and_names_do_not_matter(made: list[Video]) -> None:
    one, other = (scored(VideoConsistency(), told) for told in (made, told_otherwise(made)))
    assert_same(one.metrics, other.metrics)


def test_whether_what_stays_is_right_is_not_asked() -> None:
    true = np.repeat(np.array([[[1, 2, 3]]], np.uint8), 9, axis=0)
    wrong = Video("v", true, np.full_like(true, 2), SEMANTIC, SEMANTIC)
    assert scored(VideoConsistency(), [wrong]).metrics["mVC8"] == 1


def test_a_video_without_results_is_not_consistent() -> None:
    true = np.repeat(np.array([[[1, 2, 3]]], np.uint8), 9, axis=0)
    assert scored(VideoConsistency(), [Video("v", true, true, SEMANTIC, {})]).metrics["mVC8"] == 0


def test_the_last_window_that_fits_is_left_out() -> None:
    true = np.ones((9, 1, 2), np.uint8)
    found = true.copy()
    found[8, 0, 0] = 2
    assert scored(VideoConsistency(), [Video("v", true, found, SEMANTIC, SEMANTIC)]).metrics["mVC8"] == 1


@pytest.mark.parametrize("case", ["basic", "edge"])
def test_the_truth_is_as_consistent_as_can_be(case: str) -> None:
    truth, _, _ = opened(BENCHMARK, f"vspw/{case}", "pred")
    assert score(VideoConsistency(), truth, truth).metrics == {"mVC8": 1, "mVC16": 1}
