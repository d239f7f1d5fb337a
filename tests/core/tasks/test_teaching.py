"""What each task teaches: its queries, who answers for what, how much the losses are divided by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gvseg_core.config import QuerySettings
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.losses.targets import FREE
from gvseg_core.model.network import Network
from gvseg_core.model.queries import exemplar_features
from gvseg_core.ops.regions import Grid, mask_weights
from gvseg_core.recipes import load_preset
from gvseg_core.tasks.teaching import Shown, Teaching, teaching_of
from gvseg_core.types import VOID, Features, LabelledClip, TaskName

VOCABULARY = DEMO_VOCABULARY
THINGS = sorted(VOCABULARY.thing_ids)
STUFF = [i for i in range(len(VOCABULARY)) if i not in VOCABULARY.thing_ids]
SIZE = (64, 96)
NUM_GRID = 12  # of the preset `tiny`


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(load_preset("tiny").model, {VOCABULARY.name: len(VOCABULARY)})


def clip(shift: int = 0, class_ids: tuple[int, ...] = (THINGS[0], THINGS[1], STUFF[0])) -> LabelledClip:
    """Two frames: two squares that move over one kind of ground, and a stripe of void."""
    labels = torch.full((2, *SIZE), 3, dtype=torch.int16)
    for t in range(2):
        labels[t, 8:24, 8 + shift + 16 * t : 24 + shift + 16 * t] = 1
        labels[t, 40:56, 64 - 16 * t : 80 - 16 * t] = 2
    labels[:, :, 90:] = VOID
    ids = torch.tensor(class_ids)
    return LabelledClip(torch.zeros(2, 3, *SIZE, dtype=torch.uint8), labels, ids, torch.tensor([31, 32, 33]), (0, 1))


def shown(clips: list[LabelledClip], distant: list[bool], seed: int = 0) -> Shown:
    """Clips of one video, whose features are noise."""
    draw = torch.Generator().manual_seed(seed)
    levels = tuple(torch.randn(len(clips), 2, 32, 64 // s, 96 // s, generator=draw) for s in (32, 16, 8))
    features = Features(levels, torch.randn(len(clips), 2, 32, 16, 24, generator=draw))
    chance = [torch.Generator().manual_seed(n) for n in range(len(clips))]
    return Shown(features, clips, [0] * len(clips), distant, (1.0, 1.0), chance)


def teaching(task: TaskName, network: Network) -> Teaching:
    return teaching_of(task, network.queries, VOCABULARY)


@pytest.mark.parametrize(
    ("task", "num_queries", "num_free", "rows", "things"),
    [
        ("vis", NUM_GRID, None, None, THINGS),
        ("vss", len(VOCABULARY), 0, (THINGS[0], THINGS[1], STUFF[0]), []),
        ("vps", NUM_GRID + len(STUFF), NUM_GRID, (FREE, FREE, NUM_GRID), THINGS),
        ("evs", 3, 0, (0, 1, 2), THINGS),
    ],
)
def test_each_task_has_its_queries_and_says_who_answers(
    network: Network,
    task: TaskName,
    num_queries: int,
    num_free: int | None,
    rows: tuple[int, ...] | None,
    things: list[int],
) -> None:
    taught, key = teaching(task, network), clip()
    assert taught.num_queries(key) == num_queries
    assert taught.num_free() == num_free
    assert taught.rows(key, key) == rows
    assert sorted(taught.things) == things
    queries = taught.start(shown([key, key], [False, False]))
    assert queries.content.shape == queries.position.shape == (2, num_queries, 32)


def test_the_query_of_a_class_is_bound_to_it_wherever_it_stands_among_the_targets(network: Network) -> None:
    key = clip(class_ids=(STUFF[2], STUFF[0], THINGS[1]))
    assert teaching("vps", network).rows(key, key) == (NUM_GRID + 2, NUM_GRID, FREE)
    assert teaching("vss", network).rows(key, key) == (STUFF[2], STUFF[0], THINGS[1])


def test_an_object_of_another_clip_is_bound_to_its_exemplar_by_its_identity(network: Network) -> None:
    key, other = clip(), clip()
    turned = LabelledClip(other.pixels, other.labels, other.class_ids, torch.tensor([33, 31, 32]), (8, 9))
    assert teaching("evs", network).rows(turned, key) == (2, 0, 1)


def test_exemplars_are_pooled_on_the_first_frame_of_the_key_clip_alone(network: Network) -> None:
    taught, key = teaching("evs", network), clip()
    seen = shown([key, clip(shift=8)], [False, False])
    queries = taught.start(seen)
    assert torch.equal(queries.content[0], queries.content[1])
    finest = seen.features.multi_scale[-1].clone()
    finest[1:] += 1  # other clips
    finest[0, 1] += 1  # other frames
    elsewhere = Features((*seen.features.multi_scale[:-1], finest), seen.features.mask_features)
    assert torch.equal(taught.start(replace(seen, features=elsewhere)).content, queries.content)
    finest[0, 0, :, 1:3, 1:3] += 1  # under the first object: cells 1 and 2 of 8 pixels each way
    moved = taught.start(replace(seen, features=elsewhere)).content
    assert not torch.equal(moved[:, 0], queries.content[:, 0])
    assert torch.equal(moved[:, 1], queries.content[:, 1])


def test_an_exemplar_is_pooled_in_training_as_at_test(network: Network) -> None:
    key = clip(shift=3)  # its edges lie between those of the cells
    seen = shown([key], [False])
    grid = Grid((8, 12), SIZE, SIZE, SIZE)
    weights = torch.stack([mask_weights(mask, grid) for mask in key.masks[:, 0]])
    wanted = network.queries["evs"](exemplar_features(seen.features, weights)[None]).content
    torch.testing.assert_close(teaching("evs", network).start(seen).content, wanted)


def test_where_an_object_was_is_known_nearby_and_not_far_away(network: Network) -> None:
    nn.init.normal_(network.queries["evs"].position)
    queries = teaching("evs", network).start(shown([clip(), clip(), clip()], [False, False, True]))
    key, near, far = queries.position
    assert torch.equal(key, near)
    assert not torch.equal(key[0], key[1])
    assert torch.equal(far[0], far[1])


def test_cells_of_the_grid_are_each_clips_own_chance(network: Network) -> None:
    taught = teaching("vis", network)
    alone, together = (taught.start(shown([clip()] * num, [False] * num)).position for num in (1, 3))
    assert torch.equal(alone[0], together[0])
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("source", ["task", "learned"])
def test_each_task_says_what_a_pixel_without_a_label_may_be(network: Network, source: str) -> None:
    """Where every thing has a label it is of no thing; K is what no class describes. Exemplars have no classes."""
    if source == "learned":
        model = load_preset("tiny").model.model_copy(update={"queries": QuerySettings(num_queries=7)})
        network = Network(model, {VOCABULARY.name: len(VOCABULARY)})
    taught = {task: teaching(task, network) for task in ("vis", "vss", "vps", "evs")}
    assert sorted(taught["vis"].unlabelled) == [*STUFF, len(VOCABULARY)]
    assert not taught["vss"].unlabelled
    assert not taught["vps"].unlabelled
    assert [task for task in taught if not taught[task].has_classes] == ["evs"]


@pytest.mark.parametrize("task", ["vis", "vss", "vps", "evs"])
def test_learnt_queries_are_free_whatever_the_task(task: TaskName) -> None:
    model = load_preset("tiny").model.model_copy(update={"queries": QuerySettings(num_queries=7)})
    network = Network(model, {VOCABULARY.name: len(VOCABULARY)})
    taught, key = teaching(task, network), clip()
    assert taught.num_queries(key) == 7
    assert taught.num_free() is None
    assert taught.rows(key, key) is None
    assert taught.class_source is None
    content: Tensor = taught.start(shown([key, key], [False, False])).content
    assert torch.equal(content[0], network.queries["learned"].content)
    assert torch.equal(content[0], content[1])
    assert sorted(taught.things) == ([] if task == "vss" else THINGS)
