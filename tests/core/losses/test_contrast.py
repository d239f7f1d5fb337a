"""Temporal contrast against the paper's formula in plain sums, and queues against Python's own."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gvseg_core.losses.contrast import (
    ClassQueues,
    Relations,
    View,
    contrast,
    contrast_loss,
    object_relations,
    view_of,
)
from gvseg_core.losses.matching import Pairs
from gvseg_core.losses.targets import true_shapes
from gvseg_core.recipes import ContrastSettings
from tests.core.losses.scenes import scene

DIM = 8
SETTINGS = ContrastSettings(weight=0.5, tau=0.2)


def vectors(num: int, seed: int = 0) -> Tensor:
    return torch.randn(num, DIM, generator=torch.Generator().manual_seed(seed))


def view(track_ids: list[int], seed: int = 0, *, things: bool = True, distant: bool = False) -> View:
    """One query for each track; the class is the track's, and the shape too."""
    ids = torch.tensor(track_ids, dtype=torch.int64)
    shapes = torch.nn.functional.one_hot(ids, 10).float()
    return View(vectors(len(ids), seed), ids, ids, torch.full_like(ids, things, dtype=torch.bool), shapes, distant)


def plain(anchors: Tensor, keys: Tensor, relations: Relations, cosine: float) -> list[float]:
    """log(1 + Σ₊ Σ₋ exp(q·k₋ − q·k₊)) and the mean of (cosine − label)², as they are written."""
    found = []
    for a, anchor in enumerate(anchors.double()):
        alike = [float(anchor @ key) / math.sqrt(DIM) for key in keys.double()]
        ups = [k for k in range(len(keys)) if relations.attracts[a, k]]
        downs = [k for k in range(len(keys)) if relations.repels[a, k]]
        loss = math.log(1 + sum(math.exp(alike[d] - alike[u]) for u in ups for d in downs))
        squares = [
            (float(torch.cosine_similarity(anchor, keys[k].double(), dim=0)) - (k in ups)) ** 2 for k in ups + downs
        ]
        found.append(loss + cosine * sum(squares) / max(len(squares), 1))
    return found


def some_relations(anchors: int, keys: int, seed: int) -> Relations:
    kind = torch.randint(0, 3, (anchors, keys), generator=torch.Generator().manual_seed(seed))
    return Relations(kind == 1, kind == 2)


@given(st.integers(0, 1000), st.integers(0, 6), st.sampled_from([0.0, 0.7]))
def test_the_loss_is_the_paper_s_formula(seed: int, num_keys: int, cosine: float) -> None:
    anchors, keys, relations = vectors(3, seed), vectors(num_keys, seed + 1), some_relations(3, num_keys, seed)
    found = contrast(anchors, keys, relations, cosine)
    assert found.tolist() == pytest.approx(plain(anchors, keys, relations, cosine), rel=1e-4, abs=1e-5)


def test_vectors_of_any_length_give_finite_losses_and_gradients() -> None:
    anchors, keys = (vectors(3) * 1e3).requires_grad_(), (vectors(6, 1) * 1e3).requires_grad_()
    losses = contrast(anchors, keys, some_relations(3, 6, 1))
    assert losses.isfinite().all()
    assert losses.max() > 1e5
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(losses.sum(), [anchors, keys]))


@pytest.mark.parametrize("missing", ["attracts", "repels", "both", "keys"])
def test_an_anchor_with_nobody_to_choose_between_costs_nothing(missing: str) -> None:
    none, all_of_them = torch.zeros(2, 4, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)
    attracts = none if missing in {"attracts", "both"} else all_of_them
    repels = none if missing in {"repels", "both"} else all_of_them
    num = 0 if missing == "keys" else 4
    anchors = vectors(2).requires_grad_()
    losses = contrast(anchors, vectors(num, 1), Relations(attracts[:, :num], repels[:, :num]))
    assert losses.tolist() == [0, 0]
    (gradient,) = torch.autograd.grad(losses.sum(), [anchors])
    assert gradient.eq(0).all()


