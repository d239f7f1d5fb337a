"""Objects of a frame: the same scores whether it came as a map or as masks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.metrics.boundary import agreement
from gvseg_core.metrics.objects import ObjectScorer, mean
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import FrameResult

IDS = (1, 2, 3)


def frame(seed: int, *, as_map: bool) -> FrameResult:
    labels = np.random.default_rng(seed).integers(0, 4, (6, 7)).astype(np.uint8)
    segments = MapSegments(labels, {i: (i, 0, False) for i in IDS})
    return FrameResult(unseen_frame(0, (6, 7)), segments if as_map else tuple(segments))


@given(st.lists(st.integers(0, 99), min_size=2, max_size=2), st.booleans(), st.booleans())
def test_each_object_is_scored_by_its_own_masks(seeds: list[int], one_map: bool, other_map: bool) -> None:
    scores = ObjectScorer(IDS)(frame(seeds[0], as_map=one_map), frame(seeds[1], as_map=other_map))
    true, found = (frame(seed, as_map=True).segments.labels for seed in seeds)  # type: ignore[attr-defined]
    for row, i in zip(scores.T, IDS, strict=True):
        assert tuple(row[:2]) == agreement(true == i, found == i)
        assert tuple(row[2:]) == ((true == i).any(), (found == i).any())


def test_what_is_nowhere_is_neither_there_nor_found() -> None:
    nothing = FrameResult(unseen_frame(0, (4, 4)), ())
    assert ObjectScorer((5,))(nothing, nothing).tolist() == [[1], [1], [0], [0]]


def test_the_mean_of_nothing_is_not_a_number() -> None:
    assert np.isnan(mean(np.empty(0)))
    assert mean(np.array([1.0, 2.0])) == 1.5
