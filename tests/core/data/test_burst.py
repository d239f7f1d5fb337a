"""BURST: truth and results as its evaluator understands them, exemplars of three kinds, and every fault named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gvseg_core.data.burst import BURST, BURST_CLASS_GUIDED, BURST_OPEN_WORLD, open_footage
from gvseg_core.errors import DataError
from gvseg_core.metrics.burst import Burst
from gvseg_core.ops import rle
from gvseg_core.types import Answer
from tests.core.data.objects import SIZE, write_pictures
from tests.core.metrics.golden import score

Json = dict[str, Any]


def mask(column: int) -> str:
    filled = np.zeros(SIZE, bool)
    filled[1:4, column] = True
    return rle.encode(filled).counts.decode()


def sequence(name: str = "clip", **changes: Any) -> Json:
    """Three annotated frames of seven: a bird (99, common), a cap (207, which counts as a hat) and an armchair (20)."""
    segmentations = [{"1": {"rle": mask(1)}}, {"1": {"rle": mask(2)}, "7": {"rle": mask(3)}}, {"20": {"rle": mask(4)}}]
    return {
        "id": 4,
        "dataset": "HACS",
        "seq_name": name,
        "height": SIZE[0],
        "width": SIZE[1],
        "fps": 6,
        "all_image_paths": [f"f{i}.jpg" for i in range(7)],
        "annotated_image_paths": ["f0.jpg", "f3.jpg", "f6.jpg"],
        "neg_category_ids": [4],
        "not_exhaustive_category_ids": [99],
        "track_category_ids": {"1": 99, "7": 207, "20": 20},
        "segmentations": segmentations,
        **changes,
    }


def content(*sequences: Json, **changes: Any) -> Json:
    return {"split": "val", "categories": [{"id": 99, "name": "bird"}], "sequences": list(sequences), **changes}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The official folder with one sequence, and results that are the truth."""
    write(tmp_path / "annotations/val/all_classes.json", content(sequence()))
    given = {"bbox": [3, 1, 1, 3], "point": [3, 2]}
    first: list[Json] = [
        {"1": {"rle": mask(1), "bbox": [1, 1, 1, 3], "point": [1, 2]}},
        {"7": {"rle": mask(3), **given}},
    ]
    write(tmp_path / "annotations/val/first_frame_annotations.json", content(sequence(segmentations=[*first, {}])))
    write(tmp_path / "predictions.json", content(sequence()))
    write_pictures(tmp_path / "frames/val/HACS/clip", [f"f{i}" for i in range(7)])
    return tmp_path


def ids(answer: Answer) -> list[list[int]]:
    return [[segment.track_id for segment in result.segments] for result in answer.frames]


VIDEO = "val-HACS-clip"


def test_the_truth_leaves_out_what_distracts_and_merges_what_counts_as_another(root: Path) -> None:
    truth = BURST.read_truth(root)
    assert truth.videos == [VIDEO]
    answer = truth.answer(VIDEO)
    assert ids(answer) == [[1], [1, 7], []]
    assert [result.frame.index for result in answer.frames] == [0, 3, 6]
    bird, cap = answer.tracks
    assert truth.vocabulary.classes[cap.class_id].name == "hat"
    assert bird.details == {"category_id": 99, "split": "common"}
    assert cap.details == {"category_id": 207, "split": "uncommon"}
    assert answer.details == {"neg_category_ids": {4}, "not_exhaustive_category_ids": {99}}


@pytest.mark.parametrize("where", [".", "annotations", "annotations/val", "annotations/val/all_classes.json"])
def test_the_truth_is_found_in_the_official_folder_and_below(root: Path, where: str) -> None:
    assert ids(BURST.read_truth(root / where).answer(VIDEO)) == [[1], [1, 7], []]


def test_categories_are_taos_unless_the_file_has_names_of_its_own(root: Path) -> None:
    assert len(BURST.read_truth(root).vocabulary) == 1230
    own = content(
        sequence(track_category_ids={"1": 1, "7": 2, "20": 2}),
        categories=[{"id": 1, "name": "kite"}, {"id": 2, "name": "jet"}],
    )
    write(root / "annotations/val/all_classes.json", own)
    truth = BURST.read_truth(root)
    assert [c.name for c in truth.vocabulary.classes if c.dataset_id < 3] == ["kite", "jet"]
    assert truth.vocabulary.classes[truth.answer(VIDEO).tracks[0].class_id].name == "kite"


