"""Frames of made clips: counts, times, colours, shape, damage."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gvseg_core.errors import UsageError, VideoError
from gvseg_core.types import VideoSource
from gvseg_core.video.source import open_video
from tests.core.video.making import RATE, SIZE, Picture, grey, make_clip, pictures


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 pictures, key frames every 12, B-frames between."""
    path = tmp_path_factory.mktemp("clips") / "plain.mp4"
    make_clip(path)
    return path


def numbers(path: Path, **options: object) -> list[int]:
    """Which of the made pictures the frames show, told by their grey."""
    with open_video(path, **options) as video:  # type: ignore[arg-type]
        levels = {grey(i): i for i in range(60)}
        means = [f.image.float().mean().item() for f in video]
    return [levels[min(levels, key=lambda g: abs(g - mean))] for mean in means]


def test_every_frame_comes_once_with_its_number_time_and_picture(plain: Path) -> None:
    with open_video(plain) as video:
        assert isinstance(video, VideoSource)
        assert (video.info.name, video.info.size, video.info.rate) == ("plain", SIZE, RATE)
        assert (video.info.num_frames, video.info.duration) == (30, Fraction(30, 25))
        frames = list(video)
        assert (video.problems, video.notes) == ([], [])
        assert (video.num_decoded, video.num_expected, video.num_errors) == (30, 30, 0)
    assert [(f.index, f.time) for f in frames] == [(i, Fraction(i, 25)) for i in range(30)]
    for frame in frames:
        assert tuple(frame.image.shape) == (3, *SIZE)
        assert frame.image.stride(0) == 1
        assert abs(frame.image.float().mean().item() - grey(frame.index)) <= 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"start": "f7"}, range(7, 30)),
        ({"start": 0.4, "end": "0.8"}, range(10, 20)),
        ({"start": "00:00:00.41"}, range(11, 30)),
        ({"end": "f3"}, range(3)),
        ({"start": "f5", "stride": 4}, range(5, 30, 4)),
    ],
)
def test_a_part_keeps_its_numbers_and_times(plain: Path, options: dict[str, object], expected: range) -> None:
    with open_video(plain, **options) as video:  # type: ignore[arg-type]
        assert video.info.num_frames == len(expected)
        found = [(f.index, f.time) for f in video]
    assert found == [(i, Fraction(i, 25)) for i in expected]
    assert numbers(plain, **options) == list(expected)


@pytest.mark.parametrize("options", [{"start": "f30"}, {"start": 99}, {"start": "f29", "end": "0.5"}])
def test_a_part_without_frames_is_refused_with_the_true_length(plain: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"no frame is chosen: the video has \d+ frames? in [\d.]+ s, the start is"):
        open_video(plain, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [0, -1, 1001, float("nan")])
def test_an_impossible_rate_is_refused(plain: Path, fps: float) -> None:
    with pytest.raises(UsageError, match="frames a second: wanted"):
        open_video(plain, fps=fps)


def test_a_given_rate_replaces_the_files_own_times(plain: Path) -> None:
    with open_video(plain, fps=10) as video:
        assert (video.info.rate, video.info.time_base) == (10, Fraction(1, 10))
        assert [f.time for f in video] == [Fraction(i, 10) for i in range(30)]


def test_uneven_times_are_kept_to_the_tick(tmp_path: Path) -> None:
    ticks = [0, 3, 3003, 9009, 12012, 90000]
    make_clip(tmp_path / "vfr.mp4", 6, ticks=ticks, time_base=Fraction(1, 90000))
    with open_video(tmp_path / "vfr.mp4") as video:
        assert [f.time / Fraction(1, 90000) for f in video] == ticks
        assert video.notes == []


