"""The rendered benchmark: truth that agrees with the pictures' own, held-out seeds, settings read strictly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gvseg_core.data.demo import DemoFrame
from gvseg_core.data.synth import VOCABULARIES, synth
from gvseg_core.data.synth_videos import FIRST_SEED, SynthSettings, parse_synth
from gvseg_core.errors import UsageError
from gvseg_core.ops import rle
from gvseg_core.types import TaskName

SPEC = Path("videos=2,frames=6,size=48x32,objects=5")
TASKS: list[TaskName] = list(VOCABULARIES)


def test_settings_have_defaults_and_are_read_by_name() -> None:
    assert parse_synth("") == SynthSettings(videos=8, frames=36, size=(192, 320), objects=8, seed=1000)
    assert parse_synth("seed=7,size=64x48") == SynthSettings(size=(48, 64), seed=7)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("vidoes=3", "did you mean 'videos'"),
        ("videos=3,videos=4", "stands twice"),
        ("videos=many", "wanted a whole number"),
        ("size=64", "wanted WIDTHxHEIGHT"),
        ("frames=2", "wanted 3 …"),
        ("size=64x9000", "wanted 16 …"),
    ],
)
def test_wrong_settings_are_refused_by_name(spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_synth(spec)


@pytest.mark.parametrize("task", TASKS)
def test_truth_and_footage_speak_of_the_same_frames_and_videos(task: TaskName) -> None:
    benchmark = synth(task)
    truth, footage = benchmark.read_truth(SPEC), benchmark.open(SPEC, "val")
    assert list(truth.videos) == list(footage.videos) == ["val_001000", "val_001001"]
    assert truth.vocabulary == footage.vocabulary == benchmark.vocabulary
    for video in footage.videos:
        frames, true = list(footage.open(video)), list(truth.answer(video).frames)
        assert [frame.index for frame in frames] == [result.frame.index for result in true] == list(range(6))
        assert {tuple(result.frame.image.shape) for result in true} == {tuple(frames[0].image.shape)}
        assert len({footage.frame_name(video, frame) for frame in frames}) == 6


@pytest.mark.parametrize("task", TASKS)
def test_the_truth_is_the_demos_own(task: TaskName) -> None:
    benchmark = synth(task)
    video = benchmark.open(SPEC, "val").open("val_001000")
    for frame, result in zip(video, benchmark.read_truth(SPEC).answer("val_001000").frames, strict=True):
        assert isinstance(frame, DemoFrame)
        wanted = {(s.track_id, s.mask) for s in frame.truth(task).segments}
        assert {(s.track_id, s.mask) for s in result.segments} == wanted


@pytest.mark.parametrize("task", TASKS)
def test_tracks_sum_up_the_frames(task: TaskName) -> None:
    answer = synth(task).read_truth(SPEC).answer("val_001001")
    frames = list(answer.frames)
    for track in answer.tracks:
        masks = [next((s.mask for s in result.segments if s.track_id == track.track_id), None) for result in frames]
        seen = [index for index, mask in enumerate(masks) if mask is not None]
        assert (track.first_frame, track.last_frame, track.num_frames) == (seen[0], seen[-1], len(seen))
        assert track.details["areas"] == [None if mask is None else rle.area(mask) for mask in masks]
    assert {s.track_id for result in frames for s in result.segments} == {track.track_id for track in answer.tracks}


def test_the_splits_never_share_a_video() -> None:
    most = SynthSettings(videos=10**6, seed=2**31)
    assert FIRST_SEED["train"] + most.seed + most.videos < FIRST_SEED["val"]
    footage = synth("vps").open(SPEC, "train")
    assert list(footage.videos) == ["train_001000", "train_001001"]
    train, val = footage.open("train_001000"), synth("vps").open(SPEC, "val").open("val_001000")
    assert not np.array_equal(next(iter(train)).image, next(iter(val)).image)


def test_guided_objects_are_those_of_the_first_frame_numbered_without_gaps() -> None:
    footage = synth("evs").open(Path("videos=4,frames=12,size=96x64"), "val")
    num_later = 0
    for video in footage.videos:
        first, *others = list(footage.open(video))
        assert first.exemplar is not None
        given = [prompt.track_id for prompt in first.exemplar.prompts]
        assert given == list(range(1, len(given) + 1))
        assert all(frame.exemplar is None for frame in others)
        assert footage.truth is not None
        for result in footage.truth.answer(video).frames:
            assert {segment.track_id for segment in result.segments} <= set(given)
        num_later += sum(len(frame.class_of) - 15 - len(given) for frame in others[-1:])
    assert num_later > 0, "in some of these videos objects come later, which must not be followed"
