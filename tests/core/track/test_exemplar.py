"""Objects that were pointed at, with embeddings and masks made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from gvseg_core.config import EvsSettings, TrackSettings
from gvseg_core.ops import rle
from gvseg_core.track.association import Cues
from gvseg_core.track.exemplar import ExemplarTracker
from gvseg_core.types import Exemplar, FrameResult, Prompt, Proposals, Rle
from tests.core.predictions import make_clip

SIZE = (6, 8)
LOOKS = torch.eye(6)


def column(x: int) -> Rle:
    mask = np.zeros(SIZE, bool)
    mask[:, x] = True
    return rle.encode(mask)


def proposals(embeddings: Tensor, scores: Sequence[float] | None = None, fit: Tensor | None = None) -> Proposals:
    """Query i covers column i."""
    num = len(embeddings)
    return Proposals(
        class_logits=torch.zeros(num, 2),
        embeddings=embeddings,
        descriptors=None,
        rows=tuple(range(num)),
        class_ids=(0,) * num,
        scores=tuple(scores or [1.0] * num),
        render=lambda rows: [(column(row),) for row in rows],
        fit=fit,
    )


def make_tracker(*, rows_are_objects: bool = False) -> ExemplarTracker:
    settings = EvsSettings(conf=0.5, refresh=0.8)
    return ExemplarTracker(settings, TrackSettings(momentum=0.5), Cues(), rows_are_objects=rows_are_objects)


def step(tracker: ExemplarTracker, found: Proposals, index: int, prompts: Sequence[Prompt] = ()) -> FrameResult:
    clip = make_clip(1, SIZE, start=index, exemplar=Exemplar(tuple(prompts)) if prompts else None)
    tracker.meet(prompts, index)
    (result,) = tracker.update(found, clip)
    return result


def ids(result: FrameResult) -> dict[int, int]:
    """Track id → column."""
    return {segment.track_id: int(rle.box(segment.mask)[0]) for segment in result.segments}


BOX = (0.0, 0.0, 2.0, 2.0)


def test_the_query_that_fits_is_followed_through_absence_of_any_length() -> None:
    tracker = make_tracker()
    fit = torch.tensor([[0.1, 0.2, 0.9]])
    assert ids(step(tracker, proposals(LOOKS[:3], fit=fit), 0, [Prompt(5, box=BOX)])) == {5: 2}
    assert ids(step(tracker, proposals(LOOKS[[2, 1, 0]]), 1)) == {5: 0}
    for index in range(2, 300):
        assert ids(step(tracker, proposals(LOOKS[[0, 1, 3]]), index)) == {}
    assert ids(step(tracker, proposals(LOOKS[[0, 2, 3]]), 300)) == {5: 1}
    (track,) = tracker.tracks
    assert (track.track_id, track.first_frame, track.last_frame, track.num_frames) == (5, 0, 300, 3)


def test_a_given_mask_is_its_own_answer_and_others_keep_off_it() -> None:
    tracker = make_tracker()
    step(tracker, proposals(LOOKS[:2], fit=torch.tensor([[0.9, 0.0]])), 0, [Prompt(1, box=BOX)])
    wide = np.zeros(SIZE, bool)
    wide[:4, :3] = True
    given = Prompt(2, mask=rle.encode(wide))
    result = step(tracker, proposals(LOOKS[[0, 3]], fit=torch.tensor([[0.0, 0.8]])), 1, [given])
    first, second = result.segments
    assert (second.track_id, second.mask, second.score) == (2, given.mask, 1.0)
    assert first.track_id == 1
    np.testing.assert_array_equal(rle.decode(first.mask), rle.decode(column(0)) & ~wide)
    assert ids(step(tracker, proposals(LOOKS[[3, 0]]), 2)) == {1: 1, 2: 0}


def test_an_object_given_again_is_looked_at_anew() -> None:
    tracker = make_tracker()
    step(tracker, proposals(LOOKS[:2], fit=torch.tensor([[0.9, 0.0]])), 0, [Prompt(1, box=BOX)])
    step(tracker, proposals(LOOKS[[4, 5]], fit=torch.tensor([[0.1, 0.9]])), 1, [Prompt(1, box=BOX)])
    assert ids(step(tracker, proposals(LOOKS[[0, 5]]), 2)) == {1: 1}
    assert tracker.tracks[0].num_frames == 3


def test_what_is_surely_seen_refreshes_the_memory_and_what_was_given_is_never_forgotten() -> None:
    def turned(degrees: float) -> Tensor:
        angle = torch.tensor(degrees).deg2rad()
        return torch.stack([LOOKS[0] * angle.cos() + LOOKS[1] * angle.sin(), LOOKS[4]])

    tracker = make_tracker()
    step(tracker, proposals(turned(0), fit=torch.tensor([[0.9, 0.0]])), 0, [Prompt(1, box=BOX)])
    assert not ids(step(tracker, proposals(turned(80)), 1))  # too far at once
    for index, degrees in enumerate([15, 30, 40, 50, 55, 60, 65, 65, 65], start=2):
        assert ids(step(tracker, proposals(turned(degrees)), index)) == {1: 0}
    assert ids(step(tracker, proposals(turned(80)), 20)) == {1: 0}  # by now it has come far enough
    assert ids(step(tracker, proposals(turned(-25)), 21)) == {1: 0}  # near what was given, far from what was seen


def test_no_two_objects_are_one_query() -> None:
    tracker = make_tracker()
    fit = torch.tensor([[0.9, 0.8], [0.85, 0.1]])
    prompts = [Prompt(1, box=BOX), Prompt(2, point=(1.0, 1.0))]
    assert ids(step(tracker, proposals(LOOKS[:2], fit=fit), 0, prompts)) == {1: 1, 2: 0}


def test_what_is_pointed_at_anew_is_nobody_else() -> None:
    tracker = make_tracker()
    step(tracker, proposals(LOOKS[:2], fit=torch.tensor([[0.9, 0.0]])), 0, [Prompt(1, box=BOX)])
    fit = torch.tensor([[0.9, 0.0]])
    assert ids(step(tracker, proposals(LOOKS[:2], fit=fit), 1, [Prompt(2, box=BOX)])) == {2: 0}


def test_where_rows_are_objects_the_score_says_who_is_there() -> None:
    tracker = make_tracker(rows_are_objects=True)
    prompts = [Prompt(9, box=BOX), Prompt(4, point=(1.0, 1.0))]
    assert ids(step(tracker, proposals(LOOKS[:2], [0.9, 0.2]), 0, prompts)) == {9: 0, 4: 1}  # whoever gave them knows
    assert ids(step(tracker, proposals(LOOKS[:2], [0.9, 0.2]), 1)) == {9: 0}
    result = step(tracker, proposals(LOOKS[:2], [0.3, 0.7]), 2)
    assert ids(result) == {4: 1}
    assert result.segments[0].score == pytest.approx(0.7)
    assert [t.score for t in tracker.tracks] == pytest.approx([(1 + 0.2 + 0.7) / 3, (1 + 0.9 + 0.3) / 3])


def test_only_what_was_surely_seen_becomes_an_exemplar_itself() -> None:
    tracker = make_tracker(rows_are_objects=True)
    prompts = [Prompt(1, box=BOX), Prompt(2, box=BOX)]
    step(tracker, proposals(LOOKS[:2], [0.9, 0.9]), 0, prompts)
    step(tracker, proposals(LOOKS[:2], [0.85, 0.6]), 1)
    assert tracker.targets[1].confident == column(0)
    assert tracker.targets[2].confident is None
    assert tracker.targets[2].place == (1.5, 3.0)