def test_time_zero_is_the_first_picture_wherever_the_file_begins(tmp_path: Path) -> None:
    make_clip(tmp_path / "late.ts", 10, ticks=[45000 + i * 3600 for i in range(10)], time_base=Fraction(1, 90000))
    with open_video(tmp_path / "late.ts") as video:
        assert video.info.origin > 0
        assert [f.time for f in video] == [Fraction(i, 25) for i in range(10)]


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_raw_stream_without_times_goes_by_its_rate(tmp_path: Path, codec: str) -> None:
    kind = "h264" if codec == "libx264" else "mpeg2video"
    path = tmp_path / f"raw.{'h264' if codec == 'libx264' else 'mpg'}"
    make_clip(path, 12, format=kind, codec=codec, time_base=1 / RATE)
    with open_video(path, fps=50) as video:
        assert [f.time for f in video] == [Fraction(i, 50) for i in range(12)]


@pytest.mark.parametrize(("flip_x", "flip_y"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_and_mirrored_clips_come_out_upright(tmp_path: Path, degrees: int, flip_x: bool, flip_y: bool) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 250  # the corner that is stored at the top left
    make_clip(
        tmp_path / "t.mp4", [image] * 3, turned=(degrees, flip_x, flip_y), tags={"sample_aspect_ratio": Fraction(4, 3)}
    )
    with open_video(tmp_path / "t.mp4") as video:
        shown = next(iter(video)).image[0].numpy()
        sideways = degrees in {90, 270}
        assert video.info.size == ((64, 48) if sideways else (48, 64)) == shown.shape
        assert video.info.sample_aspect == (Fraction(3, 4) if sideways else Fraction(4, 3))
    expected = np.rot90(image[..., 0], degrees // 90)  # counter-clockwise
    expected = expected[:, ::-1] if flip_x else expected
    expected = expected[::-1] if flip_y else expected
    assert np.abs(shown.astype(int) - expected).mean() < 5


def test_an_odd_angle_is_said_and_ignored(tmp_path: Path) -> None:
    make_clip(tmp_path / "t.mp4", 3, turned=(30, False, False))
    with open_video(tmp_path / "t.mp4") as video:
        assert video.info.size == SIZE
        assert any("only quarter turns" in note for note in video.notes)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (47, 63), (2, 300)])
def test_odd_and_tiny_pictures_keep_their_size(tmp_path: Path, size: tuple[int, int]) -> None:
    make_clip(tmp_path / "odd.mkv", pictures(3, size), codec="ffv1", pix_fmt="bgr0")
    with open_video(tmp_path / "odd.mkv") as video:
        assert video.info.size == size
        assert [int(f.image[1, 0, 0]) for f in video] == [grey(0), grey(1), grey(2)]


def test_ten_bits_and_full_range_come_out_right(tmp_path: Path) -> None:
    colour = np.full((48, 64, 3), (200, 60, 30), np.uint8)
    for name, codec, pix_fmt, color_range in (
        ("ten.mkv", "ffv1", "yuv420p10le", 1),
        ("full.mkv", "mjpeg", "yuvj420p", 2),
    ):
        tags = {"colorspace": 5, "color_range": color_range}
        make_clip(tmp_path / name, [colour] * 2, codec=codec, pix_fmt=pix_fmt, tags=tags)
        with open_video(tmp_path / name) as video:
            assert np.abs(next(iter(video)).image[:, 9, 9].numpy().astype(int) - (200, 60, 30)).max() <= 3


def test_too_large_a_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    make_clip(tmp_path / "wide.mkv", [np.zeros((2, 16400, 3), np.uint8)], codec="ffv1", pix_fmt="gray")
    with pytest.raises(VideoError, match=r"16400×2 pixels is too large: the limit is 16384 a side"):
        open_video(tmp_path / "wide.mkv")


def test_another_size_on_the_way_is_letterboxed_into_the_first(tmp_path: Path) -> None:
    for name, size in (("a.h264", (48, 64)), ("b.h264", (32, 96))):
        make_clip(tmp_path / name, pictures(5, size), format="h264", time_base=1 / RATE)
    both = tmp_path / "both.h264"
    both.write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    with open_video(both, fps=25) as video:
        frames = list(video)
        assert [f.image.shape[1:] for f in frames] == [(48, 64)] * 10
        assert any("letterboxed into the first, from frame 5 on" in n for n in video.notes)
    assert frames[9].image[:, :8].max() == 0
    assert frames[9].image[:, 20:28].float().mean() > 25


def test_the_larger_video_stream_is_read_unless_one_is_named(clips: Path) -> None:
    path = clips / "nasa-two-video-streams.mp4"
    with open_video(path) as video:
        assert video.info.size == (270, 480)
        assert "2 video streams (0: 320×180, 3: 480×270); stream 3 is read" in video.notes
    with open_video(path, stream=0) as video:
        assert video.info.size == (180, 320)
    with pytest.raises(UsageError, match="stream 1 is not a video stream; there are: 0, 3"):
        open_video(path, stream=1)


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "muxing"),
    [
        ("a.mp4", {"movflags": "faststart"}),
        ("a.mkv", {}),
        ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.flv", {}),
    ],
)
def test_a_cut_file_gives_what_is_there_and_says_so(tmp_path: Path, name: str, muxing: dict[str, str]) -> None:
    path = tmp_path / name
    rng = np.random.default_rng(0)
    noisy = [p // 2 + rng.integers(0, 60, p.shape, np.uint8) for p in pictures(60)]  # so that bytes spread evenly
    make_clip(path, noisy, muxing=muxing, time_base=Fraction(1, 1000) if name.endswith("flv") else Fraction(1, 12800))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with open_video(path) as video:
        found = list(video)
        assert 20 <= len(found) < 50
        assert [f.index for f in found] == list(range(len(found)))
        assert video.num_decoded == len(found)
        (problem,) = video.problems
    assert problem.startswith((f"damaged: {len(found)} of ", f"damaged: cut off after {len(found)} frames"))


def test_nothing_is_said_of_a_cut_beyond_the_asked_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, 60, muxing={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-200])
    with open_video(path, end="f20") as video:
        assert len(list(video)) == 20
        assert video.problems == []


