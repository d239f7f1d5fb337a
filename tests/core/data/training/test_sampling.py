"""Which set, which video, which frames: pure functions of seed and number."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.data.training.sampling import ClipRules, Order, Turn, chance, draw_clips

RULES = ClipRules(length=3, reach=2, clips=3, near=5, distant=30)


def sources_of(order: Order, numbers: range) -> list[int]:
    return [order.turn(number).source for number in numbers]


# --- sets ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.05, 5), min_size=1, max_size=5), st.integers(0, 2**31), st.integers(0, 10_000))
def test_every_stretch_of_samples_has_each_set_by_its_weight(weights: list[float], seed: int, first: int) -> None:
    found = Counter(sources_of(Order(weights, [7] * len(weights), seed), range(first, first + 60)))
    for source, weight in enumerate(weights):
        assert abs(found[source] - 60 * weight / sum(weights)) <= 4


@given(st.integers(0, 1000), st.integers(0, 300), st.integers(0, 300))
def test_a_turn_does_not_depend_on_what_was_asked_before(seed: int, one: int, other: int) -> None:
    order = Order([1, 2, 0.3], [3, 5, 2], seed)
    order.turn(one)
    assert order.turn(other) == Order([1, 2, 0.3], [3, 5, 2], seed).turn(other)


def test_turns_count_the_samples_of_each_set() -> None:
    order = Order([1, 3], [4, 4], seed=1)
    counted: Counter[int] = Counter()
    for number in range(100):
        turn = order.turn(number)
        assert turn == Turn(number, turn.source, counted[turn.source])
        counted[turn.source] += 1


def test_turns_far_ahead_are_counted_through_all_blocks() -> None:
    order = Order([1, 1], [5, 5], seed=3)
    far = 2**17 + 11
    assert order.turn(far).turn == sum(source == order.turn(far).source for source in sources_of(order, range(far)))


# --- videos -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(0, 2**31))
def test_every_video_comes_once_before_any_comes_again(num: int, seed: int) -> None:
    order = Order([1], [num], seed)
    for round_ in range(3):
        assert sorted(order.video(0, round_ * num + turn) for turn in range(num)) == list(range(num))


def test_rounds_are_shuffled_anew_and_seeds_differ() -> None:
    def videos(seed: int, round_: int) -> list[int]:
        order = Order([1], [50], seed)
        return [order.video(0, 50 * round_ + turn) for turn in range(50)]

    assert videos(0, 0) != videos(0, 1)
    assert videos(0, 0) != videos(1, 0)


def test_generators_of_different_numbers_differ() -> None:
    drawn = {float(chance(*numbers).random()) for numbers in [(0, 1), (1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (0,)]}
    assert len(drawn) == 6


# --- frames -------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**31),
    st.integers(1, 80),
    st.builds(
        ClipRules, st.integers(1, 5), st.integers(0, 4), st.integers(1, 4), st.integers(1, 6), st.integers(6, 30)
    ),
)
def test_clips_keep_their_rules(seed: int, num_frames: int, rules: ClipRules) -> None:
    clips = draw_clips(chance(seed), rules, num_frames, None)
    assert len(clips) == rules.clips
    assert not clips[0].is_distant
    for clip in clips:
        frames = clip.frames
        assert len(frames) == rules.length
        assert list(frames) == sorted(frames)
        assert 0 <= frames[0] <= frames[-1] < num_frames
        assert frames[-1] - frames[0] <= 2 * rules.reach
        if num_frames >= 2 * rules.reach + 1 >= rules.length:
            assert len(set(frames)) == rules.length
    if num_frames <= rules.near:
        assert not any(clip.is_distant for clip in clips)


@given(st.integers(0, 2**31))
def test_near_and_distant_clips_lie_where_they_say(seed: int) -> None:
    rules = ClipRules(length=1, reach=0, clips=3, near=5, distant=30)
    key, *others = draw_clips(chance(seed), rules, 100, None)
    assert sorted(other.is_distant for other in others) == [False, True]
    for other in others:
        far = abs(other.frames[0] - key.frames[0])
        assert (5 < far <= 30) if other.is_distant else (0 < far <= 5)


def test_the_second_clip_is_near_or_distant_by_chance() -> None:
    rules = ClipRules(length=1, reach=0, clips=2, near=5, distant=30)
    found = Counter(draw_clips(chance(seed), rules, 100, None)[1].is_distant for seed in range(300))
    assert 100 < found[True] < 200


def test_key_frames_are_among_those_that_show_something() -> None:
    for seed in range(50):
        clips = draw_clips(chance(seed), RULES, 100, [40, 41, 47])
        assert all(set(clip.frames) & set(range(38, 50)) for clip in clips)
        single = draw_clips(chance(seed), ClipRules(1, 0, 3, 5, 30), 100, [40, 41, 47])
        assert {frame for clip in single for frame in clip.frames} <= {40, 41, 47}


def test_a_single_frame_is_repeated() -> None:
    assert [clip.frames for clip in draw_clips(chance(0), RULES, 1, (0,))] == [(0, 0, 0)] * 3


def test_all_frames_of_a_video_are_drawn_sooner_or_later() -> None:
    seen = {frame for seed in range(400) for frame in draw_clips(chance(seed), RULES, 20, None)[0].frames}
    assert seen == set(range(20))


@pytest.mark.parametrize("reach", [1, 3])
def test_clips_of_contiguous_frames_are_contiguous(reach: int) -> None:
    rules = ClipRules(2 * reach + 1, reach, 1, 5, 30)
    for seed in range(20):
        (clip,) = draw_clips(chance(seed), rules, 30, None)
        assert set(np.diff(clip.frames)) == {1}
