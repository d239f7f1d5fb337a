"""Sound carried over: the same packets, in step with the pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from gvseg_core.video.encode import VideoWriter
from gvseg_core.video.source import open_video
from tests.core.video.making import make_clip

PACKET = Fraction(1024, 48000)  # seconds, of AAC


def heard(path: Path) -> list[tuple[Fraction, bytes]]:
    """Time and bytes of each packet of sound."""
    with av.open(str(path)) as container:
        stream = container.streams.best("audio")
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]


def rewrite(
    source: Path, target: Path, audio_range: tuple[Fraction, Fraction | None] | None = None, **part: object
) -> VideoWriter:
    with open_video(source, **part) as video:  # type: ignore[arg-type]
        writer = VideoWriter(target, video.info, video.info.size, audio_from=source, audio_range=audio_range)
        for frame in video:
            writer.write(frame.image.permute(1, 2, 0).numpy(), frame.time)
        writer.close()
    return writer


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of pictures and sound."""
    path = tmp_path_factory.mktemp("sound") / "loud.mp4"
    make_clip(path, 75, sound="aac")
    return path


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov"])
def test_all_packets_are_copied_byte_for_byte(loud: Path, tmp_path: Path, name: str) -> None:
    writer = rewrite(loud, tmp_path / name)
    assert writer.problems == []
    source = [(t, data) for t, data in heard(loud) if 0 <= t < 3]
    copied = heard(tmp_path / name)
    assert [data for _, data in copied] == [data for _, data in source]
    assert all(abs(a - b) <= Fraction(1, 1000) for (a, _), (b, _) in zip(copied, source, strict=True))


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_part_is_in_step_and_as_long_as_its_pictures(loud: Path, tmp_path: Path, name: str) -> None:
    rewrite(loud, tmp_path / name, start=1, end=2)
    when = {data: t for t, data in heard(loud)}
    copied = heard(tmp_path / name)
    assert len(copied) >= 45
    for time, data in copied:
        assert abs(time - (when[data] - 1)) <= Fraction(1, 1000)
    assert copied[-1][0] <= 1
    assert copied[0][0] < PACKET


def test_a_stride_keeps_the_sound(loud: Path, tmp_path: Path) -> None:
    rewrite(loud, tmp_path / "out.mp4", stride=5)
    assert abs(len(heard(tmp_path / "out.mp4")) - 3 / PACKET) <= 2


def test_only_the_asked_part_of_the_sound_is_copied(loud: Path, tmp_path: Path) -> None:
    rewrite(loud, tmp_path / "out.mkv", audio_range=(Fraction(1), Fraction(2)))
    times = [t for t, _ in heard(tmp_path / "out.mkv")]
    assert 1 <= times[0] < 1 + 2 * PACKET
    assert 2 - 2 * PACKET < times[-1] < 2


def test_sound_that_begins_late_stays_late(clips: Path, tmp_path: Path) -> None:
    rewrite(clips / "no-duration.webm", tmp_path / "out.mp4", end=1)
    first, copied = heard(clips / "no-duration.webm")[0][0], heard(tmp_path / "out.mp4")[0][0]
    assert first == copied == Fraction(15, 1000)


def test_a_file_that_begins_late_keeps_its_pictures_and_sound_together(tmp_path: Path) -> None:
    make_clip(
        tmp_path / "in.mkv", 50, ticks=[1000 + 40 * i for i in range(50)], time_base=Fraction(1, 1000), sound="aac"
    )
    with open_video(tmp_path / "in.mkv") as video:
        assert video.info.origin == 1
    rewrite(tmp_path / "in.mkv", tmp_path / "out.mkv")
    when = {data: t for t, data in heard(tmp_path / "in.mkv")}
    copied = heard(tmp_path / "out.mkv")
    assert copied
    assert all(abs(time - (when[data] - 1)) <= Fraction(1, 1000) for time, data in copied)


@pytest.mark.parametrize(("source", "target", "codec"), [("loud", "out.webm", "aac"), ("opus", "out.mov", "opus")])
def test_sound_the_container_does_not_take_is_left_out_and_named(
    loud: Path, clips: Path, tmp_path: Path, source: str, target: str, codec: str
) -> None:
    path = loud if source == "loud" else clips / "no-duration.webm"
    writer = rewrite(path, tmp_path / target, end=0.2)
    kind = target.split(".")[1]
    assert writer.problems == [f"no sound: {codec} cannot be put into {kind} unchanged; Matroska (.mkv) takes any"]
    with open_video(tmp_path / target) as video:
        assert not video.info.has_audio
        assert list(video)


def test_a_silent_file_and_a_file_that_is_gone_cost_nothing_but_the_sound(tmp_path: Path) -> None:
    make_clip(tmp_path / "silent.mp4", 5)
    assert rewrite(tmp_path / "silent.mp4", tmp_path / "out.mp4").problems == []
    with open_video(tmp_path / "silent.mp4") as video:
        writer = VideoWriter(tmp_path / "out2.mp4", video.info, video.info.size, audio_from=tmp_path / "gone.mp4")
        for frame in video:
            writer.write(frame.image.permute(1, 2, 0).numpy(), frame.time)
        writer.close()
    (problem,) = writer.problems
    assert problem.startswith("no sound: ")
    assert problem.endswith("cannot be opened again: No such file or directory")


def test_damaged_sound_breaks_off_and_the_pictures_go_on(loud: Path, tmp_path: Path) -> None:
    make_clip(tmp_path / "in.mp4", 75, sound="aac", muxing={"movflags": "faststart"})
    content = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[:-3000])
    with open_video(loud) as video:
        writer = VideoWriter(tmp_path / "out.mp4", video.info, video.info.size, audio_from=tmp_path / "cut.mp4")
        for frame in video:
            writer.write(frame.image.permute(1, 2, 0).numpy(), frame.time)
        writer.close()
    with open_video(tmp_path / "out.mp4") as video:
        assert len(list(video)) == 75
    assert 0 < len(heard(tmp_path / "out.mp4")) < len(heard(loud))
