"""Weights of Hugging Face folders mark the pixels of real clips that the library's own model marks.

Two roads that share the decoded frames and nothing else: ours, from `load_segmenter` or the command line to results or
files; and that of `tests/official.py`. The models are tiny and random, and so more easily upset than trained ones: one
grey level more or less in one of a thousand input values changes some of their masks by more than 1 %.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment

from gvseg_cli.main import main
from gvseg_core import FrameResult, Segment, Segmenter, load_segmenter, open_video
from gvseg_core.data.cityscapes import CITYSCAPES
from gvseg_core.ops import rle
from gvseg_core.types import TaskName
from tests.conftest import shared
from tests.official import Answer, Mask, Region, ask, instances, panoptic, semantic, write_with_head

SIZE = 128  # pixels, short side of the input
PART: dict[str, Any] = {"end": "f24", "stride": 8}
CLIPS = ["bedroom.mp4", "cat-portrait.mp4", "cups.mp4", "odd-size-mjpeg.avi", "street-1080p-3fps.mp4"]
SEEDS = {"hf_tiny": 11, "hf_tiny_resnet": 6}  # folder → of the head it gets; chosen for variety, which a test holds
CONF = 0.6  # of the queries some are surer, some are not
PLAIN_CONF = {"hf_tiny": 0.6, "hf_tiny_resnet": 0.25}  # likewise, with the heads they came with
FOLLOW_ALL = {"birth_score": 0.0, "match_threshold": -1.0, "return_threshold": -1.0}  # who scores enough is shown


class Library:
    """A folder, and the library's own model made of it."""

    def __init__(self, folder: Path, conf: float = CONF) -> None:
        transformers = pytest.importorskip("transformers", reason="the other road is transformers' (extra: test)")
        self.folder = folder
        self.conf = conf
        self.answers = cache(self._answers)
        self._model = transformers.Mask2FormerForUniversalSegmentation.from_pretrained(folder).eval()

    def _answers(self, clip: str) -> list[Answer]:
        with open_clip(clip) as video:
            return [ask(self._model, np.ascontiguousarray(f.image.permute(1, 2, 0).numpy()), SIZE) for f in video]

    def load(self, task: TaskName) -> Segmenter:
        """The same folder on our road."""
        decided = {} if task == "vss" else {"conf": self.conf, "settings": {"tracking": FOLLOW_ALL}}
        if task == "vis":  # the library takes any class for an object's
            decided["classes"] = tuple(map(str, range(self._model.config.num_labels)))
        return load_segmenter(self.folder, task, device="cpu", dtype="fp32", size=SIZE, **decided)  # type: ignore[arg-type]


def open_clip(name: str) -> Any:
    return open_video(shared("data", "clips", name), **PART)


@pytest.fixture(scope="module")
def plain() -> Callable[[str], Library]:
    """The shared folders as they are."""
    return cache(lambda name: Library(shared("parity", name), PLAIN_CONF[name]))


@pytest.fixture(scope="module")
def library(plain: Callable[[str], Library], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Library]:
    """The same with a head that finds many of Cityscapes' 19 classes, things and stuff."""

    def make(name: str) -> Library:
        seen = torch.stack([answer.embeddings for clip in CLIPS for answer in plain(name).answers(clip)])
        folder = tmp_path_factory.mktemp("with_head") / name
        return Library(write_with_head(shared("parity", name), folder, seen, CITYSCAPES, SEEDS[name]))

    return cache(make)


def results_and_answers(library: Library, task: TaskName, clip: str) -> Iterator[tuple[FrameResult, Answer]]:
    segmenter = library.load(task)
    with open_clip(clip) as video:
        yield from zip(segmenter.run(video, segmenter.task.tracker()), library.answers(clip), strict=True)


def check_same(found: Mask, wanted: Mask) -> None:
    """IoU of at least 0.999; in regions too small for that, a single pixel may differ."""
    num_wrong, num_either = int((found ^ wanted).sum()), int((found | wanted).sum())
    assert num_wrong <= max(0.001 * num_either, 1), f"IoU {1 - num_wrong / num_either:.4f} over {num_either} pixels"


