"""Where each source's queries come from, and that training reaches it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.errors import UsageError
from gvseg_core.model.queries import class_means, class_sums, exemplar_features, spread
from gvseg_core.ops.positions import picture_code
from gvseg_core.types import Features, Queries

SIZE = (8, 12)  # of stride 8


def painted(batch: int = 1, frames: int = 1, seed: int = 0) -> Features:
    """Features of a 64 × 96 picture: noise at every level."""
    draw = torch.Generator().manual_seed(seed)
    levels = [torch.randn(batch, frames, 32, h, w, generator=draw) for h, w in ((2, 3), (4, 6), SIZE)]
    return Features(tuple(levels), torch.randn(batch, frames, 16, 16, 24, generator=draw))


def test_learned_queries_are_the_same_for_every_clip(build):
    queries = build().queries["learned"](3)
    assert queries.content.shape == queries.position.shape == (3, 6, 32)
    assert torch.equal(queries.content[0], queries.content[2])
    assert queries.is_thing is None


def test_grid_queries_are_spread_evenly_or_drawn_by_the_chance_of_each_clip(build):
    vis, features = build(source="task", num_queries=8).queries["vis"], painted(batch=2)

    def drawn(*seeds):
        return vis(features, chance=[torch.Generator().manual_seed(seed) for seed in seeds]).position

    with torch.no_grad():
        assert torch.equal(vis(features).content, vis(features).content)
        assert not torch.equal(drawn(1, 2), vis(features).position)
        assert torch.equal(drawn(1, 2), drawn(1, 2))
        assert torch.equal(drawn(1, 2)[0], drawn(1, 3)[0])
        assert not torch.equal(drawn(1, 2)[1], drawn(1, 3)[1])


def test_grid_queries_cover_the_picture_and_not_the_padding(build):
    """8 of 16 cells: three rows of the grid, two or three cells of each."""
    network = build(source="task", num_queries=8).eval()
    vis = network.queries["vis"]
    torch.nn.init.eye_(vis.position.weight)
    torch.nn.init.zeros_(vis.position.bias)
    code = picture_code(SIZE, 32, torch.device("cpu"))
    with torch.no_grad():
        position = vis(painted(), (0.5, 1.0)).position[0]
    nearest = torch.cdist(position, code).argmin(1)
    rows, columns = nearest // SIZE[1], nearest % SIZE[1]
    assert sorted(set(rows.tolist())) == [0, 2, 3]
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 8
    assert int(columns.max()) >= 9


@given(st.integers(1, 24), st.floats(0, 1))
def test_no_cell_is_far_from_a_chosen_one(side: int, share: float) -> None:
    """Neither up nor sideways: half of what lies between neighbours of as many rows as there are cells in a row."""
    num = max(1, round(share * side * side))
    chosen = spread(num, side)
    assert len(set(chosen)) == num
    at = torch.tensor([[cell // side, cell % side] for cell in chosen]).double()
    every = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double().view(-1, 2)
    away = (every[:, None] - at).abs().amax(-1).amin(1).max()
    in_a_row = min(round(math.sqrt(num)), num // round(math.sqrt(num)))
    assert away <= math.ceil(side / (2 * in_a_row))


def test_every_second_cell_of_every_second_row_is_chosen_where_a_quarter_is() -> None:
    assert spread(36, 12) == [row * 12 + column for row in range(1, 12, 2) for column in range(1, 12, 2)]


def test_grid_queries_say_where_they_start(build):
    """Four cells of the left half: the middles of its quarters, as the grid's cells have them."""
    vis = build(source="task", num_queries=4, grid=2).eval().queries["vis"]
    with torch.no_grad():
        places = vis(painted(batch=2), (1.0, 0.5)).places
    assert places.tolist() == [[[0.125, 0.25], [0.375, 0.25], [0.125, 0.75], [0.375, 0.75]]] * 2


def test_grid_queries_look_at_the_middle_frame(build):
    vis = build(source="task").eval().queries["vis"]
    features = painted(frames=3)
    alone = Features(tuple(level[:, 1:2] for level in features.multi_scale), features.mask_features[:, 1:2])
    assert torch.equal(vis(features).content, vis(alone).content)


def test_no_more_queries_are_taken_than_the_grid_has_cells(build):
    assert build(source="task", num_queries=99, grid=3).eval().queries["vis"](painted()).content.shape[1] == 9


def test_class_queries_take_over_what_is_new_and_drift_towards_what_is_known(build):
    vss = build(source="task", momentum=0.75).queries["vss"]
    present = torch.tensor([True, False, True])
    vss.update("animals", torch.full((3, 32), 4.0), present)
    vss.update("animals", torch.full((3, 32), 8.0), torch.tensor([True, True, False]))
    mean = vss.classes["animals"].mean
    assert mean[:, 0].tolist() == [5.0, 8.0, 4.0]


