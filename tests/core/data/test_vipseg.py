"""VIPSeg: the JSON and its maps say the same, raw maps say it all, and the set as it is downloaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.map_files import read_ids
from gvseg_core.data.map_videos import MapTruth
from gvseg_core.data.vipseg import BENCHMARK, CATEGORIES
from gvseg_core.data.vipseg_classes import VIPSEG
from gvseg_core.errors import DataError
from gvseg_core.metrics.stq import Stq
from gvseg_core.metrics.vpq import Vpq
from gvseg_core.ops.label_maps import overlaps, regions_of
from gvseg_core.types import Results, Truth
from tests.bench.eval_maps import vipseg
from tests.conftest import shared
from tests.core.metrics.golden import score

LISTING = "gt/panoptic_gt_VIPSeg_val.json"
PRED = "pred/pred.json"
Break = Callable[[Any], Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vipseg")
    vipseg(folder, videos=2, frames=3, size=(40, 60))
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def change(path: Path, how: Break) -> None:
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def opened(folder: Path) -> tuple[MapTruth, Results]:
    truth = BENCHMARK.read_truth(folder / "gt")
    assert isinstance(truth, MapTruth)
    return truth, BENCHMARK.read_results(folder / "pred", truth)


def scored(truth: Truth, results: Results | Truth) -> dict[str, float]:
    metrics = score(Vpq(truth.vocabulary), truth, results).metrics
    return {**metrics, **score(Stq(truth.vocabulary, "vipseg"), truth, results).metrics}


def segments(content: Any, video: int = 0, frame: int = 0) -> Any:
    return content["annotations"][video]["annotations"][frame]["segments_info"]


# --- what is read -------------------------------------------------------------------------------------------------


def test_segments_are_those_of_the_json_in_its_order(own: Path) -> None:
    change(own / LISTING, lambda content: segments(content).reverse())
    truth, _ = opened(own)
    listed = segments(json.loads((own / LISTING).read_text()))
    regions = regions_of(truth.answer("0_video").frames[0])
    assert regions.track_ids[1:].tolist() == [info["id"] for info in listed]
    assert [VIPSEG.classes[c].dataset_id for c in regions.class_ids[1:]] == [info["category_id"] for info in listed]
    ids = read_ids(own / "gt/panomasksRGB/0_video/00000000.png")
    assert np.array_equal(regions.paint(regions.track_ids), ids)


def test_tracks_sum_up_what_the_json_says(own: Path) -> None:
    change(own / LISTING, lambda content: segments(content)[2].update(iscrowd=1))
    truth, _ = opened(own)
    answer = truth.answer("0_video")
    regions = [regions_of(frame) for frame in answer.frames]
    assert [t.track_id for t in answer.tracks][: len(regions[0])] == regions[0].track_ids[1:].tolist()
    assert [t.ignore for t in answer.tracks][:4] == [False, False, True, False]
    for track in answer.tracks:
        areas = [int(r.areas[1:][r.track_ids[1:] == track.track_id].sum()) or None for r in regions]
        seen = [place for place, area in enumerate(areas) if area]
        assert track.details["areas"] == areas
        assert (track.first_frame, track.last_frame, track.num_frames) == (seen[0], seen[-1], len(seen))


def test_raw_maps_score_as_the_maps_that_are_made_of_them(tmp_path: Path) -> None:
    case = shared("golden", "vipseg/basic")
    shutil.copytree(case / "gt/panomasks", tmp_path / "panomasks")
    raw, made = BENCHMARK.read_truth(tmp_path), BENCHMARK.read_truth(case / "gt")
    assert raw.notes == ["panomasksRGB is not there: read panomasks, the raw maps"]
    assert sorted(raw.videos) == sorted(made.videos)
    for video in raw.videos:
        for one, other in zip(raw.answer(video).frames, made.answer(video).frames, strict=True):
            regions, others = regions_of(one), regions_of(other)
            shared_pixels = overlaps(regions, others)
            assert (shared_pixels > 0).sum() == len(regions.track_ids) == len(others.track_ids)
            rows, columns = np.nonzero(shared_pixels)
            assert np.array_equal(regions.class_ids[rows], others.class_ids[columns])
    results = BENCHMARK.read_results(case / "pred", raw)
    expected = json.loads((case / "expected.json").read_text())["metrics"]
    assert scored(raw, results) == pytest.approx(expected, abs=1e-9)


def test_raw_maps_are_those_of_the_list(own: Path) -> None:
    shutil.rmtree(own / "gt/panomasksRGB")
    for video in ("0_video", "1_video"):
        (own / "gt/panomasks" / video).mkdir(parents=True)
        Image.fromarray(np.full((4, 5), 6100, np.uint16)).save(own / "gt/panomasks" / video / "0.png")
    (own / "gt/val.txt").write_text("1_VIDEO\n")
    truth = BENCHMARK.read_truth(own / "gt")
    assert truth.videos == ("1_VIDEO",)
    regions = regions_of(truth.answer("1_VIDEO").frames[0])
    assert (regions.track_ids[1], VIPSEG.classes[regions.class_ids[1]].name) == (6100, "person")
    Image.fromarray(np.full((4, 5), 12_600, np.uint16)).save(own / "gt/panomasks/1_video/0.png")
    with pytest.raises(
        DataError, match=r"panomasks/1_video/0\.png: value 12600 is of class 125, which the set does not"
    ):
        regions_of(truth.answer("1_VIDEO").frames[0])


def test_categories_may_be_ones_own_things_come_first(own: Path) -> None:
    def fewer(content: Any) -> None:
        used = {
            info["category_id"] for v in content["annotations"] for f in v["annotations"] for info in f["segments_info"]
        }
        content["categories"] = [c for c in content["categories"] if c["id"] in used]

    assert opened(own)[0].vocabulary is VIPSEG
    before = scored(*opened(own))
    change(own / LISTING, fewer)
    truth, results = opened(own)
    kinds = [info.is_thing for info in truth.vocabulary.classes]
    assert kinds == sorted(kinds, reverse=True)
    assert scored(truth, results) == pytest.approx(before, nan_ok=True)


def test_frames_of_results_are_paired_by_name(own: Path) -> None:
    before = scored(*opened(own))
    change(own / PRED, lambda content: [v["annotations"].reverse() for v in content["annotations"]])
    assert scored(*opened(own)) == pytest.approx(before, nan_ok=True)

    def without_names(content: Any) -> None:
        for video in content["annotations"]:
            video["annotations"].reverse()
            for frame in video["annotations"]:
                del frame["file_name"]

    change(own / PRED, without_names)
    assert scored(*opened(own)) == pytest.approx(before, nan_ok=True)


def test_a_video_without_results_is_empty_and_counted(own: Path) -> None:
    change(own / PRED, lambda content: content["annotations"].pop(0))
    shutil.rmtree(own / "pred/pan_pred/0_video")
    _, results = opened(own)
    assert results.notes == ["no results of 1 videos, counted as empty: 0_video"]
    assert all(len(frame.segments) == 0 for frame in results.answer("0_video").frames)


# --- what is refused ----------------------------------------------------------------------------------------------


def first_id(content: Any) -> Any:
    return segments(content)[0]


@pytest.mark.parametrize(
    ("file", "how", "said"),
    [
        (LISTING, lambda c: segments(c).pop(), r"segments?.* is in the PNG but not in the JSON, .*00000000\.png$"),
        (
            PRED,
            lambda c: segments(c).pop(),
            r"annotations\[0\]\.annotations\[0\]: segment \d+ is in the PNG but not in",
        ),
        (
            PRED,
            lambda c: segments(c).append({"id": 5, "category_id": 0}),
            r"annotations\[0\]\.annotations\[0\]: segment 5 is in the JSON but not in the PNG, .*00000000\.png$",
        ),
        (LISTING, lambda c: first_id(c).update(area=3), r"segment \d+ has area 3, but \d+ pixels in .*00000000\.png$"),
        (
            PRED,
            lambda c: first_id(c).update(category_id=124),
            r"category_id: category 124 not among the set's categories$",
        ),
        (PRED, lambda c: first_id(c).update(id="7"), r"segments_info\[0\]\.id: wanted a whole number, found the text"),
        (PRED, lambda c: first_id(c).update(id=0), r"segments_info\[0\]\.id: the number 0, wanted at least 1$"),
        (PRED, lambda c: first_id(c).update(id=2**24), r"16777216 is more than a colour holds, 16777215$"),
        (PRED, lambda c: segments(c).append(dict(first_id(c))), r"\d+ stands twice in the frame$"),
        (
            PRED,
            lambda c: c["annotations"][0]["annotations"].pop(),
            r"annotations\[0\]: 1 of 3 frames are missing, the first is 00000002$",
        ),
        (
            PRED,
            lambda c: c["annotations"][0]["annotations"][0].update(file_name="x.jpg"),
            r"annotations\[0\]: frames 'x' not among the frames of the video$",
        ),
        (LISTING, lambda c: first_id(c).update(iscrowd="no"), r"iscrowd: wanted 0 or 1, found the text"),
    ],
)
def test_a_frame_of_which_json_and_maps_disagree_is_refused_by_name(
    own: Path, file: str, how: Break, said: str
) -> None:
    change(own / file, how)
    with pytest.raises(DataError, match=said):
        scored(*opened(own))


@pytest.mark.parametrize(
    ("file", "how", "said"),
    [
        (LISTING, lambda c: c["videos"].clear(), r"no video in it"),
        (LISTING, lambda c: c["categories"].clear(), r"no category in it"),
        (LISTING, lambda c: c.pop("categories"), r"wanted videos, annotations of segments_info, and categories$"),
        (LISTING, lambda c: c["categories"][0].update(color=[1, 2, 300]), r"color: wanted red, green and blue"),
        (
            LISTING,
            lambda c: c["categories"].append(c["categories"][0]),
            r"category the number \d+ is taken already, by",
        ),
        (LISTING, lambda c: c["videos"][0].update(images=[]), r"videos\[0\]\.images: no frame in it"),
        (LISTING, lambda c: c["videos"][0]["images"].append(c["videos"][0]["images"][0]), r"a frame stands twice"),
        (LISTING, lambda c: c["videos"][0].update(video_id="../x"), r"\.\./x is not the name of a folder"),
        (LISTING, lambda c: c["videos"].append(c["videos"][0]), r"0_video stands twice"),
        (LISTING, lambda c: c["annotations"].pop(), r"videos and annotations do not list the same: 1_video$"),
        (
            LISTING,
            lambda c: c["annotations"].append(c["annotations"][0]),
            r"video_id the text '0_video' is taken already",
        ),
        (PRED, lambda c: c["annotations"][0].update(video_id="x"), r"that the ground truth does not have: x$"),
        (PRED, lambda c: c.update(annotations={}), r"annotations: wanted a list, found an object$"),
    ],
)
def test_a_file_that_is_not_made_as_it_should_be_is_refused_when_opened(
    own: Path, file: str, how: Break, said: str
) -> None:
    change(own / file, how)
    with pytest.raises(DataError, match=said):
        opened(own)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (LISTING, r"gt: neither panoptic_gt_VIPSeg_val\.json nor panomasks in it; wanted VIPSeg's folder$"),
        ("gt/panomasksRGB", r"panomasksRGB: no folder of 0_video, 1_video, listed by panoptic_gt_VIPSeg_val\.json$"),
        ("gt/panomasksRGB/1_video/00000001.png", r"1_video: 1 of 3 frames are missing: 00000001\.png$"),
        (PRED, r"pred: no pred\.json in it; wanted the folder of pred\.json and pan_pred$"),
        ("pred/pan_pred", r"pan_pred: there is no such file or folder$"),
        ("pred/pan_pred/1_video", r"pan_pred/1_video: there is no such folder; wanted one of 3 frames$"),
    ],
)
def test_what_is_missing_is_named(own: Path, broken: str, said: str) -> None:
    place = own / broken
    place.unlink() if place.is_file() else shutil.rmtree(place)
    with pytest.raises(DataError, match=said):
        scored(*opened(own))


def test_another_set_is_named_with_the_right_bench() -> None:
    with pytest.raises(DataError, match="this looks like another set: use --bench kitti_step"):
        BENCHMARK.read_truth(shared("golden", "kitti_step/basic/gt"))
    with pytest.raises(DataError, match="this looks like another set: use --bench ytvis21"):
        BENCHMARK.read_truth(shared("golden", "ytvis/basic/gt/instances.json"))


# --- pictures -----------------------------------------------------------------------------------------------------


def add_pictures(root: Path, name: str) -> None:
    for path in root.glob("panomasksRGB/*/*.png"):
        picture = root / name / path.parent.name / f"{path.stem}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40)).save(picture)


@pytest.mark.parametrize("name", ["imgs", "images"])
def test_pictures_are_in_either_folder(own: Path, name: str) -> None:
    add_pictures(own / "gt", name)
    (own / "gt").rename(own / "VIPSeg_720P")
    footage = BENCHMARK.open(own, "val")
    assert footage.truth is not None
    for video in footage.videos:
        frames = list(footage.open(video))
        assert [footage.frame_name(video, frame) for frame in frames] == ["00000000", "00000001", "00000002"]
        assert len(frames) == len(footage.truth.answer(video).frames)


def test_where_there_is_no_map_truth_is_hidden(own: Path) -> None:
    add_pictures(own / "gt", "imgs")
    (own / "gt/panomasks/0_video").mkdir(parents=True)  # of another split
    (own / "gt/test.txt").write_text("1_video\n")
    footage = BENCHMARK.open(own / "gt", "test")
    assert (footage.videos, footage.truth, footage.vocabulary) == (("1_video",), None, VIPSEG)
    assert footage.hidden.startswith("no maps of test; ")


def test_missing_pictures_are_named(own: Path) -> None:
    with pytest.raises(DataError, match=r"gt: no imgs or images in it; wanted the pictures, a folder for each video$"):
        BENCHMARK.open(own / "gt", "val")


def test_camvid_is_perfect_by_itself_and_its_raw_maps_are_the_same(tmp_path: Path) -> None:
    folder = shared("data", "camvid-vps")
    footage = BENCHMARK.open(folder, "val")
    truth = footage.truth
    assert truth is not None
    assert [info.name for info in truth.vocabulary.classes][:4] == ["car", "pedestrian", "bicyclist", "sky"]
    perfect = scored(truth, truth)
    assert perfect.pop("STQ") == perfect.pop("AQ") == perfect.pop("SQ") == 1
    assert set(perfect.values()) == {100}
    assert footage.open(footage.videos[0]).info.num_frames == len(truth.answer(footage.videos[0]).frames) == 61
    (tmp_path / "panomasks").symlink_to(folder / "panomasks")
    shutil.copy(folder / CATEGORIES, tmp_path)
    raw = BENCHMARK.read_truth(tmp_path)
    assert raw.vocabulary == truth.vocabulary
    mixed = scored(truth, raw)
    assert mixed["STQ"] == mixed["VPQ"] / 100 == 1
