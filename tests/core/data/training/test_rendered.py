"""The demo as training data."""

from __future__ import annotations

import numpy as np

from gvseg_core.data.demo_world import DEMO_VOCABULARY, FIRST_OBJECT
from gvseg_core.data.synth_videos import FIRST_SEED, SynthSettings
from gvseg_core.data.training.rendered import LANDSCAPES, RenderedVideos

SETTINGS = SynthSettings(videos=40, frames=20, size=(48, 80), objects=5)


def test_any_frame_is_the_same_by_itself_as_among_others() -> None:
    videos = RenderedVideos(SETTINGS, "train")
    alone = [videos.load(3, [frame])[0] for frame in (4, 11)]
    for one, other in zip(alone, videos.load(3, [4, 11]), strict=True):
        assert np.array_equal(one.picture, other.picture)
        assert np.array_equal(one.regions.paint(one.regions.track_ids), other.regions.paint(other.regions.track_ids))
    assert not np.array_equal(alone[0].picture, alone[1].picture)


def test_every_pixel_has_an_owner_things_by_number_and_stuff_by_class() -> None:
    (scene,) = RenderedVideos(SETTINGS, "train").load(0, [10])
    regions = scene.regions
    assert (regions.paint(regions.class_ids) >= 0).all()
    for track_id, class_id in zip(regions.track_ids[1:].tolist(), regions.class_ids[1:].tolist(), strict=True):
        if DEMO_VOCABULARY.classes[class_id].is_thing:
            assert 1 <= track_id <= 5
        else:
            assert track_id == class_id + 1
            assert class_id < FIRST_OBJECT


def test_videos_differ_and_casts_share_landscapes() -> None:
    videos = RenderedVideos(SETTINGS, "train")
    first, second, again = (videos.load(video, [0])[0].regions for video in (0, 1, LANDSCAPES))
    stuff = [np.where(r.paint(r.track_ids) <= FIRST_OBJECT, r.paint(r.class_ids), -1) for r in (first, second, again)]
    assert not np.array_equal(stuff[0], stuff[1])
    both = (stuff[0] >= 8) & (stuff[2] >= 8)
    assert (stuff[0][both] == stuff[2][both]).mean() > 0.95
    assert not np.array_equal(first.paint(first.track_ids), again.paint(again.track_ids))


def test_training_never_sees_a_seed_of_validation() -> None:
    videos = RenderedVideos(SynthSettings(videos=10**6, seed=2**31), "train")
    last = int(videos.name(len(videos) - 1).partition("_")[2])
    assert FIRST_SEED["train"] + last < FIRST_SEED["val"]
    assert (len(videos), videos.num_frames(5), videos.shown(5)) == (10**6, 36, None)
