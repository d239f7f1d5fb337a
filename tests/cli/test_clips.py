"""Real clips through the whole command: frames, sizes and times survive, and damage is survived and told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from tests.cli.conftest import Done, write_clip
from tests.conftest import shared

Run = Callable[..., Done]
WORDS = ("--task", "vss", "--model", "MODEL", "--size", "32", "--no-labels")

# name, options, frames, (H, W) of the upright picture, exit code, what is said
CLIPS = [
    ("animated.gif", (), 16, (208, 160), 0, ""),
    ("corrupted.mp4", ("--save", "json"), None, (720, 1280), 1, r"damaged: \d+ of 50 frames"),
    ("h264-10bit.mp4", (), 30, (200, 200), 0, ""),
    ("interlaced-anamorphic.ts", (), 24, (288, 360), 0, "interlaced"),
    ("nasa-two-video-streams.mp4", ("--end", "f4"), 4, (270, 480), 0, "video streams .*stream .* is read"),
    ("no-duration.webm", ("--end", "f4"), 4, (720, 1280), 0, ""),
    ("odd-rate.mp4", ("--end", "f9"), 9, (180, 320), 0, ""),
    ("odd-size-mjpeg.avi", (), 24, (121, 213), 0, "213×121 is padded to 214×122"),
    ("one-frame.mp4", (), 1, (180, 320), 0, ""),
    ("one-pixel.mp4", (), 5, (1, 1), 0, "padded"),
    ("rotated-90.mov", (), 3, (568, 320), 0, ""),
    ("street-1080p-3fps.mp4", (), 8, (1080, 1920), 0, ""),
    ("truncated-tail.mp4", (), 47, (180, 320), 1, "damaged: 47 of 120 frames"),
    ("vfr.mp4", (), 56, (180, 320), 0, ""),
]


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as video:
        return [float(frame.time) for frame in video.decode(video=0)]


@pytest.mark.parametrize(("name", "more", "count", "size", "code", "says"), CLIPS, ids=lambda value: str(value)[:26])
def test_a_real_clip_gives_all_it_holds(
    name: str, more: tuple[str, ...], count: int | None, size: tuple[int, int], code: int, says: str, gvseg: Run
) -> None:
    stem = Path(shutil.copy(shared("data", "clips", name), name)).stem
    done = gvseg("predict", name, *WORDS, *more)
    assert (done.code, done.errors) == (code, []), done.err
    assert re.search(says, done.err), done.err
    told = json.loads(Path(f"{stem}.vss.json").read_text())
    video: dict[str, Any] = told["videos"][0]
    assert told["info"]["complete"] is (code == 0)
    assert (video["height"], video["width"]) == size
    assert count in {None, video["length"]}
    if "json" not in more:
        # MP4 keeps the source's own clock; its first picture is at 0.
        expected = [time - video["times_s"][0] for time in video["times_s"]]
        assert times_of(Path(f"{stem}.vss.mp4")) == pytest.approx(expected, abs=1e-4)


def test_a_matroska_cut_short_without_an_error_is_noticed(gvseg: Run, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "cut.mkv", 60)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    done = gvseg("predict", "cut.mkv", *WORDS)
    assert done.code == 1, done.err
    assert "damaged: " in done.err
    info = json.loads((tmp_path / "cut.vss.json").read_text())["info"]
    assert (info["complete"], "damaged: " in info["reason"]) == (False, True)


def test_one_bad_file_does_not_end_the_night(gvseg: Run, tmp_path: Path) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    for number in (1, 3):
        write_clip(folder / f"{number}.mp4", 2)
    (folder / "2.mp4").write_bytes(b"")
    done = gvseg("predict", "night", *WORDS, "--save", "csv")
    assert (done.code, done.out, len(done.errors)) == (1, b"1.vss.csv\n3.vss.csv\n", 1)
    assert "3 inputs: 2 done, 1 failed" in done.err
    stopped = gvseg("predict", "night", *WORDS, "--save", "csv", "-o", "out", "--on-error", "stop")
    assert (stopped.code, stopped.out) == (3, b"out/1.vss.csv\n")
    assert "1 not begun" in stopped.err