@pytest.mark.parametrize("benchmark", [BURST, BURST_CLASS_GUIDED, BURST_OPEN_WORLD])
def test_what_was_written_scores_perfectly(root: Path, benchmark: Any) -> None:
    protocol = {"burst": "exemplar_guided"}.get(benchmark.name, benchmark.name[6:])
    truth = benchmark.read_truth(root)
    found = benchmark.read_results(root / "predictions.json", truth)
    metrics = score(Burst(truth.vocabulary, protocol), truth, found).metrics
    assert metrics["OWTA_all" if protocol == "open_world" else "HOTA_all"] == pytest.approx(100, abs=1e-9)


def test_results_may_have_any_frames_and_only_the_annotated_ones_are_read(root: Path) -> None:
    frames = [f"f{i}.jpg" for i in (6, 5, 4, 3)]
    found = [{"7": {"rle": mask(1)}}, {"1": {"rle": mask(2)}}, {}, {"1": {"rle": mask(3)}}]
    write(root / "predictions.json", content(sequence(annotated_image_paths=frames, segmentations=found)))
    truth = BURST.read_truth(root)
    assert ids(BURST.read_results(root, truth).answer(VIDEO)) == [[], [1], [7]]


def test_a_null_mask_is_no_mask_and_an_empty_one_is_a_detection(root: Path) -> None:
    empty = rle.encode(np.zeros(SIZE, bool)).counts.decode()
    found = [{"1": {"rle": None}}, {"1": {"rle": empty}}, {}]
    write(root / "predictions.json", content(sequence(segmentations=found)))
    answer = BURST.read_results(root, BURST.read_truth(root)).answer(VIDEO)
    assert ids(answer) == [[], [1], []]


def test_what_is_given_keeps_the_category_of_the_truth(root: Path) -> None:
    found = sequence(
        track_category_ids={"1": 4},
        segmentations=[{"1": {"rle": mask(1), "category_id": 5}}, {"20": {"rle": mask(2)}}, {}],
    )
    write(root / "predictions.json", content(found))
    truth = BURST.read_truth(root)
    answer = BURST.read_results(root, truth).answer(VIDEO)
    assert ids(answer) == [[1], [], []]  # 20 distracts
    assert answer.tracks[0].class_id == truth.answer(VIDEO).tracks[0].class_id


def test_classes_are_a_detections_own_or_its_tracks_and_a_missing_score_is_1(root: Path) -> None:
    found = [{"5": {"rle": mask(1), "score": 0.5}}, {"5": {"rle": mask(1), "category_id": 4}}, {}]
    write(root / "predictions.json", content(sequence(track_category_ids={"5": 207}, segmentations=found)))
    truth = BURST_CLASS_GUIDED.read_truth(root)
    answer = BURST_CLASS_GUIDED.read_results(root, truth).answer(VIDEO)
    segments = [segment for result in answer.frames for segment in result.segments]
    assert [truth.vocabulary.classes[s.class_id].name for s in segments] == ["hat", "airplane"]
    assert [s.score for s in segments] == [0.5, 1]
    assert answer.tracks[0].score == 0.75


def test_in_the_open_world_categories_are_not_looked_at(root: Path) -> None:
    write(root / "predictions.json", content(sequence(track_category_ids={})))
    answer = BURST_OPEN_WORLD.read_results(root, BURST_OPEN_WORLD.read_truth(root)).answer(VIDEO)
    assert ids(answer) == [[1], [1, 7], [20]]


def test_in_the_open_world_files_tell_which_objects_are_common(root: Path) -> None:
    assert "their categories tell" in BURST_OPEN_WORLD.read_truth(root).notes[0]
    for name, kept in (("common", "7"), ("uncommon", "1")):
        frames = [{n: o for n, o in frame.items() if n == kept} for frame in sequence()["segmentations"]]
        write(root / f"annotations/val/{name}_classes.json", content(sequence(segmentations=frames)))
    truth = BURST_OPEN_WORLD.read_truth(root)
    assert [track.details["split"] for track in truth.answer(VIDEO).tracks] == ["uncommon", "common"]
    assert truth.notes == []


