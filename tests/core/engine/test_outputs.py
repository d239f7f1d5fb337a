"""Names of results, and conflicts that are found before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gvseg_core.engine.outputs import Job, make_folders, plan, remove_empty
from gvseg_core.engine.settings import PredictSettings
from gvseg_core.errors import OutputError, UsageError, VideoError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two videos in folders; what is in them does not matter here."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.mp4", "b/x.mp4", "b/y.mkv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"video")
    return tmp_path


def planned(*inputs: str, **changes: object) -> tuple[Job, ...]:
    return plan(PredictSettings.model_validate({"inputs": inputs, "task": "vis", "model": "m", **changes}))


def names(job: Job) -> dict[str, str]:
    return {word: str(path) for word, path in job.targets.items()}


def test_results_are_named_after_input_and_task() -> None:
    (job,) = planned("a/x.mp4", save=("video", "json", "png", "masks", "alpha", "csv", "mots", "contact"))
    assert names(job) == {
        "video": "x.vis.mp4",
        "json": "x.vis.json",
        "png": "x.vis.png",
        "masks": "x.vis.masks",
        "alpha": "x.vis.alpha.mov",
        "csv": "x.vis.csv",
        "mots": "x.vis.mots.txt",
        "contact": "x.vis.contact.png",
    }


def test_a_tree_of_inputs_is_mirrored_below_the_output(folder: Path) -> None:
    jobs = planned(".", recursive=True, output="out", save=("csv",))
    assert [names(job)["csv"] for job in jobs] == ["out/a/x.vis.csv", "out/b/x.vis.csv", "out/b/y.vis.csv"]
    assert not (folder / "out").exists()


def test_a_file_name_is_for_the_result_of_its_kind_and_lends_its_stem_to_the_rest() -> None:
    (job,) = planned("a/x.mp4", output="o.webm", save=("json", "video", "csv"))
    assert names(job) == {"json": "o.json", "video": "o.webm", "csv": "o.csv"}


@pytest.mark.parametrize(
    ("inputs", "changes", "words"),
    [
        (("a/x.mp4", "b/x.mp4"), {}, "written twice, for a/x.mp4 and for b/x.mp4"),
        (("a/x.mp4", "a/x.mp4"), {}, "written twice"),
        (("a/x.mp4", "b/y.mkv"), {"output": "o.mp4"}, "one file for 2 inputs"),
        (("a/x.mp4",), {"output": "o.pdf"}, r"\.pdf; known: .*\.json.*\.mp4"),
        (("a/x.mp4",), {"output": "-"}, "one kind of result"),
        (("b",), {"output": "-", "save": ("video",)}, "one input; there are 2"),
        (("a/x.mp4",), {"output": "-", "save": ("masks",)}, "many files"),
        (("a/x.mp4",), {"save": ("mots",), "task": "vss"}, "mots"),
    ],
)
def test_what_cannot_be_named_is_refused(inputs: tuple[str, ...], changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        planned(*inputs, **changes)


def link(kind: str) -> None:
    {"hard": os.link, "symbolic": os.symlink}[kind](Path("a/x.mp4").resolve(), "x.vis.mp4")


@pytest.mark.parametrize("kind", ["hard", "symbolic"])
def test_an_input_is_never_an_output_whatever_it_is_called(kind: str) -> None:
    link(kind)
    with pytest.raises(OutputError, match=r"x\.vis\.mp4 is itself an input, a/x\.mp4"):
        planned("a/x.mp4", existing="replace")


def test_an_output_that_exists_is_refused_skipped_or_replaced() -> None:
    for name in ("x.vis.mp4", "x.vis.json"):
        Path(name).write_bytes(b"")
    with pytest.raises(OutputError, match="exists already; -y to overwrite, -n to skip"):
        planned("a/x.mp4", "b/y.mkv")
    assert [job.is_done for job in planned("a/x.mp4", "b/y.mkv", existing="skip")] == [True, False]
    assert [job.is_done for job in planned("a/x.mp4", "b/y.mkv", existing="replace")] == [False, False]


def test_half_of_the_outputs_of_one_input_do_not_stop_the_others() -> None:
    Path("x.vis.mp4").write_bytes(b"")
    first, second = planned("a/x.mp4", "b/y.mkv", existing="skip")
    assert isinstance(first.error, OutputError)
    assert second.error is None
    with pytest.raises(OutputError):
        planned("a/x.mp4", existing="skip")


def test_a_missing_input_of_several_is_recorded_in_its_place() -> None:
    first, second, third = planned("a/x.mp4", "nothing.mp4", "b/y.mkv")
    assert isinstance(second.error, VideoError)
    assert (first.error, third.error) == (None, None)
    with pytest.raises(VideoError, match="no such file"):
        planned("nothing.mp4")
    with pytest.raises(VideoError, match="no such file"):
        planned("a/x.mp4", "nothing.mp4", on_error="stop")


def test_folders_that_were_made_are_removed_when_nothing_came_to_lie_in_them() -> None:
    made = make_folders([Path("out/deep/x.csv"), Path("out/other/y.csv")])
    Path("out/other/y.csv").write_bytes(b"")
    remove_empty(made)
    assert [str(path) for path in sorted(Path("out").rglob("*"))] == ["out/other", "out/other/y.csv"]
