"""Official results that are read, written by the layout and read again say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gvseg_core.data.benchmarks import BENCHMARKS, choose_benchmark
from gvseg_core.sinks.official import LAYOUTS, VideoFacts
from gvseg_core.types import Answer, Results, Truth
from tests.conftest import shared

CASES = [
    ("ytvis19", "ytvis/basic"),
    ("ytvis19", "ytvis/edge"),
    ("ytvis21", "ytvis/areas"),
    ("ytvis21", "ytvis/maxdets"),
    ("ovis", "ovis/basic"),
    ("vspw", "vspw/basic"),
    ("vspw", "vspw/edge"),
    ("vipseg", "vipseg/basic"),
    ("vipseg", "vipseg/edge"),
    ("kitti_step", "kitti_step/basic"),
    ("kitti_step", "kitti_step/edge"),
    ("davis17", "davis/basic"),
    ("davis17", "davis/edge"),
    ("ytvos18", "youtube_vos/basic"),
    ("ytvos18", "youtube_vos/edge"),
    ("burst", "burst/exemplar_basic"),
    ("burst", "burst/exemplar_hollow"),
    ("burst_class_guided", "burst/class_guided"),
    ("burst_open_world", "burst/open_world"),
]
FRAMES = {  # of a video, by names in the case's folder
    "vspw": "pred/{video}/*.png",
    "vipseg": "pred/pan_pred/{video}/*.png",
    "kitti_step": "pred/{video}/*.png",
    "davis17": "pred/{video}/*.png",
    "ytvos18": "gt/valid/Annotations/{video}/*.png",
}


def from_json(name: str, case: Path) -> dict[str, tuple[int, tuple[str, ...], dict[str, Any]]]:
    """Video → number, frames and details, where a file of all videos lists them."""
    if name.startswith("burst"):
        truth = json.loads((case / "gt" / "all_classes.json").read_text())
        return {
            f"{truth['split']}-{one['dataset']}-{one['seq_name']}": (
                one["id"],
                tuple(Path(path).stem for path in one["annotated_image_paths"]),
                {"sequence": one, "split": truth["split"]},
            )
            for one in truth["sequences"]
        }
    truth = json.loads((case / "gt" / "instances.json").read_text())
    return {
        Path(one["file_names"][0]).parent.name: (one["id"], tuple(one["file_names"]), {}) for one in truth["videos"]
    }


def facts_of(name: str, case: Path, truth: Truth, video: str) -> VideoFacts:
    answer = truth.answer(video)
    size = tuple(next(iter(answer.frames)).frame.image.shape[1:])
    ids = frozenset(track.track_id for track in truth.answer(video).tracks)
    if name in FRAMES:
        frames = tuple(sorted(path.stem for path in case.glob(FRAMES[name].format(video=video))))
        return VideoFacts(video, size, frames, object_ids=ids if name in {"davis17", "ytvos18"} else None)
    number, frames, details = from_json(name, case)[video]
    return VideoFacts(video, size, frames, number, ids if name == "burst" else None, details)


def story(answer: Answer) -> list[Any]:
    """What an answer says, in words that do not depend on how regions are numbered."""
    number: dict[int, int] = {}
    told: list[Any] = []
    for result in answer.frames:
        regions = sorted((s.class_id, s.mask.counts, round(s.score, 12), s.track_id) for s in result.segments)
        told.append([(c, mask, score, number.setdefault(i, len(number))) for c, mask, score, i in regions])
    return told


@pytest.mark.parametrize(("name", "place"), CASES, ids=[place for _, place in CASES])
def test_what_was_read_and_written_is_read_again_as_it_was(name: str, place: str, tmp_path: Path) -> None:
    case, benchmark, layout = shared("golden", place), choose_benchmark(name), LAYOUTS[name]
    truth = benchmark.read_truth(case / "gt")
    official = benchmark.read_results(case / "pred", truth)
    videos = [facts_of(name, case, truth, video) for video in truth.videos]
    for video in videos:
        layout.write(tmp_path, official.answer(video.name), video, truth.vocabulary)
    layout.assemble(tmp_path, videos, truth.vocabulary)
    layout.check(tmp_path, videos, truth.vocabulary)
    ours: Results = benchmark.read_results(tmp_path, truth)
    for video in truth.videos:
        assert story(ours.answer(video)) == story(official.answer(video)), video
        assert [(t.class_id, t.score) for t in ours.answer(video).tracks] == [
            (t.class_id, t.score) for t in official.answer(video).tracks
        ]


def test_every_benchmark_is_tried() -> None:
    elsewhere = {"coco"}  # tests.core.data.test_coco_instances: its official program is at hand
    assert {name for name, _ in CASES} == BENCHMARKS.keys() - elsewhere
