"""What a clip should have been answered, on padded pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gvseg_core.losses.targets import FREE, Targets, bound, class_map, targets_of, true_shapes
from gvseg_core.ops.shape_position import shape_position
from gvseg_core.types import VOID, LabelledClip
from tests.core.losses.scenes import scene


def clip() -> LabelledClip:
    """Two frames of 6 × 8: class 2 at the left of both, class 0 in a corner of the second, void below."""
    labels = torch.zeros(2, 6, 8, dtype=torch.int16)
    labels[:, :3, :4] = 1
    labels[1, :2, 6:] = 2
    labels[:, 5] = VOID
    return LabelledClip(torch.zeros(2, 3, 6, 8), labels, torch.tensor([2, 0]), torch.tensor([7, 9]), (0, 1))


def test_padding_is_nothing_and_void_stays_void() -> None:
    targets = targets_of(clip(), (8, 12), things=())
    assert targets.labels.shape == (2, 8, 12)
    assert targets.labels[:, 6:].eq(0).all()
    assert targets.labels[:, :, 8:].eq(0).all()
    assert targets.labels.eq(VOID).sum() == 2 * 8
    assert targets.has_void
    assert targets.picture_size == (6, 8)


def test_masks_are_those_of_the_clip_and_presence_says_where_they_are_seen() -> None:
    targets = targets_of(clip(), (6, 8), things=())
    assert torch.equal(targets.masks, clip().masks)
    assert targets.presence.tolist() == [[True, True], [False, True]]
    assert len(targets) == 2


def test_centres_are_of_the_middle_frame_and_nowhere_for_what_it_does_not_show() -> None:
    """The second frame of two: columns 0 … 3 of rows 0 … 2, and columns 6, 7 of rows 0, 1, in 8 × 12 pixels."""
    centres = targets_of(clip(), (8, 12), things=()).centres
    assert torch.allclose(centres, torch.tensor([[2 / 12, 1.5 / 8], [7 / 12, 1 / 8]]))
    first = replace(targets_of(clip(), (8, 12), things=()), labels=clip().labels[:1])
    assert first.centres.isnan().tolist() == [[False, False], [True, True]]


def test_a_class_is_an_object_only_where_it_is_said_to_be() -> None:
    assert targets_of(clip(), (6, 8), things={0, 1}).is_thing.tolist() == [False, True]
    assert targets_of(clip(), (6, 8), things=()).is_thing.tolist() == [False, False]


def test_targets_are_free_unless_they_are_bound() -> None:
    assert targets_of(clip(), (6, 8), things=()).rows == (FREE, FREE)
    ids = torch.tensor([2, 0, 5])
    assert bound(ids, range(6)) == (2, 0, 5)
    assert bound(ids, [1, 2, 5], first=10) == (11, FREE, 12)


def test_a_clip_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"clip of \(6, 8\) does not fit into \(6, 7\)"):
        targets_of(clip(), (6, 7), things=())
    with pytest.raises(ValueError, match="1 rows for 2 targets"):
        targets_of(clip(), (6, 8), things=(), rows=[0])


def test_a_cell_has_the_class_in_its_middle() -> None:
    found = class_map(targets_of(clip(), (6, 8), things=()), (3, 4))
    assert found[0].tolist() == [[2, 2, VOID, VOID], [VOID] * 4, [VOID] * 4]
    assert found[1, 0].tolist() == [2, 2, VOID, 0]
    assert torch.equal(class_map(targets_of(clip(), (6, 8), things=()), (6, 8))[1, 0, -2:], torch.tensor([0, 0]))


def large(padding: int) -> Targets:
    """One object on two of three frames, another that is too small for stride 8."""
    labels = torch.zeros(3, 96, 128, dtype=torch.int16)
    labels[0, 16:72, 24:80] = 1
    labels[2, 16:72, 40:96] = 1
    labels[1, 0, 0] = 2
    clip = LabelledClip(torch.zeros(3, 3, 96, 128), labels, torch.tensor([0, 1]), torch.tensor([1, 2]), (0, 1, 2))
    return targets_of(clip, (96 + padding, 128 + padding), things={0, 1})


def test_true_shapes_are_the_mean_over_the_frames_that_show_the_object() -> None:
    shapes = true_shapes(large(0))
    cells = torch.zeros(3, 12, 16, dtype=torch.bool)
    cells[0, 2:9, 3:10] = True
    cells[2, 2:9, 5:12] = True
    torch.testing.assert_close(shapes[0], shape_position(cells)[[0, 2]].mean(0))
    assert shapes[1].abs().sum() == 0


def test_true_shapes_do_not_see_the_padding() -> None:
    torch.testing.assert_close(true_shapes(large(32)), true_shapes(large(0)))


def test_targets_move_to_another_device_whole() -> None:
    moved = scene(3).to("meta")
    assert {t.device.type for t in (moved.class_ids, moved.track_ids, moved.labels, moved.is_thing)} == {"meta"}
    assert moved.rows == scene(3).rows
