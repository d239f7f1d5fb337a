"""VSPW, KITTI-STEP, DAVIS and YouTube-VOS, read back with Pillow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from gvseg_core.errors import DataError, OutputError
from gvseg_core.ops import rle
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.sinks.official.png_layout import distinct
from gvseg_core.types import Answer
from tests.conftest import shared
from tests.core.sinks.official.cases import LENGTHS, all_facts, facts, finished, shown
from tests.core.sinks.scenes import SIZE, VOCABULARY, box_mask, result, segment

PLACES = {
    "vspw": "{video}/{frame}.png",
    "kitti_step": "{video}/{frame}.png",
    "davis17": "{video}/{frame}.png",
    "ytvos18": "Annotations/{video}/{frame}.png",
}
GOLDEN = {
    "vspw": ("vspw", "basic", "pred"),
    "kitti_step": ("kitti_step", "basic", "pred"),
    "davis17": ("davis", "basic", "pred"),
    "ytvos18": ("youtube_vos", "basic", "pred"),
}


def owners(name: str, video: str, t: int) -> np.ndarray:
    """(H, W) place of the segment that owns a pixel, -1 where nobody does."""
    wanted = np.full(SIZE, -1)
    segments = shown(name, video)[t].segments
    for place in sorted(range(len(segments)), key=lambda i: segments[i].score):
        wanted[rle.decode(segments[place].mask)] = place
    return wanted


def opened(name: str, folder: Path, video: str, t: int) -> Image.Image:
    frame = facts(name, video).frames[t]
    return Image.open(folder / PLACES[name].format(video=video, frame=frame))


@pytest.mark.parametrize("name", ["vspw", "davis17", "ytvos18"])
def test_indices_are_classes_from_0_or_objects_and_the_better_score_owns_a_pixel(name: str, tmp_path: Path) -> None:
    finished(name, tmp_path)
    for video, length in LENGTHS.items():
        for t in range(length):
            segments = shown(name, video)[t].segments
            numbers = [s.class_id if name == "vspw" else s.track_id for s in segments]
            image = opened(name, tmp_path, video, t)
            assert image.mode == "P"
            assert np.array_equal(np.array(image), np.array([*numbers, 0])[owners(name, video, t)])


def test_kitti_step_has_the_class_in_red_and_the_track_in_green_and_blue(tmp_path: Path) -> None:
    segments = [
        segment(300, 0, box_mask(0, 0, 10, 10)),
        segment(7, 1, box_mask(10, 0, 20, 10)),
        segment(4, 3, box_mask(0, 10, 64, 20)),
    ]
    video = replace(facts("kitti_step", "ant"), frames=("000000",))
    LAYOUTS["kitti_step"].write(tmp_path, Answer("ant", [result(0, segments)]), video, VOCABULARY)
    pixels = np.array(Image.open(tmp_path / "ant" / "000000.png"))
    assert pixels[5, 5].tolist() == [11, 1, 44]
    assert pixels[5, 15].tolist() == [12, 0, 7]
    assert pixels[15, 5].tolist() == [4, 0, 0]  # stuff has no track
    assert pixels[40, 40].tolist() == [255, 0, 0]  # void


def test_kitti_step_has_no_place_for_a_track_id_above_16_bits(tmp_path: Path) -> None:
    video = replace(facts("kitti_step", "ant"), frames=("000000",))
    found = [result(0, [segment(65536, 0, box_mask(0, 0, 9, 9))])]
    with pytest.raises(OutputError, match="track id 65536; KITTI-STEP's PNG hold ids to 65535"):
        LAYOUTS["kitti_step"].write(tmp_path, Answer("ant", found), video, VOCABULARY)


@pytest.mark.parametrize("name", PLACES)
def test_the_pictures_have_the_mode_and_the_places_of_the_official_sample(name: str, tmp_path: Path) -> None:
    sample = shared("golden", *GOLDEN[name])
    official = sorted(path.relative_to(sample) for path in sample.rglob("*.png"))[0]
    finished(name, tmp_path)
    video, frame = official.parts[-2], official.stem
    assert official.as_posix() == PLACES[name].format(video=video, frame=frame)
    assert opened(name, tmp_path, "ant", 0).mode == Image.open(sample / official).mode


def test_vspw_numbers_classes_from_0_whatever_numbers_its_ground_truth_has(tmp_path: Path) -> None:
    finished("vspw", tmp_path)
    image = opened("vspw", tmp_path, "ant", 0)
    assert set(np.unique(image)) == {2, 3}
    assert tuple(np.array(image.convert("RGB"))[0, 0]) == VOCABULARY.classes[2].color


def test_vspw_has_no_void_so_a_pixel_without_a_class_is_refused(tmp_path: Path) -> None:
    frames = [*shown("vspw", "ant")[:2], result(2, [segment(3, 2, box_mask(0, 0, 64, 47))])]
    with pytest.raises(DataError, match=r"ant/00010: 64 pixels have no class, and VSPW's results have no void"):
        LAYOUTS["vspw"].write(tmp_path, Answer("ant", frames), facts("vspw", "ant"), VOCABULARY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["davis17", "ytvos18"])
def test_only_objects_that_were_given_are_written(name: str, tmp_path: Path) -> None:
    frames = [*shown(name, "ant")[:2], result(2, [segment(5, 0, box_mask(0, 0, 9, 9))])]
    with pytest.raises(DataError, match=r"ant/00010: object 5 was not given; wanted 3, 7, 9"):
        LAYOUTS[name].write(tmp_path, Answer("ant", frames), facts(name, "ant"), VOCABULARY)
    free = replace(facts(name, "ant"), object_ids=None)
    LAYOUTS[name].write(tmp_path / "free", Answer("ant", frames), free, VOCABULARY)
    high = [*frames[:2], result(2, [segment(255, 0, box_mask(0, 0, 9, 9))])]
    with pytest.raises(DataError, match=r"object 255 was not given; wanted 1 to 254"):
        LAYOUTS[name].write(tmp_path / "high", Answer("ant", high), free, VOCABULARY)


# --- checking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLACES)
def test_a_missing_video_and_a_missing_frame_are_named(name: str, tmp_path: Path) -> None:
    finished(name, tmp_path)
    opened(name, tmp_path, "ant", 1).close()
    path = tmp_path / PLACES[name].format(video="ant", frame="00005")
    path.unlink()
    with pytest.raises(DataError, match=r"ant/00005\.png is missing"):
        LAYOUTS[name].check(tmp_path, all_facts(name), VOCABULARY)
    path.parent.rename(path.parent.with_name("bee"))
    with pytest.raises(DataError, match="1 of 2 videos are missing, the first is ant"):
        LAYOUTS[name].check(tmp_path, all_facts(name), VOCABULARY)


@pytest.mark.parametrize("name", PLACES)
def test_a_file_of_no_frame_is_said_and_not_sent(name: str, tmp_path: Path) -> None:
    finished(name, tmp_path)
    extra = tmp_path / PLACES[name].format(video="ant", frame="99999")
    extra.write_bytes(b"?")
    (note,) = LAYOUTS[name].check(tmp_path, all_facts(name), VOCABULARY)
    assert note == "1 files are of no frame and stay behind, the first is ant/99999.png"
    assert not any("99999" in member for member in LAYOUTS[name].members(all_facts(name)))


def painted(name: str, value: int, size: tuple[int, int] = SIZE) -> Image.Image:
    if name == "kitti_step":
        return Image.fromarray(np.full((*size, 3), (value, 0, 0), np.uint8))
    image = Image.fromarray(np.full(size, value, np.uint8))
    image.putpalette(bytes(768))
    return image


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("vspw", 4, "class 4; wanted 0 to 3"),
        ("vspw", 255, "class 255; wanted 0 to 3"),
        ("kitti_step", 5, "class 5 in the red channel; wanted one of the set's, or 255"),
        ("davis17", 8, "object 8 was not given; wanted 3, 7, 9"),
        ("ytvos18", 255, "object 255 was not given"),
    ],
)
def test_pixels_that_the_official_program_does_not_know_are_named(
    name: str, value: int, message: str, tmp_path: Path
) -> None:
    finished(name, tmp_path)
    painted(name, value).save(tmp_path / PLACES[name].format(video="ant", frame="00005"))
    with pytest.raises(DataError, match=rf"ant/00005\.png: {message}"):
        LAYOUTS[name].check(tmp_path, all_facts(name), VOCABULARY)


@pytest.mark.parametrize("name", PLACES)
def test_pictures_of_another_size_mode_or_kind_and_broken_ones_are_named(name: str, tmp_path: Path) -> None:
    finished(name, tmp_path)
    path = tmp_path / PLACES[name].format(video="ant", frame="00005")
    good = path.read_bytes()
    other = Image.fromarray(np.zeros((*SIZE, 4), np.uint8))

    def message() -> str:
        with pytest.raises(DataError, match=r"ant/00005\.png: ") as caught:
            LAYOUTS[name].check(tmp_path, all_facts(name), VOCABULARY)
        return str(caught.value)

    painted(name, 3, (24, 32)).save(path)
    assert "24 × 32 pixels; the video has 48 × 64" in message()
    other.save(path)
    assert "a PNG of mode RGBA; wanted " in message()
    other.convert("RGB").save(path, "JPEG")
    assert "not a PNG that can be read" in message()
    path.write_bytes(good[: len(good) // 2])
    assert "not a PNG that can be read" in message()


def test_frames_on_which_nothing_was_found_are_background(tmp_path: Path) -> None:
    frames = [result(t) for t in range(3)]
    LAYOUTS["davis17"].write(tmp_path, Answer("ant", frames), facts("davis17", "ant"), VOCABULARY)
    assert all(not np.array(opened("davis17", tmp_path, "ant", t)).any() for t in range(3))


@given(arrays.arrays(st.sampled_from([np.uint8, np.uint32]), st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_the_values_of_a_map_are_all_found(labels: np.ndarray) -> None:
    assert distinct(labels) == sorted(set(labels.ravel().tolist()))
