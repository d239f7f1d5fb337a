"""Video JSON: what is said of objects on frames is read as it is, and what a file cannot mean is refused."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gvseg_core.data.ovis import OVIS
from gvseg_core.data.video_json import VideoResults, VideoTruth
from gvseg_core.data.ytvis21 import YTVIS21
from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.types import Answer
from tests.conftest import shared
from tests.core.data.video_files import BOX, DOT, SIZE, mask, prediction, results, truth, written

Edit = Callable[[Any], object]


def read(folder: Path, content: Any = None) -> VideoTruth:
    return VideoTruth(written(folder / "instances.json", truth() if content is None else content), YTVIS21)


def read_results(folder: Path, found: Any, content: Any = None) -> VideoResults:
    return VideoResults(written(folder / "results.json", found), read(folder, content))


def drawn(answer: Answer) -> list[dict[int, list[list[int]]]]:
    """By frame and track, where there is a mask: the pixels that it has."""
    return [
        {segment.track_id: np.argwhere(rle.decode(segment.mask)).tolist() for segment in result.segments}
        for result in answer.frames
    ]


BOX_PIXELS, DOT_PIXELS = [[1, 1], [1, 2], [2, 1], [2, 2]], [[3, 5]]


def test_truth_is_read_by_video_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.videos == ("a", "b")
    assert (len(found), found.notes) == (3, [])
    assert [(info.dataset_id, info.name) for info in found.vocabulary.classes] == [(7, "cat"), (2, "airplane")]
    answer = found.answer("b")
    assert drawn(answer) == [{1: BOX_PIXELS}, {2: DOT_PIXELS}, {1: DOT_PIXELS, 2: BOX_PIXELS}]
    assert [(t.track_id, t.class_id, t.first_frame, t.last_frame, t.num_frames) for t in answer.tracks] == [
        (1, 1, 0, 2, 2),
        (2, 0, 1, 2, 2),
    ]
    assert [(t.details["id"], t.details["areas"]) for t in answer.tracks] == [(1, [4, None, 4]), (2, [None, 4, 4])]
    (crowd,) = found.answer("a").tracks
    assert (crowd.ignore, crowd.details["occlusion"]) == (True, ["slight_occlusion"])
    assert next(iter(found.answer("a").frames)).segments[0].ignore


def test_results_are_read_by_video_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = read_results(tmp_path, results())
    answer = found.answer("b")
    assert [(t.track_id, t.class_id, t.score, t.num_frames) for t in answer.tracks] == [
        (1, 1, 0.5, 1),
        (2, 0, 0.25, 2),
        (3, 1, 1.0, 0),
    ]
    assert drawn(answer) == [{1: BOX_PIXELS}, {2: DOT_PIXELS}, {2: BOX_PIXELS}]
    assert found.notes == ["1 of 2 videos have no predictions: a"]
    assert drawn(found.answer("a")) == [{}]
    assert found.answer("a").tracks == ()


def test_frames_can_be_asked_for_one_by_one(tmp_path: Path) -> None:
    frames = read(tmp_path).answer("b").frames
    assert [result.frame.index for result in frames[1:]] == [1, 2]  # type: ignore[index]
    assert frames[-1].frame.index == 2  # type: ignore[index]
    assert frames[0].frame.image.shape == (3, *SIZE)  # type: ignore[index]


@pytest.mark.parametrize("order", ["annotations videos categories", "categories annotations videos"])
def test_the_order_of_lists_in_the_file_does_not_matter(order: str, tmp_path: Path) -> None:
    content, usual = truth(), read(tmp_path)
    found = read(tmp_path, {key: content[key] for key in [*order.split(), "info"]})
    for video in usual.videos:
        assert drawn(found.answer(video)) == drawn(usual.answer(video))
        assert found.answer(video).tracks == usual.answer(video).tracks


def test_the_official_classes_are_taken_as_they_are(tmp_path: Path) -> None:
    content = {**truth(), "categories": [{"id": c.dataset_id, "name": c.name} for c in YTVIS21.classes]}
    assert read(tmp_path, content).vocabulary is YTVIS21
    content["categories"][4]["name"] = "automobile"
    content["categories"][10]["name"] = "Earless seal"
    assert read(tmp_path, content).vocabulary is YTVIS21
    content["categories"].reverse()
    reversed_classes = read(tmp_path, content).vocabulary.classes
    assert [info.dataset_id for info in reversed_classes] == [*range(40, 0, -1)]
    assert VideoTruth(tmp_path / "instances.json", OVIS).vocabulary is not OVIS


def test_videos_without_a_folder_of_their_own_are_called_by_their_numbers(tmp_path: Path) -> None:
    content = truth()
    content["videos"][1]["file_names"] = ["b/00099.jpg"]
    assert read(tmp_path, content).videos == ("3", "9")
    content["videos"][1]["file_names"] = ["00099.jpg"]
    assert read(tmp_path, content).videos == ("3", "9")


def test_windows_slashes_are_slashes(tmp_path: Path) -> None:
    content = truth()
    content["videos"][1]["file_names"] = ["a\\00000.jpg"]
    assert read(tmp_path, content).videos == ("a", "b")


def test_masks_that_are_plainly_empty_are_absent(tmp_path: Path) -> None:
    nothing = mask("......", "......", "......", "......")
    plain = {"size": [4, 6], "counts": [24]}
    found = read_results(tmp_path, [prediction(9, 2, 0.5, [nothing, plain, []])])
    assert drawn(found.answer("b")) == [{}, {}, {}]
    assert found.answer("b").tracks[0].num_frames == 0


def test_polygons_that_enclose_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    content = truth()
    square = [1, 1, 3, 1, 3, 3, 1, 3]
    content["annotations"][0]["segmentations"] = [[[0, 0, 5, 5], square], [[1, 1]], None]
    found = read(tmp_path, content)
    assert drawn(found.answer("b"))[:2] == [{1: BOX_PIXELS}, {2: DOT_PIXELS}]
    assert found.notes == ["2 polygons of fewer than three points were left out"]


def test_classes_that_the_truth_does_not_have_drop_out_and_are_counted(tmp_path: Path) -> None:
    strange = [prediction(9, 999, 0.5, [None] * 3), prediction(9, 5, 0.5, [BOX] * 3), prediction(9, 5, 0.5, [DOT] * 3)]
    found = read_results(tmp_path, [*strange, *results()])
    assert [track.track_id for track in found.answer("b").tracks] == [4, 5, 6]
    assert found.notes[0] == "3 predictions of classes that the ground truth does not have drop out (ids 5, 999)"


def test_no_predictions_at_all_are_results(tmp_path: Path) -> None:
    found = read_results(tmp_path, [])
    assert found.notes == ["2 of 2 videos have no predictions: a, b"]
    assert drawn(found.answer("b")) == [{}, {}, {}]


def test_a_truth_without_annotations_has_videos_and_classes(tmp_path: Path) -> None:
    for none in ({}, {"annotations": []}, {"annotations": None}):
        content = {key: value for key, value in truth().items() if key != "annotations"} | none
        found = read(tmp_path, content)
        assert (len(found), found.videos, found.answer("b").tracks) == (0, ("a", "b"), ())


# --- faults -------------------------------------------------------------------------------------------------------


def put(*path: Any) -> Edit:
    """Sets the last of `path` at the place that the others lead to."""
    *steps, last, value = path

    def edit(content: Any) -> None:
        for step in steps:
            content = content[step]
        content[last] = value

    return edit


FAULTS: dict[str, tuple[Edit, str]] = {
    "no videos": (put("videos", []), "no videos in it; wanted videos, categories and annotations"),
    "no categories": (put("categories", []), "no categories in it"),
    "videos is text": (put("videos", "x"), "videos: wanted a list, found the text 'x'"),
    "no size": (lambda c: c["videos"][0].pop("height"), r"videos\[0\]: 'height' is missing"),
    "size 0": (put("videos", 0, "width", 0), r"videos\[0\].width: the number 0, wanted at least 1"),
    "huge size": (put("videos", 0, "width", 10**9), r"videos\[0\]: 1000000000×4 pixels, wanted 268435456 at most"),
    "length": (put("videos", 0, "length", 4), r"videos\[0\].file_names: has 3 entries, wanted 4, one per frame"),
    "no frames": (
        lambda c: c["videos"][1].pop("length") and c["videos"][1].update(file_names=[]),
        r"videos\[1\].file_names: is empty",
    ),
    "name of a frame": (
        put("videos", 0, "file_names", 1, 5),
        r"videos\[0\].file_names\[1\]: wanted text",
    ),
    "video twice": (put("videos", 1, "id", 9), r"videos\[1\]: id the number 9 is taken already, by videos\[0\]"),
    "category twice": (put("categories", 1, "id", 7), r"categories\[1\]: id the number 7 is taken already"),
    "annotation twice": (put("annotations", 2, "id", 1), r"annotations\[2\]: id the number 1 is taken already"),
    "float id": (put("annotations", 1, "id", 2.0), r"annotations\[1\].id: wanted a whole number, found the number 2.0"),
    "text id": (
        put("annotations", 1, "video_id", "9"),
        r"annotations\[1\].video_id: wanted a whole number",
    ),
    "category without name": (put("categories", 0, "name", ""), r"categories\[0\].name: is empty"),
    "strange video": (put("annotations", 1, "video_id", 4), "annotations: video_id 4 not among the ids of videos"),
    "strange category": (put("annotations", 1, "category_id", 8), "category_id 8 not among the ids of categories"),
    "few masks": (
        put("annotations", 0, "segmentations", [BOX, None]),
        r"annotations\[0\].segmentations: has 2 entries, wanted 3, one per frame of video 9",
    ),
    "no masks": (
        put("annotations", 0, "segmentations", None),
        r"annotations\[0\].segmentations: wanted a list",
    ),
    "few areas": (put("annotations", 0, "areas", [4]), r"annotations\[0\].areas: has 1 entries, wanted 3"),
    "odd area": (
        put("annotations", 0, "areas", 2, "4"),
        r"annotations\[0\].areas\[2\]: wanted pixels or null",
    ),
    "few levels": (put("annotations", 2, "occlusion", []), r"annotations\[2\].occlusion: has 0 entries, wanted 1"),
    "odd level": (
        put("annotations", 2, "occlusion", 0, 1),
        r"occlusion\[0\]: wanted a word or null",
    ),
    "odd crowd": (put("annotations", 2, "iscrowd", 2), r"annotations\[2\].iscrowd: wanted 0 or 1, found the number 2"),
    "a list": (len, "a list, as results are; wanted videos, categories and annotations"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_truth_that_cannot_be_meant_is_refused_with_its_place(fault: str, tmp_path: Path) -> None:
    edit, message = FAULTS[fault]
    content = copy.deepcopy(truth())
    edit(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path, [content] if fault == "a list" else content)


MASKS: dict[str, tuple[Any, str]] = {
    "number": (3, "RLE: wanted a mapping with size and counts, found int"),
    "text": ("abc", "RLE: wanted a mapping with size and counts, found str"),
    "no counts": ({"size": [4, 6]}, "RLE: wanted a mapping with size and counts"),
    "counts null": ({"size": [4, 6], "counts": None}, "RLE: counts are text or a list, found NoneType"),
    "another size": (mask("......", "......", "......"), "RLE: a mask of 3 × 6 in a video of 4 × 6"),
    "float size": ({"size": [4.0, 6], "counts": BOX["counts"]}, "RLE: size is two integers"),
    "not ascii": ({"size": [4, 6], "counts": "é"}, "RLE: a character that compressed counts do not have"),
    "empty": ({"size": [4, 6], "counts": ""}, "RLE: counts sum to 0, wanted 4 × 6 = 24"),
    "short list": ({"size": [4, 6], "counts": [3, 4]}, "RLE: counts sum to 7, wanted 4 × 6 = 24"),
    "negative list": ({"size": [4, 6], "counts": [25, -1]}, "RLE: counts are integers from 0 to 24"),
    "odd polygon": ([[1, 1, 3, 1, 3]], "polygon 0: wanted a list of numbers x, y, x, y"),
    "far polygon": ([[0, 0, 1e8, 0, 0, 1]], r"polygon 0: a corner at \(1e\+08, 0\) of a picture of 6×4"),
}


@pytest.mark.parametrize("fault", MASKS)
def test_what_is_no_mask_is_refused_with_its_place(fault: str, tmp_path: Path) -> None:
    found, message = MASKS[fault]
    content = truth()
    content["annotations"][0]["segmentations"][2] = found
    with pytest.raises(DataError, match=rf"annotations\[0\].segmentations\[2\]: {message}"):
        read(tmp_path, content)
    with pytest.raises(DataError, match=rf"results.json: \[1\].segmentations\[0\]: {message}"):
        read_results(tmp_path, [results()[0], prediction(9, 2, 0.5, [found, None, None])])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put(1, "video_id", 77), "results.json: video_id 77 not among the videos of the ground truth"),
        (put(1, "video_id", "9"), r"\[1\].video_id: wanted a whole number, found the text '9'"),
        (lambda c: c[1].pop("score"), r"\[1\]: 'score' is missing"),
        (put(1, "score", "0.5"), r"\[1\].score: wanted a number, found the text '0.5'"),
        (put(1, "score", float("nan")), "line 1, column [0-9]+: NaN is not a number of JSON"),
        (put(1, "segmentations", [BOX]), r"\[1\].segmentations: has 1 entries, wanted 3, one per frame of video 9"),
        (put(1, None), r"\[1\]: wanted an object, found null"),
    ],
)
def test_results_that_cannot_be_meant_are_refused_with_their_place(edit: Edit, message: str, tmp_path: Path) -> None:
    found = results()
    edit(found)
    with pytest.raises(DataError, match=message):
        read_results(tmp_path, found)


def test_of_strange_videos_the_first_three_are_named(tmp_path: Path) -> None:
    strange = [prediction(number, 2, 0.5, []) for number in (44, 41, 43, 42)]
    with pytest.raises(DataError, match="video_id 41, 42, 43 and 1 more not among the videos"):
        read_results(tmp_path, strange)


def test_truth_is_no_results(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wanted a list, found an object"):
        read_results(tmp_path, truth())


@pytest.mark.parametrize("counts", ["3", "1", "BBBBBB", "o", "2R0"])
def test_run_lengths_that_are_none_are_never_decoded(counts: str, tmp_path: Path) -> None:
    found = read_results(tmp_path, [prediction(9, 2, 0.5, [{"size": [4, 6], "counts": counts}, None, None])])
    with pytest.raises(DataError, match="RLE"):
        drawn(found.answer("b"))


# --- sets that lie here -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "videos", "objects"),
    [("davis-mini/instances_val.json", 5, 11), ("ytvos-mini/train/instances.json", 8, 12)],
)
def test_real_sets_say_the_same_of_areas_as_their_masks(path: str, videos: int, objects: int) -> None:
    found = VideoTruth(shared("data", *path.split("/")), YTVIS21)
    assert (len(found.videos), len(found)) == (videos, objects)
    for video in found.videos[:3]:
        answer = found.answer(video)
        for place, result in enumerate(answer.frames):
            told = {t.track_id: t.details["areas"][place] for t in answer.tracks if t.details["areas"][place]}
            assert {segment.track_id: rle.area(segment.mask) for segment in result.segments} == told


def test_reading_and_scoring_load_no_torch(tmp_path: Path) -> None:
    content = truth()
    written(tmp_path / "gt" / "instances.json", content)
    written(tmp_path / "results.json", results())
    script = f"""
import sys
from pathlib import Path
from gvseg_core.data.benchmarks import choose_benchmark
from gvseg_core.metrics.tube_ap import TubeAp
bench = choose_benchmark("ytvis21")
truth = bench.read_truth(Path({str(tmp_path / "gt")!r}))
results = bench.read_results(Path({str(tmp_path / "results.json")!r}), truth)
scorer = TubeAp().begin(truth.answer("b"), results.answer("b"))
for pair in zip(truth.answer("b").frames, results.answer("b").frames):
    scorer.add(*pair)
scorer.partial()
print({{"torch", "scipy", "PIL", "cv2"}} & set(sys.modules))
"""
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "set()"
