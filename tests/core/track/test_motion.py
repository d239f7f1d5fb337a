"""Things that look alike, told apart by how they move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.config import TrackSettings
from gvseg_core.track.association import Cues
from gvseg_core.track.motion import Motion, gone_on, nearness
from gvseg_core.track.tracker import SpaTracker, motion_weight
from tests.core.predictions import make_clip
from tests.core.track.test_tracker import SIZE, Seen, place_of, proposals

AREA = 400.0
SETTINGS = TrackSettings(shape_weight=0.0, momentum=0.0, birth_score=0.0, memory=20)
NOWHERE = (float("nan"), float("nan"), 0.0)


def at(*places: Sequence[float]) -> torch.Tensor:
    """(1, T, 3): a thing seen there, frame by frame."""
    return torch.tensor([[(*place, AREA) if len(place) == 2 else place for place in places]])


@given(st.floats(-20, 20), st.floats(-20, 20), st.integers(8, 30))
def test_what_moves_steadily_comes_to_where_it_is_expected(dx: float, dy: float, frames: int) -> None:
    motion: Motion | None = None
    for t in range(frames):
        motion = gone_on(motion, at((50 + t * dx, 90 + t * dy))[0], 1)
    assert motion is not None
    slack = 1e-3 + 3 * 20 * 0.5 ** (frames - 1)  # three frames at what the velocity may be wrong by then
    assert motion.expected(3) == pytest.approx((50 + (frames + 2) * dx, 90 + (frames + 2) * dy), abs=slack)


def test_what_is_left_of_a_hidden_thing_does_not_pull_it_aside() -> None:
    motion = Motion((0.0, 0.0), AREA, (10.0, 0.0))
    motion.seen((4.0, 0.0), AREA / 10, 1)
    assert motion.place[0] == pytest.approx(10.0, abs=0.1)
    assert motion.velocity[0] == pytest.approx(10.0, abs=0.1)


def test_out_of_sight_it_goes_on_and_comes_to_rest() -> None:
    motion = Motion((0.0, 0.0), AREA, (10.0, -5.0))
    motion.hidden(2)
    assert motion.place == (20.0, -10.0)
    motion.hidden(200)
    assert max(abs(v) for v in motion.velocity) < 1e-6


def test_frames_of_a_clip_count_one_by_one() -> None:
    """Seen on the first two of three frames, at 10 pixels a frame, it has gone on one more."""
    motion = gone_on(Motion((0.0, 0.0), AREA, (10.0, 0.0)), at((10.0, 0.0), (20.0, 0.0), NOWHERE)[0], 3)
    assert motion is not None
    assert motion.place == pytest.approx((30.0, 0.0))
    assert gone_on(None, at(NOWHERE)[0], 1) is None


def test_nearness_is_a_matter_of_size_and_of_the_first_frame_that_shows_the_thing() -> None:
    motions = [Motion((0.0, 0.0), AREA, (10.0, 0.0)), None]
    seen = torch.cat(
        [at((10.0, 0.0), (90.0, 0.0)), at(NOWHERE, (20.0, 0.0)), at((40.0, 0.0), NOWHERE), at(NOWHERE, NOWHERE)]
    )
    near = nearness(motions, seen)
    assert near.shape == (2, 4)
    assert near[0, :2].tolist() == pytest.approx([1.0, 1.0])
    assert near[0, 2] == pytest.approx(torch.tensor(-(30.0**2) * torch.pi / (2 * AREA)).exp().item())
    assert near[0, 3] == 0
    assert near[1].eq(0).all()
    larger = seen.clone()
    larger[..., 2] *= 4
    assert nearness(motions, larger)[0, 2] > near[0, 2]


def crossing(weight: float) -> list[dict[int, int]]:
    """Thing → id, frame by frame, of two things of one look that pass each other, and are one on the frame between."""
    tracker = SpaTracker(SETTINGS.model_copy(update={"motion_weight": weight}), Cues())
    ids = []
    for t in range(13):
        places = {0: (20.0 + 10 * t, 50.0), 1: (140.0 - 10 * t, 50.0)}
        if places[0] == places[1]:
            places = {2: places[0]}
        things = sorted(places, reverse=bool(t % 2))  # the order of queries says nothing
        found = proposals([Seen(thing) for thing in things])
        found = replace(found, embeddings=torch.ones(len(things), 8), places=torch.cat([at(places[i]) for i in things]))
        (result,) = tracker.update(found, make_clip(1, SIZE, start=t))
        ids.append({place_of(s.mask): s.track_id for s in result.segments})
    return ids


def test_of_two_that_look_alike_each_goes_on_as_it_went() -> None:
    ids = crossing(0.3)
    assert ids[6].keys() == {2}
    assert all(frame == {0: ids[0][0], 1: ids[0][1]} for t, frame in enumerate(ids) if t != 6)


def test_without_it_they_are_taken_for_each_other() -> None:
    assert any(frame[0] != crossing(0.0)[0][0] for frame in crossing(0.0) if 0 in frame)


def test_motion_counts_where_shape_and_place_have_been_learnt_to_count_or_where_it_is_asked_for() -> None:
    learnt = Cues(0.25, torch.zeros(8, 432))
    assert motion_weight(TrackSettings(), Cues(0.25)) == 0
    assert motion_weight(TrackSettings(), learnt) == 0.3
    assert motion_weight(TrackSettings(motion_weight=0.0), learnt) == 0
    assert motion_weight(TrackSettings(motion_weight=0.5), Cues(0.25)) == 0.5
