"""A small set of two videos as YouTube-VIS has it, to be changed and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gvseg_core.ops import rle

SIZE = (4, 6)


def mask(*rows: str) -> dict[str, Any]:
    """Compressed run lengths of a drawing, in which # is inside."""
    return rle.to_coco(rle.encode(np.array([[c == "#" for c in row] for row in rows])))


BOX = mask("......", ".##...", ".##...", "......")
DOT = mask("......", "......", "......", ".....#")


def truth() -> dict[str, Any]:
    """Video 9 of three frames with two objects, video 3 of one frame with a crowd; in that order."""
    return {
        "info": {"description": "small"},
        "videos": [
            {
                "id": 9,
                "height": 4,
                "width": 6,
                "length": 3,
                "file_names": ["b/00000.jpg", "b/00005.jpg", "b/00010.jpg"],
            },
            {"id": 3, "height": 4, "width": 6, "length": 1, "file_names": ["a/00000.jpg"]},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 2, "name": "airplane", "supercategory": "object"}],
        "annotations": [
            annotation(1, 9, 2, [BOX, None, DOT]),
            annotation(2, 9, 7, [None, {"size": [4, 6], "counts": [23, 1]}, [[1, 1, 3, 1, 3, 3, 1, 3]]]),
            {**annotation(5, 3, 7, [BOX]), "iscrowd": 1, "occlusion": ["slight_occlusion"]},
        ],
    }


def annotation(number: int, video: int, category: int, segmentations: list[Any]) -> dict[str, Any]:
    areas = [None if one is None else 4 for one in segmentations]
    return {
        "id": number,
        "video_id": video,
        "category_id": category,
        "iscrowd": 0,
        "segmentations": segmentations,
        "areas": areas,
        "bboxes": [None] * len(segmentations),
    }


def prediction(video: int, category: int, score: float, segmentations: list[Any]) -> dict[str, Any]:
    return {"video_id": video, "category_id": category, "score": score, "segmentations": segmentations}


def results() -> list[dict[str, Any]]:
    """Three predictions for video 9, none for video 3."""
    return [
        prediction(9, 2, 0.5, [BOX, None, None]),
        prediction(9, 7, 0.25, [None, DOT, BOX]),
        prediction(9, 2, 1, [None, None, None]),
    ]


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def with_pictures(folder: Path, content: dict[str, Any]) -> Path:
    """A picture for every name, each of a grey of its own."""
    for number, name in enumerate(name for video in content["videos"] for name in video["file_names"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 10 * number, np.uint8)).save(path)
    return folder