def paired(segments: Sequence[Segment], regions: Sequence[Region], answer: Answer) -> list[tuple[Segment, Region]]:
    """Each segment with the region that it is; there are as many of the one as of the other."""
    assert len(segments) == len(regions)
    alike = np.zeros((len(segments), len(regions)))
    for i, segment in enumerate(segments):
        mask = rle.decode(segment.mask)
        for j, region in enumerate(regions):
            iou = (mask & region.mask).sum() / (mask | region.mask).sum()
            score = float(answer.class_probs[region.query, segment.class_id])
            alike[i, j] = iou - 0.001 * abs(score - segment.score)  # scores tell equal masks apart
    return [(segments[i], regions[j]) for i, j in zip(*linear_sum_assignment(-alike), strict=True)]


class Followed:
    """What the class and score of an object should be: the likeliest class over all frames that it was seen on."""

    def __init__(self, classes: Sequence[int]) -> None:
        self._classes = list(classes)
        self._logits: dict[int, list[torch.Tensor]] = defaultdict(list)

    def check(self, segment: Segment, query: int, answer: Answer) -> None:
        seen = self._logits[segment.track_id]
        seen.append(answer.class_logits[query])
        likely = torch.stack(seen).mean(0)[self._classes].argmax()
        assert segment.class_id == self._classes[likely]
        assert segment.score == pytest.approx(float(answer.class_probs[query, segment.class_id]), abs=1e-3)


# --- in Python ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", CLIPS)
def test_the_network_is_shown_the_pixels_that_pillow_and_detectron2_would_show(
    clip: str, plain: Callable[[str], Library]
) -> None:
    segmenter = plain("hf_tiny").load("vis")
    with open_clip(clip) as video:
        for found, answer in zip(segmenter.clips(video), plain("hf_tiny").answers(clip), strict=True):
            assert found.input_size == answer.input_size
            torch.testing.assert_close(found.pixels, answer.pixels, rtol=0, atol=1e-6)  # a grey level is 0.017


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("head", ["plain", "library"])
def test_instances_are_those_of_the_library(head: str, name: str, clip: str, request: pytest.FixtureRequest) -> None:
    library = request.getfixturevalue(head)(name)
    followed = None
    for result, answer in results_and_answers(library, "vis", clip):
        followed = followed or Followed(range(answer.class_probs.shape[1]))
        for segment, region in paired(result.segments, instances(answer, library.conf), answer):
            check_same(rle.decode(segment.mask), region.mask)
            followed.check(segment, region.query, answer)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", SEEDS)
def test_every_pixel_has_the_class_that_the_library_gives_it(
    name: str, clip: str, library: Callable[[str], Library]
) -> None:
    for result, answer in results_and_answers(library(name), "vss", clip):
        wanted = semantic(answer)
        masks = {segment.class_id: rle.decode(segment.mask) for segment in result.segments}
        for class_id in masks.keys() | set(np.unique(wanted).tolist()):
            check_same(masks.get(class_id, np.zeros(wanted.shape, bool)), wanted == class_id)
        for segment in result.segments:
            assert segment.score == pytest.approx(float(answer.class_probs[:, segment.class_id].max()), abs=1e-3)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", SEEDS)
def test_panoptic_regions_are_those_of_the_library(name: str, clip: str, library: Callable[[str], Library]) -> None:
    things = CITYSCAPES.thing_ids
    followed = Followed(sorted(things))
    for result, answer in results_and_answers(library(name), "vps", clip):
        for segment, region in paired(result.segments, panoptic(answer, CONF, things), answer):
            check_same(rle.decode(segment.mask), region.mask)
            assert (segment.class_id in things) == (region.class_id in things)
            if region.class_id in things:
                followed.check(segment, region.query, answer)
            else:
                assert segment.class_id == region.class_id
                assert segment.score == pytest.approx(float(answer.class_probs[region.query].max()), abs=1e-3)


@pytest.mark.parametrize("name", SEEDS)
def test_there_is_much_to_compare(name: str, library: Callable[[str], Library]) -> None:
    answers = [answer for clip in CLIPS for answer in library(name).answers(clip)]
    shown = sum(len(instances(answer, CONF)) for answer in answers)
    assert len(answers) < shown < len(answers) * len(answers[0].class_logits)
    regions = [region for answer in answers for region in panoptic(answer, CONF, CITYSCAPES.thing_ids)]
    assert sum(region.class_id in CITYSCAPES.thing_ids for region in regions) > 5
    unmerged = [region for answer in answers for region in panoptic(answer, CONF, range(len(CITYSCAPES)))]
    assert len(unmerged) > len(regions) > len(answers)
    areas = [np.unique(semantic(answer), return_counts=True)[1] for answer in answers]
    assert sum(len(area) > 1 and sorted(area)[-2] > 1000 for area in areas) > 5


