"""Exemplars as people write them: every form is read, every mistake is named."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gvseg_core.data.exemplar_masks import davis_color
from gvseg_core.data.exemplars import FIRST, read_exemplars, with_exemplars
from gvseg_core.errors import DataError, GvsegError, UsageError
from gvseg_core.ops import rle
from gvseg_core.types import Exemplar, Frame, Prompt
from tests.conftest import shared

SIZE = (20, 30)
LABELS = np.zeros(SIZE, dtype=np.uint8)
LABELS[2:6, 3:9] = 1
LABELS[10:15, 12:20] = 5
LABELS[6, 3:9] = 255


def save_indexed(path: Path, labels: np.ndarray = LABELS) -> Path:
    picture = Image.fromarray(labels.astype(np.uint8), "P")
    picture.putpalette([davis_color(i) >> shift & 255 for i in range(256) for shift in (16, 8, 0)])
    picture.save(path)
    return path


def read(*specs: object) -> dict[int, dict[int, Prompt]]:
    by_frame = read_exemplars([str(spec) for spec in specs], SIZE).by_frame
    return {frame: {p.track_id: p for p in exemplar.prompts} for frame, exemplar in by_frame.items()}


def failure(kind: type[GvsegError], *specs: object) -> str:
    with pytest.raises(kind) as error:
        read(*specs)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- masks --------------------------------------------------------------------------------------------------------


def test_an_indexed_png_gives_one_object_per_index_and_void_is_nobody(tmp_path: Path) -> None:
    prompts = read(save_indexed(tmp_path / "first.png"))[FIRST]
    assert prompts.keys() == {1, 5}
    for index in (1, 5):
        mask = prompts[index].mask
        assert mask is not None
        assert (rle.decode(mask) == (index == LABELS)).all()


def same_in_another_form(path: Path) -> dict[str, Callable[[], None]]:
    void = LABELS == 255
    grey = np.where(void, 0, LABELS)
    colors = np.array([[davis_color(i) >> shift & 255 for shift in (16, 8, 0)] for i in range(256)], dtype=np.uint8)
    opaque = np.where(LABELS > 0, 255, 0).astype(np.uint8)
    return {
        "grey": lambda: Image.fromarray(LABELS).save(path),
        "grey with alpha": lambda: Image.merge("LA", [Image.fromarray(a) for a in (grey, opaque)]).save(path),
        "16-bit": lambda: Image.fromarray(grey.astype(np.uint16)).save(path),
        "colours": lambda: Image.fromarray(colors[LABELS]).save(path),
        "colours on nothing": lambda: Image.fromarray(np.dstack([colors[LABELS], opaque])).save(path),
        "4-bit palette": lambda: save_four_bit(path, grey),
        "interlaced": lambda: save_interlaced(path, LABELS),
    }


def save_four_bit(path: Path, labels: np.ndarray) -> None:
    picture = Image.fromarray(labels, "P")
    picture.putpalette(list(range(48)))
    picture.save(path, bits=4)


def save_interlaced(path: Path, labels: np.ndarray) -> None:
    """An 8-bit grey PNG in Adam7's seven passes, which Pillow reads and does not write."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [bytes([0, *row]) for y, x, dy, dx in passes for row in labels[y::dy, x::dx].tolist() if row]
    header = struct.pack(">IIBBBBB", labels.shape[1], labels.shape[0], 8, 0, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize("form", same_in_another_form(Path()))
def test_the_same_labels_are_read_from_every_kind_of_png(form: str, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    same_in_another_form(path)[form]()
    assert read(path)[FIRST] == read(save_indexed(tmp_path / "indexed.png"))[FIRST]


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_black_and_white_is_one_object_and_two_files_are_two(mode: str, tmp_path: Path) -> None:
    for name, rows in (("a.png", slice(0, 5)), ("b.png", slice(8, 12))):
        white = np.zeros(SIZE, dtype=np.uint8)
        white[rows] = 255
        picture = Image.fromarray(white)
        if mode == "I;16":
            picture = Image.fromarray(white.astype(np.uint16) * 257)
        (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / name)
    prompts = read(tmp_path / "a.png", tmp_path / "b.png")[FIRST]
    assert [(i, rle.area(p.mask)) for i, p in prompts.items() if p.mask] == [(1, 150), (2, 120)]


def test_a_black_and_white_mask_for_every_frame_of_a_folder_is_one_object(tmp_path: Path) -> None:
    for index in (3, 11):
        Image.fromarray(np.where(LABELS == 1, 255, 0).astype(np.uint8)).save(tmp_path / f"mask_{index}.png")
    assert {frame: list(prompts) for frame, prompts in read(tmp_path).items()} == {3: [1], 11: [1]}


def test_colours_of_no_palette_are_objects_and_the_same_colour_is_the_same_object(tmp_path: Path) -> None:
    for index in (0, 1):
        picture = np.zeros((*SIZE, 3), dtype=np.uint8)
        picture[index : index + 4, :5] = (255, 136, 0)
        picture[10:12] = (0, 90 + index, 200)
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    found = read(tmp_path)
    orange = [i for i, p in found[0].items() if p.mask and rle.area(p.mask) == 20]
    assert orange == [i for i, p in found[1].items() if p.mask and rle.area(p.mask) == 20]
    assert len(found[0].keys() | found[1].keys()) == 3


def test_a_mask_is_given_at_the_frame_that_stands_before_it(tmp_path: Path) -> None:
    path = save_indexed(tmp_path / "mask.png")
    assert read(f"12:{path}").keys() == {12}


def test_a_folder_gives_each_mask_at_the_frame_of_its_name(tmp_path: Path) -> None:
    for name in ("mask2.png", "mask10.png", "mask_0007.PNG", ".hidden3.png"):
        save_indexed(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a mask")
    assert list(read(tmp_path)) == [2, 7, 10]


def test_real_annotations_keep_their_ids() -> None:
    folder = shared("data", "davis-mini", "Annotations", "480p", "schoolgirls")
    with Image.open(folder / "00000.png") as first:
        labels = np.asarray(first)
    found = read_exemplars([str(folder / "00000.png")], labels.shape).by_frame[FIRST]
    assert {p.track_id for p in found.prompts} == set(np.unique(labels)) - {0, 255}
    assert all(p.mask and (rle.decode(p.mask) == (labels == p.track_id)).all() for p in found.prompts)


def test_a_mask_of_the_same_aspect_is_resized_and_that_is_said(tmp_path: Path) -> None:
    large = LABELS.repeat(3, axis=0).repeat(3, axis=1)
    found = read_exemplars([str(save_indexed(tmp_path / "large.png", large))], SIZE)
    assert found.by_frame[FIRST].prompts == tuple(read(save_indexed(tmp_path / "same.png"))[FIRST].values())
    assert "large.png: the mask is resized to the video's 30 × 20 pixels" in found.notes[0]


def test_an_object_lost_in_resizing_is_said(tmp_path: Path) -> None:
    large = LABELS.repeat(3, axis=0).repeat(3, axis=1)
    large[0, 0] = 9
    notes = read_exemplars([str(save_indexed(tmp_path / "large.png", large))], SIZE).notes
    assert "nothing is left of 1 of its 3 objects" in notes[1]


def test_a_large_id_gets_a_free_one_and_that_is_said(tmp_path: Path) -> None:
    labels = np.where(LABELS == 5, 300, np.where(LABELS == 1, 1, 0)).astype(np.uint16)
    Image.fromarray(labels).save(tmp_path / "mask.png")
    found = read_exemplars([str(tmp_path / "mask.png"), f"4:{tmp_path / 'mask.png'}"], SIZE)
    assert [[p.track_id for p in exemplar.prompts] for exemplar in found.by_frame.values()] == [[1, 2], [1, 2]]
    assert found.notes == ["--exemplar: object 300 is called 2: ids end at 254"]


def test_of_two_masks_of_one_object_on_one_frame_the_later_counts_and_that_is_said(tmp_path: Path) -> None:
    save_indexed(tmp_path / "a.png"), save_indexed(tmp_path / "b.png", np.where(LABELS == 5, 1, 0))
    found = read_exemplars([f"3:{tmp_path / name}" for name in ("a.png", "b.png")], SIZE)
    prompts = {p.track_id: p for p in found.by_frame[3].prompts}
    assert prompts[1].mask == rle.encode(LABELS == 5)
    assert found.conflicts == ["--exemplar: object 1 is given twice on frame 3; the later counts"]


# --- masks that are refused ---------------------------------------------------------------------------------------


def test_a_lossy_mask_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "colours.png")
    assert "looks lossy (600 colours): save as an indexed PNG" in failure(DataError, tmp_path / "colours.png")
    Image.fromarray(LABELS).save(tmp_path / "mask.jpg")
    assert "looks lossy (JPEG, L): save as an indexed PNG" in failure(DataError, tmp_path / "mask.jpg")
    Image.new("CMYK", SIZE[::-1]).save(tmp_path / "mask.tif")
    assert "looks lossy (TIFF, CMYK): save as an indexed PNG" in failure(DataError, tmp_path / "mask.tif")


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_soft_edges_are_refused(mode: str, tmp_path: Path) -> None:
    white = Image.fromarray(np.where(LABELS == 5, 255, 0).astype(np.uint8))
    white.resize((300, 200), Image.Resampling.BICUBIC).convert(mode).save(tmp_path / "soft.png")
    assert "greys between black and white): save as an indexed PNG" in failure(DataError, tmp_path / "soft.png")


@pytest.mark.parametrize("value", [0, 255])
def test_a_mask_without_an_object_is_refused(value: int, tmp_path: Path) -> None:
    path = save_indexed(tmp_path / "empty.png", np.full(SIZE, value))
    assert "empty.png: no object in it, only background or void" in failure(DataError, path)
    Image.fromarray(np.full(SIZE, value, dtype=np.uint8)).save(path)
    assert "empty.png: no object in it, only background or void" in failure(DataError, path)


def test_an_empty_mask_of_a_folder_is_named(tmp_path: Path) -> None:
    save_indexed(tmp_path / "0.png")
    save_indexed(tmp_path / "1.png", np.zeros(SIZE))
    assert "1.png: no object in it" in failure(DataError, tmp_path)


def test_a_mask_of_another_aspect_is_refused(tmp_path: Path) -> None:
    path = save_indexed(tmp_path / "mask.png", LABELS[:, :20])
    assert "the mask is 20 × 20 pixels, the video 30 × 20 pixels: another shape" in failure(DataError, path)


def test_more_objects_than_a_palette_can_name_are_refused(tmp_path: Path) -> None:
    labels = np.zeros(SIZE, dtype=np.uint16)
    labels.flat[:255] = np.arange(1, 256)
    Image.fromarray(labels).save(tmp_path / "mask.png")
    assert "more than 254 objects" in failure(DataError, tmp_path / "mask.png")


def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    for side in (9_000, 100_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
        chunk += bytes(4) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
        (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
        assert "bomb.png: " in (message := failure(DataError, tmp_path / "bomb.png"))
        assert "67108864" in message


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_not_a_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(content)
    assert "not a picture that can be read; wanted an indexed PNG" in failure(DataError, tmp_path / "mask.png")


def test_a_cut_picture_is_refused(tmp_path: Path) -> None:
    path = save_indexed(tmp_path / "mask.png")
    path.write_bytes(path.read_bytes()[:-30])
    assert "not a picture that can be read" in failure(DataError, path)


def test_a_folder_that_names_no_frames_is_refused(tmp_path: Path) -> None:
    assert "no PNG in it" in failure(DataError, tmp_path)
    save_indexed(tmp_path / "7.png")
    assert "leave out '3:'" in failure(UsageError, f"3:{tmp_path}")
    save_indexed(tmp_path / "007.png")
    assert "7.png: frame 7 has a mask already, 007.png" in failure(DataError, tmp_path)
    (tmp_path / "nameless").mkdir()
    save_indexed(tmp_path / "nameless" / "mask.png")
    assert "mask.png: no number in its name" in failure(DataError, tmp_path / "nameless")


# --- boxes and points ---------------------------------------------------------------------------------------------


def test_boxes_and_points_get_the_next_free_ids(tmp_path: Path) -> None:
    found = read("box:2,3,4,5", save_indexed(tmp_path / "mask.png"), "point:7.5,8@3", "box:1,1,2,2@3")
    assert {frame: sorted(prompts) for frame, prompts in found.items()} == {FIRST: [1, 2, 5], 3: [3, 4]}
    assert found[FIRST][2].box == (2, 3, 6, 8)
    assert found[3][3].point == (7.5, 8)
    assert found[3][4].box == (1, 1, 3, 3)


def test_a_box_is_cut_off_at_the_edge_and_that_is_said() -> None:
    found = read_exemplars(["box:-2,10,10,30"], SIZE)
    assert found.by_frame[FIRST].prompts == (Prompt(1, box=(0, 10, 8, 20)),)
    assert "cut off at the picture's edge, which is 30 × 20 pixels" in found.notes[0]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("point:30,5", "the point is not on the picture, which is 30 × 20 pixels"),
        ("point:-0.5,5", "the point is not on the picture"),
        ("point:nan,5", "wanted x,y as numbers, in pixels"),
        ("point:5", "wanted x,y as numbers"),
        ("box:30,0,5,5", "the box is not on the picture"),
        ("box:1,2,inf,5", "wanted x,y,w,h as numbers"),
        ("box:1,2,3", "wanted x,y,w,h as numbers"),
        ("box:9,9,-4,5", "width and height are -4 and 5; wanted more than 0"),
        ("box:1,2,3,4@x", "'x' after @ is not a frame's number, as in box:…@12"),
        ("point:1,2@", "'' after @ is not a frame's number"),
        ("dot:1,2", "no such file; wanted mask.png, 12:mask.png, a folder"),
        ("12:nowhere.png", "no such file"),
    ],
)
def test_a_wrong_exemplar_is_named_with_what_is_wrong(spec: str, message: str) -> None:
    assert f"--exemplar {spec}: " in (found := failure(UsageError, spec))
    assert message in found


def test_no_exemplar_at_all_names_the_flag() -> None:
    assert "--exemplar" in failure(UsageError)


# --- on their frames ----------------------------------------------------------------------------------------------


def frames(*indices: int) -> list[Frame]:
    stale = Exemplar((Prompt(99, point=(0, 0)),))
    return [Frame(i, Fraction(i), torch.zeros(3, *SIZE, dtype=torch.uint8), stale) for i in indices]


def ids_on(found: list[Frame]) -> dict[int, list[int]]:
    return {f.index: [p.track_id for p in f.exemplar.prompts] for f in found if f.exemplar}


def test_each_frame_leaves_with_what_is_given_on_it_and_nothing_else() -> None:
    by_frame = read_exemplars(["point:1,1", "point:2,2@6", "point:3,3@4", "point:4,4@6"], SIZE).by_frame
    assert ids_on(list(with_exemplars(frames(4, 5, 6, 7), by_frame))) == {4: [1, 3], 6: [2, 4]}


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ((0, 1, 2), "for frame 5: it is not among the frames read, up to 2"),
        ((4, 6, 8), "for frame 5: it is not among the frames read, up to 6"),
        ((6, 7), "for frame 5: it is not among the frames read, up to 6"),
        ((), "for frame 5: there is no frame at all"),
    ],
)
def test_an_exemplar_whose_frame_never_comes_is_an_error(indices: tuple[int, ...], message: str) -> None:
    by_frame = read_exemplars(["point:2,2@5"], SIZE).by_frame
    with pytest.raises(UsageError) as error:
        list(with_exemplars(frames(*indices), by_frame))
    assert message in str(error.value)
