"""YouTube-VOS 2018: objects from the frame on which each is given, seen and unseen, and every fault named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gvseg_core.data.ytvos18 import BENCHMARK
from gvseg_core.errors import DataError
from gvseg_core.metrics.youtube_vos import YoutubeVos
from gvseg_core.types import Answer
from tests.conftest import shared
from tests.core.data.objects import bars, names, write_map, write_maps, write_pictures
from tests.core.metrics.golden import score

FIFTHS = names(4, 5)
Objects = Mapping[str, tuple[str | None, Sequence[str]]]
"""Number → category and frames."""


def write_meta(folder: Path, videos: Mapping[str, Objects]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        video: {"objects": {number: {"category": c, "frames": list(f)} for number, (c, f) in objects.items()}}
        for video, objects in videos.items()
    }
    (folder / "meta.json").write_text(json.dumps({"videos": content}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A video with a dog, a yak that comes on the second frame, and a number that nothing declares."""
    valid = tmp_path / "valid"
    write_meta(valid, {"aa": {"10": ("yak", FIFTHS[1:]), "2": ("dog", FIFTHS)}})
    write_meta(tmp_path / "train", {"zz": {"1": ("dog", ["00000"])}})
    write_maps(valid / "Annotations/aa", dict(zip(FIFTHS, [(2,), (2, 10), (2, 10, 9), (2, 10)], strict=True)))
    write_pictures(valid / "JPEGImages/aa", FIFTHS)
    return tmp_path


def truth_of(root: Path) -> Answer:
    truth = BENCHMARK.read_truth(root)
    return truth.answer(truth.videos[0])


def test_objects_and_their_categories_are_those_of_meta_json(root: Path) -> None:
    answer = truth_of(root)
    dog, yak = answer.tracks
    assert (dog.track_id, dog.first_frame, dog.last_frame, dog.num_frames) == (2, 0, 3, 4)
    assert (yak.track_id, yak.first_frame) == (10, 1)
    assert dog.details == {"category": "dog", "frames": tuple(FIFTHS), "unseen": False}
    assert yak.details["unseen"]
    assert answer.details["frames"] == tuple(FIFTHS)
    assert [[s.track_id for s in result.segments] for result in answer.frames] == [[2], [2, 10], [2, 10], [2, 10]]


@pytest.mark.parametrize("where", [".", "valid"])
def test_the_official_folder_will_do_and_so_will_that_of_a_split(root: Path, where: str) -> None:
    truth = BENCHMARK.read_truth(root / where)
    assert score(YoutubeVos(), truth, truth).metrics["G"] == 1
    assert truth.notes == []


def test_without_training_all_categories_count_as_seen_and_that_is_said(root: Path) -> None:
    (root / "train/meta.json").unlink()
    truth = BENCHMARK.read_truth(root)
    assert not any(track.details["unseen"] for track in truth.answer("aa").tracks)
    assert "all count as seen" in truth.notes[0]


def test_what_was_written_scores_what_the_truth_does(root: Path) -> None:
    truth = BENCHMARK.read_truth(root)
    results = root / "mine/Annotations/aa"
    write_maps(results, dict(zip(FIFTHS, [(2,), (2, 10), (2, 10, 7), (2, 10)], strict=True)))  # 7 is nobody
    assert score(YoutubeVos(), truth, BENCHMARK.read_results(root / "mine", truth)).metrics["G"] == 1


def read_all(root: Path, results: Path) -> None:
    truth = BENCHMARK.read_truth(root)
    found = BENCHMARK.read_results(results, truth)
    for video in truth.videos:
        for answer in (truth.answer(video), found.answer(video)):
            list(answer.frames)


def hide(root: Path) -> None:
    """Leave the maps on which an object is given."""
    write_map(root / "valid/Annotations/aa/00000.png", bars(2))
    write_map(root / "valid/Annotations/aa/00005.png", bars(10))
    for name in FIFTHS[2:]:
        (root / f"valid/Annotations/aa/{name}.png").unlink()


def test_a_truth_that_is_hidden_is_recognised(root: Path) -> None:
    write_meta(root / "valid", {"aa": {"10": ("yak", FIFTHS[1:]), "2": ("dog", ["00000", *FIFTHS[2:]])}})
    hide(root)
    footage = BENCHMARK.open(root, "val")
    assert footage.truth is None
    assert "CodaLab 7685" in footage.hidden
    frames = list(footage.open("aa"))
    given = {f.index: [p.track_id for p in f.exemplar.prompts] for f in frames if f.exemplar}
    assert given == {0: [2], 1: [10]}
    assert [footage.frame_name("aa", frame) for frame in frames] == FIFTHS
    with pytest.raises(DataError, match=r"hidden.*CodaLab 7685"):
        BENCHMARK.read_truth(root)


