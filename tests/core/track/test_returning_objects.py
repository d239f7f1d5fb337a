"""The tracker on the demo, with appearance and masks taken from the truth: what it tests is memory, not training."""

from __future__ import annotations

import itertools

import pytest
import torch

from gvseg_core.config import TrackSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.track.association import Cues
from gvseg_core.track.tracker import SpaTracker, return_threshold
from gvseg_core.types import Clip, Proposals, Size
from tests.bench.association import demo_video

SIZE: Size = (180, 320)
NUM_FRAMES = 120
LEAVES, HIDES, ARRIVES, LOOK_ALIKES = 1, 2, 3, {4, 5}  # the demo's cast, by id
SETTINGS = TrackSettings()


def follow(seed: int, settings: TrackSettings = SETTINGS) -> dict[int, list[int | None]]:
    """By true id: the id the tracker gives it on each frame, None where it is not in sight."""
    source = DemoSource(SIZE, num_frames=NUM_FRAMES, seed=seed)
    tracker = SpaTracker(settings, Cues(settings.shape_weight))
    found: dict[int, list[int | None]] = {}
    for result, objects in zip(source.truth("vis"), demo_video(seed, NUM_FRAMES, size=SIZE), strict=True):
        segments = result.segments
        proposals = Proposals(
            class_logits=10 * torch.eye(len(DEMO_VOCABULARY) + 1)[[s.class_id for s in segments]],
            embeddings=torch.stack([objects[s.track_id].appearance for s in segments]),
            descriptors=torch.stack([objects[s.track_id].descriptors["frame"] for s in segments])[:, None],
            rows=tuple(range(len(segments))),
            class_ids=tuple(s.class_id for s in segments),
            scores=(1.0,) * len(segments),
            render=lambda rows, segments=segments: [(segments[row].mask,) for row in rows],
        )
        clip = Clip((result.frame,), torch.zeros(1, 3, 32, 32), SIZE, SIZE)
        (named,) = tracker.update(proposals, clip)
        id_of = {s.mask: s.track_id for s in named.segments}
        for segment in segments:
            ids = found.setdefault(segment.track_id, [])
            ids += [None] * (result.frame.index - len(ids)) + [id_of[segment.mask]]
    return found


def gaps(ids: list[int | None]) -> int:
    """The longest time out of sight before it was seen again, in frames."""
    seen = [index for index, track_id in enumerate(ids) if track_id is not None]
    return max((b - a - 1 for a, b in itertools.pairwise(seen)), default=0)


@pytest.mark.parametrize("seed", range(6))
def test_who_leaves_or_hides_and_returns_keeps_its_id_and_nobody_else_gets_it(seed: int) -> None:
    found = follow(seed)
    assert gaps(found[LEAVES]) > 10
    assert gaps(found[HIDES]) > 3
    assert found[ARRIVES].index(next(i for i in found[ARRIVES] if i is not None)) > 20
    ids = {true_id: {i for i in track_ids if i is not None} for true_id, track_ids in found.items()}
    for true_id in ids.keys() - LOOK_ALIKES:
        assert len(ids[true_id]) == 1
        assert all(not ids[true_id] & others for other, others in ids.items() if other != true_id)


def test_without_a_higher_bar_for_returning_a_newcomer_takes_the_id_of_who_left() -> None:
    found = follow(2, SETTINGS.model_copy(update={"return_threshold": -1.0}))
    assert set(found[LEAVES]) & set(found[ARRIVES]) - {None}


def test_who_is_away_for_longer_than_the_memory_comes_back_as_another() -> None:
    found = follow(0, SETTINGS.model_copy(update={"memory": 10}))
    assert len({i for i in found[LEAVES] if i is not None}) == 2


def test_shape_and_position_tell_look_alikes_apart_where_appearance_cannot() -> None:
    switches = {}
    for weight in (0.0, 0.25):
        switches[weight] = 0
        for seed in range(2):
            found = follow(seed, SETTINGS.model_copy(update={"shape_weight": weight}))
            for true_id in LOOK_ALIKES:
                ids = [i for i in found[true_id] if i is not None]
                switches[weight] += sum(a != b for a, b in itertools.pairwise(ids))
    assert switches[0.25] < switches[0.0] / 10


def test_the_bar_for_returning_is_lower_where_place_has_been_learnt_to_count() -> None:
    learnt = Cues(0.25, torch.zeros(8, 432))
    assert return_threshold(SETTINGS, Cues(0.25)) == 0.7
    assert return_threshold(SETTINGS, learnt) == 0.4
    assert return_threshold(TrackSettings(return_threshold=0.6), learnt) == 0.6
