"""Every clip of the shared data through each task: all its frames, upright and in order, or one line that says why not.

The network is tiny, random and told to show all it has, so that every frame is marked. `evs` reads each clip whole, the
other tasks the first frames of it, but damaged clips whole as well.
"""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gvseg_cli.main import main
from gvseg_core import FrameResult, Segmenter, VideoInfo, load_segmenter, open_video
from gvseg_core.data.exemplars import read_exemplars, with_exemplars
from gvseg_core.engine.pipeline import segment_video
from gvseg_core.engine.report import Stages
from gvseg_core.errors import VideoError
from gvseg_core.ops import rle
from gvseg_core.tasks import TASKS
from gvseg_core.types import Outcome, TaskName
from tests.conftest import SHARED
from tests.models import write_tiny_model

INDEX = SHARED / "data" / "clips" / "clips.json"
ENTRIES: dict[str, dict[str, Any]] = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}
READABLE = [name for name, entry in ENTRIES.items() if entry.get("decodable_frames")]
FIRST = 9  # frames of a long clip
UNREADABLE = {
    "audio-only.mp4": "no video stream, only audio",
    "empty.mp4": "the file is empty",
    "text-not-video.mp4": "not a video but text",
    "truncated-no-index.mp4": "no index",
}
"""What is said of the clips that cannot be read."""


class Kept:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.outcome: Outcome | None = None

    def begin(self, video: VideoInfo) -> None: ...

    def write(self, result: FrameResult) -> None:
        self.results.append(result)

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def abort(self) -> None: ...


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors", short_side=40)


@pytest.fixture(scope="module")
def segmenters(model: Path) -> dict[str, Segmenter]:
    """One for each task; whatever it finds is shown."""
    every = {"birth_score": 0.0, "match_threshold": -1.0, "return_threshold": -1.0}
    made = {}
    for task in TASKS:
        decided: dict[str, Any] = {} if task == "vss" else {"conf": 0.0, "settings": {"tracking": every}}
        name: TaskName = task  # type: ignore[assignment]
        made[task] = load_segmenter(model, name, device="cpu", dtype="fp32", **decided)
    return made


def box_in_the_middle(size: tuple[int, int]) -> str:
    h, w = size
    return f"box:{w / 4},{h / 4},{w / 2},{h / 2}"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", READABLE)
def test_a_clip_gives_all_its_frames(name: str, task: str, segmenters: dict[str, Segmenter], clips: Path) -> None:
    entry, segmenter, kept = ENTRIES[name], segmenters[task], Kept()
    is_whole = task == "evs" or entry["decode_error"] or entry["decodable_frames"] <= FIRST
    stream = 0 if entry["video_streams"] > 1 else None  # the entry speaks of the first stream
    with open_video(clips / name, end=None if is_whole else f"f{FIRST}", stream=stream) as video:
        frames: Any = video
        if task == "evs":
            given = read_exemplars([box_in_the_middle(video.info.size)], video.info.size)
            frames = with_exemplars(video, given.by_frame)
        segment_video(video, frames, segmenter, [kept], stages=Stages())
    outcome = kept.outcome
    assert outcome is not None
    assert outcome.num_frames == len(kept.results)
    if entry["decode_error"]:
        assert entry["decodable_frames"] <= len(kept.results) < entry["header_frames"]
        assert not outcome.complete
        assert f"damaged: {len(kept.results)} of {entry['header_frames']} frames" in outcome.reason
    else:
        assert len(kept.results) == (entry["decodable_frames"] if is_whole else FIRST)
        assert (outcome.complete, outcome.reason) == (True, "")
    width, height = entry["coded"] if entry["rotation"] % 180 == 0 else reversed(entry["coded"])
    check_results(kept.results, (height, width), task, segmenter)
    times = [result.frame.time for result in kept.results]
    check_times(times, entry)
    assert [track.track_id for track in outcome.tracks] == sorted(
        {segment.track_id for result in kept.results for segment in result.segments}
    )


def check_results(results: list[FrameResult], size: tuple[int, int], task: str, segmenter: Segmenter) -> None:
    """Frames in order and upright, ids in order, masks of the picture's size, and none of them empty."""
    assert [result.frame.index for result in results] == list(range(len(results)))
    for result in results:
        assert result.frame.image.shape == (3, *size)
        assert result.problem == ""
        ids = [segment.track_id for segment in result.segments]
        assert ids == sorted(set(ids))
        areas = []
        for segment in result.segments:
            assert segment.mask.size == size
            assert 0 <= segment.class_id < len(segmenter.task.vocabulary)
            assert 0 <= segment.score <= 1
            areas.append(rle.area(segment.mask))
            assert areas[-1] > 0
        if task != "vis" and areas:
            assert sum(areas) == rle.area(rle.merge([segment.mask for segment in result.segments]))
        if task == "vss":
            assert sum(areas) == size[0] * size[1]
    if task != "vps":  # where queries may all lose
        assert any(result.segments for result in results)


def check_times(times: list[Fraction], entry: dict[str, Any]) -> None:
    """From 0 on, upwards; where the entry says so and nothing is missing, evenly, to the tick of any file's clock."""
    assert times[0] == 0
    steps = [b - a for a, b in pairwise(times)]
    assert all(step > 0 for step in steps)
    if entry["even_spacing"] and not entry["decode_error"]:
        assert all(abs(step - 1 / Fraction(entry["average_rate"])) <= Fraction(1, 500) for step in steps)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", sorted(set(ENTRIES) - set(READABLE)))
def test_a_clip_that_cannot_be_read_says_why(
    name: str, task: str, model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(VideoError, match=UNREADABLE[name]):
        open_video(clips / name)
    shown = ["--exemplar", "box:1,1,8,8"] if task == "evs" else []
    words = ["predict", str(clips / name), "--task", task, "--model", str(model), "-o", str(tmp_path), *shown]
    assert main(words) == VideoError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{name}: {UNREADABLE[name]}" in line
    assert not list(tmp_path.iterdir())
