"""A sample: a pure function of its number, right to the pixel, of whatever task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gvseg_core.data.training.samples import MAX_ATTEMPTS, Sample, SampleMaker
from gvseg_core.data.training.sampling import ClipRules, Order
from gvseg_core.data.training.sources import Source
from gvseg_core.data.training.videos import Scene
from gvseg_core.errors import DataError
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.recipes import AugmentSettings
from gvseg_core.types import LabelledClip, TaskName
from tests.core.data.training.sets import CAT, COLORS, DOG, SIZE, SKY, Squares, lesson, source

RULES = ClipRules(length=3, reach=2, clips=3, near=3, distant=8)
PLAIN = AugmentSettings(short_sides=(SIZE[0],), flip=0.0, rotation=0.0)
SHAKEN = AugmentSettings(
    short_sides=(40, 60, 100), crop=0.5, crop_short_sides=(40, 80), crop_range=(25, 60), drift=0.1, zoom=0.2
)


def maker(
    *sources: Source, augment: AugmentSettings = SHAKEN, rules: ClipRules = RULES, seed: int = 0, **options: bool
) -> tuple[SampleMaker, Order]:
    order = Order([s.weight for s in sources], [len(s.videos) for s in sources], seed)
    return SampleMaker(sources, order, rules, augment, seed, **options), order


def made(*sources: Source, num: int = 6, **options: object) -> list[Sample]:
    make, order = maker(*sources, **options)  # type: ignore[arg-type]
    return [make(order.turn(number)) for number in range(num)]


def color_of(clip: LabelledClip, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(n, 3) the colours of the pixels (T, H, W) of a mask."""
    pixels: NDArray[np.uint8] = clip.pixels.permute(0, 2, 3, 1).numpy()[mask]
    return pixels


def assert_equal(one: Sample, other: Sample) -> None:
    assert (one.number, one.source, one.distant, one.problems) == (
        other.number,
        other.source,
        other.distant,
        other.problems,
    )
    for a, b in zip(one.clips, other.clips, strict=True):
        assert (a.video, a.indices) == (b.video, b.indices)
        for name in ("pixels", "labels", "class_ids", "track_ids"):
            assert torch.equal(getattr(a, name), getattr(b, name))


# --- chance -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_still", [False, True])
def test_a_sample_depends_on_its_number_alone(is_still: bool) -> None:
    sets = source("vis", Squares(is_still=is_still)), source("vps", Squares(panoptic=True), weight=0.5)
    inorder = made(*sets, num=8)
    make, order = maker(*sets)
    for number in (5, 1, 7, 1):
        assert_equal(make(order.turn(number)), inorder[number])


def test_another_seed_or_number_is_another_sample() -> None:
    one, other = made(source(), num=2)
    assert not torch.equal(one.clips[0].pixels, other.clips[0].pixels)
    (seeded,) = made(source(), num=1, seed=1)
    assert (seeded.clips[0].video, seeded.clips[0].indices) != (one.clips[0].video, one.clips[0].indices)


# --- masks --------------------------------------------------------------------------------------------------------


def check_masks(sample: Sample, objects_from: int = 0) -> None:
    """Every object covers pixels of its own colour, but for its rim, and has its class and id in all clips."""
    class_of: dict[int, int] = {}
    for clip in sample.clips:
        assert clip.masks.sum(0).max() <= 1
        assert clip.masks.flatten(1).any(1).all()
        assert not (clip.masks.any(0) & clip.void).any()
        for mask, class_id, track_id in zip(
            clip.masks.numpy(), clip.class_ids.tolist(), clip.track_ids.tolist(), strict=True
        ):
            assert class_of.setdefault(track_id, class_id) == class_id
            if track_id > objects_from:
                color = COLORS[(track_id - objects_from - 2) % 3]
                near = np.abs(color_of(clip, mask).astype(int) - color).max(-1) < 60
                assert near.mean() > 0.5 or mask.sum() < 40


@pytest.mark.parametrize("task", ["vis", "evs"])
@pytest.mark.parametrize("is_still", [False, True])
def test_objects_cover_their_colours_however_they_are_seen(task: TaskName, is_still: bool) -> None:
    for sample in made(source(task, Squares(is_still=is_still)), num=25):
        check_masks(sample)