def test_a_missing_video_counts_as_empty_and_is_told_of(root: Path) -> None:
    write(root / "annotations/val/all_classes.json", content(sequence(), sequence("other")))
    found = BURST.read_results(root, BURST.read_truth(root))
    assert found.notes == ["no results of 1 videos, counted as empty: val-HACS-other"]
    assert ids(found.answer("val-HACS-other")) == [[], [], []]


def test_names_may_differ_in_case(root: Path) -> None:
    write(root / "predictions.json", content(sequence("Clip", annotated_image_paths=["F0.jpg", "F3.jpg", "F6.jpg"])))
    assert ids(BURST.read_results(root, BURST.read_truth(root)).answer(VIDEO)) == [[1], [1, 7], []]


def with_frame(frame: Any) -> Json:
    return content(sequence(segmentations=[frame, {}, {}]))


T, P = "annotations/val/all_classes.json", "predictions.json"
FAULTS: dict[str, tuple[str, Any, str]] = {
    "not JSON": (P, '{"sequences": [', "ends in the middle"),
    "no sequences": (P, {"videos": []}, "no sequences in it; wanted a file in BURST's format"),
    "no sequence": (T, content(), "all_classes.json: no sequence"),
    "two of one name": (T, content(sequence("a-b", dataset="x"), sequence("b", dataset="x-a")), "two of one name"),
    "another split": (P, content(sequence(), split="test"), "results of test; the ground truth is of val"),
    "a video that is unknown": (P, content(sequence("dog")), "does not have: HACS/dog"),
    "a sequence twice": (
        P,
        content(sequence(), sequence()),
        "sequences[1]: sequence the text 'HACS/clip' is taken already",
    ),
    "frames without masks": (P, content(sequence(segmentations=[{}])), "segmentations: has 1 entries, wanted 3"),
    "a frame twice": (
        T,
        content(sequence(annotated_image_paths=["f0.jpg"] * 3)),
        "annotated_image_paths: a picture stands twice",
    ),
    "no frame": (T, content(sequence(annotated_image_paths=[], segmentations=[])), "annotated_image_paths: empty"),
    "a path for a picture": (
        T,
        content(sequence(annotated_image_paths=["../a", "b", "c"])),
        "is not the name of a picture",
    ),
    "a path for a sequence": (
        T,
        content(sequence("../../x")),
        "seq_name: the text '../../x' is not the name of a folder",
    ),
    "no size": (T, content(sequence(height=0)), "height: the number 0, wanted at least 1"),
    "another size": (P, content(sequence(height=5)), "sequences[0]: 8×5, wanted 8×6"),
    "a track that is unknown": (P, with_frame({"3": {"rle": mask(1)}}), "segmentations: track 3 not among the objects"),
    "a word for a track": (P, with_frame({"a": {"rle": mask(1)}}), "the text 'a' is no track"),
    "a track without category": (
        T,
        with_frame({"3": {"rle": mask(1)}}),
        "segmentations: track 3 not among the track_category_ids",
    ),
    "a category that is unknown": (
        T,
        content(sequence(track_category_ids={"1": 4000})),
        "category 4000 not among the categories",
    ),
    "a word for a category": (
        T,
        content(sequence(track_category_ids={"1": "bird"})),
        "track_category_ids.1: wanted a whole number",
    ),
    "a word for a list": (
        T,
        content(sequence(neg_category_ids=["bird"])),
        "neg_category_ids[0]: wanted a whole number",
    ),
    "no mask": (P, with_frame({"1": {"score": 1}}), "segmentations[0].1: 'rle' is missing"),
    "a mask that is a list": (P, with_frame({"1": {"rle": [1, 2]}}), "segmentations[0].1.rle: wanted text"),
    "a mask that is too short": (P, with_frame({"1": {"rle": "11"}}), "segmentations[0].1.rle: RLE: counts sum to"),
    "a mask that is no mask": (P, with_frame({"1": {"rle": "é"}}), "segmentations[0].1.rle: RLE: a character"),
    "a score that is none": (
        P,
        with_frame({"1": {"rle": mask(1), "score": "high"}}),
        "segmentations[0].1.score: wanted a number",
    ),
}


