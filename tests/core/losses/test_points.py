"""Where masks are compared, against samples of full masks and a slow choice of the least certain."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.losses.points import choose_points, draw_points, known_at, least, sample, sample_masks, truth_at
from gvseg_core.recipes import LossSettings
from gvseg_core.types import VOID
from tests.core.losses.scenes import SETTINGS, SIZE, draws, guess, scene

CPU = torch.device("cpu")


def test_as_many_points_are_drawn_as_mask2former_draws() -> None:
    points = draw_points(LossSettings(), 3, CPU)
    assert points.shared.shape == (12544, 2)
    assert points.candidates.shape == (3, 37632, 2)
    assert points.uniform.shape == (3, 3136, 2)
    assert points.num_uncertain == 9408
    assert 0 <= float(points.candidates.min()) < 0.01 < 0.99 < float(points.candidates.max()) <= 1


def test_a_clip_draws_by_its_own_chance() -> None:
    first = draw_points(SETTINGS, 2, CPU, torch.Generator().manual_seed(5))
    torch.rand(3)
    again = draw_points(SETTINGS, 2, CPU, torch.Generator().manual_seed(5))
    other = draw_points(SETTINGS, 2, CPU, torch.Generator().manual_seed(6))
    assert torch.equal(first.candidates, again.candidates)
    assert not torch.equal(first.shared, other.shared)


@given(st.integers(0, 1000), st.integers(0, 5))
def test_masks_are_sampled_as_full_masks_would_be(seed: int, num_targets: int) -> None:
    targets = scene(num_targets, seed=seed, void=seed % 2 == 0)
    points = torch.rand(2, 30, 2, generator=torch.Generator().manual_seed(seed))
    points[:, 0], points[:, 1], points[:, 2] = 0.0, 0.999999, 0.5
    wanted = sample(targets.masks.transpose(0, 1).float(), points).transpose(0, 1)
    torch.testing.assert_close(sample_masks(targets, points), wanted, atol=1e-5, rtol=0)


def test_a_point_is_known_unless_its_pixel_is_void() -> None:
    targets = scene(2, void=True)
    points = draws(1)[0].candidates
    column, row = (points * torch.tensor([SIZE[1], SIZE[0]])).long().unbind(-1)
    wanted = [[float(targets.labels[t, y, x] != VOID) for x, y in zip(column[t], row[t], strict=True)] for t in (0, 1)]
    assert known_at(targets, points).tolist() == wanted
    assert known_at(scene(2), points).all()


def test_sampling_and_products_may_change_places() -> None:
    """So that mask logits are needed at the points alone."""
    prediction = guess()
    points = draws(1)[0].shared.expand(2, -1, -1)
    logits = prediction.mask_logits()[0].transpose(0, 1)
    at_points = prediction.mask_embeddings[0] @ sample(prediction.mask_features[0], points)
    torch.testing.assert_close(at_points, sample(logits, points))


@pytest.mark.parametrize("importance", [0.0, 0.75, 1.0])
def test_each_mask_takes_the_candidates_it_is_least_sure_of_and_the_uniform_ones(importance: float) -> None:
    settings = LossSettings(num_points=40, importance=importance)
    points, targets = draws(1, settings=settings)[0], scene(3)
    logits = guess().mask_logits()[0].detach().transpose(0, 1)  # (T, Q, h, w)
    answers = torch.tensor([2, 0, 1, 1, 2])
    places, masks, known = choose_points(logits, answers, points, truth_at(targets, points))
    k = int(importance * 40)
    assert places.shape == (2, 5, 40, 2)
    assert known.eq(1).all()
    for t in range(2):
        values = sample(logits[t][None], points.candidates[t][None])[0].abs()
        for r in range(5):
            wanted = points.candidates[t, values[r].argsort()[:k]].tolist() + points.uniform[t].tolist()
            assert sorted(places[t, r].tolist()) == sorted(wanted)
            truth = sample(targets.masks[answers[r], t][None, None].float(), places[t, r][None])
            torch.testing.assert_close(masks[t, r], truth[0, 0], atol=1e-5, rtol=0)


def test_no_point_is_spent_on_void_while_there_are_others() -> None:
    points, targets = draws(1)[0], scene(3, void=True)
    logits = guess().mask_logits()[0].detach().transpose(0, 1)
    _, _, known = choose_points(logits, torch.tensor([0, 1, 2, 0, 1]), points, truth_at(targets, points))
    assert known[:, :, : points.num_uncertain].all()
    assert not known[:, :, points.num_uncertain :].all()


def test_masks_that_choose_in_turns_choose_as_they_would_alone() -> None:
    points, targets = draws(1)[0], scene(2)
    logits = guess(queries=70).mask_logits()[0].detach().transpose(0, 1)
    truth, answers = truth_at(targets, points), torch.arange(70) % 2
    together = choose_points(logits, answers, points, truth)
    alone = choose_points(logits[:, 66:67], answers[66:67], points, truth)
    for whole, part in zip(together, alone, strict=True):
        assert torch.equal(whole[:, 66:67].sort(2).values, part.sort(2).values)


@pytest.mark.parametrize("num", [0, 1, 40, 100])
def test_the_smallest_are_found_and_what_is_no_number_is_large(num: int) -> None:
    values = torch.randn(2, 3, 100, generator=torch.Generator().manual_seed(num))
    values[0, 0, :10], values[1, 2, 5:9] = torch.nan, torch.inf
    chosen = least(values, num)
    assert chosen.shape == (2, 3, num)
    found, wanted = values.gather(2, chosen).sort().values, values.sort().values[..., :num]
    torch.testing.assert_close(found, wanted, atol=0, rtol=0, equal_nan=True)
    assert all(len(set(row.tolist())) == num for row in chosen.flatten(0, 1))
