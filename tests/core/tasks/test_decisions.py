"""What each task keeps, beside the official rules: thresholds, classes, exemplars."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gvseg_core.config import EvsSettings, TrackSettings, VisSettings, VpsSettings, VssSettings, parse
from gvseg_core.errors import UsageError
from gvseg_core.ops import rle
from gvseg_core.tasks import TASKS, Evs, Vis, Vps, Vss
from gvseg_core.track.exemplar import ExemplarTracker
from gvseg_core.types import Clip, Exemplar, Features, Prediction, Prompt, Proposals, Queries, Rle, Task
from tests.core.predictions import make_clip, make_prediction, vocabulary

SIZE = (64, 64)
CELLS = (16, 16)


def logits_of(probs: list[list[float]]) -> Tensor:
    return torch.tensor(probs).clamp(min=1e-6).log()


def squares(*corners: tuple[int, int, int]) -> Tensor:
    """(Q, 1, 16, 16) logits of squares: first row and column, and side, in cells."""
    masks = torch.full((len(corners), 1, *CELLS), -6.0)
    for query, (y, x, side) in enumerate(corners):
        masks[query, 0, y : y + side, x : x + side] = 6.0
    return masks


def decoded(task: Task, prediction: Prediction, clip: Clip) -> Proposals:
    """With a tracker that remembers nothing."""
    return task.decode(prediction, clip, task.tracker())


CLASS_LOGITS = logits_of([[0.9, 0.05, 0.05], [0.3, 0.6, 0.1], [0.02, 0.03, 0.95], [0.45, 0.4, 0.15]])
MASKS = squares((1, 1, 4), (8, 8, 6), (0, 0, 16), (2, 9, 4))


def test_instances_are_kept_by_score_number_and_class() -> None:
    prediction, clip = make_prediction(CLASS_LOGITS, MASKS), make_clip(1, SIZE)

    def kept(settings: VisSettings) -> list[tuple[int, int]]:
        proposals = decoded(Vis(nn.ModuleDict(), vocabulary(2), settings), prediction, clip)
        return list(zip(proposals.rows, proposals.class_ids, strict=True))

    assert kept(VisSettings(conf=0.5)) == [(0, 0), (1, 1)]
    assert kept(VisSettings(conf=0.0, top=1)) == [(0, 0)]
    assert kept(VisSettings(conf=0.35, classes=frozenset({1}))) == [(1, 1), (3, 1)]
    assert kept(VisSettings(conf=0.0, classes=frozenset())) == []


@pytest.mark.parametrize(("things", "kept"), [([0, 1], {0, 1}), ([1], {1}), ([], {0, 1})])
def test_objects_are_of_countable_classes_where_the_vocabulary_has_others_too(
    things: list[int], kept: set[int]
) -> None:
    task = Vis(nn.ModuleDict(), vocabulary(2, things), VisSettings(conf=0.0))
    proposals = decoded(task, make_prediction(CLASS_LOGITS, MASKS), make_clip(1, SIZE))
    assert set(proposals.class_ids) == kept


@pytest.mark.parametrize(
    ("sure", "covered", "kept"),
    [
        (0.7, 0.5, (0, 1, 3, 4)),  # a part of the second, and surer: the whole is wanted
        (0.8, 0.5, (0, 2, 3, 4)),  # so much surer that it is what there is; 25/36 of the second are its own
        (0.8, 0.7, (0, 1, 2, 3, 4)),
        (0.7, 0.2, (0, 1, 3)),  # a quarter of the last is the first's
        (0.7, 1.0, (0, 1, 2, 3, 4)),
    ],
)
def test_a_query_of_the_grid_is_no_object_where_better_ones_cover_its_mask(
    sure: float, covered: float, kept: tuple[int, ...]
) -> None:
    """Learnt queries are told apart by training, as the peers have it."""
    masks = squares((1, 1, 4), (8, 8, 6), (8, 8, 5), (2, 9, 4), (3, 3, 4), (0, 0, 0))
    probs = [[0.9, 0.1], [0.6, 0.4], [sure, 1 - sure], [0.5, 0.5], [0.5, 0.5], [0.9, 0.1]]
    prediction = make_prediction(logits_of(probs), masks)

    def rows(queries: nn.ModuleDict) -> tuple[int, ...]:
        settings = VisSettings(conf=0.0, covered=covered)
        return decoded(Vis(queries, vocabulary(1), settings), prediction, make_clip(1, SIZE)).rows

    assert rows(nn.ModuleDict({"vis": nn.Identity()})) == kept
    assert rows(nn.ModuleDict({"learned": nn.Identity()})) == (0, 1, 2, 3, 4, 5)


def test_masks_add_up_to_cover_another() -> None:
    masks = squares((0, 0, 8), (0, 8, 8), (2, 4, 7))  # the third: 28 of its 49 cells are the first's, 21 the second's
    prediction = make_prediction(logits_of([[0.9, 0.1]] * 3), masks)
    task = Vis(nn.ModuleDict({"vis": nn.Identity()}), vocabulary(1), VisSettings(conf=0.0, covered=0.8))
    assert decoded(task, prediction, make_clip(1, SIZE)).rows == (0, 1)


def test_masks_are_made_only_for_whom_they_are_asked() -> None:
    class Watched(Prediction):
        def mask_logits(self, rows: Tensor | None = None) -> Tensor:
            asked.append(None if rows is None else rows.tolist())
            return Prediction.mask_logits(self, rows)

    asked: list[list[int] | None] = []
    plain = make_prediction(CLASS_LOGITS, MASKS)
    watched = Watched(plain.class_logits, plain.embeddings, plain.mask_embeddings, plain.mask_features)
    proposals = decoded(Vis(nn.ModuleDict(), vocabulary(2), VisSettings(conf=0.0)), watched, make_clip(1, SIZE))
    assert asked == []
    ((mask,), (other,)) = proposals.render([1, 0])
    assert asked == [[1, 0]]
    assert mask is not None
    assert rle.box(mask) == (32, 32, 56, 56)
    assert other is not None
    assert rle.box(other) == (4, 4, 20, 20)


def test_what_is_not_reported_of_a_map_still_has_its_pixels() -> None:
    clip = make_clip(1, SIZE)
    sure = logits_of([[0.95, 0.03, 0.02], [0.04, 0.95, 0.01]])
    prediction = make_prediction(sure, squares((0, 0, 8), (4, 4, 12)))
    for task, settings in ((Vps, VpsSettings(overlap=0.5)), (Vss, VssSettings())):
        everything = decoded(task(nn.ModuleDict(), vocabulary(2, ()), settings), prediction, clip)  # type: ignore[arg-type]
        only = settings.model_copy(update={"classes": frozenset({1})})
        one = decoded(task(nn.ModuleDict(), vocabulary(2, ()), only), prediction, clip)  # type: ignore[arg-type]
        assert (everything.class_ids, one.class_ids) == ((0, 1), (1,))
        assert one.render(one.rows) == everything.render(everything.rows)[1:]


@pytest.mark.parametrize("task", TASKS.values())
def test_a_setting_that_a_task_does_not_have_is_refused_by_name(task: type[Vis | Vss | Vps | Evs]) -> None:
    foreign = {"vis": "overlap", "vss": "conf", "vps": "top", "evs": "classes"}[task.name]
    with pytest.raises(UsageError, match=f"{foreign}: no such setting"):
        parse(task.settings_type, {foreign: None}, task.name)


@pytest.mark.parametrize("name", TASKS)
def test_descriptors_are_asked_for_only_where_they_are_looked_at(name: str) -> None:
    def needs(queries: nn.ModuleDict, weight: float, projection: Tensor | None = None) -> bool:
        made = TASKS[name](queries, vocabulary(2), None, TrackSettings(shape_weight=weight), projection)
        return made.needs_descriptors

    learned = nn.ModuleDict({"learned": nn.Identity()})
    assert not needs(learned, 0.0)
    assert needs(learned, 0.25) == needs(learned, 0.0, torch.ones(4, 432)) == (name != "vss")
    assert needs(nn.ModuleDict(), 0.25) == (name in {"vis", "vps"})


# --- exemplars, with learnt queries -------------------------------------------------------------------------------


LEARNED = nn.ModuleDict({"learned": nn.Identity()})


def fit_of(prompt: Prompt, class_logits: Tensor = CLASS_LOGITS) -> Tensor:
    clip = make_clip(1, SIZE, exemplar=Exemplar((prompt,)))
    proposals = decoded(Evs(LEARNED, vocabulary(2)), make_prediction(class_logits, MASKS), clip)
    assert proposals.fit is not None
    return proposals.fit[0]


def mask_of(y0: int, y1: int, x0: int, x1: int) -> rle.Rle:
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return rle.encode(mask)


@pytest.mark.parametrize(
    ("prompt", "query"),
    [
        (Prompt(1, mask=mask_of(30, 58, 30, 58)), 1),
        (Prompt(1, mask=mask_of(0, 60, 2, 64)), 2),  # whatever its class score
        (Prompt(1, mask=mask_of(9, 11, 37, 39)), 3),  # far smaller than a cell
        (Prompt(1, box=(3, 5, 21, 19)), 0),
        (Prompt(1, box=(30, 30, 60, 60)), 1),
        (Prompt(1, point=(12.0, 12.0)), 0),  # also inside 2, which is hardly an object
        (Prompt(1, point=(40.0, 12.0)), 3),
    ],
)
def test_the_best_query_for_an_exemplar_is_the_one_that_was_meant(prompt: Prompt, query: int) -> None:
    fit = fit_of(prompt)
    assert fit.shape == (4,)
    assert int(fit.argmax()) == query


def test_iou_of_masks_is_exact_where_they_follow_the_cells() -> None:
    assert fit_of(Prompt(1, mask=mask_of(4, 20, 4, 20)))[0] == pytest.approx(1, abs=2e-3)
    assert fit_of(Prompt(1, mask=mask_of(4, 20, 4, 12)))[0] == pytest.approx(1 / 2, abs=2e-3)
    assert fit_of(Prompt(1, mask=mask_of(4, 12, 4, 28)))[0] == pytest.approx(1 / 4 * 8 / 8 * 4 / 3, abs=0.1)


def test_without_an_exemplar_there_is_no_fit_and_every_query_may_be_an_object() -> None:
    proposals = decoded(Evs(LEARNED, vocabulary(2)), make_prediction(CLASS_LOGITS, MASKS), make_clip(1, SIZE))
    assert proposals.fit is None
    assert proposals.rows == (0, 1, 2, 3)
    assert proposals.scores == (1.0,) * 4


def test_objects_share_no_pixel_and_the_surer_one_has_it() -> None:
    masks = squares((0, 0, 10), (4, 4, 10))
    masks[1] += 1  # its probability is higher where both are
    clip = make_clip(1, SIZE)
    learned = decoded(Evs(LEARNED, vocabulary(2)), make_prediction(CLASS_LOGITS[:2], masks), clip)
    ((first,), (second,)) = learned.render([0, 1])
    assert first is not None
    assert second is not None
    assert rle.area(rle.merge([first, second])) == rle.area(first) + rle.area(second)
    assert rle.box(second) == (16, 16, 56, 56)
    presence = logits_of([[0.9, 0.1], [0.5, 0.5]])
    own = decoded(Evs(nn.ModuleDict(), vocabulary(1)), make_prediction(presence, masks), clip)
    assert own.scores == pytest.approx((0.9, 0.5))
    ((first,), _) = own.render([0, 1])
    assert first is not None
    assert rle.box(first) == (0, 0, 40, 40)
    ((alone,),) = own.render([1])
    assert alone is not None
    assert rle.box(alone) == (16, 16, 56, 56)


# --- where queries start ------------------------------------------------------------------------------------------


class Asked(nn.Module):
    """A source of queries that remembers what it was asked."""

    def forward(self, *asked: object) -> Queries:
        self.asked = asked
        return Queries(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4))


def features_of(*levels: Tensor) -> Features:
    """From (T, C, h, w) at stride 8."""
    return Features((levels[0][None],), levels[0][None])


def test_sources_are_told_the_part_of_the_frame_that_is_picture_and_the_classes_they_are_for() -> None:
    features, clip = features_of(torch.zeros(1, 3, 4, 8)), make_clip(1, (20, 30), (24, 60), (32, 64))
    share = (24 / 32, 60 / 64)
    wanted = {"vis": (features, share), "vss": (1, "tests"), "vps": (features, "tests", [1, 3], share)}
    for name, asked in wanted.items():
        source = Asked()
        task = TASKS[name](nn.ModuleDict({name: source}), vocabulary(4, (0, 2)))
        task.init_queries(features, clip, task.tracker())
        assert source.asked == asked


@pytest.mark.parametrize(("keep", "then"), [(0.75, [0.75, 1.25]), (1.0, [1.0, 0.0])])
def test_an_object_starts_from_what_was_given_and_moves_towards_what_was_surely_seen_if_asked(
    keep: float, then: list[float]
) -> None:
    source = Asked()
    task = Evs(nn.ModuleDict({"evs": source}), vocabulary(1), EvsSettings(keep=keep))
    tracker = task.tracker()
    assert isinstance(tracker, ExemplarTracker)
    left, right = torch.zeros(8, 8), torch.zeros(8, 8)
    left[:, :4] = right[:, 4:] = 1
    prompts = (Prompt(7, box=(0, 0, 32, 64)), Prompt(3, point=(60.0, 20.0)))
    given = make_clip(1, SIZE, exemplar=Exemplar(prompts))
    task.init_queries(features_of(torch.stack([left, 5 * right])[None]), given, tracker)
    pooled, places, size = source.asked
    assert isinstance(pooled, Tensor)
    torch.testing.assert_close(pooled, torch.tensor([[[1.0, 0.0], [0.0, 5.0]]]))
    torch.testing.assert_close(places, torch.tensor([[[1.5, 3.5], [7.0, 2.0]]]))  # cells of 8 pixels
    assert size == (8, 8)

    presence = logits_of([[0.9, 0.1], [0.6, 0.4]])  # the first is sure, the second is merely there
    masks = squares((0, 8, 4), (8, 8, 8))
    list(tracker.update(task.decode(make_prediction(presence, masks), given, tracker), given))
    # Given masks are no more to be learnt from; what is found on the next clip is.
    after = make_clip(1, SIZE, start=1)
    task.init_queries(features_of(torch.stack([left, 5 * right])[None]), after, tracker)
    list(tracker.update(task.decode(make_prediction(presence, masks), after, tracker), after))
    task.init_queries(features_of(torch.zeros(1, 2, 8, 8)), make_clip(1, SIZE, start=2), tracker)
    pooled, places, _ = source.asked
    torch.testing.assert_close(pooled, torch.tensor([[then, [0.0, 5.0]]]))
    torch.testing.assert_close(places, torch.tensor([[[4.5, 0.5], [5.5, 5.5]]]), rtol=0, atol=0.02)  # round corners


# --- pixels of earlier frames -------------------------------------------------------------------------------------


def looks_like(places: Tensor, num: int) -> Prediction:
    """A frame whose cells look like those of `places` (16, 16), numbers; its queries are sure, and know nowhere."""
    looks = torch.eye(256)[places].permute(2, 0, 1)  # each is like itself alone
    features = torch.cat([torch.full((1, *CELLS), 0.1), looks])
    nowhere = torch.zeros(num, 257)
    nowhere[:, 0] = -10.0
    return Prediction(logits_of([[0.9, 0.1]] * num)[None], torch.zeros(1, num, 4), nowhere[None], features[None, None])


def followed(settings: EvsSettings, *seen: tuple[Tensor, dict[int, tuple[int, int, int, int]]]) -> list[dict[int, Rle]]:
    """Masks of the objects on each frame, from what its cells look like and what is given on it."""
    task = Evs(nn.ModuleDict({"evs": Asked()}), vocabulary(1), settings)
    tracker = task.tracker()
    assert isinstance(tracker, ExemplarTracker)
    results = []
    for t, (places, given) in enumerate(seen):
        prompts = tuple(Prompt(track_id, mask=rle.encode(block(*corner))) for track_id, corner in given.items())
        clip = make_clip(1, SIZE, start=t, exemplar=Exemplar(prompts) if prompts else None)
        task.meet(clip, tracker)
        proposals = task.decode(looks_like(places, len(tracker.targets)), clip, tracker)
        (result,) = tracker.update(proposals, clip)
        results.append({segment.track_id: segment.mask for segment in result.segments})
    return results


def block(y: int, x: int, height: int, width: int) -> NDArray[np.bool_]:
    """A mask, from corner and sides in cells."""
    mask = np.zeros(SIZE, bool)
    mask[4 * y : 4 * (y + height), 4 * x : 4 * (x + width)] = True
    return mask


def iou(mask: Rle, wanted: NDArray[np.bool_]) -> float:
    found = rle.decode(mask)
    return float((found & wanted).sum() / (found | wanted).sum())


STILL = torch.arange(256).view(16, 16)
MOVED = STILL.roll((2, 3), (0, 1))


def test_an_object_is_found_where_its_pixels_went_even_if_its_query_knows_nothing() -> None:
    given = (STILL, {4: (3, 2, 6, 5)})
    _, second, third = followed(EvsSettings(), given, (MOVED, {}), (MOVED.roll((2, 3), (0, 1)), {}))
    assert iou(second[4], block(5, 5, 6, 5)) > 0.8
    assert iou(third[4], block(7, 8, 6, 5)) > 0.7
    _, second = followed(EvsSettings(propagation=0.0), given, (MOVED, {}))
    assert second == {}
    _, second = followed(EvsSettings(radius=1), given, (MOVED, {}))
    assert not second or iou(second[4], block(5, 5, 6, 5)) < 0.5


def test_an_object_that_is_given_later_is_followed_as_well_and_the_first_one_is_not_lost() -> None:
    *_, last = followed(
        EvsSettings(),
        (STILL, {4: (3, 2, 6, 5)}),
        (STILL, {}),
        (STILL, {9: (10, 10, 4, 4)}),  # where earlier frames say that nothing is
        (MOVED, {}),
    )
    assert iou(last[4], block(5, 5, 6, 5)) > 0.8
    assert iou(last[9], block(12, 13, 4, 3)) > 0.7  # its right column has left the picture


def test_a_box_begins_with_what_the_network_sees_in_it() -> None:
    task = Evs(nn.ModuleDict({"evs": Asked()}), vocabulary(1))
    tracker = task.tracker()
    assert isinstance(tracker, ExemplarTracker)
    first = make_clip(1, SIZE, exemplar=Exemplar((Prompt(1, box=(8, 12, 28, 36)),)))
    task.meet(first, tracker)
    plain = looks_like(STILL, 1)
    sees = torch.cat([plain.mask_features, squares((3, 2, 6))[None] / 100], dim=2)  # rows 3 … 8, columns 2 … 7
    knows = torch.tensor([[[0.0] * 257 + [100.0]]])
    prediction = Prediction(plain.class_logits, plain.embeddings, knows, sees)
    list(tracker.update(task.decode(prediction, first, tracker), first))
    after = make_clip(1, SIZE, start=1)
    moved = torch.cat([looks_like(MOVED, 1).mask_features, torch.zeros(1, 1, 1, *CELLS)], dim=2)
    blind = Prediction(plain.class_logits, plain.embeddings, torch.tensor([[[-10.0] + [0.0] * 257]]), moved)
    (result,) = tracker.update(task.decode(blind, after, tracker), after)
    assert iou(result.segments[0].mask, block(5, 5, 6, 6)) > 0.8