def test_all_frames_are_run_where_they_are_at_hand_and_those_listed_kept(root: Path) -> None:
    write_pictures(root / "valid_all_frames/JPEGImages/aa", names(16))
    footage = BENCHMARK.open(root, "val")
    frames = list(footage.open("aa"))
    assert len(frames) == 16
    assert {f.index: [p.track_id for p in f.exemplar.prompts] for f in frames if f.exemplar} == {0: [2], 5: [10]}
    assert [n for n in (footage.frame_name("aa", frame) for frame in frames) if n] == FIFTHS
    assert footage.truth is not None
    answer = footage.truth.answer("aa")
    assert [result.frame.index for result in answer.frames] == [0, 5, 10, 15]
    assert [track.first_frame for track in answer.tracks] == [0, 5]


def meta_with(**changes: Any) -> Any:
    """Spoil a field of the dog's."""

    def make(root: Path) -> None:
        path = root / "valid/meta.json"
        meta = json.loads(path.read_text())
        meta["videos"]["aa"]["objects"]["2"] |= changes
        path.write_text(json.dumps(meta))

    return make


def renumber(root: Path, number: str) -> None:
    path = root / "valid/meta.json"
    path.write_text(path.read_text().replace('"10": {', f'"{number}": {{'))


M = "valid/meta.json"
FAULTS = {
    "not JSON": (lambda r: (r / M).write_text('{"videos": '), "ends in the middle"),
    "nothing in it": (lambda r: (r / M).write_text('{"videos": {}}'), "videos: no video"),
    "another file": (lambda r: (r / M).write_text('{"images": []}'), "no videos in it; wanted YouTube-VOS's meta.json"),
    "no object": (lambda r: (r / M).write_text('{"videos": {"aa": {"objects": {}}}}'), "objects: no object"),
    "frames of another kind": (meta_with(frames="00000"), "videos.aa.objects.2.frames: wanted a list"),
    "no frames": (meta_with(frames=[]), "videos.aa.objects.2.frames: empty"),
    "a category that is a number": (meta_with(category=3), "videos.aa.objects.2.category: wanted text"),
    "a number that is no object": (lambda r: renumber(r, "255"), "an object is numbered from 1 to 254"),
    "a word for a number": (lambda r: renumber(r, "yak"), "an object is numbered from 1 to 254"),
    "a map that is missing": (
        lambda r: (r / "valid/Annotations/aa/00010.png").unlink(),
        "00010.png missing, which meta.json",
    ),
    "a video that is missing": (
        lambda r: (r / "valid/Annotations/aa").rename(r / "bb"),
        "no folder of aa, which meta.json",
    ),
    "a result that is missing": (lambda r: (r / "mine/aa/00000.png").unlink(), "1 of 4 frames are missing: 00000.png"),
    "results of an unknown video": (lambda r: write_maps(r / "mine/bb", {"00000": (1,)}), "does not have: bb"),
    "results of another size": (lambda r: write_map(r / "mine/aa/00005.png", bars(1, size=(3, 3))), "00005.png: 3×3"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(root: Path, fault: str) -> None:
    write_maps(root / "mine/aa", dict.fromkeys(FIFTHS, (2, 10)))
    make, message = FAULTS[fault]
    make(root)
    with pytest.raises(DataError) as caught:
        read_all(root, root / "mine")
    assert message in str(caught.value)


def test_a_missing_video_counts_as_empty_and_is_told_of(root: Path) -> None:
    write_meta(root / "valid", {v: {"2": ("dog", FIFTHS)} for v in ("aa", "bb")})
    write_maps(root / "valid/Annotations/bb", dict.fromkeys(FIFTHS, (2,)))
    write_maps(root / "mine/aa", dict.fromkeys(FIFTHS, (2,)))
    truth = BENCHMARK.read_truth(root)
    found = BENCHMARK.read_results(root / "mine", truth)
    assert found.notes == ["no results of 1 videos, counted as empty: bb"]
    assert score(YoutubeVos(), truth, found).metrics["J_seen"] == 0.5


def test_a_folder_of_another_set_is_recognised(tmp_path: Path) -> None:
    write_maps(tmp_path / "Annotations/480p/bear", {"00000": (1,)})
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(DataError, match="use --bench davis17"):
        BENCHMARK.read_truth(tmp_path)


@pytest.mark.parametrize("folder", ["ytvos-mini", "vos-extra"])
def test_the_small_real_sets_score_themselves_perfectly(folder: str) -> None:
    footage = BENCHMARK.open(shared("data", folder), "train")
    assert footage.truth is not None
    assert score(YoutubeVos(), footage.truth, footage.truth).metrics["G"] == 1
    first = next(iter(footage.open(footage.videos[0])))
    assert footage.frame_name(footage.videos[0], first) == "00000"


def test_many_objects_of_a_hidden_split_are_given_at_once() -> None:
    footage = BENCHMARK.open(shared("data", "vos-extra"), "val")
    assert footage.truth is None
    first, second, *_ = footage.open(footage.videos[0])
    assert first.exemplar is not None
    assert len(first.exemplar.prompts) == 34
    assert footage.frame_name(footage.videos[0], second)