def test_frames_that_are_not_touched_are_exact() -> None:
    for sample in made(source("vis"), augment=PLAIN):
        for clip in sample.clips:
            assert clip.pixels.shape == (3, 3, *SIZE)
            for mask, track_id in zip(clip.masks.numpy(), clip.track_ids.tolist(), strict=True):
                truth = (clip.pixels.permute(0, 2, 3, 1).numpy() == COLORS[track_id - 2]).all(-1)
                assert np.array_equal(mask, truth)
            assert clip.void[:, :, 0].all()
            assert clip.void.sum() == 3 * SIZE[0]


def test_frames_of_a_clip_come_in_order_and_move() -> None:
    videos = Squares(num_objects=1)
    for sample in made(source("vis", videos), augment=PLAIN):
        for clip in sample.clips:
            assert list(clip.indices) == sorted(clip.indices)
            where = [int(mask.any(0).int().argmax()) for mask in clip.masks[0]]
            steps = [b - a for a, b in pairwise(where)]
            wanted = [2 * (b - a) % 44 for a, b in pairwise(clip.indices)]
            assert [step % 44 for step in steps] == wanted


def test_panoptic_clips_have_things_by_id_and_stuff_by_class() -> None:
    for sample in made(source("vps", Squares(panoptic=True)), augment=PLAIN):
        for clip in sample.clips:
            pairs = set(zip(clip.class_ids.tolist(), clip.track_ids.tolist(), strict=True))
            assert pairs <= {(SKY, SKY + 1), (CAT, 3 + 1 + 1), (DOG, 3 + 1 + 2), (CAT, 3 + 1 + 3)}
            assert (SKY, SKY + 1) in pairs
            assert clip.void[:, 5, 0].all()
            assert (clip.void | clip.masks.any(0)).all()  # what is nobody's is void


def test_semantic_clips_have_one_target_a_class() -> None:
    for sample in made(source("vss", Squares(panoptic=True)), augment=PLAIN):
        for clip in sample.clips:
            assert clip.track_ids.tolist() == [class_id + 1 for class_id in clip.class_ids.tolist()]
            assert len(set(clip.class_ids.tolist())) == len(clip.class_ids)
            cats = clip.masks[clip.class_ids.tolist().index(CAT)].numpy()
            assert {tuple(c) for c in color_of(clip, cats).tolist()} <= {COLORS[0], COLORS[2]}


def test_samples_say_what_they_teach() -> None:
    sets = source("vis"), source("vss", Squares(panoptic=True))
    found = {(s.source, s.task, s.vocabulary) for s in made(*sets, num=6)}
    assert found == {(0, "vis", "words_things"), (1, "vss", "words")}


# --- exemplars ----------------------------------------------------------------------------------------------------


def test_every_exemplar_is_visible_on_the_first_frame_and_others_are_background() -> None:
    for sample in made(source("evs", Squares(num_objects=6)), num=20):
        key = sample.clips[0]
        assert sample.exemplars.flatten(1).any(1).all()
        assert torch.equal(sample.exemplars, key.masks[:, 0])
        given = set(key.track_ids.tolist())
        for clip in sample.clips:
            assert set(clip.track_ids.tolist()) <= given
            assert set(clip.class_ids.tolist()) <= {0}


def test_no_more_objects_are_given_than_are_wanted() -> None:
    few = made(source("evs", Squares(num_objects=6), max_objects=2), num=20)
    assert max(len(sample.clips[0].class_ids) for sample in few) == 2
    assert len({tuple(sample.clips[0].track_ids.tolist()) for sample in few}) > 3  # not always the same ones
    for clip in few[0].clips:
        assert set(np.unique(clip.labels)) <= {-1, 0, 1, 2}


# --- pseudo-videos ------------------------------------------------------------------------------------------------


class Bar(Squares):
    """Stills of a level bar."""

    def __init__(self) -> None:
        super().__init__(1, is_still=True)

    def load(self, video: int, frames: Sequence[int]) -> list[Scene]:
        labels = np.zeros((60, 60), np.uint16)
        labels[28:32, 15:45] = 1
        return [Scene(np.full((60, 60, 3), 9, np.uint8), MapSegments(labels, {1: (1, CAT, False)}).regions)]


def test_frames_of_a_pseudo_video_turn_one_way_within_the_rotation() -> None:
    settings = AugmentSettings(short_sides=(240,), rotation=15)
    found, ways = [], set()
    for sample in made(source("vis", Bar()), augment=settings, num=20, rules=ClipRules(4, 2, 2, 5, 30)):
        for clip in sample.clips:
            angles = [lean_of(mask) for mask in clip.masks[0].numpy()]
            found += angles
            steps = np.diff(angles)
            assert (steps > -0.5).all() or (steps < 0.5).all()
            ways.add(bool(steps.sum() > 0))
    assert ways == {True, False}
    assert -15.5 < min(found) < -12
    assert 12 < max(found) < 15.5


