"""`predictions.json` of BURST, read with json and pycocotools."""

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
from gvseg_core.types import Answer
from tests.conftest import shared
from tests.core.sinks.official.cases import LENGTHS, all_facts, facts, finished, shown
from tests.core.sinks.scenes import SIZE, VOCABULARY, box_mask, result, segment

LAYOUT = LAYOUTS["burst"]
FIELDS = {
    "dataset": "YFCC100M",
    "seq_name": "v_1",
    "id": 77,
    "fps": 30,
    "width": 64,
    "height": 48,
    "all_image_paths": [f"frame{t:04d}.jpg" for t in range(31)],
    "annotated_image_paths": ["frame0000.jpg", "frame0015.jpg", "frame0030.jpg"],
    "neg_category_ids": [3],
    "not_exhaustive_category_ids": [11],
    "track_category_ids": {"3": 12, "7": 11},
    "segmentations": [{"3": {"rle": "not to be repeated"}}],
}


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "predictions.json").read_bytes())


@pytest.mark.parametrize("name", ["burst", "burst_class_guided", "burst_open_world"])
def test_every_visible_mask_is_listed_under_its_track_and_no_other(name: str, tmp_path: Path) -> None:
    file = read(finished(name, tmp_path))
    assert [(s["dataset"], s["seq_name"]) for s in file["sequences"]] == [("HACS", video) for video in LENGTHS]
    for sequence in file["sequences"]:
        frames = shown(name, sequence["seq_name"])
        assert len(sequence["segmentations"]) == len(sequence["annotated_image_paths"]) == len(frames)
        assert sequence["track_category_ids"] == {"3": 11, "7": 12}
        for found, frame in zip(sequence["segmentations"], frames, strict=True):
            assert found.keys() == {str(s.track_id) for s in frame.segments}
            for one in frame.segments:
                mask = {"size": SIZE, "counts": found[str(one.track_id)]["rle"]}
                assert np.array_equal(coco.decode(mask).astype(bool), rle.decode(one.mask))
                assert found[str(one.track_id)]["is_gt"] is False
    assert file["categories"] == [{"id": c.dataset_id, "name": c.name} for c in VOCABULARY.classes]
    assert file["split"] == "val"


def write_ant(folder: Path, name: str, answer: Answer) -> dict[str, Any]:
    """The file of one video whose ground truth says a good deal."""
    video = replace(facts(name, "ant"), details={"sequence": FIELDS, "split": "test"})
    LAYOUTS[name].write(folder, answer, video, VOCABULARY)
    LAYOUTS[name].assemble(folder, [video], VOCABULARY)
    assert LAYOUTS[name].check(folder, [video], VOCABULARY) == []
    return read(folder)


def test_what_the_ground_truth_says_of_a_sequence_is_repeated(tmp_path: Path) -> None:
    file = write_ant(tmp_path, "burst", Answer("ant", shown("burst", "ant")))
    (sequence,) = file["sequences"]
    assert {k: v for k, v in sequence.items() if k != "segmentations"} == {
        k: v for k, v in FIELDS.items() if k != "segmentations"
    }
    assert [sorted(frame) for frame in sequence["segmentations"]] == [["3", "7"], ["3"], ["3", "7"]]
    assert file["split"] == "test"
    official = json.loads(shared("golden", "burst", "exemplar_basic", "pred", "predictions.json").read_text())
    assert file.keys() == official.keys()
    assert sequence.keys() == official["sequences"][0].keys()


def test_without_exemplars_the_classes_are_those_that_were_found(tmp_path: Path) -> None:
    file = write_ant(tmp_path, "burst_class_guided", Answer("ant", shown("burst_class_guided", "ant")))
    assert file["sequences"][0]["track_category_ids"] == {"3": 11, "7": 12}


def test_a_detection_of_another_class_than_its_tracks_has_a_category_of_its_own(tmp_path: Path) -> None:
    name, mask = "burst_class_guided", box_mask(0, 0, 9, 9)
    frames = [result(t, [segment(3, class_id, mask, 0.5 + t / 8)]) for t, class_id in enumerate((0, 1, 0))]
    (sequence,) = write_ant(tmp_path, name, Answer("ant", frames))["sequences"]
    assert sequence["track_category_ids"] == {"3": 11}
    found = [frame["3"] for frame in sequence["segmentations"]]
    assert [one.get("category_id") for one in found] == [None, 12, None]
    assert [one["score"] for one in found] == [0.5, 0.625, 0.75]