def test_flipped_bytes_cost_few_frames_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    rng = np.random.default_rng(1)
    make_clip(path, [rng.integers(0, 255, (*SIZE, 3), np.uint8) for _ in range(60)], muxing={"movflags": "faststart"})
    content = bytearray(path.read_bytes())
    for place in rng.integers(len(content) // 4, len(content), 60):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with open_video(path) as video:
        assert len(list(video)) > 30
        assert video.num_errors > 0 or video.problems
        assert video.problems[0].startswith("damaged: ")


@pytest.fixture(scope="module", params=["mp4", "mkv", "ts", "avi"])
def seed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    path = tmp_path_factory.mktemp("seed") / f"seed.{request.param}"
    codec = "mpeg4" if request.param == "avi" else "libx264"
    make_clip(path, 8, codec=codec, time_base=1 / RATE if request.param == "avi" else Fraction(1, 12800), sound="aac")
    return request.param, path.read_bytes()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_the_bytes_it_is_frames_or_one_clear_line(
    tmp_path: Path, seed: tuple[str, bytes], data: st.DataObject
) -> None:
    kind, content = seed
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for place in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=8)) if damaged else []:
        damaged[place] = data.draw(st.integers(0, 255))
    path = tmp_path / f"fuzz.{kind}"
    path.write_bytes(damaged)
    try:
        with open_video(path) as video:
            times = [f.time for f in video]
            assert all(a < b for a, b in pairwise(times))
            lines = video.problems + video.notes
    except VideoError as error:
        lines = [str(error)]
    assert all("\n" not in line for line in lines)


# --- what may be opened -------------------------------------------------------------------------------------------


