"""Who answers for whom, against all permutations and costs worked out pair by pair."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.losses.matching import MatchProblems, distances, match
from gvseg_core.losses.points import Points, known_at, sample
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.recipes import LossSettings
from gvseg_core.types import Prediction
from tests.core.losses.scenes import SETTINGS, clips_of, draws, guess, layers_of, scene


def slow_costs(prediction: Prediction, clip: int, targets: Targets, points: Points) -> list[list[list[float]]]:
    """Cost of every output, query and target by the formulas of the paper, on full masks."""
    shared = points.shared.expand(targets.labels.shape[0], -1, -1)
    truth = sample(targets.masks.transpose(0, 1).float(), shared)  # (T, N, P)
    known = known_at(targets, shared).flatten().bool()
    found = []
    for class_logits, mask_logits in layers_of(prediction):
        probs = class_logits[clip].softmax(-1)
        logits = sample(mask_logits[clip].transpose(0, 1), shared)  # (T, Q, P)
        rows = []
        for q in range(logits.shape[1]):
            row = []
            for n in range(len(targets)):
                x, m = logits[:, q].flatten()[known], truth[:, n].flatten()[known]
                dice = 1 - (2 * (x.sigmoid() * m).sum() + 1) / (x.sigmoid().sum() + m.sum() + 1)
                entropy = F.binary_cross_entropy_with_logits(x, m)
                row.append((-2 * probs[q, targets.class_ids[n]] + 5 * entropy + 5 * dice).item())
            rows.append(row)
        found.append(rows)
    return found


def replace_settings(**values: float) -> LossSettings:
    return SETTINGS.model_copy(update=values)


def equal_queries(prediction: Prediction) -> Prediction:
    """Every query says what the first one says."""

    def equal(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[:, :1].expand_as(tensor)

    layers = tuple((equal(logits), equal(embeddings)) for logits, embeddings in prediction.auxiliary)
    logits, embeddings = equal(prediction.class_logits), equal(prediction.mask_embeddings)
    return replace(prediction, class_logits=logits, mask_embeddings=embeddings, auxiliary=layers)


def cost_of(pairs: list[tuple[int, int]], costs: list[list[float]]) -> float:
    return sum(costs[query][target] for query, target in pairs)


def pairs_of(found, output: int) -> list[tuple[int, int]]:
    return list(zip(found.queries[output].tolist(), found.targets[output].tolist(), strict=True))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([1, 3]), st.booleans())
def test_no_other_assignment_is_cheaper(seed: int, num_targets: int, frames: int, void: bool) -> None:
    targets = scene(num_targets, frames, seed, void=void)
    prediction, points = guess(frames=frames, seed=seed), draws(1, frames)
    found = match(prediction, [targets], points, SETTINGS)
    assert not found.problems
    for output, costs in enumerate(slow_costs(prediction, 0, targets, points[0])):
        pairs = pairs_of(found.pairs[0], output)
        assert [target for _, target in pairs] == list(range(num_targets))
        all_pairs = (list(zip(p, range(num_targets), strict=True)) for p in permutations(range(5), num_targets))
        best = min(cost_of(others, costs) for others in all_pairs)
        assert cost_of(pairs, costs) == pytest.approx(best, abs=1e-4)


def test_every_output_is_matched_by_itself() -> None:
    prediction, points = guess(queries=6, auxiliary=9), draws(1)
    together = match(prediction, [scene(4)], points, SETTINGS).pairs[0]
    assert together.queries.shape == (10, 4)
    assert len({tuple(row) for row in together.queries.tolist()}) > 1
    for i, (logits, embeddings) in enumerate(prediction.auxiliary):
        one = replace(prediction, class_logits=logits, mask_embeddings=embeddings, auxiliary=())
        assert torch.equal(match(one, [scene(4)], points, SETTINGS).pairs[0].queries[0], together.queries[i])


def test_a_clip_is_matched_as_if_it_were_alone() -> None:
    prediction, scenes, points = guess(batch=3), [scene(2, seed=1), scene(0), scene(4, seed=2)], draws(3)
    together = match(prediction, scenes, points, SETTINGS)
    alone = match(clips_of(prediction, 2, 3), scenes[2:], points[2:], SETTINGS)
    assert torch.equal(together.pairs[2].queries, alone.pairs[0].queries)
    assert [pairs.queries.shape for pairs in together.pairs] == [(3, 2), (3, 0), (3, 4)]


def test_the_order_of_targets_changes_no_pair() -> None:
    targets, order = scene(4), torch.tensor([2, 0, 3, 1])
    labels = torch.zeros_like(targets.labels)
    for new, old in enumerate(order.tolist()):
        labels[targets.labels == old + 1] = new + 1
    shuffled = replace(targets, labels=labels, class_ids=targets.class_ids[order])
    prediction, points = guess(), draws(1)
    plain = match(prediction, [targets], points, SETTINGS).pairs[0]
    other = match(prediction, [shuffled], points, SETTINGS).pairs[0]
    assert torch.equal(plain.queries[:, order], other.queries)


def test_more_targets_than_queries_leave_the_worst_without_one() -> None:
    targets, prediction, points = scene(5), guess(queries=2), draws(1)
    pairs = match(prediction, [targets], points, SETTINGS).pairs[0]
    assert pairs.queries.shape == (3, 2)
    for output, costs in enumerate(slow_costs(prediction, 0, targets, points[0])):
        best = min(cost_of([(0, a), (1, b)], costs) for a, b in permutations(range(5), 2))
        assert cost_of(pairs_of(pairs, output), costs) == pytest.approx(best, abs=1e-4)


def test_class_queries_answer_for_their_class_whatever_it_costs() -> None:
    targets = scene(3, rows=(4, 0, 2))
    pairs = match(guess(), [targets], draws(1), SETTINGS, num_free=0).pairs[0]
    assert pairs.queries.tolist() == [[4, 0, 2]] * 3
    assert pairs.targets.tolist() == [[0, 1, 2]] * 3


def test_things_share_out_the_free_queries_while_stuff_has_its_own() -> None:
    """The others do not come near the class queries, and are matched as if there were none."""
    targets, prediction, points = scene(3, rows=(FREE, 4, FREE)), guess(), draws(1)
    pairs = match(prediction, [targets], points, SETTINGS, num_free=3).pairs[0]
    for output, costs in enumerate(slow_costs(prediction, 0, targets, points[0])):
        found = pairs_of(pairs, output)
        assert found[1] == (4, 1)
        best = min(cost_of([(a, 0), (b, 2)], costs) for a, b in permutations(range(3), 2))
        assert cost_of([found[0], found[2]], costs) == pytest.approx(best, abs=1e-4)


def test_of_queries_that_fit_as_well_the_nearest_answers() -> None:
    """Five queries that say the same; each of three things is given to the one that starts in its middle."""
    targets, settings = scene(3), replace_settings(place_weight=1.0)
    prediction = equal_queries(guess())
    centres = targets.centres
    places = torch.cat([centres[[2, 0]], torch.tensor([[-9.0, -9.0]]), centres[[1]], centres[[1]] + 0.3])[None]
    found = match(prediction, [targets], draws(1), settings, places=places).pairs[0]
    assert found.queries.tolist() == [[1, 3, 0]] * 3
    with_others = match(guess(), [targets], draws(1), replace_settings(place_weight=1e4), places=places).pairs[0]
    assert torch.equal(with_others.queries, found.queries)
    unasked = match(guess(), [targets], draws(1), SETTINGS, places=places).pairs[0]
    assert torch.equal(unasked.queries, match(guess(), [targets], draws(1), SETTINGS).pairs[0].queries)


def test_a_distance_is_a_share_of_the_diagonal() -> None:
    targets = scene(3, rows=(FREE, 4, FREE))
    h, w = targets.labels.shape[-2:]
    corner, centres = torch.zeros(1, 2), targets.centres
    expected = [math.hypot(centres[n, 0] * w, centres[n, 1] * h) / math.hypot(w, h) for n in (0, 2)]
    assert distances(corner, targets)[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_what_the_middle_frame_does_not_show_is_far_from_nothing() -> None:
    targets = scene(2)
    hidden = replace(targets, labels=targets.labels.where(targets.labels != 1, 0))
    away = distances(torch.rand(4, 2, generator=torch.Generator().manual_seed(0)), hidden)
    assert away[:, 0].tolist() == [0.0] * 4
    assert away[:, 1].gt(0).all()


def test_a_target_without_any_query_to_answer_remains_unanswered() -> None:
    pairs = match(guess(), [scene(2, rows=(3, FREE))], draws(1), SETTINGS, num_free=0).pairs[0]
    assert pairs.targets.tolist() == [[0]] * 3


@pytest.mark.parametrize("rows", [(5,), (1, 1), (0, FREE)])
def test_targets_cannot_be_bound_to_queries_that_are_not_theirs(rows: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="targets are bound to queries"):
        match(guess(), [scene(len(rows), rows=rows)], draws(1), SETTINGS)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_costs_that_are_no_number_are_named_and_avoided(bad: float) -> None:
    prediction = guess()
    logits, embeddings = (tensor.detach().clone() for tensor in prediction.auxiliary[1])
    logits[0, 2], embeddings[0, 3] = bad, bad
    spoilt = replace(prediction, auxiliary=(prediction.auxiliary[0], (logits, embeddings)))
    found = match(spoilt, [scene(3)], draws(1), SETTINGS)
    assert found.problems.counts["class", "output 1"] == 3
    assert found.problems.counts["mask", "output 1"] == 3
    assert {output for _, output in found.problems.counts} == {"output 1"}
    assert not {2, 3} & set(found.pairs[0].queries[1].tolist())
    sound = match(prediction, [scene(3)], draws(1), SETTINGS)
    for output in (0, 2):
        assert torch.equal(found.pairs[0].queries[output], sound.pairs[0].queries[output])


def test_where_no_cost_is_a_number_there_are_pairs_all_the_same() -> None:
    prediction = replace(guess(), mask_features=torch.full((1, 2, 6, 6, 8), float("nan")))
    found = match(prediction, [scene(3)], draws(1), SETTINGS)
    assert found.pairs[0].queries.shape == (3, 3)
    assert found.problems.counts["dice", "the answer"] == 15


def test_problems_add_up_and_say_what_they_are() -> None:
    one, other = MatchProblems({("mask", "output 3"): 2}), MatchProblems({("mask", "output 3"): 1})
    assert not MatchProblems()
    assert str(MatchProblems()) == "every cost is finite"
    assert one
    assert str(one + other) == "costs of matching that are not finite: mask of output 3: 3"


def test_a_cost_without_weight_is_not_asked_for() -> None:
    """Infinite dice does no harm where dice does not count."""
    prediction = guess()
    spoilt = replace(prediction, mask_features=torch.full((1, 2, 6, 6, 8), float("nan")))
    class_only = SETTINGS.model_copy(update={"mask_weight": 0.0, "dice_weight": 0.0})
    expected = match(prediction, [scene(3)], draws(1), class_only).pairs[0].queries
    assert torch.equal(match(spoilt, [scene(3)], draws(1), class_only).pairs[0].queries, expected)
