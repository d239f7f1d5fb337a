"""COCO's pictures, scored: the numbers of the official program, and what is said of files that are not right."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import coco
from pycocotools.cocoeval import COCOeval

from gvseg_core.data.coco_instances import BENCHMARK
from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.sinks.official import LAYOUTS, VideoFacts
from tests.conftest import shared
from tests.core.metrics.golden import score

SIZE = (120, 160)
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""As the official program lists them."""


def blob(chance: np.random.Generator) -> np.ndarray[Any, Any]:
    """(H, W) a box or an ellipse of any size, sometimes with a hole."""
    mask = np.zeros(SIZE, np.uint8)
    h, w = SIZE
    x, y = int(chance.integers(0, w - 6)), int(chance.integers(0, h - 6))
    a, b = int(chance.integers(3, w)), int(chance.integers(3, h))
    if chance.random() < 0.5:
        mask[y : y + b, x : x + a] = 1
    else:
        cv2.ellipse(mask, (x, y), (a // 2 + 1, b // 2 + 1), 0, 0, 360, 1, -1)
    mask[y + 1 : y + 3, x + 1 : x + 3] = chance.integers(0, 2)
    return mask


def drawn(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A set of pictures with crowds, and predictions that are right, nearly right and wrong, with ties."""
    chance = np.random.default_rng(seed)
    images = [
        {"id": 7 * n, "file_name": f"{7 * n:06d}.jpg", "height": SIZE[0], "width": SIZE[1]}
        for n in range(1, int(chance.integers(2, 5)))
    ]
    annotations: list[dict[str, Any]] = []
    results = []
    for image in images:
        for _ in range(int(chance.integers(0, 6))):
            mask = blob(chance)
            category, crowd = int(chance.choice([1, 3, 90])), int(chance.random() < 0.25)
            known = {"image_id": image["id"], "category_id": category}
            encoded = rle.to_coco(rle.encode(mask.astype(bool)))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    **known,
                    "iscrowd": crowd,
                    "area": int(mask.sum()),
                    "segmentation": encoded,
                }
            )
            for _ in range(int(chance.integers(0, 3))):
                near = np.roll(mask, chance.integers(-4, 5, 2), (0, 1)) if chance.random() < 0.8 else blob(chance)
                encoded = rle.to_coco(rle.encode(near.astype(bool)))
                results.append({**known, "segmentation": encoded, "score": float(chance.integers(1, 9)) / 8})
    categories = [{"id": n, "name": name} for n, name in ((1, "person"), (3, "car"), (90, "brush"))]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def official(truth: Path, results: list[dict[str, Any]]) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO(str(truth))
        program = COCOeval(known, known.loadRes(results), "segm")
        program.evaluate()
        program.accumulate()
        program.summarize()
    return dict(zip(NAMES, map(float, program.stats), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_numbers_are_those_of_the_official_program(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("coco")
    truth, results = drawn(seed)
    if not (results and any(not one["iscrowd"] for one in truth["annotations"])):
        return  # the official program fails, or has nothing to say
    (folder / "instances_val.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    opened = BENCHMARK.read_truth(folder)
    (metric,) = choose_bench("coco").metrics(opened)
    found = score(metric, opened, BENCHMARK.read_results(folder, opened)).metrics
    wanted = official(folder / "instances_val.json", results)
    assert {name: found[name] for name in NAMES} == pytest.approx(wanted, abs=1e-9)


def test_what_the_layout_writes_is_what_was_read(tmp_path: Path) -> None:
    truth, results = drawn(1)
    (tmp_path / "instances_val.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    opened = BENCHMARK.read_truth(tmp_path)
    read = BENCHMARK.read_results(tmp_path, opened)
    facts = [VideoFacts(video, SIZE, (video,), number=int(video)) for video in opened.videos]
    out = tmp_path / "out"
    out.mkdir()
    for video, fact in zip(opened.videos, facts, strict=True):
        LAYOUTS["coco"].write(out, read.answer(video), fact, opened.vocabulary)
    LAYOUTS["coco"].assemble(out, facts, opened.vocabulary)
    assert LAYOUTS["coco"].check(out, facts, opened.vocabulary) == [] or len({r["image_id"] for r in results}) < 3

    def in_order(records: list[dict[str, Any]]) -> list[str]:
        return sorted(json.dumps(record, sort_keys=True) for record in records)

    assert in_order(json.loads((out / "results.json").read_text())) == in_order(results)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_id": 5}, r"results\.json\[0\]\.image_id: 5 is no image of this set"),
        ({"category_id": 2}, r"category_id: 2 is no class"),
        ({"score": None}, r"score: wanted a finite number"),
        ({"segmentation": None}, r"segmentation\[0\]: wanted null or a compressed RLE"),
    ],
)
def test_a_wrong_prediction_is_found_before_it_is_sent(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    truth, results = drawn(1)
    (tmp_path / "results.json").write_text(json.dumps([{**results[0], **change}]))
    facts = [VideoFacts(str(i["id"]), SIZE, ("a",), number=i["id"]) for i in truth["images"]]
    (tmp_path / "instances_val.json").write_text(json.dumps(truth))
    vocabulary = BENCHMARK.read_truth(tmp_path).vocabulary
    with pytest.raises(DataError, match=said):
        LAYOUTS["coco"].check(tmp_path, facts, vocabulary)


def test_pictures_come_one_by_one_each_a_video(tmp_path: Path) -> None:
    truth, _ = drawn(1)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(truth))
    (tmp_path / "val2017").mkdir()
    for number, image in enumerate(truth["images"]):
        cv2.imwrite(str(tmp_path / "val2017" / image["file_name"]), np.full((*SIZE, 3), 40 * number, np.uint8))
    footage = BENCHMARK.open(tmp_path, "val")
    assert footage.videos == tuple(str(image["id"]) for image in truth["images"])
    for number, video in enumerate(footage.videos):
        (frame,) = footage.open(video)
        assert frame.image.shape == (3, *SIZE)
        assert abs(int(frame.image[0, 5, 5]) - 40 * number) < 4
        assert footage.facts(video) == {"number": int(video)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": []}, "no images in it; wanted images, categories and annotations"),
        ({"annotations": [{"id": 1, "image_id": 99, "category_id": 1, "segmentation": []}]}, "video_id 99 not among"),
        ({"annotations": [{"id": 1, "image_id": 7, "category_id": 1, "segmentation": "x"}]}, r"annotations\[0\]"),
    ],
)
def test_a_file_that_is_not_right_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    truth, _ = drawn(1)
    path = tmp_path / "instances_val.json"
    path.write_text(json.dumps({**truth, **change}))
    with pytest.raises(DataError, match=said):
        BENCHMARK.read_truth(path)


def test_a_folder_without_annotations_says_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no JSON of COCO instances of val in it"):
        BENCHMARK.open(tmp_path, "val")


def test_real_pictures_open_with_all_their_objects() -> None:
    footage = BENCHMARK.open(shared("data", "coco-mini"), "val")
    assert (len(footage.videos), len(footage.vocabulary)) == (63, 80)
    assert footage.truth is not None
    assert sum(len(footage.truth.answer(video).tracks) for video in footage.videos) == 527
