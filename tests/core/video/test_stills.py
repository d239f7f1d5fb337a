"""Folders of frames and single pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.errors import UsageError, VideoError
from gvseg_core.types import VideoSource
from gvseg_core.video.source import open_video
from gvseg_core.video.stills import picture_size, read_picture
from tests.core.video.making import SIZE, grey, pictures


def save(folder: Path, names: list[str]) -> Path:
    """Pictures number 0, 1, … under these names."""
    folder.mkdir(exist_ok=True)
    for name, picture in zip(names, pictures(len(names)), strict=True):
        Image.fromarray(picture).save(folder / name)
    return folder


def levels(path: Path, **options: object) -> list[int]:
    with open_video(path, **options) as video:  # type: ignore[arg-type]
        return [int(f.image[0, 0, 0]) for f in video]


def test_frames_come_in_natural_order_at_25_a_second(tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", ["1.png", "2.png", "10.png"])
    (folder / ".DS_Store").write_bytes(b"junk")
    (folder / "notes.txt").write_text("no picture")
    with open_video(folder) as video:
        assert isinstance(video, VideoSource)
        assert (video.info.name, video.info.size, video.info.num_frames) == ("clip", SIZE, 3)
        found = list(video)
        assert "pictures carry no time: 25 a second taken" in video.notes
        assert video.problems == []
    assert [(f.index, f.time, int(f.image[0, 0, 0])) for f in found] == [
        (i, Fraction(i, 25), grey(i)) for i in range(3)
    ]


def test_a_part_of_them_at_another_rate(tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", [f"{i:05d}.png" for i in range(10)])
    with open_video(folder, fps=Fraction(30000, 1001), start="f2", end="f9", stride=3) as video:
        assert video.info.num_frames == 3
        assert [(f.index, f.time) for f in video] == [(i, i * Fraction(1001, 30000)) for i in (2, 5, 8)]
        assert video.notes == []
    with pytest.raises(UsageError, match=r"there are 10 pictures in 0\.4 s, the start is frame 10"):
        open_video(folder, start="f10")


@pytest.mark.parametrize(
    ("numbers", "noted"), [([0, 5, 10, 15], False), ([0, 1, 2, 7, 8], True), ([3, 4, 5], False), ([1, 2], False)]
)
def test_a_gap_in_the_numbers_is_noted(tmp_path: Path, numbers: list[int], noted: bool) -> None:
    folder = save(tmp_path / "clip", [f"{n:05d}.png" for n in numbers])
    with open_video(folder) as video:
        gaps = [n for n in video.notes if "gaps in the numbers" in n]
    assert bool(gaps) == noted
    if noted:
        assert "the first between 00002.png and 00007.png" in gaps[0]


def test_an_unreadable_picture_is_left_out_and_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", ["0.png", "1.png", "2.png", "3.png"])
    (folder / "0.png").write_bytes(b"")
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:60])
    with open_video(folder) as video:
        assert [(f.index, int(f.image[0, 0, 0])) for f in video] == [(1, grey(1)), (3, grey(3))]
        assert (video.num_decoded, video.num_expected, video.num_errors) == (2, 4, 2)
        empty, cut = video.problems
    assert empty == f"{folder / '0.png'}: not a picture that can be read: it is empty; left out"
    assert cut.startswith(f"{folder / '2.png'}: not a picture that can be read: ")


def test_a_folder_in_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_text("text")
    with pytest.raises(VideoError, match=r"1\.jpg: not a picture that can be read"):
        open_video(tmp_path)


def test_a_picture_of_another_size_is_letterboxed_and_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", ["1.png", "2.png"])
    Image.fromarray(np.full((10, 64, 3), 99, np.uint8)).save(folder / "3.png")
    with open_video(folder) as video:
        last = list(video)[-1].image
        assert "3.png: 64×10, unlike the first picture: letterboxed" in video.notes
    assert tuple(last.shape) == (3, *SIZE)
    assert int(last[0, 0, 0]) == 0
    assert int(last[0, 24, 30]) == 99


def test_frames_and_masks_of_the_same_names_are_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", ["1.jpg", "1.png"])
    with pytest.raises(VideoError, match=r"'1' is there as \.jpg, \.png; keep the frames alone"):
        open_video(folder)


def test_a_single_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", ["one.png"])
    with open_video(folder / "one.png") as video:
        assert (video.info.name, video.info.num_frames, video.notes) == ("one", 1, [])
        assert len(list(video)) == 1
    with pytest.raises(UsageError, match="pictures have no streams"):
        open_video(folder / "one.png", stream=0)


def test_an_animated_webp_gives_its_pictures(tmp_path: Path) -> None:
    first, *rest = [Image.fromarray(p) for p in pictures(4)]
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, lossless=True)
    assert levels(tmp_path / "a.webp") == [grey(i) for i in range(4)]


def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path) -> None:
    grey16 = np.full((4, 6), 200 * 257, np.uint16)
    rgba = np.full((4, 6, 4), (200, 100, 50, 51), np.uint8)
    palette = Image.fromarray(np.zeros((4, 6), np.uint8), mode="P")
    palette.putpalette([9, 8, 7] * 256)
    cases = {
        "16.png": (Image.fromarray(grey16), [200, 200, 200]),
        "rgba.png": (Image.fromarray(rgba), [40, 20, 10]),
        "palette.png": (palette, [9, 8, 7]),
        "one-bit.png": (Image.fromarray(np.ones((4, 6), bool)), [255, 255, 255]),
        "grey.png": (Image.fromarray(np.full((4, 6), 77, np.uint8)), [77, 77, 77]),
        "cmyk.tif": (Image.new("CMYK", (6, 4), (0, 0, 0, 0)), [255, 255, 255]),
    }
    for name, (image, colour) in cases.items():
        image.save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert picture.shape == (4, 6, 3), name
        assert picture[2, 3].tolist() == colour, name


def test_a_picture_is_turned_as_its_camera_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # EXIF 2.3, orientation: turn by 90° clockwise to show
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "phone.jpg", exif=exif)
    assert read_picture(tmp_path / "phone.jpg").shape == (20, 10, 3)


def test_too_large_a_picture_is_refused_by_its_header(tmp_path: Path) -> None:
    Image.new("1", (16385, 1)).save(tmp_path / "wide.png")
    with pytest.raises(VideoError, match="16385×1 pixels is too large"):
        open_video(tmp_path / "wide.png")
    Image.new("1", (10100, 10100)).save(tmp_path / "big.png")
    with pytest.raises(VideoError, match="100 million"):
        open_video(tmp_path / "big.png")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_in_the_header_is_that_of_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert picture_size(tmp_path / "a.jpg") == read_picture(tmp_path / "a.jpg").shape[:2]


def test_a_file_without_a_header_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(VideoError, match=r"a\.jpg: not a picture that can be read: it is empty"):
        picture_size(tmp_path / "a.jpg")
