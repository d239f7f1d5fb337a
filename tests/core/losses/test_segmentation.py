"""Class, mask and dice losses against loops over full masks, and what must not change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.losses.matching import Matching, match
from gvseg_core.losses.points import Points, choose_points, known_at, sample, truth_at
from gvseg_core.losses.segmentation import Normaliser, amounts, normaliser_of, segmentation_losses
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.types import VOID, Prediction
from tests.core.losses.scenes import SETTINGS, SIZE, K, clips_of, draws, guess, layers_of, parts_of, scene

CPU = torch.device("cpu")


def losses_of(
    prediction: Prediction,
    targets: Sequence[Targets],
    points: Sequence[Points],
    normaliser: Normaliser | None = None,
    num_free: int | None = None,
) -> dict[str, Tensor]:
    matching = match(prediction, targets, points, SETTINGS, num_free)
    if normaliser is None:
        normaliser = normaliser_of(amounts(targets, prediction.class_logits.shape[1], SETTINGS, num_free), CPU)
    return segmentation_losses(prediction, targets, points, matching, SETTINGS, normaliser)


def slow_losses(
    prediction: Prediction, targets: Sequence[Targets], points: Sequence[Points], matching: Matching
) -> dict[str, Tensor]:
    """The formulas of the paper, query by query and frame by frame, on full masks."""
    found: dict[str, Tensor] = {}
    layers = layers_of(prediction)
    num_masks = sum(len(target) for target in targets)
    for i, (class_logits, mask_logits) in enumerate(layers):
        suffix = f"_{i}" if i < len(layers) - 1 else ""
        classes = torch.full(class_logits.shape[:2], K)
        mask_loss = dice_loss = torch.zeros(())
        for b, target in enumerate(targets):
            for q, n in zip(matching.pairs[b].queries[i].tolist(), matching.pairs[b].targets[i].tolist(), strict=True):
                classes[b, q] = target.class_ids[n]
                for t in range(mask_logits.shape[2]):
                    logits = mask_logits[b, q, t][None, None]
                    mask = target.masks[n, t][None, None].float()
                    place = choose_points(
                        mask_logits[b, q].detach()[:, None], torch.tensor([n]), points[b], truth_at(target, points[b])
                    )[0][t]
                    at = known_at(target, place.expand(mask_logits.shape[2], -1, -1))[t].bool()
                    x, m = sample(logits, place)[0, 0][at], sample(mask, place)[0, 0][at]
                    mask_loss = mask_loss + F.binary_cross_entropy_with_logits(x, m)
                    p = x.sigmoid()
                    dice_loss = dice_loss + 1 - (2 * (p * m).sum() + 1) / (p.sum() + m.sum() + 1)
        weight = torch.ones(K + 1)
        weight[K] = 0.1
        found[f"class{suffix}"] = 2 * F.cross_entropy(class_logits.transpose(1, 2), classes, weight)
        found[f"mask{suffix}"] = 5 * mask_loss / max(num_masks, 1)
        found[f"dice{suffix}"] = 5 * dice_loss / max(num_masks, 1)
    return found


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("frames", [1, 3])
def test_losses_and_their_gradients_are_those_of_the_slow_reference(frames: int, void: bool) -> None:
    prediction, points = guess(batch=2, frames=frames), draws(2, frames)
    scenes = [scene(3, frames, seed=1, void=void), scene(2, frames, seed=2)]
    matching = match(prediction, scenes, points, SETTINGS)
    fast, slow = losses_of(prediction, scenes, points), slow_losses(prediction, scenes, points, matching)
    assert (
        sorted(fast) == sorted(slow) == sorted(f"{n}{s}" for n in ("class", "mask", "dice") for s in ("", "_0", "_1"))
    )
    for name, loss in slow.items():
        torch.testing.assert_close(fast[name], loss, atol=2e-5, rtol=2e-5)
    gradients = (torch.autograd.grad(sum(losses.values()), parts_of(prediction)) for losses in (fast, slow))
    for ours, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-4)


def test_every_frame_of_an_object_counts_like_a_picture_of_it() -> None:
    """The losses of three frames are the sum of those of three pictures with the same pairs and points."""
    prediction, target, points = guess(frames=3, auxiliary=0), scene(3, 3), draws(1, 3)[0]
    matching = match(prediction, [target], [points], SETTINGS)
    unit = Normaliser(1.0, 1.0)
    whole = segmentation_losses(prediction, [target], [points], matching, SETTINGS, unit)
    total = {"mask": torch.zeros(()), "dice": torch.zeros(())}
    for t in range(3):
        one = replace(prediction, mask_features=prediction.mask_features[:, t : t + 1])
        picture = replace(target, labels=target.labels[t : t + 1])
        at = Points(points.shared, points.candidates[t : t + 1], points.uniform[t : t + 1])
        part = segmentation_losses(one, [picture], [at], matching, SETTINGS, unit)
        total = {name: loss + part[name] for name, loss in total.items()}
    for name, loss in total.items():
        torch.testing.assert_close(whole[name], loss)


def test_the_order_of_targets_does_not_matter() -> None:
    target, order = scene(4), torch.tensor([2, 0, 3, 1])
    labels = torch.zeros_like(target.labels)
    for new, old in enumerate(order.tolist()):
        labels[target.labels == old + 1] = new + 1
    shuffled = replace(target, labels=labels, class_ids=target.class_ids[order])
    prediction, points = guess(), draws(1)
    plain, other = losses_of(prediction, [target], points), losses_of(prediction, [shuffled], points)
    for name, loss in plain.items():
        torch.testing.assert_close(other[name], loss, atol=1e-6, rtol=1e-6)


def batch() -> tuple[Prediction, list[Targets], list[Points]]:
    """Four clips, one of them empty, one with more targets than queries."""
    return guess(batch=4), [scene(3, seed=1), scene(0), scene(6, seed=2), scene(1, seed=3, void=True)], draws(4)


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    """Accumulated gradients and those of the larger batch are the same."""
    prediction, scenes, points = batch()
    whole = losses_of(prediction, scenes, points)
    total = amounts(scenes[:1], 5, SETTINGS) + amounts(scenes[1:], 5, SETTINGS)
    normaliser = normaliser_of(total, CPU)
    parts = [
        losses_of(clips_of(prediction, a, b), scenes[a:b], points[a:b], normaliser) for a, b in ((0, 1), (1, 3), (3, 4))
    ]
    for name, loss in whole.items():
        torch.testing.assert_close(sum(part[name] for part in parts), loss, atol=1e-6, rtol=1e-6)
    together = torch.autograd.grad(sum(whole.values()), parts_of(prediction))
    accumulated = torch.autograd.grad(sum(sum(part.values()) for part in parts), parts_of(prediction))
    for one, other in zip(together, accumulated, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_two_processes_have_in_the_mean_the_loss_of_one() -> None:
    prediction, scenes, points = batch()
    whole = losses_of(prediction, scenes, points)
    halves = [(0, 2), (2, 4)]
    own = [amounts(scenes[a:b], 5, SETTINGS) for a, b in halves]

    def reduce_mean(value: Tensor) -> Tensor:
        both = [torch.tensor([float(amount.num_masks), float(amount.class_weight)]) for amount in own]
        assert any(torch.equal(value, mine) for mine in both)
        return (both[0] + both[1]) / 2

    ranks = [
        losses_of(clips_of(prediction, a, b), scenes[a:b], points[a:b], normaliser_of(amount, CPU, reduce_mean))
        for (a, b), amount in zip(halves, own, strict=True)
    ]
    for name, loss in whole.items():
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, loss, atol=1e-6, rtol=1e-6)


def test_amounts_are_known_before_the_network_has_run() -> None:
    """Of five queries: three matched; four targets for three free ones, and one bound; none."""
    assert amounts([scene(3)], 5, SETTINGS) == Normaliser(3, pytest.approx(3 + 0.2))
    assert amounts([scene(5, rows=(FREE, FREE, 4, FREE, FREE))], 5, SETTINGS, num_free=3) == Normaliser(
        5, pytest.approx(4 + 0.1)
    )
    nothing = normaliser_of(amounts([scene(0)], 5, SETTINGS), CPU)
    assert (float(nothing.num_masks), float(nothing.class_weight)) == (1, pytest.approx(0.5))


def test_without_targets_queries_learn_to_say_nothing_and_masks_learn_nothing() -> None:
    prediction = guess()
    losses = losses_of(prediction, [scene(0)], draws(1))
    assert [losses[name].item() for name in ("mask", "dice", "mask_0", "dice_1")] == [0, 0, 0, 0]
    says_nothing = F.cross_entropy(prediction.class_logits[0], torch.full((5,), K))
    torch.testing.assert_close(losses["class"], 2 * says_nothing)
    features, *others = torch.autograd.grad(sum(losses.values()), parts_of(prediction))
    assert features.eq(0).all()
    assert all(gradient.isfinite().all() for gradient in others)


def test_where_all_is_void_masks_learn_nothing() -> None:
    target = replace(scene(2), labels=torch.full((2, 24, 32), VOID, dtype=torch.int16), has_void=True)
    prediction = guess()
    losses = losses_of(prediction, [target], draws(1))
    assert float(losses["mask"].detach()) == float(losses["dice"].detach()) == 0
    features, *others = torch.autograd.grad(sum(losses.values()), parts_of(prediction))
    assert features.eq(0).all()
    assert all(gradient.isfinite().all() for gradient in others)


def test_what_lies_under_void_makes_no_difference() -> None:
    """Features there get no gradient, but where a sample beside it reaches across."""
    target = scene(3)
    hidden = target.labels.clone()
    hidden[:, 12:] = VOID
    prediction = guess()
    losses = losses_of(prediction, [replace(target, labels=hidden, has_void=True)], draws(1))
    (gradient,) = torch.autograd.grad(sum(losses.values()), [prediction.mask_features])
    assert gradient[..., 4:, :].eq(0).all()
    assert gradient[..., :3, :].ne(0).any()


def test_only_matched_queries_are_asked_for_a_mask() -> None:
    prediction, targets, points = guess(auxiliary=0), [scene(2)], draws(1)
    matching = match(prediction, targets, points, SETTINGS)
    losses = segmentation_losses(prediction, targets, points, matching, SETTINGS, Normaliser(1.0, 1.0))
    (gradient,) = torch.autograd.grad(losses["mask"] + losses["dice"], [prediction.mask_embeddings])
    asked = gradient[0].ne(0).any(-1).nonzero()[:, 0].tolist()
    assert asked == sorted(matching.pairs[0].queries[0].tolist())
    (gradient,) = torch.autograd.grad(losses["class"], [prediction.class_logits])
    assert gradient.ne(0).all()


def test_the_query_of_an_absent_class_learns_to_say_nothing() -> None:
    target = scene(2, rows=(3, 1))
    prediction = guess(auxiliary=0)
    losses = losses_of(prediction, [target], draws(1), Normaliser(1.0, 1.0), num_free=0)
    log_probs = prediction.class_logits[0].log_softmax(-1)
    wanted = -log_probs[3, 0] - log_probs[1, 1] - 0.1 * log_probs[[0, 2, 4], K].sum()
    torch.testing.assert_close(losses["class"], 2 * wanted)


def test_one_class_is_enough() -> None:
    prediction = guess()
    one_class = replace(
        prediction,
        class_logits=prediction.class_logits[..., :2],
        auxiliary=tuple((logits[..., :2], embeddings) for logits, embeddings in prediction.auxiliary),
    )
    target = replace(scene(3), class_ids=torch.zeros(3, dtype=torch.int64))
    losses = losses_of(one_class, [target], draws(1))
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


def test_autocast_changes_nothing() -> None:
    prediction, targets, points = guess(), [scene(3)], draws(1)
    plain = losses_of(prediction, targets, points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = losses_of(prediction, targets, points)
    assert {name: loss.dtype for name, loss in cast.items()} == dict.fromkeys(cast, torch.float32)
    for name, loss in plain.items():
        assert torch.equal(cast[name], loss), name


def test_features_of_half_precision_are_taken_as_they_are() -> None:
    prediction, targets, points = guess(auxiliary=0), [scene(3)], draws(1)
    half = replace(prediction, mask_features=prediction.mask_features.bfloat16())
    rounded = replace(prediction, mask_features=half.mask_features.float())
    ours, wanted = losses_of(half, targets, points), losses_of(rounded, targets, points)
    for name, loss in wanted.items():
        torch.testing.assert_close(ours[name], loss)


def test_a_perfect_answer_costs_next_to_nothing() -> None:
    """Sure of every class and of every pixel, asked in the middle of each."""
    y, x = torch.meshgrid(*((torch.arange(n) + 0.5) / n for n in SIZE), indexing="ij")
    centres = torch.stack([x, y], -1).flatten(0, 1)
    points, target = Points(centres, torch.rand(2, 1, 2), centres.expand(2, -1, -1)), scene(3)
    masks = target.masks.float().transpose(0, 1)  # (T, N, H, W)
    classes = torch.full((1, 4, K + 1), -20.0)
    classes[0, torch.arange(4), torch.tensor([*target.class_ids.tolist(), K])] = 20.0
    features = torch.cat([masks * 20 - 10, torch.full_like(masks[:, :1], -10)], 1)[None]
    perfect = Prediction(classes, torch.eye(4)[None], torch.eye(4)[None], features)
    assert match(perfect, [target], [points], SETTINGS).pairs[0].queries.tolist() == [[0, 1, 2]]
    losses = losses_of(perfect, [target], [points])
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(dict.fromkeys(losses, 0), abs=2e-3)
