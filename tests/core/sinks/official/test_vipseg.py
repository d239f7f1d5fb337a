"""VIPSeg's pictures and `pred.json`, held against each other and against the sample of the official layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.sinks.official import LAYOUTS
from tests.conftest import shared
from tests.core.sinks.official.cases import LENGTHS, all_facts, facts, finished, shown
from tests.core.sinks.scenes import SIZE, VOCABULARY

LAYOUT = LAYOUTS["vipseg"]


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "pred.json").read_bytes())


def ids_in(folder: Path, video: str, frame: str) -> np.ndarray:
    return np.array(Image.open(folder / "pan_pred" / video / f"{frame}.png")).astype(int) @ [1, 256, 65536]


def test_pictures_and_records_say_the_same_of_every_frame_in_the_benchmarks_order(tmp_path: Path) -> None:
    file = read(finished("vipseg", tmp_path))
    assert [video["video_id"] for video in file["annotations"]] == list(LENGTHS)
    for video in file["annotations"]:
        name = video["video_id"]
        frames = facts("vipseg", name).frames
        assert [record["file_name"] for record in video["annotations"]] == [f"{frame}.jpg" for frame in frames]
        for record, frame, wanted in zip(video["annotations"], frames, shown("vipseg", name), strict=True):
            ids = ids_in(tmp_path, name, frame)
            assert len(record["segments_info"]) == len(wanted.segments)
            for info, segment in zip(record["segments_info"], wanted.segments, strict=True):
                assert np.array_equal(ids == info["id"], rle.decode(segment.mask))
                assert info["category_id"] == VOCABULARY.classes[segment.class_id].dataset_id
                assert info["area"] == rle.area(segment.mask)


def test_an_object_keeps_its_id_and_void_is_black(tmp_path: Path) -> None:
    finished("vipseg", tmp_path)
    seen = [{int(i) for i in np.unique(ids_in(tmp_path, "zebra", frame))} for frame in facts("vipseg", "zebra").frames]
    assert len(seen[0]) == 4
    assert seen[0] == seen[2] == seen[3] > seen[1]  # the second object is absent on the second frame
    assert all(0 not in ids for ids in seen)


def test_the_file_has_the_keys_of_the_official_sample(tmp_path: Path) -> None:
    official = json.loads(shared("golden", "vipseg", "basic", "pred", "pred.json").read_text())
    ours = read(finished("vipseg", tmp_path))
    for _ in range(2):
        assert ours.keys() == official.keys()
        ours, official = ours["annotations"][0], official["annotations"][0]
    assert ours.keys() == official.keys()
    assert ours["segments_info"][0].keys() == official["segments_info"][0].keys() | {"score"}


def segments(file: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the second video's first frame."""
    return file["annotations"][1]["annotations"][0]["segments_info"]


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no list": (lambda file: file.pop("annotations"), r"pred\.json: wanted an object with the list annotations"),
    "no frames": (lambda file: file["annotations"][0].pop("annotations"), r"annotations\[0\]: wanted an object with"),
    "no video": (lambda file: file["annotations"].pop(), "video ant is missing; wanted 3 frames"),
    "fewer frames": (lambda file: file["annotations"][1]["annotations"].pop(), "video ant has 2 frames; wanted 3"),
    "no segments": (
        lambda file: file["annotations"][1]["annotations"][0].pop("segments_info"),
        "video ant, frame 0: wanted the list segments_info",
    ),
    "id": (lambda file: segments(file)[0].update(id="7"), "frame 0: wanted the list segments_info of objects with an"),
    "category": (lambda file: segments(file)[0].update(category_id=99), "frame 0: category 99 is no class of this set"),
    "no category": (lambda file: segments(file)[0].update(category_id=[]), r"frame 0: category \[\] is no class"),
    "unlisted": (lambda file: segments(file).pop(), r"frame 0: segment \d+ is in the PNG but not in the JSON"),
    "unseen": (
        lambda file: segments(file).append({"id": 1, "category_id": 11}),
        "frame 0: segment 1 is in the JSON but not in the PNG",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_file_is_named_with_its_place(fault: str, tmp_path: Path) -> None:
    file = read(finished("vipseg", tmp_path))
    breaks, message = FAULTS[fault]
    breaks(file)
    (tmp_path / "pred.json").write_text(json.dumps(file))
    with pytest.raises(DataError, match=message):
        LAYOUT.check(tmp_path, all_facts("vipseg"), VOCABULARY)


def test_a_missing_file_video_or_frame_is_named(tmp_path: Path) -> None:
    finished("vipseg", tmp_path)
    (tmp_path / "pan_pred" / "ant" / "00005.png").unlink()
    with pytest.raises(DataError, match=r"pan_pred/ant/00005\.png is missing"):
        LAYOUT.check(tmp_path, all_facts("vipseg"), VOCABULARY)
    (tmp_path / "pan_pred" / "ant").rename(tmp_path / "pan_pred" / "bee")
    with pytest.raises(DataError, match="1 of 2 videos are missing, the first is ant"):
        LAYOUT.check(tmp_path, all_facts("vipseg"), VOCABULARY)
    (tmp_path / "pan_pred" / "bee").rename(tmp_path / "pan_pred" / "ant")
    (tmp_path / "pred.json").unlink()
    with pytest.raises(DataError, match=r"pred\.json is missing"):
        LAYOUT.check(tmp_path, all_facts("vipseg"), VOCABULARY)


def test_a_palette_picture_is_no_panoptic_picture(tmp_path: Path) -> None:
    finished("vipseg", tmp_path)
    Image.new("P", SIZE[::-1]).save(tmp_path / "pan_pred" / "ant" / "00005.png")
    with pytest.raises(DataError, match=r"00005\.png: a PNG of mode P; wanted RGB"):
        LAYOUT.check(tmp_path, all_facts("vipseg"), VOCABULARY)
