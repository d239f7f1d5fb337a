"""Small sets in official layouts, written from nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_vspw(folder: Path) -> list[str]:
    """Ground truth and results of five videos in VSPW's layout; the command that scores them."""
    rng = np.random.default_rng(0)
    names = [f"video_{number}" for number in range(5)]
    for name in names:
        for part in (folder / "gt" / "data" / name / "mask", folder / "results" / name):
            part.mkdir(parents=True)
        for frame in range(18):
            truth = rng.integers(0, 5, (6, 8), np.uint8)
            found = np.where(rng.random((6, 8)) < 0.7, truth.clip(1) - 1, 3).astype(np.uint8)
            Image.fromarray(truth).save(folder / "gt" / "data" / name / "mask" / f"{frame:08}.png")
            Image.fromarray(found).save(folder / "results" / name / f"{frame:08}.png")
    (folder / "gt" / "val.txt").write_text("\n".join(names))
    return ["eval", "--bench", "vspw", "--gt", "gt", "--results", "results"]


def write_ytvis_without_truth(folder: Path) -> None:
    """Two videos in YouTube-VIS's layout, with classes of the demo and, as validation sets are, unannotated."""
    videos = []
    for number in (3, 5):
        names = [f"video_{number}/{frame:05}.jpg" for frame in range(3)]
        for name in names:
            path = folder / "valid" / "JPEGImages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((32, 48, 3), 40 * number, np.uint8)).save(path)
        videos.append({"id": number, "width": 48, "height": 32, "length": 3, "file_names": names})
    categories = [{"id": 7, "name": "star"}, {"id": 9, "name": "disc"}, {"id": 11, "name": "unicorn"}]
    (folder / "valid" / "instances.json").write_text(json.dumps({"videos": videos, "categories": categories}))