def test_class_queries_are_one_for_each_class_and_no_things(build):
    vss = build(source="task").queries["vss"]
    queries = vss(2, "animals")
    assert queries.content.shape == queries.position.shape == (2, 3, 32)
    assert queries.is_thing.tolist() == [False] * 3
    some = vss(2, "animals", [2, 0])
    assert torch.equal(some.position, queries.position[:, [2, 0]])
    with pytest.raises(UsageError, match="unknown vocabulary 'streets'"):
        vss(1, "streets")


def test_class_means_are_the_means_of_the_cells_of_a_class():
    features = painted(batch=2, frames=2)
    labels = torch.full((2, 2, 64, 96), 255)
    labels[0, 1, :, :48] = 1
    labels[1, 0, 32:] = 1
    labels[1, 0, :32] = 2
    means, present = class_means(class_sums(features, labels, 4))
    level = features.multi_scale[-1]
    cells = torch.cat([level[0, 1, :, :, :6].flatten(1), level[1, 0, :, 4:].flatten(1)], dim=1)
    torch.testing.assert_close(means[1], cells.mean(1))
    torch.testing.assert_close(means[2], level[1, 0, :, :4].flatten(1).mean(1))
    assert present.tolist() == [False, True, True, False]
    assert means[0].abs().sum() == 0


def test_class_means_of_parts_added_up_are_those_of_the_whole_batch():
    features, labels = painted(batch=3, frames=2), torch.randint(-1, 5, (3, 2, *SIZE))
    parts = [
        class_sums(Features((features.multi_scale[-1][part],), features.mask_features[part]), labels[part], 4)
        for part in (slice(0, 1), slice(1, 3))
    ]
    means, present = class_means(parts[0] + parts[1])
    torch.testing.assert_close(means, class_means(class_sums(features, labels, 4))[0])
    assert present.all()


def test_panoptic_queries_are_things_then_stuff(build):
    network = build(source="task").eval()
    vps, features = network.queries["vps"], painted(batch=2)
    queries = vps(features, "animals", [2, 1])
    assert queries.is_thing.tolist() == [True] * 6 + [False] * 2
    assert torch.equal(queries.content[:, :6], vps.things(features).content)
    assert torch.equal(queries.position[:, 6:], vps.stuff(2, "animals", [2, 1]).position)


def test_exemplars_are_the_mean_of_what_they_cover():
    features = painted(frames=2)
    weights = torch.zeros(2, *SIZE)
    weights[0, 3, 4] = 1
    weights[1, :2, 0] = 0.5
    pooled = exemplar_features(features, weights, frame=1)
    level = features.multi_scale[-1][0, 1]
    torch.testing.assert_close(pooled[0], level[:, 3, 4])
    torch.testing.assert_close(pooled[1], level[:, :2, 0].mean(1))


def test_exemplars_know_their_place_only_where_it_is_known(build):
    evs = build(source="task").queries["evs"]
    pooled = torch.randn(1, 3, 32)
    places = torch.tensor([[[1.0, 2.0], [float("nan"), float("nan")], [7.0, 2.0]]])
    queries = evs(pooled, places, SIZE)
    assert torch.equal(queries.content, evs(pooled).content)
    assert torch.equal(queries.position[:, 1], evs(pooled).position[:, 1])
    assert not torch.equal(queries.position[:, 0], queries.position[:, 2])
    assert queries.position.isfinite().all()


def source_queries(network, name: str, features: Features) -> Queries:
    match name:
        case "vis":
            return network.queries["vis"](features)
        case "vss":
            return network.queries["vss"](1, "animals")
        case "vps":
            return network.queries["vps"](features, "animals", [0, 1, 2])
        case _:
            weights = torch.full((2, 8, 12), 1 / 96)
            return network.queries["evs"](exemplar_features(features, weights)[None], torch.ones(1, 2, 2), SIZE)


@pytest.mark.parametrize("name", ["vis", "vss", "vps", "evs"])
def test_every_source_starts_the_decoder_and_training_reaches_it(build, name):
    network = build(source="task", spa=True).train()
    for source in ("vss", "vps"):
        classes = network.queries[source] if source == "vss" else network.queries[source].stuff
        classes.update("animals", torch.randn(3, 32), torch.ones(3, dtype=torch.bool))
    features = network.encode(torch.randn(1, 2, 3, 64, 96))
    prediction = network.decode(features, source_queries(network, name, features), "animals")
    (prediction.class_logits.square().sum() + prediction.mask_logits().square().sum()).backward()
    starved = [n for n, p in network.queries[name].named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert starved == []
