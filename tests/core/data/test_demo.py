"""The demo video: the same everywhere, with truth about every pixel and every hard moment in it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.data.demo import DemoSource, parse_demo
from gvseg_core.data.demo_shapes import SHAPES, TEXELS, Pose, draw
from gvseg_core.data.demo_world import DEMO_VOCABULARY, FIRST_OBJECT, World
from gvseg_core.errors import UsageError
from gvseg_core.ops import rle
from gvseg_core.types import VideoSource

KINDS = ("vis", "vss", "vps", "evs")
SMALL = (72, 128)
NUM_CLASSES = len(DEMO_VOCABULARY)
LOOK_ALIKES = (4, 5)


def visible(source: DemoSource) -> dict[int, list[bool]]:
    """By object id: on which frames it is seen."""
    shown = [{s.track_id for s in result.segments} for result in source.truth("vis")]
    ids = set().union(*shown)
    return {track_id: [track_id in frame for frame in shown] for track_id in ids}


def test_it_is_a_video_source_and_says_what_it_is() -> None:
    source = DemoSource((90, 160), num_frames=3, rate=Fraction(30000, 1001))
    assert isinstance(source, VideoSource)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time for frame in frames] == [i * Fraction(1001, 30000) for i in range(3)]
    assert all(frame.image.shape == (3, 90, 160) for frame in frames)
    assert source.info.size == (90, 160)
    assert source.info.duration == Fraction(3003, 30000)
    assert source.problems == []


def test_its_pixels_and_truth_are_the_same_everywhere() -> None:
    digest = hashlib.sha256()
    for index in (0, 7, 21, 39):
        picture, labels, _ = World((60, 100), 40, 8, seed=5).render(index)
        digest.update(picture.tobytes() + labels.astype("<u2").tobytes())
    assert digest.hexdigest() == "b79f42238154910176826fd332324f942e197a3f996229a5ee4cbbe43fa1ba34"


def test_another_seed_gives_another_video_and_the_same_seed_the_same() -> None:
    one, same, other = (next(iter(DemoSource(SMALL, seed=seed))).image for seed in (1, 1, 2))
    assert one.equal(same)
    assert (one != other).float().mean() > 0.3


@pytest.mark.parametrize("seed", range(3))
def test_the_four_truths_speak_of_the_same_pixels(seed: int) -> None:
    source = DemoSource(SMALL, num_frames=40, seed=seed)
    class_of_id: dict[int, int] = {}
    given_so_far: set[int] = set()
    for vis, vss, vps, evs in zip(*(source.truth(kind) for kind in KINDS), strict=True):
        given_so_far |= {p.track_id for p in evs.frame.exemplar.prompts} if evs.frame.exemplar else set()
        maps = [sum(rle.decode(s.mask).astype(np.int64) for s in r.segments) for r in (vis, vss, vps)]
        assert maps[0].max() <= 1, "objects are disjoint"
        assert (maps[1] == 1).all(), "every pixel has one class"
        assert (maps[2] == 1).all(), "every pixel has one region"
        objects = {s.track_id: s for s in vis.segments}
        things = {s.track_id - NUM_CLASSES: s for s in vps.segments if s.class_id in DEMO_VOCABULARY.thing_ids}
        assert things.keys() == objects.keys()
        assert all(things[i].mask == objects[i].mask for i in objects)
        assert {s.track_id: s for s in evs.segments} == {i: s for i, s in objects.items() if i in given_so_far}
        assert all(s.track_id == s.class_id + 1 for s in vss.segments)
        assert all(rle.area(s.mask) > 0 and s.score == 1 for r in (vis, vss, vps) for s in r.segments)
        for track_id, segment in objects.items():
            assert class_of_id.setdefault(track_id, segment.class_id) == segment.class_id
        by_class = rle.paint([s.mask for s in vss.segments], [s.class_id + 1 for s in vss.segments], SMALL)
        panoptic = rle.paint([s.mask for s in vps.segments], [s.class_id + 1 for s in vps.segments], SMALL)
        assert (by_class == panoptic).all()


@pytest.mark.parametrize(("seed", "num_frames"), [*((seed, 40) for seed in range(8)), (0, 90), (1, 150), (2, 400)])
def test_every_hard_moment_happens_in_any_video_of_forty_frames_or_more(seed: int, num_frames: int) -> None:
    source = DemoSource(SMALL, num_frames=num_frames, seed=seed)
    world = World(SMALL, num_frames, 8, seed)
    shown = visible(source)
    outside, hidden, sides = set(), set(), set()
    for index in range(num_frames):
        _, labels, areas = world.render(index)
        states = {state.track_id: state for state in source.states(index)}
        for track_id in areas.keys() & shown.keys() - set(np.unique(labels) - FIRST_OBJECT):
            x, y = states[track_id].centre
            inside = 0 <= x < SMALL[1] and 0 <= y < SMALL[0]
            (hidden if inside else outside).add(track_id)
        one, other = (states[track_id] for track_id in LOOK_ALIKES)
        assert (one.class_id, *one.appearance) == (other.class_id, *other.appearance)
        sides.add(one.centre[0] < other.centre[0])
    returning = {i for i, seen in shown.items() if " " in "".join("x" if s else " " for s in seen).strip()}
    assert outside & returning, "one leaves the frame and returns"
    assert hidden & returning, "one is wholly hidden and comes out again"
    assert any(not any(seen[: num_frames // 10]) for seen in shown.values()), "one appears in the middle"
    assert sides == {True, False}, "two look-alikes cross"


def test_where_objects_overlap_the_nearest_is_seen() -> None:
    world = World((120, 160), 60, 12, seed=4)
    overlaps = 0
    for index in range(0, 60, 6):
        _, labels, _ = world.render(index)
        nearest, count = np.zeros_like(labels), np.zeros_like(labels)
        for actor in sorted(world.cast, key=lambda actor: -actor.depth):
            pose = actor.pose(index / world.cycle)
            if pose is not None:
                alone = np.zeros_like(labels)
                sheet = np.zeros((TEXELS, TEXELS, 3), dtype=np.uint8)
                draw(
                    np.zeros((*labels.shape, 3), dtype=np.uint8),
                    alone,
                    [*SHAPES.values()][actor.class_id],
                    sheet,
                    pose,
                    1,
                )
                nearest[alone > 0] = FIRST_OBJECT + actor.number
                count += alone
        seen = labels > FIRST_OBJECT
        assert (labels[seen] == nearest[seen]).all()
        tower = labels == 1 + [c.name for c in DEMO_VOCABULARY.classes].index("tower")
        assert (seen | tower)[nearest > 0].all(), "only an object or the tower hides an object"
        overlaps += np.count_nonzero(count > 1)
    assert overlaps > 0


def test_the_picture_changes_where_an_object_is_and_nowhere_else_but_for_its_shadow() -> None:
    picture, labels = np.full((40, 60, 3), 200, dtype=np.uint8), np.zeros((40, 60), dtype=np.uint16)
    sheet = np.full((TEXELS, TEXELS, 3), (255, 0, 0), dtype=np.uint8)
    area = draw(picture, labels, SHAPES["disc"], sheet, Pose(20.25, 19.5, 8.0, 1.0, 0.0), 7)
    y, x = np.mgrid[:40, :60] + 0.5
    distance = np.hypot(x - 20.25, y - 19.5)
    assert ((labels == 7) == (distance <= 8)).all()
    assert area == np.count_nonzero(labels) == pytest.approx(np.pi * 64, rel=0.02)
    assert (picture[labels == 7][:, 0] > picture[labels == 7][:, 1]).all(), "more than half red wherever it is"
    assert (picture[distance > 13] == 200).all()
    beyond = picture[distance > 8.6]
    assert (beyond[:, 0] == beyond[:, 1]).all(), "a shadow has no colour"


def test_each_object_is_given_once_by_a_mask_that_shows_it_well() -> None:
    source = DemoSource(SMALL, num_frames=60)
    given_at: dict[int, int] = {}
    for result, frame in zip(source.truth("vis"), source, strict=True):
        masks = {s.track_id: s.mask for s in result.segments}
        for prompt in frame.exemplar.prompts if frame.exemplar else ():
            assert prompt.track_id not in given_at
            assert prompt.mask == masks[prompt.track_id]
            given_at[prompt.track_id] = frame.index
    assert given_at.keys() == visible(source).keys()
    assert max(given_at.values()) > 0, "one is given later"


def test_memory_does_not_grow_with_the_video() -> None:
    """In a process of its own, whose memory nobody else moves."""
    code = """
