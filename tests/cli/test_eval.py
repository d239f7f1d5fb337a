"""`gvseg eval` on the rendered benchmark: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done
from tests.cli.small_sets import write_vspw, write_ytvis_without_truth

Run = Callable[..., Done]

TASKS = ("vis", "vss", "vps", "evs")
SMALL = ("--data", "videos=2,frames=6,size=48x32,objects=4")
PERFECT = {
    "vis": {"AP": 1.0, "AP50": 1.0, "AP75": 1.0},
    "vss": {"mIoU": 1.0, "Acc": 1.0},
    "vps": {"VPQ": 100.0, "VPQ_Th": 100.0, "VPQ_St": 100.0, "STQ": 1.0, "SQ": 1.0, "AQ": 1.0},
    "evs": {"J&F-Mean": 1.0, "J-Mean": 1.0, "F-Mean": 1.0},
}


def synth(task: str, model: str = "truth", *more: str) -> tuple[str, ...]:
    return ("eval", "--bench", "synth", "--task", task, "--model", model, *SMALL, *more)


def told(done: Done) -> dict[str, object]:
    assert done.code == 0, done.err
    return json.loads(done.out)  # type: ignore[no-any-return]


@pytest.mark.parametrize("task", TASKS)
def test_truth_scores_perfectly(task: str, gvseg: Run) -> None:
    found = told(gvseg(*synth(task, "truth", "--json", "-")))
    assert {key: found["metrics"][key] for key in PERFECT[task]} == PERFECT[task]  # type: ignore[index]
    assert (found["bench"], found["task"]) == ("synth", task)


@pytest.mark.parametrize("task", TASKS)
def test_a_network_runs_and_what_is_written_scores_what_was_said(task: str, gvseg: Run, tmp_path: Path) -> None:
    # A random network is unsure of everything: let it speak.
    more = ("--conf", "0") if task in {"vis", "evs"} else ("--set", "tracking.birth_score=0")
    ran = gvseg(*synth(task, "MODEL", "--save-results", "out", "--json", "ran.json", *more))
    assert ran.code == 0, ran.err
    spec = SMALL[1]
    scored = told(gvseg("eval", "--bench", "synth", "--task", task, "--gt", spec, "--results", "out", "--json", "-"))
    said = json.loads((tmp_path / "ran.json").read_text())
    for part in ("metrics", "details", "variants"):
        assert scored[part] == said[part]
    assert said["info"]["model_sha256"]


def test_the_table_stands_on_stdout_and_the_rest_on_stderr(gvseg: Run) -> None:
    done = gvseg(*synth("evs"))
    lines = done.out.decode().splitlines()
    assert lines[0] == "synth, evs, 2 videos, in per cent"
    assert re.fullmatch(r"metric +result", lines[1])
    assert re.fullmatch(r"J&F-Mean +100.00", lines[2])
    assert not any("Recall" in line for line in lines)
    assert any("Recall" in line for line in gvseg(*synth("evs", "truth", "-v")).out.decode().splitlines())


def test_json_on_stdout_is_alone_there(gvseg: Run) -> None:
    done = gvseg(*synth("evs", "truth", "--json", "-", "--save-results", "out"))
    assert told(done)["info"]["split"] == "val"  # type: ignore[index]


def test_a_json_file_is_named_and_not_overwritten_unasked(gvseg: Run, tmp_path: Path) -> None:
    assert gvseg(*synth("evs", "truth", "--json", "s.json")).out.decode().splitlines()[-1] == "s.json"
    done = gvseg(*synth("evs", "truth", "--json", "s.json"))
    assert (done.code, done.out) == (4, b"")
    assert gvseg(*synth("evs", "truth", "--json", "s.json", "-y")).code == 0


def test_videos_can_be_chosen(gvseg: Run) -> None:
    found = told(gvseg(*synth("evs", "truth", "--json", "-", "--videos", "val_001001")))
    assert list(found["details"]["per_frame"]) == ["val_001001"]  # type: ignore[index]
    done = gvseg(*synth("evs", "truth", "--videos", "val_001009"))
    assert done.code == 2
    assert "did you mean 'val_001" in done.err


def test_the_train_split_has_videos_of_its_own(gvseg: Run) -> None:
    found = told(gvseg(*synth("evs", "truth", "--json", "-", "--split", "train")))
    assert list(found["details"]["per_frame"]) == ["train_001000", "train_001001"]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["mask", "box", "point"])
def test_exemplars_may_be_less_than_masks(kind: str, gvseg: Run) -> None:
    done = gvseg(*synth("evs", "MODEL", "--exemplar-kind", kind, "--conf", "0"))
    assert done.code == 0, done.err


def test_a_submission_is_an_archive_of_every_frame_and_leaves_nothing_else(gvseg: Run, tmp_path: Path) -> None:
    done = gvseg(*synth("evs", "truth", "--submission", "s.zip"))
    assert done.code == 0, done.err
    assert [path.name for path in tmp_path.iterdir()] == ["s.zip"]
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert len(archive.namelist()) == 12


def test_a_report_shows_the_worst_videos_with_pictures(gvseg: Run, tmp_path: Path) -> None:
    done = gvseg(*synth("vps", "MODEL", "--report", "page"))
    assert done.code == 0, done.err
    page = (tmp_path / "page" / "index.html").read_text()
    assert "val_001000" in page
    assert page.count("data:image/") == 4
    assert done.out.decode().splitlines()[-1] == "page/index.html"


def test_a_run_that_is_repeated_does_nothing_again_and_says_so(gvseg: Run) -> None:
    first = told(gvseg(*synth("evs", "MODEL", "--save-results", "out", "--json", "-")))
    again = gvseg(*synth("evs", "MODEL", "--save-results", "out", "--json", "-"))
    assert told(again) == first
    assert "2 of 2 videos were done before" in again.err


def test_results_of_other_settings_are_not_mixed(gvseg: Run, tmp_path: Path) -> None:
    assert gvseg(*synth("evs", "MODEL", "--save-results", "out")).code == 0
    other = synth("evs", "MODEL", "--save-results", "out", "--conf", "0.9")
    done = gvseg(*other)
    assert (done.code, done.errors) == (
        4,
        ["gvseg: error: out holds results of another run (conf differ); -y to move them to NAME.old"],
    )
    done = gvseg(*other, "-y")
    assert done.code == 0
    assert "out held other results; they are in out.old now" in done.err
    assert (tmp_path / "out.old" / "val_001000").is_dir()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("eval", "say which benchmark: --bench ytvis19, "),
        ("eval davis17", "a benchmark is named by --bench davis17"),
        ("eval clip.mp4 --bench synth", "a single video is for gvseg predict"),
        ("eval --bench synht --model truth", "did you mean 'synth'"),
        ("eval --bench synth --task vsi --model truth", "task: input should be 'vis', 'vss', 'vps' or 'evs'"),
        ("eval --bench ovis --task vps --gt a --results b", "--bench ovis is vis, not vps"),
        ("eval --bench synth --model truth --conf 0.5", "--conf has no effect on --model truth"),
        ("eval --bench synth --model MODEL --task vss --conf 0.5", "--conf has no effect on --task vss"),
        ("eval --bench synth --model MODEL --set tracking.memmory=3", "did you mean 'memory'"),
        ("eval --bench synth --model MODEL --submission s.zip --videos val_001000", "leave --videos out"),
        ("eval --bench synth --data video=3 --model truth", "did you mean 'videos'"),
        ("eval --bench synth --model truth --progress loud", "known: auto, bar"),
    ],
)
def test_wrong_words_are_explained(words: str, says: str, gvseg: Run, tmp_path: Path) -> None:
    done = gvseg(*words.split())
    assert (done.code, len(done.errors), done.out) == (2, 1, b""), done.err
    assert says in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_other_classes_is_refused(gvseg: Run, tmp_path: Path, model: Path) -> None:
    from gvseg_core.data.vocabularies import VOCABULARIES
    from gvseg_core.model.weights import read_checkpoint, write_checkpoint

    checkpoint = read_checkpoint(model)
    others = VOCABULARIES["vipseg"].classes[: len(checkpoint.vocabularies["demo"])]
    named = checkpoint.with_vocabulary("demo", type(checkpoint.vocabularies["demo"])("demo", others))
    write_checkpoint(tmp_path / "other.safetensors", named)
    done = gvseg(*synth("vps", "other.safetensors"))
    assert (done.code, len(done.errors)) == (5, 1), done.err
    assert "classes (demo: door, ladder, window …) are none of the 15 of demo (disc, ring, crescent …)" in done.err


def test_progress_can_be_read_by_programs(gvseg: Run) -> None:
    done = gvseg(*synth("evs", "truth", "--progress", "json"))
    events = [json.loads(line) for line in done.err.splitlines()]
    told = [event["event"] for event in events if event["event"] != "progress"]  # which comes where it takes long
    assert told == ["model", "begin", "end"]
    assert (events[-1]["done"], events[-1]["frames"]) == (2, 12)


def test_hidden_truth_gives_an_archive_and_says_where_it_is_scored(gvseg: Run, tmp_path: Path) -> None:
    write_ytvis_without_truth(tmp_path / "set")
    words = ("eval", "--bench", "ytvis21", "--data", "set", "--model", "MODEL", "--conf", "0", "--size", "64")
    done = gvseg(*words)
    assert (done.code, len(done.errors)) == (2, 1)
    assert "add --submission FILE.zip or --save-results DIR" in done.err
    done = gvseg(*words, "--submission", "s.zip", "--json", "s.json")
    assert done.code == 0, done.err
    assert "gvseg: no scores: " in done.err
    assert "the model knows 2 of the benchmark's 3 classes (demo); it cannot find unicorn" in done.err
    assert done.out.decode().splitlines() == ["s.zip", "s.json"]
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        predictions = json.loads(archive.read("results.json"))
    counts = Counter(prediction["video_id"] for prediction in predictions)
    assert counts.keys() <= {3, 5}
    assert max(counts.values()) <= 10
    assert {prediction["category_id"] for prediction in predictions} <= {7, 9}
    assert json.loads((tmp_path / "s.json").read_text())["metrics"] == {}


def test_videos_without_results_count_as_empty_and_are_counted(gvseg: Run, tmp_path: Path) -> None:
    score = write_vspw(tmp_path)
    whole = told(gvseg(*score, "--json", "-"))
    shutil.rmtree(tmp_path / "results" / "video_3")
    done = gvseg(*score, "--json", "-")
    assert "no results of 1 videos, counted as empty: video_3" in done.err
    assert told(done)["metrics"]["mIoU"] < whole["metrics"]["mIoU"]  # type: ignore[index]


def test_results_of_no_known_video_and_another_set_are_refused(gvseg: Run, tmp_path: Path) -> None:
    score = write_vspw(tmp_path)
    score[2] = "vipseg"
    done = gvseg(*score)
    assert (done.code, len(done.errors)) == (5, 1), done.err
    score[2] = "vspw"
    (tmp_path / "results" / "video_0").rename(tmp_path / "results" / "holiday")
    done = gvseg(*score)
    assert (done.code, len(done.errors)) == (5, 1), done.err
    assert "holiday" in done.err


def test_a_report_of_files_has_no_pictures_but_all_else(gvseg: Run, tmp_path: Path) -> None:
    done = gvseg(*write_vspw(tmp_path), "--report", "page")
    assert done.code == 0, done.err
    assert "video_4" in (tmp_path / "page" / "index.html").read_text()


@pytest.mark.parametrize("option", ["--json", "--submission", "--report", "--save-results"])
def test_places_that_cannot_be_written_are_refused_before_any_work(option: str, gvseg: Run) -> None:
    done = gvseg(*synth("evs", "missing.safetensors", option, "no/such/folder/out.zip"))
    assert (done.code, len(done.errors)) == (4, 1), done.err
    assert "there is no folder" in done.err
