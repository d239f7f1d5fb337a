"""What holds for each official layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gvseg_core.errors import DataError, OutputError
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.types import VOID, Answer, FrameResult
from tests.core.sinks.official.cases import TASKS, all_facts, answer, facts, files_of, finished, shown
from tests.core.sinks.scenes import VOCABULARY, box_mask, result, segment

every_layout = pytest.mark.parametrize("name", LAYOUTS)


def test_every_layout_has_a_case() -> None:
    assert TASKS.keys() == LAYOUTS.keys()


@every_layout
def test_what_was_written_passes_the_check_and_is_what_is_sent(name: str, tmp_path: Path) -> None:
    folder = finished(name, tmp_path / "out")
    assert LAYOUTS[name].check(folder, all_facts(name), VOCABULARY) == []
    assert sorted(LAYOUTS[name].members(all_facts(name))) == list(files_of(folder))


@every_layout
def test_the_order_of_writing_does_not_show(name: str, tmp_path: Path) -> None:
    one = files_of(finished(name, tmp_path / "a", ["ant", "zebra"]))
    other = files_of(finished(name, tmp_path / "b", ["zebra", "ant"]))
    assert one == other


@every_layout
def test_a_failure_midway_leaves_no_file(name: str, tmp_path: Path) -> None:
    def breaking() -> Iterator[FrameResult]:
        yield from shown(name, "zebra")[:2]
        raise RuntimeError("the disk caught fire")

    with pytest.raises(RuntimeError, match="caught fire"):
        LAYOUTS[name].write(tmp_path, Answer("zebra", breaking()), facts(name, "zebra"), VOCABULARY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@every_layout
def test_results_are_of_all_frames_and_of_no_others(name: str, tmp_path: Path) -> None:
    frames = shown(name, "zebra")
    short, long, num = frames[:-1], [*frames, frames[0]], len(frames)
    for wrong, message in (
        (short, f"results of {num - 1} frames; wanted {num}"),
        (long, f"results of more than {num}"),
    ):
        with pytest.raises(DataError, match=f"zebra: {message}"):
            LAYOUTS[name].write(tmp_path, Answer("zebra", wrong), facts(name, "zebra"), VOCABULARY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@every_layout
def test_results_of_another_size_are_refused(name: str, tmp_path: Path) -> None:
    small = [result(t, size=(24, 32)) for t in range(4)]
    with pytest.raises(DataError, match="zebra: results of 24 × 32 pixels; the video has 48 × 64"):
        LAYOUTS[name].write(tmp_path, Answer("zebra", small), facts(name, "zebra"), VOCABULARY)


@every_layout
def test_a_video_that_was_not_written_is_named(name: str, tmp_path: Path) -> None:
    LAYOUTS[name].write(tmp_path, answer(name, "zebra"), facts(name, "zebra"), VOCABULARY)
    with pytest.raises(
        OutputError, match=r"1 of 2 videos are missing, the first is (val-HACS-)?ant; run the evaluation"
    ):
        LAYOUTS[name].assemble(tmp_path, all_facts(name), VOCABULARY)


@every_layout
def test_a_finished_folder_is_not_replaced_unasked(name: str, tmp_path: Path) -> None:
    before = files_of(finished(name, tmp_path))
    with pytest.raises(OutputError, match="exists already"):
        finished(name, tmp_path)
    for video in ("zebra", "ant"):
        LAYOUTS[name].write(tmp_path, answer(name, video), facts(name, video), VOCABULARY, overwrite=True)
    LAYOUTS[name].assemble(tmp_path, all_facts(name), VOCABULARY, overwrite=True)
    assert files_of(tmp_path) == before


@every_layout
def test_a_name_that_leads_out_of_the_folder_writes_nothing_outside(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    hostile = replace(facts(name, "zebra"), name="../escaped")
    if name in {"ytvis19", "ytvis21", "ovis", "coco", "synth_vis"} or name.startswith("burst"):
        LAYOUTS[name].write(folder, answer(name, "zebra"), hostile, VOCABULARY)
    else:
        with pytest.raises(DataError, match="leads out of"):
            LAYOUTS[name].write(folder, answer(name, "zebra"), hostile, VOCABULARY)
    assert list(tmp_path.iterdir()) == [folder]
    hostile = replace(facts(name, "zebra"), frames=("00000", "../../escaped", "00010", "00015"))
    if name in {"vspw", "vipseg", "kitti_step", "davis17", "ytvos18"}:
        with pytest.raises(DataError, match="leads out of"):
            LAYOUTS[name].write(folder, answer(name, "zebra"), hostile, VOCABULARY)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", [name for name in LAYOUTS if TASKS[name] != "vss"])
def test_regions_of_no_class_are_not_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    frames = shown(name, "zebra")
    void = replace(segment(1, 0, box_mask(60, 40, 64, 48)), class_id=VOID, ignore=True)
    for folder, segments in ((tmp_path / "a", ()), (tmp_path / "b", (void,))):
        more = [replace(frame, segments=(*frame.segments, *segments)) for frame in frames]
        LAYOUTS[name].write(folder, Answer("zebra", more), facts(name, "zebra"), VOCABULARY)
        LAYOUTS[name].assemble(folder, all_facts(name)[:1], VOCABULARY)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
