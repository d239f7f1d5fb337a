"""Every real set gives clips, and their masks are what its files say, read here in the plainest way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from gvseg_core.data.training.loader import samples
from gvseg_core.data.training.samples import Sample
from gvseg_core.data.training.sources import open_sources
from gvseg_core.recipes import AugmentSettings, SourceSettings, TrainSettings
from gvseg_core.types import VOID, LabelledClip, TaskName
from tests.conftest import shared

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools

SETS: dict[str, tuple[TaskName, dict[str, Any]]] = {
    "coco-mini vis": ("vis", {"benchmark": "coco", "path": "coco-mini"}),
    "coco-mini as ytvis21": ("vis", {"benchmark": "coco", "path": "coco-mini", "classes_as": "ytvis21"}),
    "coco-mini vps": ("vps", {"benchmark": "coco_panoptic", "path": "coco-mini"}),
    "coco-mini vss": ("vss", {"benchmark": "auto", "path": "coco-mini"}),
    "coco-person": ("evs", {"benchmark": "coco", "path": "coco-person", "partial": True}),
    "bsds-regions": ("evs", {"benchmark": "regions", "path": "bsds-regions"}),
    "pennfudan": ("vis", {"benchmark": "auto", "path": "pennfudan"}),
    "ytvos-mini vis": ("vis", {"benchmark": "auto", "path": "ytvos-mini"}),
    "ytvos-mini evs": ("evs", {"benchmark": "auto", "path": "ytvos-mini"}),
    "vos-extra": ("evs", {"benchmark": "ytvos18", "path": "vos-extra"}),
    "davis-mini": ("evs", {"benchmark": "auto", "path": "davis-mini", "split": "val"}),
    "camvid-vss": ("vss", {"benchmark": "auto", "path": "camvid-vss"}),
    "camvid-vps": ("vps", {"benchmark": "auto", "path": "camvid-vps", "split": "val"}),
    "camvid-vps stills": ("vps", {"benchmark": "auto", "path": "camvid-vps", "pictures": "../camvid-vss/data"}),
}
AS_IT_IS = AugmentSettings(short_sides=(240,), flip=0.0, rotation=0.0)


def drawn(name: str, num: int, augment: AugmentSettings = AS_IT_IS) -> list[Sample]:
    task, values = SETS[name]
    settings = SourceSettings.model_validate(values)
    train = TrainSettings(data=(settings,), steps=1, batch_size=1, augment=augment, seed=1)
    sources = open_sources(train.data, shared("data"), task)
    return list(islice(samples(train, sources, clip_length=3, workers=0), num))


@pytest.mark.parametrize("name", SETS)
def test_every_set_gives_clips_that_show_something(name: str) -> None:
    augment = AugmentSettings(
        short_sides=(96, 128), crop=0.5, crop_short_sides=(160,), crop_range=(96, 160), copy_paste=0.5, jitter=0.1
    )
    for sample in drawn(name, 4, augment):
        assert len(sample.clips[0].class_ids) >= 1
        for clip in sample.clips:
            assert clip.pixels.shape[:2] == (3, 3)
            assert clip.pixels.shape[2:] == clip.labels.shape[1:]
            assert min(clip.labels.shape[1:]) <= 128
            assert clip.masks.flatten(1).any(1).all()
            assert clip.labels.max() == len(clip.class_ids)
            assert len(set(clip.track_ids.tolist())) == len(clip.track_ids)


def stored(name: str, num: int = 3) -> Iterator[tuple[LabelledClip, int, int]]:
    """Clips that no augmentation has touched (these videos are 240 pixels high), their frames, and those' indices."""
    for sample in drawn(name, num):
        for clip in sample.clips:
            for place, index in enumerate(clip.indices):
                yield clip, place, index


