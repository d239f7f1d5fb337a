"""Sets of objects to follow, of the size that evaluators are timed on, generated from a seed: DAVIS and BURST.

Blobs wander about, in front of each other and now and then out of sight. Results are the truth, displaced, two of its
objects exchanged for a while.

    python -m tests.bench.eval_vos davis|burst FOLDER [--videos 20] [--frames N] [--size WIDTHxHEIGHT]

writes FOLDER/gt and FOLDER/pred in the official layout.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.data.exemplar_masks import davis_color
from gvseg_core.data.tao import COMMON, TAO
from gvseg_core.ops import rle
from gvseg_core.types import Size
from tests.bench.eval_sets import Place, Thing, crop, thing

Labels = NDArray[np.uint8]
Chance = np.random.Generator

PALETTE = bytes(davis_color(i) >> shift & 255 for i in range(256) for shift in (16, 8, 0))


def davis(folder: Path, *, videos: int = 20, frames: int = 60, size: Size = (480, 854), seed: int = 0) -> None:
    """DAVIS 2017: three objects a sequence, all on its first frame."""
    chance = np.random.default_rng(seed)
    names = [f"sequence-{number:02d}" for number in range(videos)]
    for name in names:
        objects = _cast(chance, frames, size, 3)
        for frame in range(frames):
            file = f"{frame:05d}.png"
            _save(folder / "gt/Annotations/480p" / name / file, _painted(objects, frame, size, (0, 0)))
            _save(folder / "pred" / name / file, _painted(_mixed(objects, frame), frame, size, _shift(chance)))
    lists = folder / "gt/ImageSets/2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("".join(f"{name}\n" for name in names))


def burst(folder: Path, *, videos: int = 20, frames: int = 40, size: Size = (720, 1280), seed: int = 0) -> None:
    """BURST, exemplar-guided: four objects a sequence, of ten classes."""
    chance = np.random.default_rng(seed)
    classes = [*sorted(COMMON)[:5], 1, 2, 3, 5, 6]
    truth, results = [], []
    for number in range(videos):
        objects = _cast(chance, frames, size, 4)
        names = [f"frame{30 * frame:04d}.jpg" for frame in range(frames)]
        facts = {
            "id": number + 1,
            "dataset": "HACS",
            "seq_name": f"clip_{number:03d}",
            "width": size[1],
            "height": size[0],
            "fps": 30,
            "all_image_paths": names,
            "annotated_image_paths": names,
            "neg_category_ids": [],
            "not_exhaustive_category_ids": [],
            "track_category_ids": {str(i): int(chance.choice(classes)) for i in range(1, 5)},
        }
        true = [_masks(objects, frame, size, (0, 0)) for frame in range(frames)]
        found = [_masks(_mixed(objects, frame), frame, size, _shift(chance)) for frame in range(frames)]
        truth.append({**facts, "segmentations": true})
        results.append({**facts, "segmentations": found})
    categories = [{"id": info.dataset_id, "name": info.name} for info in TAO.classes]
    for path, sequences in (("gt/all_classes.json", truth), ("pred/predictions.json", results)):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(json.dumps({"sequences": sequences, "categories": categories, "split": "val"}))


# --- scenes -------------------------------------------------------------------------------------------------------


def _cast(chance: Chance, frames: int, size: Size, num: int) -> list[Thing]:
    """Objects that are all in sight on the first frame."""
    objects: list[Thing] = []
    while len(objects) < num:
        one = thing(chance, frames, size, num_classes=1)
        if one.places[0] is not None:
            objects.append(one)
    labels = _painted(objects, 0, size, (0, 0))
    return objects if set(np.unique(labels)) >= set(range(1, num + 1)) else _cast(chance, frames, size, num)


def _mixed(objects: list[Thing], frame: int) -> list[Thing]:
    """The objects, the first two exchanged now and then."""
    return [objects[1], objects[0], *objects[2:]] if frame % 10 > 7 else objects


def _shift(chance: Chance) -> Place:
    return int(chance.integers(-6, 7)), int(chance.integers(-6, 7))


def _painted(objects: list[Thing], frame: int, size: Size, shift: Place) -> Labels:
    """(H, W): 0, or the number of an object."""
    labels = np.zeros(size, np.uint8)
    for number, one in enumerate(objects, start=1):
        if (place := one.places[frame]) is not None:
            at = place[0] + shift[0], place[1] + shift[1]
            mask, (top, left) = crop(one.shapes[frame % len(one.shapes)], at, size)
            labels[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = number
    return labels


def _masks(objects: list[Thing], frame: int, size: Size, shift: Place) -> dict[str, Any]:
    found = rle.encode_labels(_painted(objects, frame, size, shift))
    return {str(number): {"rle": mask.counts.decode(), "score": 1.0} for number, mask in found.items()}


def _save(path: Path, labels: Labels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    image.putpalette(PALETTE)
    image.save(path)


SETS = {"davis": davis, "burst": burst}


def main() -> None:
    """Write one set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--size")
    options = parser.parse_args()
    wanted: dict[str, Any] = {"videos": options.videos}
    if options.frames:
        wanted["frames"] = options.frames
    if options.size:
        width, height = map(int, options.size.split("x"))
        wanted["size"] = (height, width)
    SETS[options.set](options.folder, **wanted)


if __name__ == "__main__":
    main()
