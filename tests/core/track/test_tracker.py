"""Identity of things and stuff, with embeddings made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.config import TrackSettings
from gvseg_core.ops import rle
from gvseg_core.track.association import Cues
from gvseg_core.track.tracker import SpaTracker
from gvseg_core.types import FrameResult, Proposals, Rle
from tests.core.predictions import make_clip

SIZE = (6, 8)
LOOKS = torch.eye(8)
SETTINGS = TrackSettings(shape_weight=0.0, match_threshold=0.5, birth_score=0.5, memory=4, momentum=0.5)


@dataclass(frozen=True)
class Seen:
    """One query of a clip: what it looks like, how sure it is of which class, where it is."""

    looks: int
    class_id: int = 0
    score: float = 0.9
    frames: tuple[bool, ...] = (True,)


def proposals(seen: Sequence[Seen], num_classes: int = 3) -> Proposals:
    probs = torch.full((len(seen), num_classes + 1), 1e-4)
    for row, one in enumerate(seen):
        probs[row, -1] = 1 - one.score
        probs[row, one.class_id] = one.score
    masks = [tuple(pixel(one.looks) if shown else None for shown in one.frames) for one in seen]
    return Proposals(
        class_logits=probs.log(),
        embeddings=torch.stack([LOOKS[one.looks] for one in seen]) if seen else torch.zeros(0, 8),
        descriptors=None,
        rows=tuple(range(len(seen))),
        class_ids=tuple(one.class_id for one in seen),
        scores=tuple(one.score for one in seen),
        render=lambda rows: [masks[row] for row in rows],
    )


def pixel(place: int) -> Rle:
    mask = np.zeros(SIZE, bool)
    mask[0, place] = True
    return rle.encode(mask)


def place_of(mask: Rle) -> int:
    return int(rle.box(mask)[0])


def make_tracker(**changes: object) -> SpaTracker:
    return SpaTracker(SETTINGS.model_copy(update=changes), Cues())


def follow(tracker: SpaTracker, clips: Sequence[Sequence[Seen]]) -> list[dict[int, int]]:
    """For each frame: what was seen there → the id it was given."""
    found: list[dict[int, int]] = []
    for clip in clips:
        length = len(clip[0].frames) if clip else 1
        results = list(tracker.update(proposals(clip), make_clip(length, SIZE, start=len(found))))
        assert [r.frame.index for r in results] == list(range(len(found), len(found) + length))
        found += [{place_of(s.mask): s.track_id for s in r.segments} for r in results]
    return found


def test_ids_start_at_one_and_the_surest_comes_first() -> None:
    assert follow(make_tracker(), [[Seen(3, score=0.6), Seen(5, score=0.9)]]) == [{5: 1, 3: 2}]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_order_of_queries_does_not_change_the_tracks(data: st.DataObject) -> None:
    clips = [[Seen(i, i % 3, 0.6 + i / 20) for i in range(6) if (i + t) % 4] for t in range(6)]
    shuffled = [data.draw(st.permutations(clip)) for clip in clips]
    one, other = make_tracker(), make_tracker()
    assert follow(one, clips) == follow(other, shuffled)
    for a, b in zip(one.tracks, other.tracks, strict=True):
        assert (a.track_id, a.class_id, a.first_frame, a.last_frame) == (
            b.track_id,
            b.class_id,
            b.first_frame,
            b.last_frame,
        )
        assert a.class_scores == pytest.approx(b.class_scores, abs=1e-6)


def test_who_returns_within_the_memory_keeps_its_id_and_who_returns_later_does_not() -> None:
    one, two = Seen(1), Seen(2)
    away = [[two]] * 4
    assert follow(make_tracker(), [[one, two], *away, [one, two]])[-1] == {1: 1, 2: 2}
    assert follow(make_tracker(), [[one, two], *away, [two], [one, two]])[-1] == {1: 3, 2: 2}


def test_the_forgotten_leave_their_summaries_and_nothing_else() -> None:
    tracker = make_tracker(memory=1)
    follow(tracker, [[Seen(t % 8)] for t in range(50)])
    assert len(tracker._living) <= 2
    assert len(tracker.tracks) == 50


def test_somebody_else_in_the_same_place_is_somebody_else() -> None:
    assert follow(make_tracker(), [[Seen(1)], [Seen(4)]]) == [{1: 1}, {4: 2}]


def test_a_new_object_must_be_surer_than_one_that_is_followed() -> None:
    assert follow(make_tracker(), [[Seen(1, score=0.4)], [Seen(1, score=0.6)], [Seen(1, score=0.4)]]) == [
        {},
        {1: 1},
        {1: 1},
    ]


@pytest.mark.parametrize(("momentum", "known"), [(0.0, True), (0.5, False)])
def test_momentum_says_how_long_old_looks_are_remembered(momentum: float, known: bool) -> None:
    tracker, ids = make_tracker(momentum=momentum), []
    for t, degrees in enumerate([0.0, 50.0, 95.0]):
        angle = torch.tensor(degrees).deg2rad()
        turned = replace(proposals([Seen(1)]), embeddings=(LOOKS[1] * angle.cos() + LOOKS[2] * angle.sin())[None])
        (result,) = tracker.update(turned, make_clip(1, SIZE, start=t))
        ids.append(result.segments[0].track_id)
    assert ids == [1, 1, 1 if known else 2]


def test_one_doubtful_frame_does_not_change_the_class() -> None:
    tracker = make_tracker()
    clips = [[Seen(1, class_id=2, score=0.9)], [Seen(1, class_id=2, score=0.8)], [Seen(1, class_id=0, score=0.55)]]
    results: list[FrameResult] = []
    for t, clip in enumerate(clips):
        results += tracker.update(proposals(clip), make_clip(1, SIZE, start=t))
    assert [result.segments[0].class_id for result in results] == [2, 2, 2]
    assert results[-1].segments[0].score < 0.01  # of class 2, there
    (track,) = tracker.tracks
    logits = torch.stack([proposals(clip).class_logits[0] for clip in clips])
    assert track.class_scores == pytest.approx(logits.mean(0).softmax(0)[:-1].tolist(), abs=1e-6)
    assert track.score == track.class_scores[2]


def test_frames_without_the_object_have_no_segment_and_count_as_not_visible() -> None:
    tracker = make_tracker()
    assert follow(tracker, [[Seen(1, frames=(True, False, True))], [Seen(1, frames=(False, False))]])[1:4] == [
        {},
        {1: 1},
        {},
    ]
    (track,) = tracker.tracks
    assert (track.first_frame, track.last_frame, track.num_frames) == (0, 2, 2)


def test_a_frame_with_nothing_on_it_passes() -> None:
    assert follow(make_tracker(), [[], [Seen(1)], []]) == [{}, {1: 1}, {}]


def test_stuff_is_its_class_and_things_do_not_take_its_ids() -> None:
    tracker = SpaTracker(SETTINGS, Cues(), stuff={0, 2})
    clip = [Seen(1, class_id=1), Seen(2, class_id=2, score=0.2), Seen(3, class_id=1, score=0.8), Seen(4, class_id=0)]
    for t in range(2):
        (result,) = tracker.update(proposals(clip), make_clip(1, SIZE, start=t))
        assert {(s.track_id, s.class_id) for s in result.segments} == {(1, 0), (2, 1), (3, 2), (4, 1)}
    assert [track.num_frames for track in tracker.tracks] == [2] * 4
    assert tracker.tracks[2].score == pytest.approx(0.2)
    assert tracker.tracks[2].class_scores == ()


def test_only_classes_that_were_asked_for_are_given_to_an_object() -> None:
    tracker = SpaTracker(SETTINGS, Cues(), classes={1})
    (result,) = tracker.update(proposals([Seen(1, class_id=1, score=0.5)]), make_clip(1, SIZE))
    assert result.segments[0].class_id == 1
    list(tracker.update(proposals([Seen(1, class_id=0, score=0.99)]), make_clip(1, SIZE, start=1)))
    assert tracker.tracks[0].class_id == 1


def test_look_alikes_are_told_apart_by_where_they_are() -> None:
    torch.manual_seed(0)
    here, there = F.one_hot(torch.tensor([3, 7]), 12).float()

    def clip(order: Sequence[torch.Tensor]) -> Proposals:
        return replace(
            proposals([Seen(1), Seen(1)]),
            descriptors=torch.stack(list(order))[:, None],
            render=lambda rows: [(pixel(int(order[row].argmax()) % 8),) for row in rows],
        )

    tracker = SpaTracker(SETTINGS, Cues(0.25))
    found = []
    for t, order in enumerate([(here, there), (there, here), (there, here)]):
        (result,) = tracker.update(clip(order), make_clip(1, SIZE, start=t))
        found.append({place_of(s.mask): s.track_id for s in result.segments})
    assert found[0] == found[1] == found[2]
