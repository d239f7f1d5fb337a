"""Small videos of label maps for metrics: blocks that change now and then, and what somebody found of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.ops.label_maps import Known, MapSegments
from gvseg_core.types import VOID, Answer, ClassInfo, FrameResult, Metric, Scores, Vocabulary

Maps = NDArray[np.uint8]  # (T, H, W)

# Two kinds of stuff and two of things, under numbers of the set's own.
CLASSES = Vocabulary(
    "scenes",
    tuple(
        ClassInfo(name, (0, 0, 0), is_thing, number)
        for name, is_thing, number in (("sky", False, 7), ("road", False, 2), ("car", True, 5), ("cat", True, 0))
    ),
)

# Label → track, class, ignore; 0 and any other label is nobody's.
MEANING: Known = {
    1: (1, 0, False),
    2: (2, 1, False),
    3: (30, 2, False),
    4: (40, 2, False),
    5: (50, 3, False),
    6: (60, 3, True),
    7: (70, VOID, True),
}


@dataclass(frozen=True)
class Video:
    """Truth and results of one video."""

    name: str
    true: Maps
    found: Maps
    true_meaning: Known
    found_meaning: Known
    as_masks: bool = False  # not as maps

    def answers(self) -> tuple[Answer, Answer]:
        return self._answer(self.true, self.true_meaning), self._answer(self.found, self.found_meaning)

    def _answer(self, maps: Maps, meaning: Known) -> Answer:
        frames = []
        for place, labels in enumerate(maps):
            frame = unseen_frame(place, (labels.shape[0], labels.shape[1]))
            segments = MapSegments(labels, meaning)
            frames.append(FrameResult(frame, tuple(segments) if self.as_masks else segments))
        return Answer(self.name, frames)


@st.composite
def videos(draw: st.DrawFn, meaning: Known = MEANING, most_frames: int = 11) -> list[Video]:
    """One to three videos of different sizes; results are like the truth, with noise and exchanged labels.

    Labels of `meaning` are drawn, and 0.
    """
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = [0, *meaning]
    found_meaning = {label: told for label, told in meaning.items() if not told[2]}
    made = []
    for number in range(draw(st.integers(1, 3))):
        num_frames, rows, columns = draw(st.integers(1, most_frames)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        blocks = chance.choice(labels, (rows, columns))
        true, found = [], []
        for frame in range(num_frames):
            blocks = np.where(chance.random(blocks.shape) < 0.15, chance.choice(labels, blocks.shape), blocks)
            true.append(np.kron(blocks, np.ones((2, 3), int)))
            answer = np.where(chance.random(true[-1].shape) < 0.2, chance.choice(labels, true[-1].shape), true[-1])
            exchanged = {3: 4, 4: 3} if frame * 2 > num_frames else {}
            found.append(np.vectorize(lambda label, e=exchanged: e.get(label, label), otypes=[int])(answer))
        maps = (np.array(side, np.uint8) for side in (true, found))
        made.append(Video(f"video {number}", *maps, meaning, found_meaning))
    return made


def scored(metric: Metric, made: list[Video]) -> Scores:
    """What the metric says of them."""
    partials = []
    for video in made:
        true, found = video.answers()
        scorer = metric.begin(true, found)
        for pair in zip(true.frames, found.frames, strict=True):
            scorer.add(*pair)
        partial = scorer.partial()
        assert all(isinstance(array, np.ndarray) and array.dtype != object for array in partial.values())
        partials.append((video.name, partial))
    return metric.total(partials)


def told_otherwise(made: list[Video]) -> list[Video]:
    """The same in other words: videos in another order, other track ids, segments listed in another order, as masks."""
    return [
        replace(
            video,
            true_meaning=_renamed(video.true_meaning, 1000),
            found_meaning=_renamed(video.found_meaning, 77),
            as_masks=True,
        )
        for video in reversed(made)
    ]


def _renamed(meaning: Known, base: int) -> Known:
    """Other ids for whatever is no class as a whole, and the other order."""
    renamed = {label: (t if t <= 2 else base - t, c, ignore) for label, (t, c, ignore) in meaning.items()}
    return dict(reversed(renamed.items()))


def pixels(maps: Maps, meaning: Known, place: int) -> NDArray[Any]:
    """What each pixel is: its track (`place` 0), class (1), ignored or not (2); nobody's are 0, VOID and 0."""
    nobody = (0, VOID, False)
    return np.vectorize(lambda label: meaning.get(label, nobody)[place], otypes=[int])(maps)


def assert_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Equal numbers, but for the order in which they were added up; NaN is NaN."""
    assert one.keys() == other.keys()
    for key in one:
        assert np.isclose(one[key], other[key], rtol=1e-12, atol=0, equal_nan=True), (key, one[key], other[key])
