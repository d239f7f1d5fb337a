"""mIoU: the official numbers, and the definition in plain words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from gvseg_core.data.vspw import BENCHMARK
from gvseg_core.metrics.miou import MeanIou
from gvseg_core.types import VOID
from tests.core.metrics.golden import assert_agrees, opened, score
from tests.core.metrics.scenes import CLASSES, Video, assert_same, pixels, scored, told_otherwise, videos

NAMES = ("mIoU", "Acc", "Acc_class", "fwIoU")


@pytest.mark.parametrize("case", ["basic", "edge", "short"])
def test_numbers_are_those_of_the_official_program(case: str) -> None:
    truth, results, wanted = opened(BENCHMARK, f"vspw/{case}", "pred")
    scores = score(MeanIou(truth.vocabulary), truth, results)
    assert_agrees(scores.metrics, {name: wanted["metrics"][name] for name in NAMES}, 1e-9)
    assert_agrees(scores.details, {name: wanted["details"][name] for name in scores.details}, 1e-9)
    assert set(scores.details) == {"per_video_mIoU", "per_class_IoU", "per_class_key"}


@settings(max_examples=40)
@given(videos())
def test_it_is_the_mean_iou_of_the_classes_that_occur_over_all_pixels_that_are_not_void(made: list[Video]) -> None:
    true = np.concatenate([pixels(v.true, v.true_meaning, 1).ravel() for v in made])
    found = np.concatenate([pixels(v.found, v.found_meaning, 1).ravel() for v in made])
    true, found = true[true != VOID], found[true != VOID]
    iou, recall, share = {}, {}, {}
    for c in sorted(set(true.tolist())):
        iou[c] = np.mean((true == c)[(true == c) | (found == c)] & (found == c)[(true == c) | (found == c)])
        recall[c], share[c] = np.mean(found[true == c] == c), np.mean(true == c)
    scores = scored(MeanIou(CLASSES), made)
    if not iou:
        assert all(math.isnan(value) for value in scores.metrics.values())
        return
    wanted = {
        "mIoU": np.mean(list(iou.values())),
        "Acc": np.mean(true == found),
        "Acc_class": np.mean(list(recall.values())),
        "fwIoU": sum(share[c] * iou[c] for c in iou),
    }
    assert scores.metrics == pytest.approx(wanted, abs=1e-12)
    assert scores.details["per_class_IoU"] == pytest.approx(
        {str(CLASSES.classes[c].dataset_id): value for c, value in iou.items()}
    )


@settings(max_examples=25)
@given(videos())
def test_order_and_names_do_not_matter(made: list[Video]) -> None:
    one, other = (scored(MeanIou(CLASSES), told) for told in (made, told_otherwise(made)))
    assert_same(one.metrics, other.metrics)
    assert_same(one.details["per_video_mIoU"], dict(reversed(other.details["per_video_mIoU"].items())))


@pytest.mark.parametrize("case", ["basic", "edge", "short"])
def test_the_truth_is_perfect(case: str) -> None:
    truth, _, _ = opened(BENCHMARK, f"vspw/{case}", "pred")
    assert score(MeanIou(truth.vocabulary), truth, truth).metrics == dict.fromkeys(NAMES, 1.0)


def test_a_video_without_results_is_missed_whole() -> None:
    true = np.array([[[1, 1, 2]]], np.uint8)
    video = Video("v", true, np.zeros_like(true), {1: (1, 0, False), 2: (2, 1, False)}, {})
    assert scored(MeanIou(CLASSES), [video]).metrics == dict.fromkeys(NAMES, 0.0)
