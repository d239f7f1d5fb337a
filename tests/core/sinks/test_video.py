"""Overlay and alpha as video files, read back with PyAV."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gvseg_core.errors import OutputError, UsageError
from gvseg_core.ops import rle
from gvseg_core.sinks.content import image_of
from gvseg_core.sinks.drawing import Painter
from gvseg_core.sinks.video import AlphaVideo, OverlayVideo, VideoSink
from gvseg_core.types import FrameResult
from tests.core.sinks.scenes import SIZE, box_mask, decoded, outcome, result, results, segment, settings, video


def written(sink: VideoSink, shown: list[FrameResult], size: tuple[int, int] = SIZE) -> None:
    sink.begin(video(size=size))
    for one in shown:
        sink.write(one)
    sink.end(outcome(shown))


@pytest.mark.parametrize("task", ["vis", "vps"])
def test_the_overlay_is_what_was_drawn_at_the_times_of_the_frames(task: str, tmp_path: Path) -> None:
    times = [Fraction(t) for t in ("0", "1/25", "3/25", "1/2")]
    shown = [replace(r, frame=replace(r.frame, time=t)) for r, t in zip(results(task), times, strict=True)]
    written(OverlayVideo(tmp_path / "a.mkv", settings(task, codec="ffv1")), shown)
    found = decoded(str(tmp_path / "a.mkv"))
    assert [time for time, _ in found] == times
    for one, (_, picture) in zip(shown, found, strict=True):
        assert np.array_equal(picture, Painter(settings(task)).draw(one))


def test_an_ordinary_overlay_looks_like_what_was_drawn(tmp_path: Path) -> None:
    size = (121, 161)
    shown = [result(t, [segment(1, 0, box_mask(20, 20, 100, 100, size))], size) for t in range(3)]
    sink = OverlayVideo(tmp_path / "a.mp4", settings())
    written(sink, shown, size)
    for one, (_, picture) in zip(shown, decoded(str(tmp_path / "a.mp4")), strict=True):
        assert np.abs(picture[:121, :161].astype(int) - Painter(settings()).draw(one)).mean() < 4
    assert any("even sides" in note for note in sink.notes)
    assert sink.problems == []


def test_alpha_is_one_inside_any_mask_and_colours_are_the_frames(tmp_path: Path) -> None:
    shown = [*results("vis"), result(4)]
    written(AlphaVideo(tmp_path / "a.mkv", settings()), shown)
    for one, (_, picture) in zip(shown, decoded(str(tmp_path / "a.mkv"), "rgba"), strict=True):
        inside = np.any([np.zeros(SIZE, bool), *(rle.decode(found.mask) for found in one.segments)], axis=0)
        assert np.array_equal(picture[..., 3], 255 * inside)
        assert np.array_equal(picture[..., :3], image_of(one.frame))


def test_the_usual_alpha_video_opens_in_editors(tmp_path: Path) -> None:
    shown = results("vis")
    written(AlphaVideo(tmp_path / "a.mov", settings(codec="h264", crf=30)), shown)  # neither is for alpha
    for one, (_, picture) in zip(shown, decoded(str(tmp_path / "a.mov"), "rgba"), strict=True):
        x, y, w, h = rle.box_xywh(one.segments[0].mask)  # which is a box
        assert picture[y + 2 : y + h - 2, x + 2 : x + w - 2, 3].min() > 250
        assert picture[44:, :, 3].max() < 5


def test_a_container_without_alpha_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    sink = AlphaVideo(tmp_path / "a.mp4", settings())
    with pytest.raises(UsageError, match=r"no alpha in mp4"):
        sink.begin(video())
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="container"):
        OverlayVideo(tmp_path / "a.xyz", settings()).begin(video())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    sink = OverlayVideo(tmp_path / "no" / "such" / "a.mp4", settings())
    with pytest.raises(OutputError, match="there is no folder"):
        sink.begin(video())