def test_objects_of_videos_are_those_of_the_json() -> None:
    found = json.loads((shared("data", "ytvos-mini") / "train" / "instances.json").read_text())
    names = {Path(video["file_names"][0]).parent.name: video["id"] for video in found["videos"]}
    classes = [category["id"] for category in found["categories"]]
    for clip, place, index in stored("ytvos-mini vis"):
        objects = [a for a in found["annotations"] if a["video_id"] == names[clip.video]]
        masks = [(a["category_id"], decoded(a["segmentations"][index])) for a in objects if a["segmentations"][index]]
        shown = 0
        for mask, class_id in zip(clip.masks[:, place].numpy(), clip.class_ids.tolist(), strict=True):
            if mask.any():
                shown += 1
                assert any(np.array_equal(mask, m) for category, m in masks if category == classes[class_id])
        assert shown == len(masks)


def decoded(runs: dict[str, Any]) -> NDArray[np.bool_]:
    return coco.decode(coco.frPyObjects(runs, *runs["size"])).astype(np.bool_)  # type: ignore[no-any-return]


def test_objects_that_are_given_are_those_of_the_maps() -> None:
    folder = shared("data", "ytvos-mini") / "train" / "Annotations"
    for clip, place, index in stored("ytvos-mini evs"):
        labels = np.asarray(Image.open(sorted((folder / clip.video).iterdir())[index]))
        for mask, track_id in zip(clip.masks[:, place].numpy(), clip.track_ids.tolist(), strict=True):
            assert np.array_equal(mask, labels == track_id - 1)


@pytest.mark.parametrize("name", ["camvid-vss", "camvid-vps"])
def test_classes_of_pixels_are_those_of_the_maps(name: str) -> None:
    augment = AugmentSettings(short_sides=(360,), flip=0.0)
    folder = shared("data", "camvid-vss") / "data"
    raw = shared("data", "camvid-vps") / "panomasks"
    for sample in drawn(name, 3, augment):
        for clip in sample.clips:
            paths = sorted((folder / clip.video / "mask" if name == "camvid-vss" else raw / clip.video).iterdir())
            for place, index in enumerate(clip.indices):
                values = np.asarray(Image.open(paths[index])).astype(int)
                values = np.where(values > 255, values // 100, values)  # things of the raw panoptic maps
                said = np.concatenate([clip.class_ids.numpy() + 1, [0]])[clip.labels[place].numpy().clip(VOID) - 1]
                said[clip.void[place].numpy()] = 0
                if name == "camvid-vps":  # its class ids are things first, its numbers are stuff first
                    said = np.where(said == 0, 0, np.where(said > 3, said - 3, said + 8))
                assert np.array_equal(said, values)


def test_instances_of_a_still_are_those_of_the_json_but_where_smaller_ones_hide_them() -> None:
    folder = shared("data", "coco-mini")
    found = json.loads((folder / "annotations" / "instances_train.json").read_text())
    images = {image["file_name"]: image for image in found["images"]}
    classes = [category["id"] for category in found["categories"]]
    augment = AugmentSettings(short_sides=(1000,), max_side=416, flip=0.0, rotation=0.0)  # their longest side
    hidden = []
    for sample in drawn("coco-mini vis", 6, augment):
        clip, image = sample.clips[0], images[sample.clips[0].video]
        size = image["height"], image["width"]
        assert tuple(clip.labels.shape[1:]) == size
        objects = [a for a in found["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        for mask, class_id in zip(clip.masks[:, 0].numpy(), clip.class_ids.tolist(), strict=True):
            those = [a for a in objects if a["category_id"] == classes[class_id]]
            whole = [coco.decode(merged(a["segmentation"], size)).astype(np.bool_) for a in those]
            containing = [m for m in whole if not (mask & ~m).any()]
            assert containing
            hidden.append(min(int(m.sum()) for m in containing) - int(mask.sum()))
    assert sum(pixels == 0 for pixels in hidden) > len(hidden) / 3


def merged(shape: Any, size: tuple[int, int]) -> Any:
    runs = coco.frPyObjects(shape, *size) if isinstance(shape, list) or isinstance(shape["counts"], list) else shape
    return coco.merge(runs) if isinstance(runs, list) else runs
