"""VIPSeg's JSON and PNG, held against what the official writer made of the same segments."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.ops import rle
from gvseg_core.sinks.panoptic import PanopticIds, PanopticJson, PanopticPng
from gvseg_core.types import ClassInfo, FrameResult, Outcome, Segment, Vocabulary
from tests.conftest import shared
from tests.core.sinks.scenes import VOCABULARY, box_mask, outcome, result, results, segment, settings, video


def write_both(shown: list[FrameResult], folder: Path, **more: object) -> tuple[dict, list[np.ndarray]]:
    sinks = (
        PanopticJson(folder / "a.json", settings("vps", **more)),
        PanopticPng(folder / "png", settings("vps", **more)),
    )
    for sink in sinks:
        sink.begin(video("vid0"))
        for one in shown:
            sink.write(one)
        sink.end(outcome(shown))
    pictures = [np.array(Image.open(path)) for path in sorted((folder / "png").iterdir())]
    return json.loads((folder / "a.json").read_bytes()), pictures


def ids_in(picture: np.ndarray) -> np.ndarray:
    return picture.astype(int) @ [1, 256, 65536]


def test_json_and_png_are_those_of_the_official_writer(tmp_path: Path) -> None:
    folder = shared("parity", "post", "vps_dvis")
    official = json.loads((folder / "mixed.written.json").read_text())
    case = json.loads((folder / "mixed.json").read_text())
    panoptic = np.load(folder / "mixed.npz")["panoptic"]
    of_dataset = {c["id"]: c for c in official["categories"]}
    vocabulary = Vocabulary(
        "mixed",
        tuple(
            ClassInfo(f"c{n}", tuple(of_dataset[n]["color"]), bool(of_dataset[n]["isthing"]), n)
            for n in official["class_to_dataset_id"]
        ),
    )
    shown = []
    for t, labels in enumerate(panoptic):
        masks = rle.encode_labels(labels)
        infos = [(s["id"], s["category_id"]) for s in case["segments_infos"] if s["id"] in masks]
        shown.append(result(t, [Segment(i, c, 0.9, masks[i]) for i, c in infos], labels.shape))
    names = [Path(f).stem for f in official["files"]]
    file, pictures = write_both(shown, tmp_path, vocabulary=vocabulary, frame_name=lambda frame: names[frame.index])

    assert [p.name for p in sorted((tmp_path / "png").iterdir())] == [Path(f).name for f in official["files"]]
    (ours,), theirs = file["annotations"], official["pred_json"]["annotations"][0]
    assert ours["video_id"] == theirs["video_id"]
    twin = {}  # their id → ours
    for our_frame, their_frame in zip(ours["annotations"], theirs["annotations"], strict=True):
        assert our_frame["file_name"] == their_frame["file_name"]
        for one, other in zip(our_frame["segments_info"], their_frame["segments_info"], strict=True):
            assert twin.setdefault(other["id"], one["id"]) == one["id"]
            assert {**one, "id": 0, "score": 0} == {**other, "id": 0, "score": 0}
    # Only the second object of class 1 has a colour that the official writer draws by chance.
    assert [(theirs, ours) for theirs, ours in twin.items() if theirs != ours] == [(4693053, twin[4693053])]
    assert len(set(twin.values())) == len(twin)
    for ours_png, theirs_png in zip(pictures, np.load(folder / "mixed.written.npz")["png"], strict=True):
        same = np.vectorize(lambda i: twin.get(i, i))(ids_in(theirs_png))
        assert np.array_equal(ids_in(ours_png), same)


def test_json_and_png_tell_the_same_story(tmp_path: Path) -> None:
    overlapping = [segment(1, 0, box_mask(0, 0, 20, 20), 0.6), segment(2, 0, box_mask(10, 10, 30, 30), 0.9)]
    hidden = [*overlapping, segment(3, 1, box_mask(12, 12, 14, 14), 0.1)]
    file, pictures = write_both([*results("vps", 3), result(3, overlapping), result(4, hidden), result(5)], tmp_path)
    for frame, picture in zip(file["annotations"][0]["annotations"], pictures, strict=True):
        ids = ids_in(picture)
        listed = {s["id"]: s for s in frame["segments_info"]}
        assert set(np.unique(ids).tolist()) - {0} == set(listed)
        for number, info in listed.items():
            ys, xs = np.nonzero(ids == number)
            assert info["area"] == len(ys)
            x, y, right, bottom = xs.min(), ys.min(), xs.max(), ys.max()
            assert info["bbox"] == [x, y, right - x, bottom - y]


def test_the_better_score_owns_a_pixel(tmp_path: Path) -> None:
    pair = [segment(1, 0, box_mask(0, 0, 20, 20), 0.6), segment(2, 0, box_mask(10, 10, 30, 30), 0.9)]
    _, (picture,) = write_both([result(0, pair)], tmp_path)
    assert tuple(picture[15, 15]) == tuple(picture[25, 25]) != tuple(picture[5, 5])


def test_an_object_keeps_its_id_and_stuff_its_class_colour(tmp_path: Path) -> None:
    file, pictures = write_both(results("vps", 4), tmp_path)
    by_category: dict[int, set[int]] = {}
    for frame in file["annotations"][0]["annotations"]:
        for info in frame["segments_info"]:
            by_category.setdefault(info["category_id"], set()).add(info["id"])
    assert all(len(ids) == 1 for ids in by_category.values())
    assert tuple(pictures[0][0, 0]) == VOCABULARY.classes[2].color
    assert [i["file_name"] for i in file["videos"][0]["images"]] == [f"{t:06d}.jpg" for t in range(4)]
    assert file["videos"][0]["images"][1]["time_s"] == 0.04
    assert [c["isthing"] for c in file["categories"]] == [1, 1, 0, 0]


def test_a_thing_and_a_kind_of_stuff_with_one_number_are_two_segments() -> None:
    ids = PanopticIds(settings("vps"))
    mask = box_mask(0, 0, 1, 1)
    assert ids.color(segment(3, 0, mask)) != ids.color(segment(3, 2, mask))


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (120, 60, 200)])
def test_thousands_of_objects_of_one_class_have_colours_of_their_own(color: tuple[int, int, int]) -> None:
    vocabulary = Vocabulary(
        "one", (ClassInfo("a", color), ClassInfo("b", color, False, 1), ClassInfo("c", color, False, 2))
    )
    ids = PanopticIds(settings("vps", vocabulary))
    mask = box_mask(0, 0, 1, 1)
    given = [ids.color(segment(1, c, mask)) for c in (1, 2)] + [ids.color(segment(n, 0, mask)) for n in range(1, 3000)]
    assert len(set(given)) == len(given)
    assert (0, 0, 0) not in given


def test_a_video_that_was_cut_says_so(tmp_path: Path) -> None:
    sink = PanopticJson(tmp_path / "a.json", settings("vps"))
    sink.begin(video())
    sink.end(Outcome((), 0, complete=False, reason="cut"))
    file = json.loads((tmp_path / "a.json").read_bytes())
    assert (file["info"]["complete"], file["info"]["reason"]) == (False, "cut")
    assert file["annotations"] == [{"video_id": "clip", "annotations": []}]
