"""J&F of DAVIS 2017: the official numbers, and the definition in plain words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.data.davis17 import BENCHMARK
from gvseg_core.data.unseen import unseen_frame
from gvseg_core.metrics.boundary import agreement
from gvseg_core.metrics.davis import Davis
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import Answer, FrameResult, Scores, Track
from tests.core.metrics.golden import assert_agrees, opened, score

Maps = NDArray[np.uint8]  # (T, H, W)


@pytest.mark.parametrize("case", ["basic", "edge", "long"])
def test_numbers_are_those_of_the_official_program(case: str) -> None:
    truth, results, wanted = opened(BENCHMARK, f"davis/{case}", "pred")
    scores = score(Davis(), truth, results)
    assert_agrees(scores.metrics, wanted["metrics"], 1e-9)
    assert_agrees(scores.details["per_object"], wanted["details"]["per_object"], 1e-9)
    for video, frames in wanted["details"]["per_frame"].items():  # not of the longest
        assert_agrees(scores.details["per_frame"][video], frames, 1e-9)
    assert scores.details["per_frame_note"] == wanted["details"]["per_frame_note"]


@pytest.mark.parametrize("case", ["basic", "edge"])
def test_the_truth_is_perfect(case: str) -> None:
    truth, _, _ = opened(BENCHMARK, f"davis/{case}", "pred")
    metrics = score(Davis(), truth, truth).metrics
    assert {name: value for name, value in metrics.items() if "Decay" not in name} == dict.fromkeys(
        ("J&F-Mean", "J-Mean", "J-Recall", "F-Mean", "F-Recall"), 1
    )
    assert metrics["J-Decay"] == metrics["F-Decay"] == 0


def answer(video: str, maps: Maps, ids: dict[int, int]) -> Answer:
    """Objects whose label is a key and whose track is the value."""
    known = {label: (track, 0, False) for label, track in ids.items()}
    size = maps.shape[1], maps.shape[2]
    frames = [FrameResult(unseen_frame(t, size), MapSegments(labels, known)) for t, labels in enumerate(maps)]
    return Answer(video, frames, [Track(i, 0, 1.0, 0, len(maps) - 1, len(maps)) for i in ids.values()])


def scored(pairs: dict[str, tuple[Answer, Answer]]) -> Scores:
    metric, partials = Davis(), []
    for video, (true, found) in pairs.items():
        scorer = metric.begin(true, found)
        for pair in zip(true.frames, found.frames, strict=True):
            scorer.add(*pair)
        partials.append((video, scorer.partial()))
    return metric.total(partials)


def noise(seed: int, num_frames: int) -> Maps:
    return np.random.default_rng(seed).integers(0, 3, (num_frames, 5, 6)).astype(np.uint8)


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(3, 12))
def test_means_are_over_frames_then_objects_without_the_first_and_the_last_frame(seed: int, num_frames: int) -> None:
    true, found = noise(seed, num_frames), noise(seed + 1, num_frames)
    metrics = scored({"v": (answer("v", true, {1: 1, 2: 2}), answer("v", found, {1: 1, 2: 2}))}).metrics
    slow = np.array([[agreement(t == i, f == i) for t, f in zip(true[1:-1], found[1:-1])] for i in (1, 2)])  # noqa: B905
    region, boundary = slow.mean((0, 1))
    assert metrics["J-Mean"] == pytest.approx(region)
    assert metrics["F-Mean"] == pytest.approx(boundary)
    assert metrics["J&F-Mean"] == pytest.approx((region + boundary) / 2)
    assert metrics["J-Recall"] == pytest.approx((slow[..., 0] > 0.5).mean())


@settings(max_examples=10)
@given(st.integers(0, 99))
def test_neither_the_order_of_videos_nor_the_numbers_of_labels_matter(seed: int) -> None:
    true, found = ([noise(seed + i, 5) for i in some] for some in ((1, 2), (3, 4)))
    pairs = {
        f"v{n}": (answer(f"v{n}", t, {1: 1, 2: 2}), answer(f"v{n}", f, {1: 1, 2: 2}))
        for n, (t, f) in enumerate(zip(true, found, strict=True))
    }
    others = {
        video: (a, answer(video, 7 * f, {14: 2, 7: 1}))
        for (video, (a, _)), f in reversed(list(zip(pairs.items(), found, strict=True)))
    }
    assert scored(others).metrics == pytest.approx(scored(pairs).metrics, abs=1e-12)


def test_objects_are_those_of_the_truths_tracks() -> None:
    maps = noise(0, 4)
    found = scored({"v": (answer("v", maps, {1: 1}), answer("v", maps, {1: 1, 2: 2}))})
    assert list(found.details["per_object"]) == ["v_1"]


def test_decay_compares_the_first_quarter_with_the_last() -> None:
    true = np.ones((10, 4, 4), np.uint8)
    found = true.copy()
    found[5:, :, 2:] = 0  # half of it is lost in the second half
    pair = answer("v", true, {1: 1}), answer("v", found, {1: 1})
    assert scored({"v": pair}).metrics["J-Decay"] == 0.5


def test_decay_is_lost_beyond_256_frames_as_officially() -> None:
    for num_frames, defined in ((258, True), (259, False)):
        maps = np.ones((num_frames, 2, 2), np.uint8)
        pair = answer("v", maps, {1: 1}), answer("v", maps, {1: 1})
        assert math.isnan(scored({"v": pair}).metrics["J-Decay"]) != defined


def test_nothing_to_score_is_not_a_number() -> None:
    assert all(map(math.isnan, scored({}).metrics.values()))
