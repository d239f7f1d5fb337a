"""`open_video` on the real clips: each gives what its entry says."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gvseg_core.errors import UsageError, VideoError
from gvseg_core.video.source import open_video
from tests.conftest import SHARED

INDEX = SHARED / "data" / "clips" / "clips.json"
ENTRIES: dict[str, dict[str, Any]] = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}
DECODABLE = [name for name, entry in ENTRIES.items() if entry.get("decodable_frames")]
UNREADABLE = {
    "audio-only.mp4": "no video stream, only audio",
    "empty.mp4": "the file is empty",
    "text-not-video.mp4": "not a video but text",
    "truncated-no-index.mp4": "no index (moov): the recording was cut",
}


@pytest.mark.parametrize("name", DECODABLE)
def test_a_clip_gives_what_its_entry_says(clips: Path, name: str) -> None:
    entry = ENTRIES[name]
    stream = 0 if entry["video_streams"] > 1 else None  # the entry speaks of the first stream
    with open_video(clips / name, stream=stream) as video:
        info = video.info
        last, count = Fraction(-1), 0
        for frame in video:
            assert frame.index == count
            assert frame.time > last
            assert tuple(frame.image.shape) == (3, *info.size)
            last, count = frame.time, count + 1
        problems = video.problems
    width, height = entry["coded"]
    assert info.size == ((width, height) if abs(entry["rotation"]) == 90 else (height, width))
    assert info.sample_aspect == Fraction(entry["sar"] or 1)
    assert info.rate == Fraction(entry["average_rate"])
    assert info.has_audio == bool(entry["audio"])
    if entry["decode_error"] is None:
        assert count == entry["decodable_frames"]
        assert problems == []
    else:
        assert count >= entry["decodable_frames"]
        assert problems[0].startswith(f"damaged: {count} of {entry['header_frames']} frames could be decoded")
    if entry["header_frames"]:
        assert info.num_frames == entry["header_frames"]


@pytest.mark.parametrize("name", sorted(set(ENTRIES) - set(DECODABLE)))
def test_a_clip_that_cannot_be_read_says_why(clips: Path, name: str) -> None:
    with pytest.raises(VideoError) as caught:
        open_video(clips / name)
    assert str(caught.value).startswith(f"{clips / name}: {UNREADABLE[name]}")


def test_the_uneven_clip_is_uneven_and_the_others_are_not(clips: Path) -> None:
    for name in ("vfr.mp4", "odd-rate.mp4", "juggle.mp4"):
        with open_video(clips / name, end="f40") as video:
            times = [f.time for f in video]
        steps = {b - a for a, b in pairwise(times)}
        assert (len(steps) == 1) == ENTRIES[name]["even_spacing"]


def test_a_word_for_several_videos_is_refused(clips: Path) -> None:
    with pytest.raises(UsageError, match="2 videos; open them one by one"):
        open_video(str(clips / "rotated-*.mov"))


def test_the_demo_is_not_opened_here() -> None:
    with pytest.raises(UsageError, match="demo is rendered"):
        open_video("demo")