# --- through the command ------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path, library: Callable[[str], Library]) -> Callable[[str], tuple[Any, list[NDArray[Any]]]]:
    """Run the command on bedroom.mp4; its JSON, and its PNGs."""

    def run(task: str) -> tuple[Any, list[NDArray[Any]]]:
        options = ["--model", str(library("hf_tiny").folder), "--size", str(SIZE), "--end", PART["end"]]
        options += ["--stride", str(PART["stride"]), "--device", "cpu", "--dtype", "fp32"]
        if task != "vss":
            options += ["--conf", str(CONF)]
            options += ["--classes", ",".join(map(str, range(len(CITYSCAPES))))] * (task == "vis")
            options += [word for name, value in FOLLOW_ALL.items() for word in ("--set", f"tracking.{name}={value}")]
        clip = str(shared("data", "clips", "bedroom.mp4"))
        assert main(["predict", clip, "--task", task, "-o", str(tmp_path), "--save", "json,png", *options]) == 0
        told = json.loads((tmp_path / f"bedroom.{task}.json").read_text())
        files = sorted((tmp_path / f"bedroom.{task}.png").iterdir())
        assert [file.name for file in files] == ["000000.png", "000008.png", "000016.png"]
        return told, [np.asarray(Image.open(file)) for file in files]

    return run


def test_instances_are_written_as_the_library_has_them(
    written: Callable[[str], Any], library: Callable[[str], Library]
) -> None:
    told, pictures = written("vis")
    class_ids = {info.dataset_id: class_id for class_id, info in enumerate(CITYSCAPES.classes)}
    for t, answer in enumerate(library("hf_tiny").answers("bedroom.mp4")):
        segments = [
            Segment(one["id"], class_ids[one["category_id"]], one["scores"][t], rle.from_coco(one["segmentations"][t]))
            for one in told["annotations"]
            if one["segmentations"][t] is not None
        ]
        pairs = paired(segments, instances(answer, CONF), answer)
        for segment, region in pairs:
            check_same(rle.decode(segment.mask), region.mask)
        wanted = np.zeros(answer.source_size, np.uint8)
        for segment, region in sorted(pairs, key=lambda pair: (pair[0].score, -pair[0].track_id)):
            wanted[region.mask] = segment.track_id  # the surer one in front
        for track_id in np.union1d(wanted, pictures[t]):
            check_same(pictures[t] == track_id, wanted == track_id)


def test_classes_are_written_as_the_library_has_them(
    written: Callable[[str], Any], library: Callable[[str], Library]
) -> None:
    told, pictures = written("vss")
    numbers = np.array([info.dataset_id for info in CITYSCAPES.classes])
    for t, answer in enumerate(library("hf_tiny").answers("bedroom.mp4")):
        wanted = numbers[semantic(answer)]
        listed = {
            one["category_id"]: rle.decode(rle.from_coco(one["segmentations"][t]))
            for one in told["annotations"]
            if one["segmentations"][t] is not None
        }
        for number in np.union1d(wanted, pictures[t]).tolist():
            check_same(pictures[t] == number, wanted == number)
            check_same(listed[number], wanted == number)


def test_panoptic_regions_are_written_as_the_library_has_them(
    written: Callable[[str], Any], library: Callable[[str], Library]
) -> None:
    told, pictures = written("vps")
    records = told["annotations"][0]["annotations"]
    for record, rgb, answer in zip(records, pictures, library("hf_tiny").answers("bedroom.mp4"), strict=True):
        ids = rgb.astype(np.int64) @ [1, 256, 65536]
        regions = panoptic(answer, CONF, CITYSCAPES.thing_ids)
        assert len(record["segments_info"]) == len(regions) == len(np.unique(ids[ids > 0]))
        for one in record["segments_info"]:
            region = max(regions, key=lambda region: (region.mask & (ids == one["id"])).sum())
            check_same(ids == one["id"], region.mask)
            if region.class_id not in CITYSCAPES.thing_ids:
                assert one["category_id"] == CITYSCAPES.classes[region.class_id].dataset_id
