"""Windows of frames, and batches of clips."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.types import Clip, Exemplar, Frame
from gvseg_core.video.windows import Batches, windows


@st.composite
def videos(draw: st.DrawFn) -> list[Frame]:
    """Frames of two sizes, some with an exemplar."""
    kinds = draw(st.lists(st.tuples(st.booleans(), st.integers(1, 2)), max_size=12))
    return [
        Frame(i, Fraction(i), torch.zeros(3, height, 2), Exemplar(()) if given else None)
        for i, (given, height) in enumerate(kinds)
    ]


def begins_anew(frame: Frame, before: Frame) -> bool:
    return frame.exemplar is not None or frame.image.shape != before.image.shape


@given(videos(), st.integers(1, 4))
def test_windows_lose_no_frame_and_break_before_exemplars_and_new_sizes(frames: list[Frame], length: int) -> None:
    found = [window.frames for window in windows(frames, length)]
    assert [frame.index for window in found for frame in window] == list(range(len(frames)))
    for window in found:
        assert 1 <= len(window) <= length
        assert not any(begins_anew(frame, before) for before, frame in pairwise(window))
    for window, following in pairwise(found):
        assert begins_anew(following[0], window[0]) or len(window) == length


@given(videos(), st.integers(1, 4), st.data())
def test_windows_that_overlap_bring_every_frame_once_as_new(
    frames: list[Frame], length: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, length))
    found = list(windows(frames, length, stride))
    assert [frame.index for window, seen in found for frame in window[seen:]] == list(range(len(frames)))
    for window, seen in found:
        assert len(window) <= length
        assert not any(begins_anew(frame, before) for before, frame in pairwise(window))
        assert seen in {0, length - stride}
        assert len(window) - seen <= (stride if seen else length)
    for (window, _), (following, seen) in pairwise(found):
        assert following[:seen] == window[len(window) - seen :]
        if not begins_anew(following[seen], window[-1]):
            assert seen == length - stride


@pytest.mark.parametrize("stride", [0, 4])
def test_windows_neither_stand_still_nor_leave_frames_out(stride: int) -> None:
    with pytest.raises(ValueError, match="wanted 1 … 3"):
        list(windows([], 3, stride))


def clip(index: int, width: int = 8, num_frames: int = 1) -> Clip:
    image = torch.zeros(3, 4, width, dtype=torch.uint8)
    frames = tuple(Frame(index + t, Fraction(index + t), image) for t in range(num_frames))
    return Clip(frames, torch.zeros(num_frames, 3, 4, width), (4, width), (4, width))


def test_a_batch_holds_clips_of_one_kind_in_order() -> None:
    clips = [
        clip(0),
        clip(1),
        clip(2),
        clip(3, width=6),
        clip(4, width=6),
        clip(5, num_frames=2),
        clip(7, num_frames=2),
    ]
    batches = Batches(clips, 2)
    taken = []
    while batch := batches.take():
        taken.append([c.frames[0].index for c in batch])
    assert taken == [[0, 1], [2], [3, 4], [5, 7]]


def test_a_batch_that_was_put_back_comes_again_one_by_one() -> None:
    batches = Batches(map(clip, range(5)), 3)
    batch = batches.take()
    batches.put_back(batch)
    taken = []
    while batch := batches.take():
        taken.append([c.frames[0].index for c in batch])
    assert taken == [[0], [1], [2], [3], [4]]


def test_a_batch_takes_no_clip_before_it_is_asked_for() -> None:
    made = []
    batches = Batches((made.append(i) or clip(i) for i in range(9)), 2)
    batches.take()
    assert made == [0, 1]
