"""Sets of label maps of the size that evaluators are timed on, generated from a seed: VSPW, KITTI-STEP, VIPSeg.

Blobs move over wavy bands of stuff, in front of each other and now and then out of sight; the border is void. Results
are the truth, displaced, with classes confused and tracks renamed.

    python -m tests.bench.eval_maps vspw|kitti_step|vipseg FOLDER [--videos 20] [--frames 40] [--size 1280x720]

writes FOLDER/gt and FOLDER/pred in the official layout, as Pillow writes PNG.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.data.vipseg_classes import VIPSEG
from gvseg_core.types import Size
from tests.bench.eval_sets import Thing, crop, thing

Labels = NDArray[np.uint8]
Chance = np.random.Generator

VOID = 255
_BORDER = 3  # pixels

# What a label means: (class as in the set's files, track); bands of stuff come first, and have no track.
Meaning = list[tuple[int, int]]


def vspw(folder: Path, *, videos: int = 20, frames: int = 40, size: Size = (720, 1280), seed: int = 0) -> None:
    """VSPW: 9 of 124 classes, grey truth, palette results."""
    chance = np.random.default_rng(seed)
    palette = chance.integers(0, 256, 768, dtype=np.uint8).tobytes()
    names = [f"{number}_video" for number in range(videos)]
    for name in names:
        classes = chance.choice(124, 9, replace=False)
        shown = np.append(np.arange(9), chance.permutation(9)[:1])  # the last is what another is taken for
        for frame, (true, found) in enumerate(_frames(chance, frames, size, stuff=5, things=4)):
            file = f"{frame:08d}.png"
            _save(folder / "gt/data" / name / "mask" / file, _painted(true, classes + 1, VOID))
            answer = np.where(found == VOID, 0, found)
            _save(folder / "pred" / name / file, _painted(answer, classes[shown], VOID), palette)
    (folder / "gt/val.txt").write_text("".join(f"{name}\n" for name in names))


def kitti_step(folder: Path, *, videos: int = 20, frames: int = 40, size: Size = (720, 1280), seed: int = 0) -> None:
    """KITTI-STEP: 5 classes of stuff and 6 tracks."""
    chance = np.random.default_rng(seed)
    for number in range(videos):
        meaning, taken_for = _meanings(chance, np.array([0, 1, 2, 8, 10]), chance.choice([11, 13], 6))
        for frame, (true, found) in enumerate(_frames(chance, frames, size, stuff=5, things=6)):
            file = f"{number:04d}/{frame:06d}.png"
            _save(folder / "gt/panoptic_maps/val" / file, _colored(true, meaning, _step_color))
            _save(folder / "pred" / file, _colored(found, taken_for, _step_color))


def vipseg(folder: Path, *, videos: int = 20, frames: int = 40, size: Size = (720, 1280), seed: int = 0) -> None:
    """VIPSeg: 5 classes of stuff and 8 things."""
    chance = np.random.default_rng(seed)
    numbers = {kind: [c.dataset_id for c in VIPSEG.classes if c.is_thing == kind] for kind in (False, True)}
    names = [f"{number}_video" for number in range(videos)]
    truth, results = [], []
    for name in names:
        stuff, things = chance.choice(numbers[False], 5, replace=False), chance.choice(numbers[True], 8)
        meaning, taken_for = _meanings(chance, stuff, things)
        true_frames, found_frames = [], []
        for frame, (true, found) in enumerate(_frames(chance, frames, size, stuff=5, things=8)):
            file = f"{frame:08d}.png"
            _save(folder / "gt/panomasksRGB" / name / file, _colored(true, meaning, _id_color))
            _save(folder / "pred/pan_pred" / name / file, _colored(found, taken_for, _id_color))
            true_frames.append({"file_name": file, "segments_info": _segments(true, meaning)})
            found_frames.append({"file_name": file, "segments_info": _segments(found, taken_for)})
        truth.append({"video_id": name, "annotations": true_frames})
        results.append({"video_id": name, "annotations": found_frames})
    images = [{"file_name": f"{frame:08d}.png", "width": size[1], "height": size[0]} for frame in range(frames)]
    listing = {
        "videos": [{"video_id": name, "images": images} for name in names],
        "annotations": truth,
        "categories": [
            {"id": c.dataset_id, "name": c.name, "isthing": int(c.is_thing), "color": c.color} for c in VIPSEG.classes
        ],
    }
    (folder / "gt/panoptic_gt_VIPSeg_val.json").write_text(json.dumps(listing))
    (folder / "pred/pred.json").write_text(json.dumps({"annotations": results}))


# --- scenes -------------------------------------------------------------------------------------------------------


def _frames(chance: Chance, frames: int, size: Size, stuff: int, things: int) -> Iterator[tuple[Labels, Labels]]:
    """Truth and results: (H, W) labels 0, 1, … of stuff, then of things, then one more: what one of them is taken for
    in the results of some frames; `VOID` at the border of truth, and here and there in results."""
    objects = [thing(chance, frames, size, num_classes=1) for _ in range(things)]
    waves = chance.uniform((0.02, 1, 0), (0.06, 5, 2 * np.pi), (stuff, 3))
    confused = int(chance.integers(stuff + things))
    for frame in range(frames):
        true = _scene(objects, frame, waves, size, (0, 0))
        true[:_BORDER] = true[-_BORDER:] = VOID
        shift = int(chance.integers(-4, 5)), int(chance.integers(-4, 5))
        found = _scene(objects, frame, waves, size, shift)
        if frame % 5 < 2:
            found[found == confused] = stuff + things
        yield true, found


def _scene(objects: list[Thing], frame: int, waves: NDArray[np.float64], size: Size, shift: tuple[int, int]) -> Labels:
    h, w = size
    labels = np.zeros(size, np.uint8)
    x = np.arange(w)
    for band, (height, turns, phase) in enumerate(waves):
        edge = h * (band / len(waves) + height * np.sin(turns * (x + shift[1] + 2 * frame) / w * 2 * np.pi + phase))
        labels[np.arange(h)[:, None] >= edge + shift[0]] = band
    for number, one in enumerate(objects):
        if (place := one.places[frame]) is not None:
            mask, (top, left) = crop(
                one.shapes[frame % len(one.shapes)], (place[0] + shift[0], place[1] + shift[1]), size
            )
            labels[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = len(waves) + number
    return labels


def _meanings(chance: Chance, stuff: NDArray[Any], things: NDArray[Any]) -> tuple[Meaning, Meaning]:
    """Of the truth; of results, whose tracks have other ids, and which takes something for a new track of a thing."""
    tracks = 1 + chance.permutation(999)[: 2 * len(things) + 1]
    true, found = np.split(tracks[:-1], 2)
    bands = [(int(c), 0) for c in stuff]
    meaning = bands + [(int(c), int(t)) for c, t in zip(things, true, strict=True)]
    taken_for = bands + [(int(c), int(t)) for c, t in zip(things, found, strict=True)]
    return meaning, [*taken_for, (int(things[0]), int(tracks[-1]))]


# --- files --------------------------------------------------------------------------------------------------------


def _painted(labels: Labels, values: NDArray[Any], void: Any) -> NDArray[Any]:
    table = np.full((256, *np.shape(void)), void, np.uint8)
    table[: len(values)] = values
    return table[labels]


def _colored(labels: Labels, meaning: Meaning, color: Callable[[int, int], tuple[int, int, int]]) -> NDArray[Any]:
    return _painted(labels, np.array([color(*means) for means in meaning]), color(VOID, 0))


def _step_color(number: int, track: int) -> tuple[int, int, int]:
    return number, track >> 8, track & 255


def _id_of(number: int, track: int) -> int:
    """One of 2²⁴, scattered over them as panopticapi's are."""
    return 0 if number == VOID else 1 + (number * 1000 + track) * 7919 % (2**24 - 1)


def _id_color(number: int, track: int) -> tuple[int, int, int]:
    segment = _id_of(number, track)
    return segment & 255, segment >> 8 & 255, segment >> 16


def _segments(labels: Labels, meaning: Meaning) -> list[dict[str, Any]]:
    areas = np.bincount(labels.ravel(), minlength=256)
    return [
        {"id": _id_of(*means), "category_id": means[0], "iscrowd": 0, "area": int(area)}
        for means, area in zip(meaning, areas, strict=False)
        if area
    ]


def _save(path: Path, pixels: NDArray[Any], palette: bytes | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


SETS = {"vspw": vspw, "kitti_step": kitti_step, "vipseg": vipseg}


def main() -> None:
    """Write one set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", default="1280x720")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    SETS[options.set](options.folder, videos=options.videos, frames=options.frames, size=(height, width))


if __name__ == "__main__":
    main()
