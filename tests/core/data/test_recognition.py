"""Which benchmark a file or folder is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from gvseg_core.data.recognition import misfit, recognise
from tests.conftest import shared

GOLDEN = {
    "vspw/basic/gt": "vspw",
    "vipseg/basic/gt": "vipseg",
    "vipseg/basic/pred": "vipseg",
    "vipseg/basic/gt/panoptic_gt_VIPSeg_val.json": "vipseg",
    "kitti_step/basic/gt": "kitti_step",
    "davis/basic/gt": "davis17",
    "youtube_vos/basic/gt": "ytvos18",
    "burst/exemplar_basic/gt": "burst",
    "burst/exemplar_basic/gt/all_classes.json": "burst",
    "ytvis/basic/gt": "ytvis21",
    "ytvis/basic/gt/instances.json": "ytvis21",
}


@pytest.mark.parametrize("place", GOLDEN)
def test_golden_cases_are_recognised(place: str) -> None:
    assert recognise(shared("golden") / place) == GOLDEN[place]


@pytest.mark.parametrize(
    ("place", "bench"), [("camvid-vss", "vspw"), ("camvid-vps", "vipseg"), ("davis-mini", "davis17")]
)
def test_our_own_sets_are_recognised_by_their_layout(place: str, bench: str) -> None:
    assert recognise(shared("data") / place) == bench


def test_what_is_nothing_known_is_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a list")
    assert recognise(tmp_path) is recognise(tmp_path / "notes.txt") is recognise(tmp_path / "missing") is None


def test_a_misfit_names_the_benchmark_that_it_looks_like(tmp_path: Path) -> None:
    (tmp_path / "panoptic_maps").mkdir()
    assert str(misfit(tmp_path, "vspw", "no data in it")).endswith(
        "no data in it; this looks like another set: use --bench kitti_step"
    )
    assert str(misfit(tmp_path, "kitti_step", "no val in it")).endswith(": no val in it")
    assert str(misfit(tmp_path / "x", "vspw", "no data in it")).endswith("x: there is no such file or folder")
