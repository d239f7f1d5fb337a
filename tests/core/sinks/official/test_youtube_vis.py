"""`results.json` of YouTube-VIS and OVIS, read with json and pycocotools."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.types import Answer, Track
from tests.conftest import shared
from tests.core.sinks.official.cases import all_facts, answer, facts, finished, shown
from tests.core.sinks.scenes import VOCABULARY, outcome

LAYOUT = LAYOUTS["ytvis21"]


def read(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "results.json").read_bytes())


def test_every_track_is_a_prediction_with_a_mask_or_null_for_each_frame(tmp_path: Path) -> None:
    listed = read(finished("ytvis21", tmp_path))
    assert [(one["video_id"], one["category_id"], one["score"]) for one in listed] == [
        (14, 11, 0.53),
        (14, 12, pytest.approx(0.57)),
        (13, 11, 0.53),
        (13, 12, pytest.approx(0.57)),
    ]
    for one, (video, track_id) in zip(listed, [("zebra", 3), ("zebra", 7), ("ant", 3), ("ant", 7)], strict=True):
        frames = shown("ytvis21", video)
        assert len(one["segmentations"]) == len(frames)
        for found, frame in zip(one["segmentations"], frames, strict=True):
            (mask,) = [rle.decode(s.mask) for s in frame.segments if s.track_id == track_id] or [None]
            assert (found is None) == (mask is None)
            assert found is None or np.array_equal(coco.decode(found).astype(bool), mask)


def test_its_records_have_the_keys_of_the_official_file(tmp_path: Path) -> None:
    official = json.loads(shared("golden", "ytvis", "basic", "pred", "results.json").read_text())
    assert read(finished("ytvis21", tmp_path))[0].keys() == official[0].keys()


def test_several_classes_of_one_object_are_predictions_with_the_same_masks_in_the_order_of_the_tracks(
    tmp_path: Path,
) -> None:
    pairs = [(7, 1, 0.4), (3, 0, 0.4), (3, 1, 0.9), (99, 0, 0.1)]  # nobody ever saw 99
    tracks = [Track(track_id, class_id, score, 0, 3, 4) for track_id, class_id, score in pairs]
    LAYOUT.write(tmp_path, Answer("zebra", shown("ytvis21", "zebra"), tracks), facts("ytvis21", "zebra"), VOCABULARY)
    LAYOUT.assemble(tmp_path, all_facts("ytvis21")[:1], VOCABULARY)
    listed = read(tmp_path)
    assert [(one["category_id"], one["score"]) for one in listed] == [(12, 0.4), (11, 0.4), (12, 0.9), (11, 0.1)]
    assert listed[1]["segmentations"] == listed[2]["segmentations"] != listed[0]["segmentations"]
    assert listed[3]["segmentations"] == [None] * 4


def test_videos_without_objects_are_an_empty_part_of_the_list(tmp_path: Path) -> None:
    frames = shown("ytvis21", "ant")
    LAYOUT.write(tmp_path, Answer("ant", frames, outcome(frames).tracks), facts("ytvis21", "ant"), VOCABULARY)
    empty = [type(frame)(frame.frame, ()) for frame in shown("ytvis21", "zebra")]
    LAYOUT.write(tmp_path, Answer("zebra", empty), facts("ytvis21", "zebra"), VOCABULARY)
    LAYOUT.assemble(tmp_path, all_facts("ytvis21"), VOCABULARY)
    assert {one["video_id"] for one in read(tmp_path)} == {13}
    (note,) = LAYOUT.check(tmp_path, all_facts("ytvis21"), VOCABULARY)
    assert note == "1 of 2 videos have no prediction, the first is zebra"


def test_no_object_at_all_is_an_empty_list_which_the_official_program_cannot_score(tmp_path: Path) -> None:
    for video in ("zebra", "ant"):
        empty = [type(frame)(frame.frame, ()) for frame in shown("ytvis21", video)]
        LAYOUT.write(tmp_path, Answer(video, empty), facts("ytvis21", video), VOCABULARY)
    LAYOUT.assemble(tmp_path, all_facts("ytvis21"), VOCABULARY)
    assert read(tmp_path) == []
    with pytest.raises(DataError, match=r"results\.json: wanted a list of predictions, with one at least"):
        LAYOUT.check(tmp_path, all_facts("ytvis21"), VOCABULARY)


def test_more_predictions_than_a_server_takes_are_refused(tmp_path: Path) -> None:
    finished("ytvis21", tmp_path)
    LAYOUT.check(tmp_path, all_facts("ytvis21"), VOCABULARY, limit=2)
    with pytest.raises(DataError, match=r"results\.json\[1\]: video zebra has more than 1 predictions"):
        LAYOUT.check(tmp_path, all_facts("ytvis21"), VOCABULARY, limit=1)


FAULTS: dict[str, tuple[Callable[[list[Any]], object], str]] = {
    "record": (lambda listed: listed.append(3), r"\[4\]: wanted an object, found int"),
    "video": (lambda listed: listed[1].update(video_id=99), r"\[1\]\.video_id: 99 is no video of this set"),
    "no video": (lambda listed: listed[1].pop("video_id"), r"\[1\]\.video_id: None is no video"),
    "class": (lambda listed: listed[1].update(category_id=5), r"\[1\]\.category_id: 5 is no class of this set"),
    "score": (lambda listed: listed[1].update(score=float("nan")), r"\[1\]\.score: wanted a finite number, found nan"),
    "no score": (lambda listed: listed[1].pop("score"), r"\[1\]\.score: wanted a finite number, found None"),
    "frames": (lambda listed: listed[1]["segmentations"].pop(), r"\[1\]\.segmentations: 3 entries; video zebra has 4"),
    "masks": (lambda listed: listed[1].update(segmentations=None), r"\[1\]\.segmentations: NoneType; video zebra"),
    "mask": (lambda listed: listed[0]["segmentations"].__setitem__(2, [1]), r"\[0\]\.segmentations\[2\]: wanted null"),
    "rle": (
        lambda listed: listed[0]["segmentations"][2].update(counts="0"),
        r"\[0\]\.segmentations\[2\]: RLE: counts sum to 0",
    ),
    "size": (
        lambda listed: listed[0]["segmentations"][2].update(size=[64, 48]),
        r"\[0\]\.segmentations\[2\]: RLE: a mask of 64 × 48 in a video of 48 × 64",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_list_is_named_with_its_place(fault: str, tmp_path: Path) -> None:
    listed = read(finished("ytvis21", tmp_path))
    breaks, message = FAULTS[fault]
    breaks(listed)
    (tmp_path / "results.json").write_text(json.dumps(listed))
    with pytest.raises(DataError, match=message):
        LAYOUT.check(tmp_path, all_facts("ytvis21"), VOCABULARY)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is missing"), ("[{]", "is not JSON"), ("{}", "wanted a list"), ("[" * 100_000, "is not JSON")],
)
def test_a_file_that_is_no_list_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(DataError, match=message):
        LAYOUT.check(tmp_path, all_facts("ytvis21"), VOCABULARY)


def test_a_part_belongs_to_its_video_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a/b", "a%2Fb", "..", "ä"):
        video = replace(facts("ytvis21", "ant"), name=name)
        LAYOUT.write(tmp_path, answer("ytvis21", "ant"), video, VOCABULARY)
    assert len(list((tmp_path / ".gvseg-eval" / "parts").iterdir())) == 4
