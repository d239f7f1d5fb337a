"""Archives for servers, opened with zipfile."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from gvseg_core.errors import DataError, OutputError, UsageError
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.sinks.official.submission import check_submission, make_submission
from tests.core.sinks.official.cases import all_facts, files_of, finished
from tests.core.sinks.scenes import VOCABULARY

every_layout = pytest.mark.parametrize("name", LAYOUTS)
FRAMES = [f"zebra/{n:05d}.png" for n in (0, 5, 10, 15)] + [f"ant/{n:05d}.png" for n in (0, 5, 10)]
NAMES = {
    "ytvis21": ["results.json"],
    "ovis": ["results.json"],
    "coco": ["results.json"],
    "vspw": FRAMES,
    "vipseg": ["pred.json", *(f"pan_pred/{name}" for name in FRAMES)],
    "kitti_step": FRAMES,
    "davis17": FRAMES,
    "ytvos18": [f"Annotations/{name}" for name in FRAMES],
    "burst": ["predictions.json"],
}


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_holds_what_the_server_takes_where_it_takes_it(name: str, tmp_path: Path) -> None:
    folder = finished(name, tmp_path / "out")
    assert make_submission(name, folder, tmp_path / "a.zip", all_facts(name), VOCABULARY) == []
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(NAMES[name])
        assert {n: archive.read(n) for n in archive.namelist()} == files_of(folder)
        modes = {info.external_attr >> 16 for info in archive.infolist()}
    assert modes == {0o100644}


@every_layout
def test_the_same_results_make_the_same_archive_whenever_they_were_written(name: str, tmp_path: Path) -> None:
    archives = []
    for run, order in enumerate((["zebra", "ant"], ["ant", "zebra"])):
        folder = finished(name, tmp_path / f"out{run}", order)
        for path in folder.rglob("*"):
            os.utime(path, (10**9 + run, 10**9 + run))
        make_submission(name, folder, tmp_path / f"{run}.zip", all_facts(name), VOCABULARY)
        archives.append((tmp_path / f"{run}.zip").read_bytes())
    assert archives[0] == archives[1]


def test_an_archive_that_exists_is_replaced_only_when_that_was_asked_for(tmp_path: Path) -> None:
    folder = finished("davis17", tmp_path / "out")
    target = tmp_path / "a.zip"
    target.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"a\.zip exists already; -y to overwrite") as caught:
        make_submission("davis17", folder, target, all_facts("davis17"), VOCABULARY)
    assert caught.value.exit_code == 4
    assert target.read_bytes() == b"precious"
    make_submission("davis17", folder, target, all_facts("davis17"), VOCABULARY, overwrite=True)
    assert zipfile.is_zipfile(target)


@every_layout
def test_results_that_break_a_rule_make_no_archive(name: str, tmp_path: Path) -> None:
    folder = finished(name, tmp_path / "out")
    first = sorted(LAYOUTS[name].members(all_facts(name)))[0]
    (folder / first).unlink()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"is missing") as caught:
        make_submission(name, folder, tmp_path / "a.zip", all_facts(name), VOCABULARY)
    assert caught.value.exit_code == 5
    assert sorted(tmp_path.rglob("*")) == before


def test_a_server_that_takes_a_limited_number_is_not_sent_more(tmp_path: Path) -> None:
    folder = finished("ovis", tmp_path / "out")
    with pytest.raises(DataError, match="video zebra has more than 1 predictions"):
        make_submission("ovis", folder, tmp_path / "a.zip", all_facts("ovis"), VOCABULARY, limit=1)
    assert make_submission("ovis", folder, tmp_path / "a.zip", all_facts("ovis"), VOCABULARY, limit=2) == []


def test_files_of_no_frame_and_work_in_hand_stay_behind(tmp_path: Path) -> None:
    folder = finished("vspw", tmp_path / "out")
    (folder / "ant" / "notes.txt").write_text("mine")
    (folder / ".gvseg-eval" / "parts").mkdir(parents=True)
    (folder / ".gvseg-eval" / "parts" / "x.json").write_text("[]")
    (note,) = make_submission("vspw", folder, tmp_path / "a.zip", all_facts("vspw"), VOCABULARY)
    assert "ant/notes.txt" in note
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == sorted(FRAMES)


def test_an_archive_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    folder = finished("vspw", tmp_path / "out")
    with pytest.raises(OutputError, match="there is no folder"):
        make_submission("vspw", folder, tmp_path / "no" / "such" / "a.zip", all_facts("vspw"), VOCABULARY)


def test_an_unknown_benchmark_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ytvis21"):
        check_submission("ytvis2l", tmp_path, [], VOCABULARY)
