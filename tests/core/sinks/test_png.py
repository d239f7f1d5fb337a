"""Label maps as PNG, read back with Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.errors import OutputError
from gvseg_core.ops import rle
from gvseg_core.sinks.base import FolderSink
from gvseg_core.sinks.png import BinaryMasks, ClassPng, ObjectPng
from gvseg_core.types import ClassInfo, FrameResult, Vocabulary
from tests.conftest import shared
from tests.core.sinks.scenes import SIZE, VOCABULARY, box_mask, outcome, result, results, segment, settings, video


def written(sink: FolderSink, shown: list[FrameResult]) -> list[Image.Image]:
    sink.begin(video())
    for one in shown:
        sink.write(one)
    sink.end(outcome(shown))
    return [Image.open(path) for path in sorted(Path(str(sink.target)).rglob("*.png"))]


def test_class_maps_hold_the_numbers_of_the_data_set_in_its_colours(tmp_path: Path) -> None:
    shown = results("vss")
    for one, image in zip(shown, written(ClassPng(tmp_path / "a", settings("vss")), shown), strict=True):
        pixels = np.array(image)
        assert image.mode == "P"
        for segment_ in one.segments:
            info = VOCABULARY.classes[segment_.class_id]
            inside = rle.decode(segment_.mask)
            assert (pixels[inside] == info.dataset_id).all()
            assert (np.array(image.convert("RGB"))[inside] == info.color).all()


def test_pixels_of_no_class_are_void_and_number_0_is_a_class_like_others(tmp_path: Path) -> None:
    zero = Vocabulary("zero", (ClassInfo("wall", (9, 9, 9), False, 0), ClassInfo("sky", (1, 2, 3), False, 1)))
    shown = [result(0, [segment(1, 0, box_mask(0, 0, 10, 10))])]
    (image,) = written(ClassPng(tmp_path / "a", settings("vss", zero)), shown)
    assert np.array_equal(np.array(image) == 0, box_mask(0, 0, 10, 10))
    assert set(np.unique(image)) == {0, 255}


@pytest.mark.parametrize(("number", "mode", "void"), [(254, "P", 255), (255, "I;16", 65535), (3000, "I;16", 65535)])
def test_numbers_above_254_take_16_bits(number: int, mode: str, void: int, tmp_path: Path) -> None:
    many = Vocabulary("many", (ClassInfo("a", (1, 2, 3), False, number),))
    (image,) = written(
        ClassPng(tmp_path / "a", settings("vss", many)), [result(0, [segment(1, 0, box_mask(0, 0, 9, 9))])]
    )
    assert image.mode == mode
    assert set(np.unique(image)) == {number, void}


def test_class_maps_have_the_form_that_vspw_evaluates(tmp_path: Path) -> None:
    official = Image.open(next(shared("golden", "vspw", "basic", "pred").rglob("*.png")))
    (ours, *_) = written(ClassPng(tmp_path / "a", settings("vss")), results("vss"))
    assert (ours.mode, np.array(ours).dtype) == (official.mode, np.array(official).dtype)


@pytest.mark.parametrize("task", ["vis", "evs"])
def test_object_maps_hold_ids_and_the_better_score_owns_a_pixel(task: str, tmp_path: Path) -> None:
    shown = results(task)
    for one, image in zip(shown, written(ObjectPng(tmp_path / "a", settings(task)), shown), strict=True):
        wanted = np.zeros(SIZE, int)
        for segment_ in sorted(one.segments, key=lambda s: s.score):
            wanted[rle.decode(segment_.mask)] = segment_.track_id
        assert np.array_equal(np.array(image), wanted)


def test_object_maps_have_the_palette_of_davis(tmp_path: Path) -> None:
    official = Image.open(next(shared("data", "davis-mini").rglob("Annotations/**/*.png")))
    (ours, *_) = written(ObjectPng(tmp_path / "a", settings("evs")), results("evs"))
    used = max(np.unique(official)) + 1
    assert ours.mode == official.mode == "P"
    assert ours.getpalette()[: 3 * used] == official.getpalette()[: 3 * used]
    assert len(ours.getpalette()) == 768


def test_high_ids_take_16_bits_on_the_frames_that_have_them(tmp_path: Path) -> None:
    mask = box_mask(0, 0, 9, 9)
    shown = [result(t, [segment(i, 0, mask)]) for t, i in enumerate((254, 255, 256, 65534))]
    images = written(ObjectPng(tmp_path / "a", settings("vis")), shown)
    assert [image.mode for image in images] == ["P", "I;16", "I;16", "I;16"]
    assert [int(np.array(image)[0, 0]) for image in images] == [254, 255, 256, 65534]
    with pytest.raises(OutputError, match="object id 65535; a PNG holds ids to 65534"):
        written(ObjectPng(tmp_path / "b", settings("vis")), [result(0, [segment(65535, 0, mask)])])


def test_masks_have_a_folder_an_object_and_frames_only_where_it_is_seen(tmp_path: Path) -> None:
    shown = results("vis")
    written(BinaryMasks(tmp_path / "a", settings("vis")), shown)
    found = {str(p.relative_to(tmp_path / "a")): np.array(Image.open(p)) for p in (tmp_path / "a").rglob("*.png")}
    wanted = {
        f"{s.track_id:03d}/{t:06d}.png": 255 * rle.decode(s.mask) for t, one in enumerate(shown) for s in one.segments
    }
    assert found.keys() == wanted.keys()
    assert "007/000001.png" not in found
    for name, pixels in wanted.items():
        assert np.array_equal(found[name], pixels)


def test_masks_of_stuff_do_not_mix_with_objects_of_that_number(tmp_path: Path) -> None:
    written(BinaryMasks(tmp_path / "a", settings("vps")), results("vps"))
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"003", "007", "class_002", "class_003"}


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "a/../../b"])
def test_a_frame_name_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    sink = ObjectPng(tmp_path / "out" / "a", settings("evs", frame_name=lambda _: name))
    sink.begin(video())
    with pytest.raises(OutputError, match="leads out of the folder"):
        sink.write(result(0))
    sink.abort()
    assert list(tmp_path.rglob("*")) == []


def test_a_benchmarks_own_frame_names_are_used(tmp_path: Path) -> None:
    sink = ObjectPng(tmp_path / "a", settings("evs", frame_name=lambda frame: f"bear/{5 * frame.index:05d}"))
    written(sink, results("evs", 2))
    assert sorted(p.name for p in (tmp_path / "a" / "bear").iterdir()) == ["00000.png", "00005.png"]