def read_all(root: Path, benchmark: Any = BURST) -> None:
    truth = benchmark.read_truth(root)
    found = benchmark.read_results(root, truth)
    for video in truth.videos:
        for answer in (truth.answer(video), found.answer(video)):
            list(answer.frames)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(root: Path, fault: str) -> None:
    path, value, message = FAULTS[fault]
    write(root / path, value)
    with pytest.raises(DataError) as caught:
        read_all(root)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (sequence(track_category_ids={}), "track 1, 7, 20 not among the track_category_ids"),
        (sequence(track_category_ids={"1": 9999, "7": 1, "20": 1}), "category 9999 not among the categories"),
    ],
)
def test_results_of_classes_name_classes_that_exist(root: Path, found: Json, message: str) -> None:
    write(root / P, content(found))
    with pytest.raises(DataError, match=message):
        read_all(root, BURST_CLASS_GUIDED)


def test_a_folder_of_another_set_is_recognised(tmp_path: Path) -> None:
    write(tmp_path / "valid/meta.json", {"videos": {}})
    with pytest.raises(DataError, match="use --bench ytvos18"):
        BURST.read_truth(tmp_path)


# --- pictures -----------------------------------------------------------------------------------------------------


def test_all_frames_are_run_and_results_wanted_of_those_that_are_annotated(root: Path) -> None:
    footage = BURST.open(root, "val")
    source = footage.open(VIDEO)
    frames = list(source)
    assert [footage.frame_name(VIDEO, frame) for frame in frames] == ["f0", "", "", "f3", "", "", "f6"]
    assert {f.index: [p.track_id for p in f.exemplar.prompts] for f in frames if f.exemplar} == {0: [1], 3: [7]}
    assert source.info.rate == 6
    facts = footage.facts(VIDEO)
    assert (facts["number"], facts["split"], facts["sequence"]["seq_name"]) == (4, "val", "clip")
    assert "segmentations" not in facts["sequence"]
    json.dumps(facts)


def test_where_only_annotated_frames_are_at_hand_those_are_run(root: Path) -> None:
    for i in (1, 2, 4, 5):
        (root / f"frames/val/HACS/clip/f{i}.jpg").unlink()
    footage = BURST.open(root, "val")
    frames = list(footage.open(VIDEO))
    assert [footage.frame_name(VIDEO, frame) for frame in frames] == ["f0", "f3", "f6"]
    assert [frame.index for frame in frames if frame.exemplar] == [0, 1]
    assert footage.truth is not None
    assert [result.frame.index for result in footage.truth.answer(VIDEO).frames] == [0, 1, 2]


def test_objects_are_given_as_masks_boxes_or_points(root: Path) -> None:
    def given(prompt: Any) -> Any:
        frames = list(open_footage(root, "val", prompt=prompt).open(VIDEO))
        return frames[3].exemplar.prompts[0] if frames[3].exemplar else None

    assert rle.area(given("mask").mask) == 3
    assert given("box").box == (3, 1, 4, 4)
    assert given("point").point == (3.5, 2.5)
    assert given(None) is None
    assert all(frame.exemplar is None for frame in BURST_CLASS_GUIDED.open(root, "val").open(VIDEO))


def edit_first(**changes: Any) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        write(root / "annotations/val/first_frame_annotations.json", content(sequence(**changes)))

    return make


@pytest.mark.parametrize(
    ("make", "prompt", "message"),
    [
        (
            lambda r: (r / "annotations/val/first_frame_annotations.json").unlink(),
            "mask",
            "first_frame_annotations.json",
        ),
        (edit_first(), "box", "segmentations\\[0\\].1: no bbox"),
        (edit_first(segmentations=[{"1": {"rle": "11"}}, {}, {}]), "mask", "1.rle: RLE"),
        (edit_first(segmentations=[{"1": {"point": [1]}}, {}, {}]), "point", "point: has 1 entries, wanted 2"),
        (edit_first(segmentations=[{"1": {"bbox": [1, 2, "a", 3]}}, {}, {}]), "box", "bbox: wanted 4 numbers"),
        (edit_first(seq_name="x"), "mask", "HACS/clip is missing"),
        (edit_first(annotated_image_paths=["f1.jpg", "f2.jpg", "f4.jpg"]), "mask", "frame f1.jpg is not annotated"),
        (lambda r: (r / "frames").rename(r / "pictures"), "mask", "frames/val/HACS/clip: there is no such folder"),
    ],
)
def test_each_fault_of_what_is_given_is_named(root: Path, make: Any, prompt: Any, message: str) -> None:
    make(root)
    with pytest.raises(DataError, match=message):
        list(open_footage(root, "val", prompt=prompt).open(VIDEO))
