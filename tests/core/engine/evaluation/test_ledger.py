"""The book of a run: what is done stays done, for the same run and for no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gvseg_core.engine.evaluation.ledger import Entry, Ledger
from gvseg_core.errors import OutputError
from gvseg_core.sinks.official import VideoFacts

RUN = {"bench": "vspw", "model_sha256": "1a", "overrides": {"tracking": {"memory": 3}}, "size": None}
FACTS = VideoFacts("set/clip", (4, 6), ("0001", "0002"), 7, frozenset({2, 1}), {"sequence": {"fps": 5}})
KEPT = {"AP": {"iou": np.arange(6.0).reshape(2, 3), "ids": np.array([3, 1])}, "nothing": {}}


def entry_of(ledger: Ledger, video: str) -> Entry:
    entry = ledger.read(video)
    assert entry is not None
    return entry


def test_what_was_written_is_read_to_the_last_bit(tmp_path: Path) -> None:
    Ledger(tmp_path / "out", RUN).open(overwrite=False)
    Ledger(tmp_path / "out", RUN).write("set/clip", Entry(KEPT, FACTS))
    again = Ledger(tmp_path / "out", RUN)
    assert again.open(overwrite=False) is None
    entry = entry_of(again, "set/clip")
    assert entry.facts == FACTS
    assert {m: sorted(p) for m, p in entry.kept.items()} == {"AP": ["ids", "iou"], "nothing": []}
    for key, value in KEPT["AP"].items():
        np.testing.assert_array_equal(entry.kept["AP"][key], value)
        assert entry.kept["AP"][key].dtype == value.dtype


def test_a_video_that_was_not_done_has_no_entry_and_neither_has_a_damaged_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, RUN)
    ledger.open(overwrite=False)
    assert ledger.read("clip") is None
    ledger.write("clip", Entry(KEPT, FACTS))
    (path,) = tmp_path.glob(".gvseg-eval/videos/*")
    whole = path.read_bytes()
    for damaged in (b"", whole[:200], whole[:-20], b"no archive at all"):
        path.write_bytes(damaged)
        assert ledger.read("clip") is None


def test_videos_whose_names_look_alike_have_entries_of_their_own(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, RUN)
    ledger.open(overwrite=False)
    names = ["a/b", "a%2Fb", "A/b", "x" * 300, "x" * 301, "..", "ä"]
    for number, name in enumerate(names):
        ledger.write(name, Entry({}, VideoFacts(name, (1, 1), (), number)))
    assert [entry_of(ledger, name).facts.number for name in names] == list(range(len(names)))


def test_results_of_another_run_are_not_mixed_in_and_not_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first = Ledger(folder, RUN)
    first.open(overwrite=False)
    first.write("clip", Entry(KEPT, FACTS))
    other = Ledger(folder, {**RUN, "model_sha256": "2b", "size": 480})
    with pytest.raises(OutputError, match=r"another run \(model_sha256, size differ\); -y"):
        other.open(overwrite=False)
    moved = other.open(overwrite=True)
    assert moved == tmp_path / "out.old"
    assert other.read("clip") is None
    assert Ledger(moved, RUN).read("clip") is not None


def test_a_folder_with_other_files_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("all of it")
    with pytest.raises(OutputError, match="no evaluation of gvseg wrote"):
        Ledger(tmp_path / "out", RUN).open(overwrite=False)
    moved = Ledger(tmp_path / "out", RUN).open(overwrite=True)
    assert moved is not None
    assert (moved / "thesis.tex").read_text() == "all of it"


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    assert Ledger(tmp_path, RUN).open(overwrite=False) is None
