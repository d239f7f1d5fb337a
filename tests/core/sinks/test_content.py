"""What every format needs of a result."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.ops import rle
from gvseg_core.sinks.content import has_picture, image_of, label_map, to_json, without_overlap
from gvseg_core.types import Frame, Segment
from tests.core.sinks.scenes import result, settings

layers = st.lists(
    st.tuples(arrays.arrays(np.bool_, (4, 5)).filter(np.any), st.sampled_from([0.2, 0.5, 0.9])), max_size=5
)


@given(layers)
def test_each_pixel_goes_to_the_best_score_and_then_to_the_lowest_id(found: list[tuple[np.ndarray, float]]) -> None:
    segments = [Segment(i, 0, score, rle.encode(mask)) for i, (mask, score) in enumerate(found, start=1)]
    wanted = np.zeros((4, 5), int)
    for one in sorted(segments, key=lambda s: (s.score, -s.track_id)):
        wanted[rle.decode(one.mask)] = one.track_id
    assert np.array_equal(label_map(segments, [s.track_id for s in segments], (4, 5), "uint8"), wanted)
    seen = without_overlap(segments)
    assert [one.track_id for one, _ in seen] == [n for n in np.unique(wanted).tolist() if n]
    for one, mask in seen:
        assert np.array_equal(rle.decode(mask), wanted == one.track_id)


@given(st.recursive(st.text(st.characters(exclude_categories=())) | st.integers() | st.none(), st.lists))
def test_json_is_plain_ascii_that_strict_readers_take(value: object) -> None:
    text = to_json({"value": value})
    assert text.isascii()
    assert all(byte >= 32 for byte in text)
    json.loads(text)["value"]
    repr(json.loads(text)).encode()  # no half characters
    assert b"\x7f" not in text


def test_json_keeps_every_character_that_is_one() -> None:
    assert json.loads(to_json(["café 人 😀\x1b\n"])) == ["café 人 😀\x1b\n"]
    with pytest.raises(ValueError, match="JSON"):
        to_json(float("nan"))


def test_a_picture_is_row_major_and_shared_where_it_can_be() -> None:
    frame = result(0).frame
    assert np.shares_memory(image_of(frame), frame.image.permute(1, 2, 0).numpy())
    planes = Frame(0, frame.time, frame.image.contiguous())
    assert np.array_equal(image_of(planes), image_of(frame))
    assert image_of(planes).flags.c_contiguous
    assert torch.equal(torch.from_numpy(image_of(planes)).permute(2, 0, 1), frame.image)


@pytest.mark.parametrize(
    ("task", "objects"), [("vis", {0, 1, 2, 3}), ("vss", set()), ("vps", {0, 1}), ("evs", {0, 1, 2, 3})]
)
def test_what_counts_as_an_object_is_the_tasks_to_say(task: str, objects: set[int]) -> None:
    assert settings(task).objects == objects


def test_a_frame_of_which_only_the_size_is_known_has_no_picture() -> None:
    assert has_picture(result(0).frame)
    assert not has_picture(unseen_frame(0, (4, 5)))
