"""What is written: times, colours, sizes, sound, streams, failures, and a kill in the middle."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gvseg_core.errors import OutputError, UsageError
from gvseg_core.types import VideoInfo
from gvseg_core.video.encode import VideoWriter
from gvseg_core.video.formats import CODECS, CONTAINERS
from gvseg_core.video.source import open_video
from tests.core.video.making import SIZE, grey, pictures


def info_of(size: tuple[int, int] = SIZE, **more: object) -> VideoInfo:
    return VideoInfo("clip", size, **{"rate": Fraction(25), "time_base": Fraction(1, 90000)} | more)  # type: ignore[arg-type]


def write(target: Path | io.BytesIO, count: int = 20, size: tuple[int, int] = SIZE, **options: object) -> VideoWriter:
    writer = VideoWriter(target, info_of(size), size, **options)  # type: ignore[arg-type]
    channels = 4 if options.get("alpha") else 3
    for i, picture in enumerate(pictures(count, size)):
        full = np.concatenate([picture, np.full((*size, channels - 3), 255, np.uint8)], axis=2)
        writer.write(full, Fraction(i, 25))
    writer.close()
    return writer


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_back_what_was_written(tmp_path: Path, container: str) -> None:
    path = tmp_path / f"clip.{container}"
    write(path)
    with open_video(path) as video:
        frames = list(video)
        assert (video.info.size, video.info.rate, video.problems) == (SIZE, 25, [])
        assert abs((video.info.duration or 0) - Fraction(20, 25)) < Fraction(1, 500)
        assert video.info.origin == 0
    assert [f.time for f in frames] == [Fraction(i, 25) for i in range(20)]
    assert all(abs(f.image.float().mean().item() - grey(f.index)) <= 4 for f in frames)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_keeps_colours_within_three_levels(tmp_path: Path, codec: str) -> None:
    for size in ((64, 64), (720, 64)):  # BT.601 and BT.709
        for colour in ((200, 60, 30), (20, 90, 200), (255, 255, 255), (0, 0, 0)):
            container = "mov" if codec == "prores4444" else "mkv"
            writer = VideoWriter(tmp_path / f"c.{container}", info_of(size), size, codec=codec)
            for i in range(2):
                writer.write(np.full((*size, 3), colour, np.uint8), Fraction(i, 25))
            writer.close()
            with open_video(tmp_path / f"c.{container}") as video:
                image = next(iter(video)).image
            assert np.abs(image[:, 30, 30].numpy().astype(int) - colour).max() <= 3


def test_colours_are_tagged_so_that_players_agree(tmp_path: Path) -> None:
    for size, tag in (((64, 64), 6), ((720, 64), 1)):
        write(tmp_path / "c.mp4", 2, size)
        with av.open(str(tmp_path / "c.mp4")) as container:
            context = container.streams.video[0].codec_context
            assert (context.color_range, context.colorspace, context.color_primaries, context.color_trc) == (
                1,
                tag,
                tag,
                tag,
            )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ticks=st.lists(st.integers(0, 50_000), min_size=1, max_size=12, unique=True).map(sorted),
    base=st.sampled_from([Fraction(1, 90000), Fraction(1, 11456), Fraction(1001, 30000), Fraction(1499, 45000)]),
)
def test_mp4_keeps_every_time_to_the_tick(tmp_path: Path, ticks: list[int], base: Fraction) -> None:
    writer = VideoWriter(tmp_path / "c.mp4", info_of(time_base=base), SIZE)
    for tick, picture in zip(ticks, pictures(len(ticks)), strict=True):
        writer.write(picture, tick * base)
    writer.close()
    with open_video(tmp_path / "c.mp4") as video:
        assert [f.time for f in video] == [(t - ticks[0]) * base for t in ticks]


def test_the_last_picture_lasts_as_long_as_the_one_before(tmp_path: Path) -> None:
    for times, duration in (([0], Fraction(1, 25)), ([0, 1], Fraction(2)), ([0, 1, 4], Fraction(7))):
        writer = VideoWriter(tmp_path / "c.mp4", info_of(), SIZE)
        for seconds, picture in zip(times, pictures(3), strict=False):
            writer.write(picture, Fraction(seconds))
        writer.close()
        with open_video(tmp_path / "c.mp4") as video:
            assert video.info.duration == duration


@pytest.mark.parametrize("size", [(1, 1), (47, 64), (48, 63), (121, 213)])
def test_odd_sides_are_padded_by_the_edge_where_the_codec_needs_it(tmp_path: Path, size: tuple[int, int]) -> None:
    writer = write(tmp_path / "c.mp4", 3, size)
    height, width = (s + s % 2 for s in size)
    assert writer.notes == [f"libx264 needs even sides: {size[1]}×{size[0]} is padded to {width}×{height}"]
    with open_video(tmp_path / "c.mp4") as video:
        assert video.info.size == (height, width)
        image = next(iter(video)).image
        assert int(image.max()) - int(image.min()) <= 3  # no border shows
    writer = write(tmp_path / "c.webm", 3, size)
    assert writer.notes == []
    with open_video(tmp_path / "c.webm") as video:
        assert video.info.size == size


def test_pixels_that_are_not_square_stay_so_or_it_is_said(tmp_path: Path) -> None:
    info = info_of(sample_aspect=Fraction(64, 45))
    for name in ("c.mp4", "c.mkv", "c.mov", "c.webm"):
        writer = VideoWriter(tmp_path / name, info, SIZE)
        writer.write(pictures(1)[0], Fraction(0))
        writer.close()
        with open_video(tmp_path / name) as video:
            kept = video.info.sample_aspect == Fraction(64, 45)
        assert kept == (writer.problems == []) == (name != "c.webm")


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(105611, 500), Fraction(45000, 1499), Fraction(1000), None])
def test_any_rate_is_written(tmp_path: Path, rate: Fraction | None) -> None:
    writer = VideoWriter(tmp_path / "c.mp4", info_of(rate=rate, time_base=1 / (rate or Fraction(25))), SIZE)
    for i, picture in enumerate(pictures(5)):
        writer.write(picture, i / (rate or Fraction(25)))
    writer.close()
    with open_video(tmp_path / "c.mp4") as video:
        assert [f.time for f in video] == [i / (rate or Fraction(25)) for i in range(5)]


# --- alpha --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "decoder"), [("a.mov", "prores"), ("a.webm", "libvpx-vp9"), ("a.mkv", "ffv1")])
def test_alpha_is_written_straight(tmp_path: Path, name: str, decoder: str) -> None:
    image = np.full((64, 64, 4), (200, 60, 30, 255), np.uint8)
    image[:, 32:, 3] = 64
    writer = VideoWriter(tmp_path / name, info_of((64, 64)), (64, 64), alpha=True)
    for i in range(3):
        writer.write(image, Fraction(i, 25))
    writer.close()
    with av.open(str(tmp_path / name)) as container:
        # FFmpeg's own VP9 decoder drops the alpha layer; libvpx reads it.
        context = av.CodecContext.create(decoder, "r")
        stream = container.streams.video[0]
        context.extradata = stream.codec_context.extradata
        context.width, context.height = stream.width, stream.height
        context.codec_tag = stream.codec_context.codec_tag
        frames = [f for packet in container.demux(stream) if packet.size for f in context.decode(packet)]
    pixels = frames[0].to_ndarray(format="rgba").astype(int)
    assert np.abs(pixels[20, 10] - (200, 60, 30, 255)).max() <= 4
    assert np.abs(pixels[20, 50] - (200, 60, 30, 64)).max() <= 4


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.mp4", {"alpha": True}, "no alpha in mp4"),
        ("a.mkv", {"alpha": True, "codec": "h264"}, "no alpha in mkv with libx264"),
        ("a.webm", {"codec": "h264"}, "libx264 cannot be put into webm"),
        ("a.mov", {"codec": "prores4444", "crf": 10}, "prores_ks has no constant rate factor"),
        ("a.mp4", {"codec": "h265"}, "unknown codec 'h265'"),
        ("a.mp4", {"container": "avi"}, "unknown container 'avi'"),
        ("a.xyz", {}, r"no video is written as \.xyz; known: mp4"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        VideoWriter(tmp_path / name, info_of(), SIZE, **options)  # type: ignore[arg-type]


def test_a_picture_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", info_of(), SIZE)
    with pytest.raises(ValueError, match=r"wanted a picture of shape \(48, 64, 3\), found \(64, 48, 3\)"):
        writer.write(np.zeros((64, 48, 3), np.uint8), Fraction(0))
    writer.abort()


# --- streams, failures, kills -------------------------------------------------------------------------------------


class Pipe(io.RawIOBase):
    """A stream that cannot go back, takes so many bytes and then fails."""

    def __init__(self, room: int = 1 << 30, failure: OSError | None = None) -> None:
        self.taken = bytearray()
        self.room = room
        self.failure = failure or BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if len(self.taken) >= self.room:
            raise self.failure
        part = bytes(data[:1000])  # as a real pipe may
        self.taken += part
        return len(part)


@pytest.mark.parametrize("container", [None, "mkv", "mp4", "webm", "mov"])
def test_a_stream_that_cannot_go_back_gets_a_video_that_plays(tmp_path: Path, container: str | None) -> None:
    pipe = Pipe()
    write(pipe, container=container)  # type: ignore[arg-type]
    assert not pipe.closed
    (tmp_path / "piped").write_bytes(pipe.taken)
    with open_video(tmp_path / "piped") as video:
        assert [f.time for f in video] == [Fraction(i, 25) for i in range(20)]
        assert ("matroska" in video.info.details["container"]) == (container in {None, "mkv", "webm"})


def noisy(writer: VideoWriter, count: int = 40) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        writer.write(rng.integers(0, 255, (*SIZE, 3), np.uint8), Fraction(i, 5))


@pytest.mark.parametrize("room", [0, 5000, 100_000])
def test_a_reader_that_leaves_is_a_broken_pipe(room: int, capfd: pytest.CaptureFixture[str]) -> None:
    writer = VideoWriter(Pipe(room), info_of(), SIZE)
    with pytest.raises(BrokenPipeError):
        noisy(writer, 1000)
    writer.abort()
    writer.abort()
    del writer
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("room", [0, 100_000])
def test_a_full_disk_is_told_with_its_number(room: int) -> None:
    writer = VideoWriter(Pipe(room, OSError(errno.ENOSPC, "No space left on device")), info_of(), SIZE)
    with pytest.raises(OutputError, match="the stream: cannot be written: No space left on device") as caught:
        noisy(writer, 1000)
    assert caught.value.errno == errno.ENOSPC
    writer.abort()


def test_a_disk_that_is_full_at_the_end_is_told_by_close(tmp_path: Path) -> None:
    writer = VideoWriter(Path("/dev/full"), info_of(), SIZE, container="mkv")
    writer.write(pictures(1)[0], Fraction(0))
    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left on device"):
        writer.close()


def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/a\.mp4: cannot be written: No such file or directory"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", info_of(), SIZE)


def test_a_video_without_pictures_is_no_video(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", info_of(), SIZE)
    with pytest.raises(OutputError, match="there was no picture"):
        writer.close()


def test_an_aborted_file_plays_as_far_as_it_was_written(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", info_of(), SIZE)
    noisy(writer, 200)
    writer.abort()
    with open_video(tmp_path / "a.mp4") as video:
        times = [f.time for f in video]
    assert 100 < len(times) < 200
    assert times == [Fraction(i, 5) for i in range(len(times))]


KILLED = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from gvseg_core.types import VideoInfo
from gvseg_core.video.encode import VideoWriter
writer = VideoWriter(Path(sys.argv[1]), VideoInfo("clip", (48, 64), rate=Fraction(25)), (48, 64))
rng = np.random.default_rng(0)
for i in range(10**6):
    writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8), Fraction(i, 25))
    if i == 250:
        print("now", flush=True)
"""


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_killed_writer_leaves_a_video_that_plays(tmp_path: Path, name: str) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / name], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"now\n"
        child.send_signal(signal.SIGKILL)
    with open_video(tmp_path / name) as video:
        times = [f.time for f in video]
    assert len(times) >= 150  # an encoder's look-ahead and half a second short of 250
    assert times == [Fraction(i, 25) for i in range(len(times))]


def test_writing_720p_is_quicker_than_the_slowest_use(tmp_path: Path) -> None:
    """Not a figure, a floor: something is wrong if a frame takes a fifth of a second."""
    size = (720, 1280)
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    writer = VideoWriter(tmp_path / "a.mp4", info_of(size), size, crf=40)
    started = time.process_time()
    for i in range(5):
        writer.write(image, Fraction(i, 25))
    writer.close()
    assert time.process_time() - started < 5
