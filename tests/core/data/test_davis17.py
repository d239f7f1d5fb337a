"""DAVIS 2017: read as the official program does, and every fault named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.davis17 import BENCHMARK
from gvseg_core.errors import DataError
from gvseg_core.metrics.davis import Davis
from gvseg_core.ops import rle
from tests.conftest import shared
from tests.core.data.objects import SIZE, bars, names, write_map, write_maps, write_pictures
from tests.core.metrics.golden import score


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sequences of four frames, with two objects and with one; a third object comes late."""
    frames = dict(zip(names(4), [(1, 2), (1, 2, 3), (2, 255), (1,)], strict=True))
    write_maps(tmp_path / "Annotations/480p/bear", frames)
    write_maps(tmp_path / "Annotations/480p/cow", dict.fromkeys(names(4), (1,)))
    for video in ("bear", "cow"):
        write_pictures(tmp_path / "JPEGImages/480p" / video, names(4))
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("bear\ncow\n")
    return tmp_path


@pytest.fixture
def results(root: Path) -> Path:
    """The truth itself, without what must not be in results."""
    folder = root / "results"
    write_maps(folder / "bear", dict(zip(names(4), [(1, 2), (1, 2), (2,), (1,)], strict=True)))
    write_maps(folder / "cow", dict.fromkeys(names(4), (1,)))
    return folder


def read_all(root: Path, results: Path) -> None:
    truth = BENCHMARK.read_truth(root)
    found = BENCHMARK.read_results(results, truth)
    for video in truth.videos:
        for answer in (truth.answer(video), found.answer(video)):
            for result in answer.frames:
                len(result.segments)


def test_objects_are_those_of_the_first_frame_and_void_is_background(root: Path) -> None:
    answer = BENCHMARK.read_truth(root).answer("bear")
    assert [track.track_id for track in answer.tracks] == [1, 2]
    found = [[segment.track_id for segment in result.segments] for result in answer.frames]
    assert found == [[1, 2], [1, 2], [2], [1]]


def test_a_number_that_is_left_out_on_the_first_frame_is_an_object_all_the_same(root: Path) -> None:
    write_map(root / "Annotations/480p/bear/00000.png", bars(1, 4))
    assert [t.track_id for t in BENCHMARK.read_truth(root).answer("bear").tracks] == [1, 2, 3, 4]


def test_frames_can_be_asked_for_one_by_one(root: Path) -> None:
    frames = BENCHMARK.read_truth(root).answer("bear").frames
    assert [len(result.segments) for result in frames[1:3]] == [2, 1]  # type: ignore[index]
    assert frames[-1].segments[0].track_id == 1  # type: ignore[index]


def test_what_was_written_scores_perfectly(root: Path, results: Path) -> None:
    truth = BENCHMARK.read_truth(root)
    assert score(Davis(), truth, BENCHMARK.read_results(results, truth)).metrics["J&F-Mean"] == 1


def test_the_first_and_the_last_frame_need_no_results(root: Path, results: Path) -> None:
    for name in ("00000", "00003"):
        (results / "bear" / f"{name}.png").unlink()
    read_all(root, results)


def test_a_missing_sequence_counts_as_empty_and_is_told_of(root: Path, results: Path) -> None:
    for path in (results / "cow").iterdir():
        path.unlink()
    (results / "cow").rmdir()
    truth = BENCHMARK.read_truth(root)
    found = BENCHMARK.read_results(results, truth)
    assert found.notes == ["no results of 1 videos, counted as empty: cow"]
    assert [len(result.segments) for result in found.answer("cow").frames] == [0] * 4


def test_names_may_differ_in_case_and_results_may_lie_in_annotations(root: Path, results: Path) -> None:
    inner = root / "submission/Annotations"
    inner.parent.mkdir()
    results.rename(inner)
    (inner / "bear").rename(inner / "Bear")
    read_all(root, inner.parent)


def test_other_files_beside_results_do_no_harm(root: Path, results: Path) -> None:
    (results / "global_results-val.csv").write_text("J&F-Mean\n")
    (results / ".gvseg-eval").mkdir()
    read_all(root, results)


def cut_list(root: Path) -> None:
    (root / "ImageSets/2017/val.txt").unlink()


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def jpeg(path: Path) -> None:
    Image.new("L", (8, 6)).save(path, format="JPEG")


def keep_two(folder: Path) -> None:
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()