def test_an_empty_mask_is_left_out_since_it_would_count_as_a_detection(tmp_path: Path) -> None:
    masks = [box_mask(0, 0, 9, 9), box_mask(0, 0, 0, 0), box_mask(0, 0, 9, 9)]
    frames = [result(t, [segment(3, 0, mask)]) for t, mask in enumerate(masks)]
    (sequence,) = write_ant(tmp_path, "burst", Answer("ant", frames))["sequences"]
    assert [list(frame) for frame in sequence["segmentations"]] == [["3"], [], ["3"]]


def test_an_object_that_was_not_given_is_refused(tmp_path: Path) -> None:
    frames = [result(t, [segment(5, 0, box_mask(0, 0, 9, 9))]) for t in range(3)]
    with pytest.raises(DataError, match="val-HACS-ant: object 5 was not given; wanted 3, 7, 9"):
        LAYOUT.write(tmp_path, Answer("ant", frames), facts("burst", "ant"), VOCABULARY)
    LAYOUTS["burst_open_world"].write(tmp_path, Answer("ant", frames), facts("burst_open_world", "ant"), VOCABULARY)


def first_frame(file: dict[str, Any]) -> dict[str, Any]:
    """Of the second video."""
    return file["sequences"][1]["segmentations"][0]


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no list": (lambda file: file.pop("sequences"), r"predictions\.json: wanted an object with the list sequences"),
    "no video": (lambda file: file["sequences"].pop(), "video val-HACS-ant is missing"),
    "no name": (lambda file: file["sequences"][1].update(seq_name=[]), "video val-HACS-ant is missing"),
    "id": (lambda file: file["sequences"][1].update(id=5), "video val-HACS-ant: id 5; wanted 13"),
    "lengths": (lambda file: file["sequences"][1]["segmentations"].pop(), "wanted as many segmentations as"),
    "frame": (
        lambda file: file["sequences"][1]["annotated_image_paths"].__setitem__(1, "x.jpg"),
        r"1 frames are missing, the first is 00005\.jpg",
    ),
    "mapping": (lambda file: file["sequences"][1]["segmentations"].__setitem__(0, []), "wanted an object of track ids"),
    "track": (lambda file: first_frame(file).update(x={"rle": ""}), "track x: wanted a number as track id"),
    "text": (lambda file: first_frame(file)["3"].pop("rle"), "track 3: wanted a number as track id, and an object"),
    "rle": (lambda file: first_frame(file)["3"].update(rle="0"), r"00000\.jpg, track 3: RLE: counts sum to 0"),
    "empty": (
        lambda file: first_frame(file)["3"].update(rle=rle.encode(np.zeros(SIZE, bool)).counts.decode()),
        "track 3: an empty mask, which would count as a detection",
    ),
    "stranger": (
        lambda file: first_frame(file).update({"5": first_frame(file)["3"]}),
        r"00000\.jpg, track 5: object 5 was not given; wanted 3, 7, 9",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_file_is_named_with_its_place(fault: str, tmp_path: Path) -> None:
    file = read(finished("burst", tmp_path))
    breaks, message = FAULTS[fault]
    breaks(file)
    (tmp_path / "predictions.json").write_text(json.dumps(file))
    with pytest.raises(DataError, match=message):
        LAYOUT.check(tmp_path, all_facts("burst"), VOCABULARY)


def test_more_frames_than_are_annotated_may_be_there(tmp_path: Path) -> None:
    file = read(finished("burst", tmp_path))
    file["sequences"][1]["annotated_image_paths"].insert(1, "00003.jpg")
    file["sequences"][1]["segmentations"].insert(1, {})
    (tmp_path / "predictions.json").write_text(json.dumps(file))
    assert LAYOUT.check(tmp_path, all_facts("burst"), VOCABULARY) == []