def test_a_local_file_cannot_pull_in_another(tmp_path: Path) -> None:
    make_clip(tmp_path / "secret.ts", 5, time_base=Fraction(1, 90000))
    lists = {
        "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
        "concat.mp4": "ffconcat version 1.0\nfile {}\n",
    }
    for name, text in lists.items():
        for target in ("secret.ts", f"file:{tmp_path}/secret.ts", f"concat:{tmp_path}/secret.ts"):
            (tmp_path / name).write_text(text.format(target))
            with pytest.raises(VideoError, match="playlists are read from URLs only"):
                open_video(tmp_path / name)


def test_a_failing_address_is_told_without_its_password() -> None:
    with pytest.raises(VideoError) as caught:
        open_video("http://me:secret@127.0.0.1:9/clip.mp4")
    assert str(caught.value) == "http://***@127.0.0.1:9/clip.mp4: cannot be opened: Connection refused"


@pytest.mark.parametrize(
    ("name", "muxing"),
    [
        ("a.mkv", {}),
        ("a.ts", {}),
        ("a.mp4", {"movflags": "faststart"}),
        ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}),
    ],
)
def test_a_pipe_is_read_where_the_format_allows_it(tmp_path: Path, name: str, muxing: dict[str, str]) -> None:
    make_clip(tmp_path / name, noise(), muxing=muxing)
    with piped(tmp_path / name) as pipe, open_video(pipe) as video:
        assert [f.index for f in video] == list(range(30))
        assert video.problems == []


def test_a_pipe_of_mp4_with_its_index_last_says_what_would_work(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", noise())
    with piped(tmp_path / "a.mp4") as pipe, pytest.raises(VideoError, match=r"index at the end.*faststart.*Matroska"):
        open_video(pipe)


def noise() -> list[Picture]:
    """30 pictures that make a file larger than what FFmpeg buffers."""
    return list(np.random.default_rng(0).integers(0, 255, (30, 96, 96, 3), np.uint8))


@contextmanager
def piped(path: Path) -> Iterator[Path]:
    """A named pipe through which the file comes."""
    pipe = path.with_suffix(".pipe")
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'exec cat "$1" > "$2"', "sh", path, pipe], stderr=subprocess.DEVNULL):
        yield pipe


def test_stdin_may_be_a_file_that_can_be_gone_back_in(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", noise())
    code = "from gvseg_core.video.source import open_video as o\nwith o('-') as v: print(len(list(v)), v.info.name)"
    with open(tmp_path / "a.mp4", "rb") as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("30 stdin\n", "")


# --- nothing is left behind ---------------------------------------------------------------------------------------


def test_files_are_closed_whatever_happens(tmp_path: Path, plain: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    asked = {str(path.resolve()) for path in (plain, tmp_path / "text.mp4")}

    def held() -> set[str]:
        """Of them alone: what libraries and other tests hold may come and go."""
        return {file.path for file in psutil.Process().open_files()} & asked

    with open_video(plain) as video:
        next(iter(video))
        assert held() == {str(plain.resolve())}
    for _ in range(5):
        with open_video(plain) as video:
            next(iter(video))
        with pytest.raises(VideoError):
            open_video(tmp_path / "text.mp4")
        with pytest.raises(UsageError):
            open_video(plain, start=99)
        with pytest.raises(UsageError):
            open_video(plain, stream=7)
    assert held() == set()


def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    make_clip(tmp_path / "long.mp4", [np.full((180, 320, 3), grey(i), np.uint8) for i in range(400)])
    here, peaks = psutil.Process(os.getpid()), []
    gc.collect()
    gc.disable()  # frames in reference cycles would pile up and show
    try:
        for _ in range(4):
            with open_video(tmp_path / "long.mp4") as video:
                assert sum(1 for _ in video) == 400
            peaks.append(here.memory_info().rss)
    finally:
        gc.enable()
    assert peaks[3] - peaks[1] < 15e6  # 800 frames of 173 kB are 138 MB