A, R = "Annotations/480p", "results"
FAULTS = {
    "no list": (cut_list, "val.txt"),
    "an unknown sequence in the list": (
        lambda r: (r / "ImageSets/2017/val.txt").write_text("bear\ndog\n"),
        "no folder of dog",
    ),
    "two frames": (lambda r: keep_two(r / A / "bear"), "bear: 2 annotated frames; wanted 3"),
    "no object to follow": (lambda r: write_map(r / A / "bear/00000.png", bars()), "no object on the first frame"),
    "a frame of another size": (
        lambda r: write_map(r / A / "cow/00002.png", bars(1, size=(4, 4))),
        "00002.png: 4×4, wanted 8×6",
    ),
    "a truncated map": (lambda r: spoil(r / A / "bear/00001.png"), "00001.png: cut short"),
    "an empty map": (lambda r: (r / R / "bear/00001.png").write_bytes(b""), "00001.png: an empty file"),
    "a JPEG map": (lambda r: jpeg(r / R / "bear/00001.png"), "00001.png: a JPEG"),
    "a colour map": (
        lambda r: Image.new("RGB", (8, 6)).save(r / R / "bear/00001.png"),
        "00001.png: a PNG of 8-bit RGB",
    ),
    "a missing result": (lambda r: (r / R / "bear/00002.png").unlink(), "bear: 1 of 4 frames are missing: 00002.png"),
    "an object too many": (
        lambda r: write_map(r / R / "cow/00001.png", bars(1, 2)),
        "00001.png: object 2; the sequence has 1",
    ),
    "results of another size": (lambda r: write_map(r / R / "bear/00001.png", bars(1, size=(4, 4))), "00001.png: 4×4"),
    "results of an unknown sequence": (lambda r: write_maps(r / R / "dog", {"00000": (1,)}), "does not have: dog"),
    "two spellings": (
        lambda r: [(r / R / "bear").rename(r / R / "Bear"), write_maps(r / R / "BEAR", {"00001": (1,)})],
        "Bear",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(root: Path, results: Path, fault: str) -> None:
    make, message = FAULTS[fault]
    make(root)
    with pytest.raises(DataError) as caught:
        read_all(root, results)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_another_set_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid/meta.json").write_text("{}")
    with pytest.raises(DataError, match="use --bench ytvos18"):
        BENCHMARK.read_truth(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        BENCHMARK.read_truth(tmp_path / "nowhere")


def test_results_of_nothing_are_refused(root: Path, tmp_path: Path) -> None:
    truth = BENCHMARK.read_truth(root)
    with pytest.raises(DataError, match="no results of any video; wanted folders such as bear, cow"):
        BENCHMARK.read_results(root / "ImageSets", truth)
    with pytest.raises(DataError, match="no such file or folder"):
        BENCHMARK.read_results(tmp_path / "nowhere", truth)


# --- pictures -----------------------------------------------------------------------------------------------------


def test_footage_gives_the_objects_on_the_first_frame(root: Path) -> None:
    footage = BENCHMARK.open(root, "val")
    source = footage.open("bear")
    frames = list(source)
    assert [frame.index for frame in frames if frame.exemplar] == [0]
    prompts = {p.track_id: rle.decode(p.mask) for p in frames[0].exemplar.prompts}  # type: ignore[union-attr, arg-type]
    assert set(prompts) == {1, 2}
    assert np.array_equal(prompts[2], bars(1, 2) == 2)
    assert [footage.frame_name("bear", frame) for frame in frames] == names(4)
    assert footage.facts("bear") == {}
    assert source.info.size == SIZE
    assert footage.hidden == ""


def test_of_a_few_annotated_frames_those_are_wanted_and_all_are_run(root: Path) -> None:
    write_pictures(root / "JPEGImages/480p/cow", names(9))
    for name in names(4)[1:]:
        (root / A / f"cow/{name}.png").unlink()
    write_maps(root / A / "cow", {"00005": (1,), "00008": (1,)})
    footage = BENCHMARK.open(root, "val")
    frames = list(footage.open("cow"))
    assert [footage.frame_name("cow", frame) for frame in frames if footage.frame_name("cow", frame)] == [
        "00000",
        "00005",
        "00008",
    ]
    assert [result.frame.index for result in footage.truth.answer("cow").frames] == [0, 5, 8]  # type: ignore[union-attr]


def test_where_only_first_frames_are_annotated_the_truth_is_hidden(root: Path) -> None:
    for video in ("bear", "cow"):
        for name in names(4)[1:]:
            (root / A / video / f"{name}.png").unlink()
    footage = BENCHMARK.open(root, "val")
    assert footage.truth is None
    assert "CodaLab 6812" in footage.hidden
    assert [footage.frame_name("bear", frame) for frame in footage.open("bear")] == names(4)
    with pytest.raises(DataError, match="hidden"):
        BENCHMARK.read_truth(root)


def test_pictures_that_are_missing_are_named(root: Path) -> None:
    (root / "JPEGImages/480p/bear/00000.jpg").unlink()
    with pytest.raises(DataError, match="bear: no picture of frame 00000, which is annotated"):
        BENCHMARK.open(root, "val").open("bear")
    for name in names(4)[1:]:
        (root / f"JPEGImages/480p/bear/{name}.jpg").unlink()
    with pytest.raises(DataError, match="JPEGImages/480p/bear"):
        BENCHMARK.open(root, "val").open("bear")


def test_a_picture_of_another_size_is_named(root: Path) -> None:
    write_pictures(root / "JPEGImages/480p/cow", ["00001"], size=(4, 4))
    with pytest.raises(DataError, match=r"00001.jpg: 4×4, wanted 8×6"):
        list(BENCHMARK.open(root, "val").open("cow"))


@pytest.mark.parametrize("split", ["val", "sparse"])
def test_the_small_real_set_scores_itself_perfectly(split: str) -> None:
    footage = BENCHMARK.open(shared("data", "davis-mini"), split)
    assert footage.truth is not None
    metrics = score(Davis(), footage.truth, footage.truth).metrics
    assert metrics["J&F-Mean"] == 1
    for video in footage.videos:
        first = next(iter(footage.open(video)))
        assert first.exemplar is not None


def test_files_are_scored_without_torch(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gvseg_core.data.davis17 import BENCHMARK\n"
        f"t = BENCHMARK.read_truth(Path({str(root)!r})); BENCHMARK.read_results(Path({str(root)!r}), t)\n"
        "from gvseg_core.metrics import davis, youtube_vos; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
