"""A far start: jumped to, and nobody can tell the difference."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from gvseg_core.video import decode, seek
from gvseg_core.video.selection import Moment
from gvseg_core.video.source import open_video
from tests.core.video.making import make_clip


@pytest.fixture
def jumps(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """What each jump answered; every start counts as far."""
    answers: list[int | None] = []

    def spied(*given: object) -> int | None:
        answers.append(seek.jump(*given))  # type: ignore[arg-type]
        return answers[-1]

    monkeypatch.setattr(decode, "jump", spied)
    monkeypatch.setattr(decode, "is_far", lambda _: True)
    return answers


def both_ways(
    path: Path, monkeypatch: pytest.MonkeyPatch, **options: object
) -> tuple[list[tuple[int, Fraction, torch.Tensor]], list[tuple[int, Fraction, torch.Tensor]], bool]:
    """The same part jumped to, and decoded to; and whether counts and problems agree."""
    runs = []
    for far in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(decode, "is_far", lambda _, far=far: far)
            with open_video(path, **options) as video:  # type: ignore[arg-type]
                frames = [(f.index, f.time, f.image) for f in video]
                runs.append((frames, video.problems, video.notes, video.num_decoded, video.num_expected))
    return runs[0][0], runs[1][0], runs[0][1:] == runs[1][1:]


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("start", ["f17", "f29", 0.5, "f12"])
def test_a_jump_gives_what_decoding_gives(
    tmp_path: Path, kind: str, start: str | float, jumps: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{kind}"
    codec = "mpeg4" if kind == "avi" else "libx264"
    make_clip(path, 40, codec=codec, time_base=Fraction(1, 25), options={"g": "12", "sc_threshold": "0"})
    jumped, decoded, agree = both_ways(path, monkeypatch, start=start, end="f35")
    assert [f[:2] for f in jumped] == [f[:2] for f in decoded]
    assert all(torch.equal(a[2], b[2]) for a, b in zip(jumped, decoded, strict=True))
    assert agree
    if kind in {"mp4", "mkv"}:
        assert jumps == [12 if start != "f29" else 24]


def test_an_interlaced_clip_is_jumped_to_as_well(
    tmp_path: Path, jumps: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(
        tmp_path / "i.mp4",
        40,
        codec="mpeg2video",
        options={"flags": "+ildct+ilme", "g": "10", "bf": "0", "sc_threshold": "1000000000"},
        tags={"field_order": 2},
        time_base=Fraction(1, 25),
    )
    jumped, decoded, _ = both_ways(tmp_path / "i.mp4", monkeypatch, start="f23")
    assert jumps == [20]
    assert [f[:2] for f in jumped] == [f[:2] for f in decoded] == [(i, Fraction(i, 25)) for i in range(23, 40)]
    assert all(torch.equal(a[2], b[2]) for a, b in zip(jumped, decoded, strict=True))


@pytest.mark.parametrize("name", ["hevc-open-gop.mkv", "vfr.mp4", "asl-book.mkv", "odd-rate.mp4", "truncated-tail.mp4"])
def test_real_clips_too(clips: Path, name: str, jumps: list[int | None], monkeypatch: pytest.MonkeyPatch) -> None:
    jumped, decoded, agree = both_ways(clips / name, monkeypatch, start="f31")
    assert [f[:2] for f in jumped] == [f[:2] for f in decoded]
    assert all(torch.equal(a[2], b[2]) for a, b in zip(jumped, decoded, strict=True))
    assert agree
    assert jumps[0] is not None


def test_a_start_beyond_the_end_is_still_told(tmp_path: Path, jumps: list[int | None]) -> None:
    make_clip(tmp_path / "a.mp4", 20)
    with pytest.raises(ValueError, match=r"the video has 20 frames in 0\.8 s, the start is 50 s"):
        open_video(tmp_path / "a.mp4", start=50)
    assert jumps == [None]


@pytest.mark.parametrize(
    ("start", "far"), [(Moment(frame=250), False), (Moment(frame=251), True), (Moment(seconds=Fraction(11)), True)]
)
def test_only_a_far_start_is_jumped_to(start: Moment, far: bool) -> None:
    assert seek.is_far(start) == far