def test_a_step_against_the_gradient_brings_the_same_together_and_others_apart() -> None:
    anchors, keys = vectors(1).requires_grad_(), vectors(2, 1)
    relations = Relations(torch.tensor([[True, False]]), torch.tensor([[False, True]]))
    (gradient,) = torch.autograd.grad(contrast(anchors, keys, relations).sum(), [anchors])
    before, after = (x.detach() @ keys.T for x in (anchors, anchors - 0.1 * gradient))
    assert after[0, 0] - after[0, 1] > before[0, 0] - before[0, 1]


def test_from_a_clip_nearby_the_same_object_attracts_and_all_others_repel() -> None:
    key, near = view([3, 5]), view([5, 3, 8], 1)
    found = object_relations(key, replace(near, shapes=near.shapes * 7), tau=0.2)
    assert found.attracts.tolist() == [[False, True, False], [True, False, False]]
    assert torch.equal(found.repels, ~found.attracts)


@pytest.mark.parametrize(
    ("change", "attracts", "repels"), [(0.0, True, False), (0.19, True, False), (0.21, False, True)]
)
def test_from_a_distant_clip_the_same_object_attracts_only_while_it_has_hardly_changed(
    change: float, attracts: bool, repels: bool
) -> None:
    """Change is measured against the shape at the anchor: twice the shape bears twice the difference."""
    key = view([3])
    key = replace(key, shapes=2 * key.shapes)
    distant = view([3, 5], 1, distant=True)
    moved = 2 * distant.shapes
    moved[0, 0] = 2 * change
    found = object_relations(key, replace(distant, shapes=moved), tau=0.2)
    assert found.attracts.tolist() == [[attracts, False]]
    assert found.repels.tolist() == [[repels, True]]


def test_a_distant_object_of_unknown_shape_neither_attracts_nor_repels() -> None:
    key, distant = view([3, 5]), view([3, 5], 1, distant=True)
    unknown = replace(distant, shapes=distant.shapes * torch.tensor([[0.0], [1.0]]))
    for found in (object_relations(key, unknown, 0.2), object_relations(unknown, replace(key, distant=True), 0.2)):
        assert found.attracts.tolist() == [[False, False], [False, True]]
        assert found.repels.tolist() == [[False, True], [True, False]]


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 2), max_size=12), max_size=6))
def test_queues_hold_the_latest_of_every_class_first_in_first_out(steps: list[list[int]]) -> None:
    queues, known = ClassQueues(3, 4, DIM), [deque[list[float]](maxlen=4) for _ in range(3)]
    for seed, classes in enumerate(steps):
        embeddings = vectors(len(classes), seed)
        queues.enqueue(embeddings, torch.tensor(classes, dtype=torch.int64))
        for class_id, row in zip(classes, embeddings.tolist(), strict=True):
            known[class_id].append(row)
    keys, relations = queues(torch.arange(3))
    for class_id, latest in enumerate(known):
        assert sorted(keys[relations.attracts[class_id]].tolist()) == sorted(latest)
        others = [row for c, rows in enumerate(known) for row in rows if c != class_id]
        assert sorted(keys[relations.repels[class_id]].tolist()) == sorted(others)


def test_queues_are_the_same_on_every_process() -> None:
    """Each sees the rows of all by rank, however many each has of its own."""
    embeddings, classes = vectors(5), torch.tensor([0, 1, 0, 2, 0])
    alone, first = ClassQueues(3, 2, DIM), ClassQueues(3, 2, DIM)
    alone.enqueue(embeddings, classes)
    rest = {torch.float32: embeddings[2:], torch.int64: classes[2:]}
    first.enqueue(embeddings[:2], classes[:2], gather=lambda mine: torch.cat([mine, rest[mine.dtype]]))
    assert torch.equal(alone.keys, first.keys)
    assert torch.equal(alone.written, first.written)


def test_queues_are_part_of_the_state_and_hold_no_gradient() -> None:
    queues, again = ClassQueues(3, 2, DIM), ClassQueues(3, 2, DIM)
    queues.enqueue(vectors(4).requires_grad_(), torch.tensor([0, 0, 0, 2]))
    again.load_state_dict(queues.state_dict())
    for q in (queues, again):
        q.enqueue(vectors(2, 5), torch.tensor([0, 1]))
    assert torch.equal(queues.keys, again.keys)
    assert not queues.keys.requires_grad
    assert not list(queues.parameters())


