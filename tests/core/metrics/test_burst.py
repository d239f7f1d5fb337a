"""BURST's three protocols: the official numbers, and the rules that a case of two boxes shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.burst import BURST, BURST_CLASS_GUIDED, BURST_OPEN_WORLD
from gvseg_core.data.unseen import unseen_frame
from gvseg_core.metrics.burst import Burst, Protocol
from gvseg_core.ops import rle
from gvseg_core.types import Answer, ClassInfo, FrameResult, Scores, Segment, Track, Vocabulary
from tests.core.metrics.golden import assert_agrees, opened, score

CASES: dict[str, tuple[Benchmark, Protocol]] = {
    "exemplar_basic": (BURST, "exemplar_guided"),
    "exemplar_edge": (BURST, "exemplar_guided"),
    "exemplar_hollow": (BURST, "exemplar_guided"),
    "class_guided": (BURST_CLASS_GUIDED, "class_guided"),
    "open_world": (BURST_OPEN_WORLD, "open_world"),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_those_of_the_official_program(case: str) -> None:
    benchmark, protocol = CASES[case]
    truth, results, wanted = opened(benchmark, f"burst/{case}", "pred")
    scores = score(Burst(truth.vocabulary, protocol), truth, results)
    for part in ("metrics", "details", "variants"):
        assert_agrees(getattr(scores, part), wanted[part], 1e-7, part)


@pytest.mark.parametrize("case", CASES)
def test_the_truth_is_perfect(case: str) -> None:
    benchmark, protocol = CASES[case]
    truth, _, _ = opened(benchmark, f"burst/{case}", "pred")
    scores = score(Burst(truth.vocabulary, protocol), truth, truth)
    (masks,) = scores.variants.values()
    for values in (scores.metrics, masks["metrics"]):
        assert list(values.values()) == pytest.approx([100] * len(values), abs=1e-9)


# --- two boxes ----------------------------------------------------------------------------------------------------

CLASSES = Vocabulary("three", tuple(ClassInfo(name, (0, 0, 0), dataset_id=10 + i) for i, name in enumerate("abc")))
SIZE = (8, 8)
LEFT, RIGHT = (0, 4), (4, 8)

Found = tuple[int, int, tuple[int, int]]
"""A track, its class, and the columns it fills."""


def answer(
    frames: Sequence[Sequence[Found]],
    *,
    video: str = "v",
    splits: Mapping[int, str] | None = None,
    absent: Sequence[int] = (),
    partly: Sequence[int] = (),
    score: float = 1.0,
) -> Answer:
    def mask(columns: tuple[int, int]) -> Any:
        filled = np.zeros(SIZE, bool)
        filled[:, slice(*columns)] = True
        return rle.encode(filled)

    results = [
        FrameResult(unseen_frame(t, SIZE), tuple(Segment(i, c, score, mask(at)) for i, c, at in frame))
        for t, frame in enumerate(frames)
    ]
    classes = {i: c for frame in frames for i, c, _ in frame}
    tracks = [Track(i, c, 1.0, 0, 0, 1, details={"split": (splits or {}).get(i, "common")}) for i, c in classes.items()]
    lists = {"neg_category_ids": frozenset(absent), "not_exhaustive_category_ids": frozenset(partly)}
    return Answer(video, results, tracks, lists)


def scored(protocol: Protocol, *pairs: tuple[Answer, Answer]) -> Scores:
    metric, partials = Burst(CLASSES, protocol), []
    for true, found in pairs:
        scorer = metric.begin(true, found)
        for pair in zip(true.frames, found.frames, strict=True):
            scorer.add(*pair)
        partials.append((true.video, scorer.partial()))
    return metric.total(partials)


def counts(scores: Scores, name: str = "a") -> tuple[float, float, float]:
    """TP, FN, FP at the lowest similarity."""
    found = scores.details["per_class"][name]
    return tuple(found[f"{what}_alpha"][0] for what in ("TP", "FN", "FP"))  # type: ignore[return-value]


def test_frames_without_truth_do_not_count_for_hota_but_do_for_ap() -> None:
    true, found = answer([[(1, 0, LEFT)], []]), answer([[(1, 0, LEFT)], [(1, 0, LEFT)]])
    scores = scored("class_guided", (true, found))
    assert counts(scores) == (1, 0, 0)
    assert scores.metrics["AP_all"] == pytest.approx(10)  # half of the track is right: at the lowest of ten thresholds


def test_what_is_given_has_the_class_of_the_truth() -> None:
    true, found = answer([[(1, 0, LEFT)]]), answer([[(1, 2, LEFT)]])
    assert scored("exemplar_guided", (true, found)).metrics["HOTA_all"] == pytest.approx(100)
    assert scored("class_guided", (true, found)).metrics["HOTA_all"] == 0


def test_what_was_not_given_is_not_looked_at() -> None:
    true, found = answer([[(1, 0, LEFT)]]), answer([[(1, 0, LEFT), (7, 0, RIGHT)]])
    assert counts(scored("exemplar_guided", (true, found))) == (1, 0, 0)
    assert counts(scored("class_guided", (true, found))) == (1, 0, 1)


def test_objects_that_exchange_their_names_are_found_but_not_kept_apart() -> None:
    true = answer([[(1, 0, LEFT), (2, 0, RIGHT)]] * 2)
    found = answer([[(1, 0, LEFT), (2, 0, RIGHT)], [(2, 0, LEFT), (1, 0, RIGHT)]])
    metrics = scored("exemplar_guided", (true, found)).metrics
    assert metrics["DetA_all"] == pytest.approx(100)
    assert metrics["AssA_all"] == pytest.approx(100 / 3)


def test_without_a_search_for_a_class_nothing_found_of_it_is_wrong() -> None:
    frames = [[(1, 0, LEFT), (2, 1, RIGHT)]]
    elsewhere = answer([[(3, 1, LEFT)]], video="w"), answer([[(3, 1, LEFT)]], video="w")
    for absent, wrong in (((), 0), ((11,), 1)):
        pair = answer([frames[0][:1]], absent=absent), answer(frames)
        assert counts(scored("class_guided", pair, elsewhere), "b") == (1, 0, wrong)


def test_of_a_class_that_is_annotated_in_part_what_is_alone_is_not_wrong() -> None:
    for partly, wrong in (((), 1), ((10,), 0)):
        pair = answer([[(1, 0, LEFT)]], partly=partly), answer([[(1, 0, LEFT), (2, 0, RIGHT)]])
        assert counts(scored("class_guided", pair)) == (1, 0, wrong)


def test_a_class_is_common_uncommon_or_not_scored() -> None:
    frames = [[(1, 0, LEFT), (2, 1, RIGHT), (3, 2, LEFT)]]
    true = answer(frames, splits={2: "uncommon", 3: "distractor"})
    scores = scored("class_guided", (true, answer([frames[0][:1]])))
    assert list(scores.details["per_class"]) == ["a", "b"]
    assert scores.metrics["HOTA_common"] == pytest.approx(100)
    assert scores.metrics["HOTA_uncommon"] == 0
    assert scores.metrics["HOTA_all"] == pytest.approx(50)


def test_the_open_world_asks_for_each_split_with_all_that_was_found() -> None:
    frames = [[(1, 0, LEFT), (2, 1, RIGHT)]]
    scores = scored("open_world", (answer(frames, splits={2: "uncommon"}), answer([frames[0][:1]])))
    assert [scores.metrics[f"DetRe_{split}"] for split in ("all", "common", "uncommon")] == pytest.approx([50, 100, 0])
    assert list(scores.details["per_sequence"]) == ["v"]


def test_no_more_than_300_detections_a_frame_count_the_best_first() -> None:
    true = answer([[(1, 0, LEFT)]])
    many = [(i, 0, RIGHT) for i in range(2, 302)]
    poor, good = answer([many], score=0.5), answer([[(1, 0, LEFT)]], score=0.9)
    segments = (*poor.frames[0].segments, *good.frames[0].segments)  # type: ignore[index]
    found = Answer("v", [FrameResult(unseen_frame(0, SIZE), segments)])
    assert counts(scored("class_guided", (true, found))) == (1, 0, 299)


@pytest.mark.parametrize("protocol", ["exemplar_guided", "class_guided", "open_world"])
def test_the_order_of_videos_and_of_segments_does_not_matter(protocol: Protocol) -> None:
    frames = [[(1, 0, LEFT), (2, 1, RIGHT)], [(1, 0, LEFT), (2, 1, RIGHT)]]
    found = {"a": [[(1, 0, LEFT)], [(2, 1, RIGHT), (1, 0, RIGHT)]], "b": frames}
    scores = {"a": 0.9, "b": 0.8}  # tracks of one score keep the order of videos, as officially

    def pairs(videos: str, step: int) -> list[tuple[Answer, Answer]]:
        both = [([f[::step] for f in frames], [f[::step] for f in found[v]], v) for v in videos]
        return [(answer(t, video=v), answer(f, video=v, score=scores[v])) for t, f, v in both]

    one, other = scored(protocol, *pairs("ab", 1)), scored(protocol, *pairs("ba", -1))
    assert one.metrics == pytest.approx(other.metrics, nan_ok=True)


def test_nothing_to_score_is_not_a_number() -> None:
    assert all(map(math.isnan, scored("class_guided").metrics.values()))
    assert math.isnan(scored("class_guided", (answer([[]]), answer([[]]))).metrics["HOTA_all"])
    assert scored("open_world", (answer([[]]), answer([[]]))).metrics["OWTA_all"] == 0
    assert scored("open_world").metrics["OWTA_all"] == 0
