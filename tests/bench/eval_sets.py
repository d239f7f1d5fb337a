"""Whole benchmarks' worth of ground truth and results, generated from a seed: what evaluators are timed on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops import rle
from gvseg_core.types import Size

Mask = NDArray[np.bool_]
Place = tuple[int, int]

_NUM_SHAPES = 4  # that an object changes between


@dataclass(frozen=True)
class Thing:
    """One object: its shapes, and where on each frame which of them is, None where it is out of sight."""

    category: int
    shapes: list[Mask]
    places: list[Place | None]


def youtube_vis(
    folder: Path, *, videos: int = 100, frames: int = 30, size: Size = (720, 1280), seed: int = 0
) -> tuple[Path, Path]:
    """YouTube-VIS: four objects and ten predictions a video on average, of 40 classes, compressed RLE.

    Returns:
        The ground truth and the results.
    """
    chance = np.random.default_rng(seed)
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for video in range(1, videos + 1):
        names = [f"video_{video:04d}/{frame * 5:05d}.jpg" for frame in range(frames)]
        listed.append(
            {"id": video, "width": size[1], "height": size[0], "length": frames, "file_names": names, "license": 1}
        )
        things = [thing(chance, frames, size, num_classes=40) for _ in range(int(chance.integers(2, 7)))]
        for one in things:
            areas = [None if (mask := _shape(one, t)) is None else int(mask.sum()) for t in range(frames)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "video_id": video,
                    "category_id": one.category,
                    "iscrowd": 0,
                    "segmentations": _segmentations(one, size, (0, 0)),
                    "areas": areas,
                    "bboxes": [None if area is None else [0, 0, 1, 1] for area in areas],
                }
            )
        for _ in range(10):
            found = things[chance.integers(len(things))] if chance.random() < 0.8 else None
            found = found or thing(chance, frames, size, num_classes=40)
            shift = int(chance.integers(-12, 13)), int(chance.integers(-12, 13))
            is_right = chance.random() < 0.6
            results.append(
                {
                    "video_id": video,
                    "category_id": found.category if is_right else int(chance.integers(1, 41)),
                    "score": round(float(chance.random()), 4),
                    "segmentations": _segmentations(found, size, shift),
                }
            )
    categories = [{"id": i, "name": f"class {i}", "supercategory": "object"} for i in range(1, 41)]
    truth = {"info": {}, "licenses": [], "videos": listed, "categories": categories, "annotations": annotations}
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "instances.json", folder / "results.json"
    for path, content in zip(paths, (truth, results), strict=True):
        path.write_text(json.dumps(content))
    return paths


def thing(chance: np.random.Generator, frames: int, size: Size, num_classes: int) -> Thing:
    """A blob that wanders about, now and then out of sight."""
    radius = float(chance.uniform(0.06, 0.22)) * min(size)
    shapes = [_blob(chance, radius) for _ in range(_NUM_SHAPES)]
    at, step = chance.uniform((0, 0), size), chance.normal(0, 0.01 * min(size), 2)
    hidden = set(chance.integers(0, frames, frames // 8).tolist())
    places: list[Place | None] = []
    for frame in range(frames):
        at = (at + step) % size
        places.append(None if frame in hidden else (int(at[0]), int(at[1])))
    return Thing(int(chance.integers(1, num_classes + 1)), shapes, places)


def _blob(chance: np.random.Generator, radius: float) -> Mask:
    """(h, w): a round shape with a wavy edge."""
    half = int(radius * 1.6) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    angle = np.arctan2(y, x)
    edge = np.ones_like(angle)
    for waves in range(2, 9):
        edge += chance.uniform(0, 0.12) * np.cos(waves * angle + chance.uniform(0, 2 * np.pi))
    return np.hypot(y, x) < radius * edge.clip(0.3, 1.5)


def _shape(one: Thing, frame: int) -> Mask | None:
    return None if one.places[frame] is None else one.shapes[frame % _NUM_SHAPES]


def crop(mask: Mask, at: Place, size: Size) -> tuple[Mask, Place]:
    """The part of a mask centred at `at` that is inside the picture, and its upper left corner."""
    top, left = at[0] - mask.shape[0] // 2, at[1] - mask.shape[1] // 2
    y, x = max(0, -top), max(0, -left)
    inside = mask[y : max(y, size[0] - top), x : max(x, size[1] - left)]
    return inside, (min(max(0, top), size[0] - inside.shape[0]), min(max(0, left), size[1] - inside.shape[1]))


def _segmentations(one: Thing, size: Size, shift: Place) -> list[dict[str, Any] | None]:
    found: list[dict[str, Any] | None] = []
    for frame, place in enumerate(one.places):
        if place is None:
            found.append(None)
            continue
        inside, origin = crop(one.shapes[frame % _NUM_SHAPES], (place[0] + shift[0], place[1] + shift[1]), size)
        found.append(rle.to_coco(rle.encode(inside, size=size, origin=origin)))
    return found
