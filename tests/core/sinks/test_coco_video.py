"""COCO video JSON, read back with pycocotools."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from gvseg_core.ops import rle
from gvseg_core.sinks.coco_video import CocoVideoJson
from gvseg_core.types import FrameResult, Outcome, Vocabulary
from tests.conftest import shared
from tests.core.sinks.scenes import (
    PROVENANCE,
    SIZE,
    VOCABULARY,
    box_mask,
    outcome,
    result,
    results,
    segment,
    settings,
    video,
)


def written(shown: list[FrameResult], end: Outcome, target: Path, task: str = "vis", **more: Any) -> Any:
    sink = CocoVideoJson(target, settings(task), **more)
    sink.begin(video())
    for one in shown:
        sink.write(one)
    sink.end(end)
    return json.loads(target.read_bytes())


@pytest.mark.parametrize("task", ["vis", "vss", "evs"])
def test_every_mask_comes_back_with_its_frame_box_area_and_score(task: str, tmp_path: Path) -> None:
    shown = results(task, 5)
    file = written(shown, outcome(shown), tmp_path / "a.json", task)
    found = {}
    for one in file["annotations"]:
        assert len(one["segmentations"]) == len(one["bboxes"]) == len(one["areas"]) == len(one["scores"]) == 5
        for t, mask in enumerate(one["segmentations"]):
            if mask is None:
                assert one["bboxes"][t] is one["areas"][t] is one["scores"][t] is None
                continue
            pixels = coco.decode(mask).astype(bool)
            assert one["areas"][t] == coco.area(mask) == pixels.sum()
            assert one["bboxes"][t] == coco.toBbox(mask).tolist()
            found[t, one["id"]] = pixels, one["scores"][t]
    wanted = {(t, s.track_id): (rle.decode(s.mask), s.score) for t, one in enumerate(shown) for s in one.segments}
    assert found.keys() == wanted.keys()
    for key, (pixels, score) in wanted.items():
        assert np.array_equal(found[key][0], pixels)
        assert found[key][1] == score


def test_the_file_has_all_that_the_ground_truth_of_youtube_vis_has(tmp_path: Path) -> None:
    official = json.loads(shared("golden", "ytvis", "basic", "gt", "instances.json").read_text())
    shown = results("vis")
    file = written(shown, outcome(shown), tmp_path / "a.json")
    assert file.keys() >= official.keys() - {"licenses"}
    assert file["videos"][0].keys() >= official["videos"][0].keys() - {
        "license",
        "flickr_url",
        "coco_url",
        "date_captured",
    }
    assert file["annotations"][0].keys() >= official["annotations"][0].keys()
    assert file["categories"][0].keys() >= official["categories"][0].keys() - {"supercategory"}


def test_head_and_verdicts_are_the_trackers(tmp_path: Path) -> None:
    shown = results("vis")
    file = written(shown, outcome(shown), tmp_path / "a.json")
    assert file["info"] == {
        "description": "gvseg vis",
        **PROVENANCE,
        "task": "vis",
        "complete": True,
        "reason": "",
    }
    clip = file["videos"][0]
    assert (clip["id"], clip["name"], clip["height"], clip["width"], clip["length"]) == (1, "clip", *SIZE, 4)
    assert clip["file_names"] == ["000000.jpg", "000001.jpg", "000002.jpg", "000003.jpg"]
    assert clip["frame_indices"] == [0, 1, 2, 3]
    assert clip["times_s"] == [0.0, 0.04, 0.08, 0.12]
    assert [c["id"] for c in file["categories"]] == [11, 12, 3, 4]
    assert [(a["id"], a["category_id"], a["score"]) for a in file["annotations"]] == [
        (3, 11, 0.53),
        (7, 12, pytest.approx(0.57)),
    ]


def test_a_video_that_was_cut_is_marked_and_tracks_nobody_summed_up_have_their_mean(tmp_path: Path) -> None:
    shown = results("vis")
    file = written(shown, Outcome((), 4, complete=False, reason="cut after frame 3"), tmp_path / "a.json")
    assert (file["info"]["complete"], file["info"]["reason"]) == (False, "cut after frame 3")
    assert [a["score"] for a in file["annotations"]] == pytest.approx([0.9, 0.75])


def test_results_are_the_list_that_servers_take(tmp_path: Path) -> None:
    shown = results("vis")
    whole = written(shown, outcome(shown), tmp_path / "a.json")
    listed = written(shown, outcome(shown), tmp_path / "b.json", form="results", video_id=9)
    keys = ("category_id", "score", "segmentations")
    assert listed == [{"video_id": 9, **{k: a[k] for k in keys}} for a in whole["annotations"]]
    official = json.loads(shared("golden", "ytvis", "basic", "pred", "results.json").read_text())
    assert listed[0].keys() == official[0].keys()


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = [segment(i + 1, 0, rng.random(SIZE) > 0.5) for i in range(4)]
    first = result(0, found)

    def peak(num_frames: int) -> int:
        sink = CocoVideoJson(tmp_path / f"{num_frames}.json", settings())
        tracemalloc.start()
        sink.begin(video())
        for _ in range(num_frames):
            sink.write(first)
        sink.end(Outcome((), num_frames))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(5)
    short, long = peak(50), peak(1000)
    assert long - short < 950 * 2 * len(first.segments[0].mask.counts) / 20  # a twentieth of two masks a frame
    assert (tmp_path / "1000.json").stat().st_size > 3_000_000


def test_an_object_that_is_never_seen_again_ends_in_nulls(tmp_path: Path) -> None:
    once = [result(0), result(1, [segment(5, 0, box_mask(1, 1, 4, 4))]), result(2), result(3)]
    file = written(once, outcome(once), tmp_path / "a.json")
    assert [mask is not None for mask in file["annotations"][0]["segmentations"]] == [False, True, False, False]


def test_a_data_set_without_numbers_of_its_own_gets_class_ids() -> None:
    classes = tuple(replace(c, dataset_id=0) for c in VOCABULARY.classes)
    assert settings("vis", Vocabulary("plain", classes)).category_ids == (0, 1, 2, 3)