import itertools, psutil
from gvseg_core.data.demo import DemoSource
frames = iter(DemoSource((96, 128), num_frames=2000))  # all of them would be 74 MB
for _ in itertools.islice(frames, 100): pass
early = psutil.Process().memory_info().rss
for _ in frames: pass
print(psutil.Process().memory_info().rss - early)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 5_000_000


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**63))
def test_any_size_number_of_objects_and_seed_can_be_drawn(height: int, width: int, objects: int, seed: int) -> None:
    source = DemoSource((height, width), num_frames=2, num_objects=objects, seed=seed)
    for result in source.truth("vss"):
        assert sum(rle.area(s.mask) for s in result.segments) == height * width


def test_a_spec_says_what_to_render() -> None:
    source = parse_demo("demo:seed=3,size=64x36,frames=300,objects=9,rate=30000/1001")
    assert source.info.size == (36, 64)
    assert source.info.num_frames == 300
    assert source.info.rate == Fraction(30000, 1001)
    assert dict(source.info.details) == {"seed": "3", "objects": "9"}
    assert parse_demo("demo").info == DemoSource().info


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("demo:sed=3", "did you mean 'seed'"),
        ("demo:seed=x", "seed is 'x'; wanted a whole number"),
        ("demo:seed=-1", "seed is -1; wanted 0 …"),
        ("demo:size=640", "wanted WIDTHxHEIGHT, as in 640x360"),
        ("demo:size=0x5", "height and width is 0; wanted 1 …"),
        ("demo:size=99999x99999", "height × width is 9999800001; wanted"),
        ("demo:rate=1/0", "rate is '1/0'; wanted frames a second"),
        ("demo:rate=-2", "rate is -2; wanted more than 0"),
        ("demo:objects=255", "objects is 255; wanted 1 … 254"),
        ("demo:frames=0", "frames is 0; wanted 1 …"),
        ("demo:seed=1,seed=2", "seed stands twice"),
        ("demos", "wanted 'demo' or 'demo:setting=value,…'"),
    ],
)
def test_a_wrong_spec_is_refused_by_name(spec: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_demo(spec)
    assert message in str(error.value)
