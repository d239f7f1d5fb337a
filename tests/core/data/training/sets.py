"""Small sets of which everything is known: each object is a square of its own colour on grey."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from gvseg_core.data.training.sources import Source
from gvseg_core.data.training.targets import Lesson
from gvseg_core.data.training.videos import Scene
from gvseg_core.errors import DataError
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import VOID, ClassInfo, Size, TaskName, Vocabulary

SIZE: Size = (40, 60)
GREY = 128
COLORS = ((220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 30), (220, 30, 220), (30, 220, 220))
WORDS = Vocabulary(
    "words",
    (ClassInfo("cat", (1, 1, 1), dataset_id=3), ClassInfo("dog", (2, 2, 2)), ClassInfo("sky", (3, 3, 3), False)),
)
CAT, DOG, SKY = range(3)


class Squares:
    """Videos of `num_objects` squares that move to the right (`TrainingVideos`).

    Object n is a cat or a dog by turns, and has the n-th colour; on frames in `empty` there is none. The lower half of
    each frame is sky where `panoptic`, the rest is nobody's; the first column is void.
    """

    vocabulary = WORDS
    tasks: frozenset[TaskName] = frozenset({"vis", "vss", "vps", "evs"})
    notes: Sequence[str] = ()

    def __init__(
        self,
        num_videos: int = 4,
        num_frames: int = 12,
        num_objects: int = 3,
        *,
        is_still: bool = False,
        panoptic: bool = False,
        empty: Sequence[int] = (),
        damaged: Sequence[int] = (),
    ) -> None:
        self.num_videos, self.num_objects, self.is_still = num_videos, num_objects, is_still
        self._num_frames = 1 if is_still else num_frames
        self.panoptic, self.empty, self.damaged = panoptic, tuple(empty), tuple(damaged)
        self.loaded: list[tuple[int, tuple[int, ...]]] = []

    def __len__(self) -> int:
        return self.num_videos

    def name(self, video: int) -> str:
        return f"video{video}"

    def num_frames(self, video: int) -> int:
        return self._num_frames

    def shown(self, video: int) -> Sequence[int] | None:
        return None

    def load(self, video: int, frames: Sequence[int]) -> list[Scene]:
        if video in self.damaged:
            raise DataError(f"video{video}/00000.jpg: it is empty")
        self.loaded.append((video, tuple(frames)))
        return [self._scene(video, frame) for frame in frames]

    def _scene(self, video: int, frame: int) -> Scene:
        labels = np.zeros(SIZE, np.uint16)
        if self.panoptic:
            labels[SIZE[0] // 2 :] = 200
        labels[:, 0] = 255
        picture = np.full((*SIZE, 3), GREY, np.uint8)
        picture[:, 0] = 0
        for n in range(0 if frame in self.empty else self.num_objects):
            y, x = 3 + 12 * n % 30, 4 + (5 * n + 3 * video + 2 * frame) % 44
            labels[y : y + 9, x : x + 9] = n + 1
            picture[y : y + 9, x : x + 9] = COLORS[n]
        known = {n + 1: (n + 1, n % 2, False) for n in range(self.num_objects)}
        known |= {200: (200, SKY, False), 255: (255, VOID, True)}
        return Scene(picture, MapSegments(labels, known).regions)


def lesson(task: TaskName, vocabulary: Vocabulary = WORDS) -> Lesson:
    """What `Squares` teach."""
    if task == "evs":
        return Lesson(task, WORDS, Vocabulary("object", (ClassInfo("object", (9, 9, 9)),)), (0, 0, None))
    if task == "vis":
        return Lesson(task, WORDS, Vocabulary("words_things", WORDS.classes[:2]), (0, 1, None))
    return Lesson(task, WORDS, WORDS, (0, 1, 2))


def source(task: TaskName = "vis", videos: Squares | None = None, weight: float = 1.0, max_objects: int = 10) -> Source:
    """`Squares` as a set of a run."""
    return Source(f"{task} squares", videos or Squares(), lesson(task), weight, max_objects)


# --- on disk ------------------------------------------------------------------------------------------------------


def write_coco(folder: Path, num: int = 3, split: str = "train") -> Path:
    """COCO instances of `num` pictures: in each a square as a polygon, a disc as runs, and a crowd, in own colours."""
    pictures = folder / "images" / split
    pictures.mkdir(parents=True)
    images, annotations = [], []
    for i in range(num):
        picture, disc = np.full((48, 64, 3), GREY, np.uint8), _disc(i)
        picture[5:15, 8:20], picture[disc], picture[40:48, 50:64] = COLORS[0], COLORS[1], COLORS[2]
        Image.fromarray(picture).save(pictures / f"{i:03d}.png")
        images.append({"id": 10 + i, "file_name": f"{i:03d}.png", "height": 48, "width": 64})
        crowd = np.zeros((48, 64), np.bool_)
        crowd[40:48, 50:64] = True
        shapes: list[tuple[int, int, Any]] = [
            (7, 0, [[8, 5, 20, 5, 20, 15, 8, 15], [1, 1, 2, 2]]),
            (9, 0, _compressed(disc)),
            (9, 1, _counts(crowd)),
        ]
        for category, is_crowd, shape in shapes:
            number = len(annotations) + 1
            known = {"id": number, "image_id": 10 + i, "category_id": category, "iscrowd": is_crowd}
            annotations.append({**known, "segmentation": shape})
    images.append({"id": 99, "file_name": "nothing.png", "height": 48, "width": 64})
    found = {
        "annotations": annotations,  # before what they refer to, which is allowed
        "images": images,
        "categories": [{"id": 9, "name": "disc"}, {"id": 7, "name": "square"}],
    }
    path = folder / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found))
    return path


def write_panoptic(folder: Path, split: str = "train") -> Path:
    """COCO's panoptic form: one picture, its upper half sky, a square in it, the rest void."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    maps = folder / "annotations" / f"panoptic_{split}"
    maps.mkdir(parents=True)
    ids = np.zeros((48, 64), np.uint32)
    ids[:24], ids[5:15, 8:20] = 70000, 300
    Image.fromarray(np.full((48, 64, 3), GREY, np.uint8)).save(folder / "images" / "a.jpg")
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    Image.fromarray(rgb).save(maps / "a.png")
    segments = [{"id": 70000, "category_id": 5, "iscrowd": 0}, {"id": 300, "category_id": 7, "iscrowd": 0}]
    found = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 48, "width": 64}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments}],
        "categories": [
            {"id": 7, "name": "square", "isthing": 1, "color": [1, 2, 3]},
            {"id": 5, "name": "sky", "isthing": 0, "color": [4, 5, 6]},
        ],
    }
    path = folder / "annotations" / f"panoptic_{split}.json"
    path.write_text(json.dumps(found))
    return path


