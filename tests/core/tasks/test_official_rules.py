"""The official post-processing, case by case: equal maps, masks and lists.

Left out: the `aux` cases, in which DVIS's offline model takes the larger of two heads' probabilities. No network of
ours has a second head, so there is nothing to hand in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gvseg_core.config import TrackSettings, VisSettings
from gvseg_core.ops import rle
from gvseg_core.ops.assignment import assign
from gvseg_core.tasks import Vis, Vps, Vss
from gvseg_core.track.association import cosines
from gvseg_core.types import Proposals, Rle
from tests.conftest import shared
from tests.core.predictions import case_clip, make_prediction, read_case, vocabulary

EVERYTHING = VisSettings(conf=0.0, top=None)
MINVIS = TrackSettings(shape_weight=0.0, match_threshold=-1.0, birth_score=0.0, momentum=0.0)


def best_pairs(probs: Tensor, num: int) -> dict[tuple[int, int], float]:
    """The `num` best (query, class), with their scores."""
    values, places = probs.flatten().topk(num)
    pairs = (divmod(place, probs.shape[1]) for place in places.tolist())
    return dict(zip(pairs, values.tolist(), strict=True))


def counts(mask: Rle | None, size: tuple[int, int]) -> str:
    return (rle.encode(np.zeros(size, bool)) if mask is None else mask).counts.decode()


def check_results(
    probs: Tensor, masks: dict[int, list[Rle | None]], arrays: dict[str, Any], results: list[dict[str, Any]]
) -> None:
    """Top pairs, scores and masks of every frame against the official list."""
    best = best_pairs(probs, len(results))
    np.testing.assert_allclose(sorted(best.values()), np.sort(arrays["scores"]), rtol=0, atol=1e-6)
    if "queries" not in arrays:  # ties: which of equal pairs is listed is not defined
        return
    official = dict(zip(zip(arrays["queries"].tolist(), arrays["labels"].tolist(), strict=True), results, strict=True))
    assert best.keys() == official.keys()
    for (query, _), result in official.items():
        size = tuple(result["segmentations"][0]["size"])
        assert [counts(mask, size) for mask in masks[query]] == [s["counts"] for s in result["segmentations"]]


@pytest.mark.parametrize("name", ["vis_m2f/padded_up", "vis_m2f/exact", "vis_m2f/downscale", "vis_m2f/score_ties"])
def test_instances_of_a_clip_are_those_of_mask2former_vis(name: str) -> None:
    arrays, settings = read_case(shared("parity", "post") / name)
    check_one_clip(torch.from_numpy(arrays["pred_logits"]), arrays, settings)


def test_instances_of_a_clip_are_those_of_dvis() -> None:
    arrays, settings = read_case(shared("parity", "post", "vis_dvis") / "online")
    check_one_clip(torch.from_numpy(arrays["pred_logits"]).mean(0), arrays, settings)


def check_one_clip(class_logits: Tensor, arrays: dict[str, Any], settings: dict[str, Any]) -> None:
    mask_logits = torch.from_numpy(arrays["pred_masks"])
    clip = case_clip(settings, mask_logits.shape[1])
    task = Vis(nn.ModuleDict(), vocabulary(settings["num_classes"]), EVERYTHING)
    proposals = task.decode(make_prediction(class_logits, mask_logits), clip, task.tracker())
    assert proposals.rows == tuple(range(len(mask_logits)))
    probs = proposals.class_logits.softmax(-1)[:, :-1]
    np.testing.assert_allclose(proposals.scores, probs.amax(1), rtol=0, atol=1e-7)
    masks = {row: list(found) for row, found in enumerate(proposals.render(proposals.rows))}
    check_results(probs, masks, arrays, settings["results"])


MINVIS_CASES = ["swap_disappear", "downscale_40_classes", "single_frame", "embedding_ties", "score_ties"]


@pytest.mark.parametrize("name", MINVIS_CASES)
def test_queries_are_linked_as_minvis_links_them(name: str) -> None:
    arrays, _ = read_case(shared("parity", "post", "vis_minvis") / name)
    embeddings, linked = torch.from_numpy(arrays["pred_embds"]), arrays["matched.indices"]
    slots = embeddings[0]
    assert linked[0].tolist() == list(range(len(slots)))
    for found, official in zip(embeddings[1:], linked[1:], strict=True):
        pairs = assign(cosines(slots, found))
        assert [row for _, row in pairs] == official.tolist()
        slots = found[official]


@pytest.mark.parametrize("name", MINVIS_CASES)
def test_without_thresholds_and_memory_the_tracker_is_minvis(name: str) -> None:
    arrays, settings = read_case(shared("parity", "post", "vis_minvis") / name)
    class_logits, mask_logits, embeddings = (
        torch.from_numpy(arrays[key]) for key in ("pred_logits", "pred_masks", "pred_embds")
    )
    task = Vis(nn.ModuleDict(), vocabulary(settings["num_classes"]), EVERYTHING, MINVIS)
    tracker = task.tracker()
    found: list[dict[int, Rle]] = []
    for t in range(len(class_logits)):
        clip = case_clip(settings, 1, start=t)
        prediction = make_prediction(class_logits[t], mask_logits[:, t : t + 1], embeddings[t])
        proposals = task.decode(prediction, clip, task.tracker())
        (result,) = tracker.update(proposals, clip)
        found.append({segment.track_id: segment.mask for segment in result.segments})
    probs = torch.tensor([track.class_scores for track in tracker.tracks])
    official = torch.from_numpy(arrays["matched.logits"]).softmax(-1)[:, :-1]
    nearest = torch.cdist(official, probs).argmin(1).tolist()  # slot → row of the tracks
    if "queries" in arrays:  # in the cases with ties, slots may be alike
        assert sorted(nearest) == list(range(len(official)))
    torch.testing.assert_close(probs[nearest], official, rtol=0, atol=1e-6)
    masks = {slot: [frame.get(row + 1) for frame in found] for slot, row in enumerate(nearest)}
    check_results(probs[nearest], masks, arrays, settings["results"])


VPS_CASES = [
    *("mixed", "mixed_stuff_first", "downscale", "tube", "halo", "merge_order"),
    *("empty", "void", "all_dropped", "ties"),
]


def panoptic_map(proposals: Proposals, length: int, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    masks = proposals.render(proposals.rows)
    frames = [[(label, m[t]) for label, m in enumerate(masks, start=1)] for t in range(length)]
    return np.stack(
        [rle.paint([m for _, m in f if m is not None], [n for n, m in f if m is not None], size) for f in frames]
    )


@pytest.mark.parametrize("name", VPS_CASES)
def test_panoptic_maps_are_those_of_dvis(name: str) -> None:
    arrays, settings = read_case(shared("parity", "post", "vps_dvis") / name)
    class_logits, mask_logits = torch.from_numpy(arrays["mean.logits"]), torch.from_numpy(arrays["pred_masks"])
    length = mask_logits.shape[1]
    clip = case_clip(settings, length)
    task = Vps(nn.ModuleDict(), vocabulary(settings["num_classes"], range(settings["num_things"])))
    proposals = task.decode(make_prediction(class_logits, mask_logits), clip, task.tracker())
    assert list(proposals.rows) == settings["pred_ids"]
    assert list(proposals.class_ids) == [info["category_id"] for info in settings["segments_infos"]]
    np.testing.assert_array_equal(panoptic_map(proposals, length, clip.source_size), arrays["panoptic"])


def test_a_class_is_a_thing_because_the_vocabulary_says_so_wherever_it_stands() -> None:
    arrays, settings = read_case(shared("parity", "post", "vps_dvis") / "mixed")
    class_logits, mask_logits = torch.from_numpy(arrays["mean.logits"]), torch.from_numpy(arrays["pred_masks"])
    clip = case_clip(settings, mask_logits.shape[1])
    backwards = [*range(settings["num_classes"] - 1, -1, -1), settings["num_classes"]]
    things = range(settings["num_classes"] - settings["num_things"], settings["num_classes"])
    task = Vps(nn.ModuleDict(), vocabulary(settings["num_classes"], things))
    proposals = task.decode(make_prediction(class_logits[:, backwards], mask_logits), clip, task.tracker())
    assert list(proposals.rows) == settings["pred_ids"]
    np.testing.assert_array_equal(panoptic_map(proposals, len(clip.frames), clip.source_size), arrays["panoptic"])


@pytest.mark.parametrize("name", ["padded", "downscale", "all_no_object"])
def test_semantic_maps_are_those_of_dvis(name: str) -> None:
    arrays, settings = read_case(shared("parity", "post", "vss_dvis") / name)
    class_logits, mask_logits = torch.from_numpy(arrays["mean.logits"]), torch.from_numpy(arrays["pred_masks"])
    clip = case_clip(settings, mask_logits.shape[1])
    task = Vss(nn.ModuleDict(), vocabulary(settings["num_classes"], ()))
    tracker = task.tracker()
    proposals = task.decode(make_prediction(class_logits, mask_logits), clip, task.tracker())
    assert list(proposals.rows) == settings["classes_present"]
    for result, official in zip(tracker.update(proposals, clip), arrays["semantic"], strict=True):
        masks, labels = [s.mask for s in result.segments], [s.class_id + 1 for s in result.segments]
        assert labels == [s.track_id for s in result.segments]
        np.testing.assert_array_equal(rle.paint(masks, labels, clip.source_size), official + 1)