def lean_of(mask: NDArray[np.bool_]) -> float:
    """Degrees by which a bar leans: of the longer axis of its pixels."""
    y, x = np.nonzero(mask)
    _, axes = np.linalg.eigh(np.cov(x, y))
    return float(np.degrees(np.arctan(axes[1, 1] / axes[0, 1])))


def test_what_a_rotation_leaves_empty_is_void() -> None:
    settings = AugmentSettings(short_sides=(120,), rotation=15, flip=0)
    for sample in made(source("vis", Squares(is_still=True)), augment=settings):
        for clip in sample.clips:
            black = (clip.pixels == 0).all(1)
            assert (clip.void ^ black).float().mean() < 0.01  # but for the rims
            assert clip.void.float().mean() > 0.01


def test_guests_are_new_objects_that_hide_others() -> None:
    settings = AugmentSettings(short_sides=(120,), copy_paste=1.0, rotation=0, flip=0)
    plain = AugmentSettings(short_sides=(120,), rotation=0, flip=0)
    sets = source("vis", Squares(num_objects=2, is_still=True))
    for with_guests, without in zip(made(sets, augment=settings), made(sets, augment=plain), strict=True):
        own = set(without.clips[0].track_ids.tolist())
        assert own == {2, 3}
        ids = {i for clip in with_guests.clips for i in clip.track_ids.tolist()}
        assert ids - own  # a guest, somewhere
        for clip, bare in zip(with_guests.clips, without.clips, strict=True):
            for mask, track_id in zip(clip.masks, clip.track_ids.tolist(), strict=True):
                if track_id in own:
                    whole = bare.masks[bare.track_ids.tolist().index(track_id)]
                    assert not (mask & ~whole).any()  # never more than without guests
        check_masks(with_guests)


# --- what cannot be used ------------------------------------------------------------------------------------------


def test_another_video_takes_the_place_of_one_that_shows_nothing() -> None:
    class SomeEmpty(Squares):
        def load(self, video: int, frames: Sequence[int]) -> list[Scene]:
            self.empty = tuple(range(12)) if video in {0, 2} else ()
            return super().load(video, frames)

    sets = source("vis", SomeEmpty())
    first, again = made(sets, num=12), made(sets, num=12)
    for one, other in zip(first, again, strict=True):
        assert one.clips[0].video in {"video1", "video3"}
        assert one.problems == ()
        assert_equal(one, other)


def test_a_set_that_shows_nothing_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=f"vis squares: {MAX_ATTEMPTS} of its videos in a row .* to learn vis from"):
        made(source("vis", Squares(empty=range(12))), num=1)


def test_a_bad_file_is_named() -> None:
    with pytest.raises(DataError, match=r"vis squares, video1: video1/00000\.jpg: it is empty; mend it, or --"):
        made(source("vis", Squares(damaged=[1])), num=4)


def test_a_bad_file_may_be_left_out_and_is_counted() -> None:
    good = made(source("vis"), num=8)
    found = made(source("vis", Squares(damaged=[1])), num=8, allow_missing=True)
    bad = 0
    for one, other in zip(good, found, strict=True):
        if one.clips[0].video == "video1":
            bad += 1
            assert other.clips[0].video != "video1"
            assert set(other.problems) == {"vis squares, video1: video1/00000.jpg: it is empty"}
        else:
            assert_equal(one, other)
    assert bad == 2


def test_a_set_of_bad_files_ends_the_run_with_the_last_of_them() -> None:
    with pytest.raises(DataError, match=r"20 of its videos in a row cannot be used: .*it is empty"):
        made(source("vis", Squares(damaged=range(4))), num=1, allow_missing=True)


def test_each_frame_of_a_sample_is_loaded_once() -> None:
    videos = Squares()
    made(source("vis", videos), num=3)
    for _, frames in videos.loaded:
        assert len(set(frames)) == len(frames) <= 9


def test_classes_are_those_of_the_head() -> None:
    taught = Source("mapped", Squares(), lesson("evs"), 1.0, 10)
    assert {i for sample in made(taught) for clip in sample.clips for i in clip.class_ids.tolist()} == {0}