def test_queues_may_move_on_between_the_loss_and_its_gradient() -> None:
    queues, anchors = ClassQueues(2, 2, DIM), vectors(1).requires_grad_()
    queues.enqueue(vectors(4, 1), torch.tensor([0, 0, 1, 1]))
    stuff = replace(view([0], things=False), embeddings=anchors)
    before = contrast_loss([[stuff]], SETTINGS, 1, queues)["contrast"]
    (wanted,) = torch.autograd.grad(before, [anchors], retain_graph=True)
    queues.enqueue(vectors(4, 9), torch.tensor([0, 0, 1, 1]))
    (found,) = torch.autograd.grad(before, [anchors])
    assert torch.equal(found, wanted)


def mixed() -> tuple[list[View], ClassQueues]:
    """Key, near and distant clip of two things and one stuff class (as vps has them), and queues of the latter's."""
    queues = ClassQueues(10, 3, DIM)
    queues.enqueue(vectors(6, 7), torch.tensor([4, 4, 6, 6, 6, 8]))
    things = torch.tensor([True, True, False])
    views = [view([1, 2, 4]), view([2, 1, 4], 1), view([1, 4], 2, distant=True)]
    return [replace(v, is_thing=things if len(v.track_ids) == 3 else things[1:]) for v in views], queues


def test_things_look_at_other_clips_and_stuff_at_the_queues() -> None:
    (key, near, distant), queues = mixed()
    keys = torch.cat([near.embeddings[:2], distant.embeddings[:1]])
    same = torch.tensor([[False, True, True], [True, False, False]])
    wanted = plain(key.embeddings[:2], keys, Relations(same, ~same), 0)
    latest, of_class = queues(torch.tensor([4]))
    wanted += plain(key.embeddings[2:], latest, of_class, 0)
    found = contrast_loss([[key, near, distant]], SETTINGS, 3, queues)
    assert set(found) == {"contrast"}
    assert float(found["contrast"]) == pytest.approx(0.5 * sum(wanted) / 3, rel=1e-5)


def test_samples_of_a_step_add_up() -> None:
    views, queues = mixed()
    other = [view([3, 5]), view([5, 3], 4)]
    together = contrast_loss([views, other], SETTINGS, 5, queues)["contrast"]
    parts = [contrast_loss([sample], SETTINGS, 5, queues)["contrast"] for sample in (views, other)]
    torch.testing.assert_close(together, parts[0] + parts[1])


def test_one_clip_alone_has_nothing_to_be_contrasted_with() -> None:
    assert float(contrast_loss([[view([1, 2])]], SETTINGS, 1)["contrast"]) == 0
    assert float(contrast_loss([], SETTINGS, 1)["contrast"]) == 0
    assert float(contrast_loss([[view([]), view([1], 1)]], SETTINGS, 1)["contrast"]) == 0


def test_gradients_reach_both_clips_and_leave_shapes_alone() -> None:
    key, distant = view([1, 2]), view([2, 1], 1, distant=True)
    tensors = [key.embeddings, distant.embeddings, key.shapes, distant.shapes]
    for tensor in tensors:
        tensor.requires_grad_()
    loss = contrast_loss([[key, distant]], SETTINGS, 2)["contrast"]
    to_key, to_other, *to_shapes = torch.autograd.grad(loss, tensors, allow_unused=True)
    assert to_key.abs().sum() > 0
    assert to_other.abs().sum() > 0
    assert to_shapes == [None, None]


def test_half_precision_is_left_before_sums_are_taken() -> None:
    views, queues = mixed()
    plain_loss = contrast_loss([views], SETTINGS, 3, queues)["contrast"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = contrast_loss([views], SETTINGS, 3, queues)["contrast"]
    assert cast.dtype == torch.float32
    assert torch.equal(cast, plain_loss)


def test_a_view_holds_the_queries_that_answer_and_what_they_answer_for() -> None:
    targets = scene(3)
    pairs = Pairs(torch.tensor([[9, 9], [4, 0]]), torch.tensor([[0, 1], [0, 2]]))
    shapes = true_shapes(targets)
    found = view_of(vectors(5), pairs, targets, shapes, distant=True)
    assert torch.equal(found.embeddings, vectors(5)[[4, 0]])
    assert torch.equal(found.shapes, shapes[[0, 2]])
    assert found.track_ids.tolist() == [10, 12]
    assert found.class_ids.tolist() == [0, 2]
    assert found.distant