def _disc(i: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:48, :64]
    disc: NDArray[np.bool_] = (y - 25) ** 2 + (x - 30 - i) ** 2 < 90
    return disc


def _compressed(mask: NDArray[np.bool_]) -> Mapping[str, Any]:
    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": found["counts"].decode()}


def _counts(mask: NDArray[np.bool_]) -> Mapping[str, Any]:
    flat = mask.ravel(order="F")
    bounds = np.flatnonzero(np.diff(np.concatenate(([False], flat)).astype(np.int8)))
    return {"size": list(mask.shape), "counts": np.diff(bounds, prepend=0, append=flat.size).tolist()}


def write_vspw(folder: Path, num_frames: int = 6) -> None:
    """VSPW's layout with two classes of its own: one video in which a square of the first colour moves over void."""
    video = folder / "data" / "one"
    for name in ("origin", "mask"):
        (video / name).mkdir(parents=True)
    for i in range(num_frames):
        picture, labels = np.full((48, 64, 3), GREY, np.uint8), np.zeros((48, 64), np.uint8)
        labels[30:] = 2
        labels[10:25, 5 + 5 * i : 20 + 5 * i] = 1
        picture[labels == 1] = COLORS[0]
        Image.fromarray(picture).save(video / "origin" / f"{i:05d}.png")
        Image.fromarray(labels).save(video / "mask" / f"{i:05d}.png")
    (folder / "train.txt").write_text("one\n")
    (folder / "label_num_dic_final.json").write_text('{"others": "0", "square": "1", "floor": "2"}')


def write_davis(folder: Path, num_frames: int = 6) -> None:
    """DAVIS's layout: one sequence of two squares, the second of which is gone from the fourth frame on."""
    for name in ("JPEGImages", "Annotations"):
        (folder / name / "480p" / "one").mkdir(parents=True)
    for i in range(num_frames):
        picture, labels = np.full((48, 64, 3), GREY, np.uint8), np.zeros((48, 64), np.uint8)
        labels[10:25, 5 + 5 * i : 20 + 5 * i] = 1
        labels[30:40, 40:50] = 2 * (i < 3)
        for n in (1, 2):
            picture[labels == n] = COLORS[n - 1]
        Image.fromarray(picture).save(folder / "JPEGImages" / "480p" / "one" / f"{i:05d}.png")
        indexed = Image.fromarray(labels)
        indexed.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        indexed.save(folder / "Annotations" / "480p" / "one" / f"{i:05d}.png")
    lists = folder / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("one\n")


def write_ytvis(folder: Path, num_frames: int = 6) -> None:
    """YouTube-VIS's layout with two classes of its own: a square that is gone on the first two frames, and a crowd."""
    pictures = folder / "train" / "JPEGImages" / "one"
    pictures.mkdir(parents=True)
    masks, crowd = [], np.zeros((48, 64), np.bool_)
    crowd[40:, :10] = True
    for i in range(num_frames):
        picture, mask = np.full((48, 64, 3), GREY, np.uint8), np.zeros((48, 64), np.bool_)
        mask[10:25, 5 + 5 * i : 20 + 5 * i] = i >= 2
        picture[mask], picture[crowd] = COLORS[0], COLORS[1]
        Image.fromarray(picture).save(pictures / f"{i:05d}.png")
        masks.append(mask)
    square = {"id": 1, "video_id": 5, "category_id": 30, "iscrowd": 0}
    square["segmentations"] = [_compressed(mask) if mask.any() else None for mask in masks]
    square["areas"] = [int(mask.sum()) or None for mask in masks]
    others = {"id": 2, "video_id": 5, "category_id": 20, "iscrowd": 1}
    others["segmentations"], others["areas"] = [_counts(crowd)] * num_frames, [80] * num_frames
    names = [f"one/{i:05d}.png" for i in range(num_frames)]
    found = {
        "videos": [{"id": 5, "width": 64, "height": 48, "length": num_frames, "file_names": names}],
        "categories": [{"id": 20, "name": "blob"}, {"id": 30, "name": "square"}],
        "annotations": [square, others],
    }
    (folder / "train" / "instances.json").write_text(json.dumps(found))
