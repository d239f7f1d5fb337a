"""Run-length encoded masks: byte for byte pycocotools', and never trusted before they are checked."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.types import Rle
from tests.conftest import shared

sides = st.integers(1, 12)


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    return draw(arrays.arrays(np.bool_, (draw(sides), draw(sides))))


@st.composite
def label_maps(draw: st.DrawFn) -> np.ndarray:
    return draw(arrays.arrays(np.int32, (draw(sides), draw(sides)), elements=st.integers(0, 4)))


def official(mask: np.ndarray) -> Rle:
    packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return Rle(tuple(packed["size"]), packed["counts"])


def blobs(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A mask with the long runs of real ones."""
    noise = np.random.default_rng(seed).normal(size=(height // 8 + 2, width // 8 + 2)).repeat(8, 0).repeat(8, 1)
    return noise[:height, :width] > 0.3


@given(masks())
def test_a_mask_gives_the_string_of_pycocotools_and_comes_back(mask: np.ndarray) -> None:
    packed = rle.encode(mask)
    assert packed == official(mask)
    assert np.array_equal(rle.decode(packed), mask)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (121, 161), (360, 640)])
def test_so_do_masks_of_real_sizes(size: tuple[int, int]) -> None:
    for mask in (blobs(*size), np.zeros(size, bool), np.ones(size, bool)):
        assert rle.encode(mask) == official(mask)
        assert np.array_equal(rle.decode(official(mask)), mask)


@given(masks())
def test_layout_and_type_in_memory_do_not_matter(mask: np.ndarray) -> None:
    wanted = rle.encode(mask)
    assert rle.encode(np.asfortranarray(mask)) == wanted
    assert rle.encode(mask.astype(np.float32) * 7) == wanted
    assert rle.encode(torch.from_numpy(mask)) == wanted
    assert rle.encode(torch.from_numpy(mask.T.copy()).T.to(torch.uint8)) == wanted


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_plain_counts_may_be_zero(counts: list[int]) -> None:
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    assert rle.from_coco({"size": [len(pixels), 1], "counts": counts}) == rle.encode(pixels[:, None])


@given(st.lists(st.integers(1, rle.MAX_PIXELS // 16), min_size=1, max_size=16), st.booleans())
def test_long_counts_are_spelt_and_read_back(counts: list[int], first: bool) -> None:
    counts = [0, *counts] if first else counts
    mask = rle.from_counts(np.array(counts), (1, sum(counts)))
    ends = np.cumsum(counts)
    assert rle.bounds_of(mask).tolist() == ends[: len(ends) // 2 * 2].tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_runs_that_are_empty_or_meet_make_the_same_mask(steps: list[int]) -> None:
    bounds = np.cumsum(steps[: len(steps) // 2 * 2], dtype=np.int64)
    size = 3, (sum(steps) + 2) // 3
    flat = np.zeros(size[0] * size[1], bool)
    for start, end in bounds.reshape(-1, 2):
        flat[start:end] = True
    assert rle.from_bounds(bounds, size) == rle.encode(flat.reshape(size[1], size[0]).T)


@given(masks(), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_crop_is_encoded_as_the_picture_it_was_cut_from(
    mask: np.ndarray, top: int, left: int, bottom: int, right: int
) -> None:
    whole = np.pad(mask, ((top, bottom), (left, right)))
    assert rle.encode(mask, size=whole.shape, origin=(top, left)) == official(whole)


def test_an_empty_crop_is_an_empty_mask() -> None:
    assert rle.encode(np.zeros((0, 3), bool), size=(4, 5)) == official(np.zeros((4, 5), bool))


@pytest.mark.parametrize("origin", [(-1, 0), (0, 3), (2, 0)])
def test_a_crop_outside_its_picture_is_refused(origin: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not lie inside"):
        rle.encode(np.ones((3, 3), bool), size=(4, 5), origin=origin)


@given(label_maps())
def test_a_label_map_falls_into_the_masks_of_its_labels_and_is_painted_back(labels: np.ndarray) -> None:
    found = rle.encode_labels(labels)
    assert list(found) == [n for n in np.unique(labels).tolist() if n]
    for label, packed in found.items():
        assert packed == official(labels == label)
    assert np.array_equal(rle.paint(list(found.values()), list(found), labels.shape), labels)


@given(st.lists(arrays.arrays(np.bool_, (5, 7)), max_size=5))
def test_painted_masks_hide_those_painted_before(layers: list[np.ndarray]) -> None:
    wanted = np.zeros((5, 7), np.uint16)
    for label, mask in enumerate(layers, start=300):
        wanted[mask] = label
    got = rle.paint([rle.encode(m) for m in layers], range(300, 300 + len(layers)), (5, 7), np.uint16)
    assert got.dtype == np.uint16
    assert np.array_equal(got, wanted)


@given(masks())
def test_measures_are_those_of_the_pixels(mask: np.ndarray) -> None:
    packed = rle.encode(mask)
    assert rle.area(packed) == mask.sum()
    assert rle.box_xywh(packed) == tuple(coco.toBbox({"size": list(packed.size), "counts": packed.counts}))
    ys, xs = np.nonzero(mask)
    if len(ys):
        assert rle.box(packed) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert rle.centroid(packed) == pytest.approx((xs.mean() + 0.5, ys.mean() + 0.5))
    else:
        assert rle.box(packed) == (0, 0, 0, 0)
        assert all(map(math.isnan, rle.centroid(packed)))


@given(arrays.arrays(np.bool_, (4, 6)), arrays.arrays(np.bool_, (4, 6)))
def test_merging_is_union_or_intersection(one: np.ndarray, other: np.ndarray) -> None:
    pair = [rle.encode(one), rle.encode(other)]
    assert rle.merge(pair) == rle.encode(one | other)
    assert rle.merge(pair, intersect=True) == rle.encode(one & other)


def test_masks_of_two_sizes_are_not_merged_or_painted() -> None:
    pair = [rle.encode(np.ones((2, 3), bool)), rle.encode(np.ones((3, 2), bool))]
    with pytest.raises(DataError, match="cannot be merged"):
        rle.merge(pair)
    with pytest.raises(DataError, match="in a picture of"):
        rle.paint(pair, [1, 2], (2, 3))
    with pytest.raises(ValueError, match="nothing"):
        rle.merge([])


@given(masks(), st.booleans())
def test_coco_mappings_come_back_as_text_as_bytes_and_as_plain_counts(mask: np.ndarray, zeros: bool) -> None:
    packed = rle.encode(mask)
    text = json.loads(json.dumps(rle.to_coco(packed)))
    assert rle.from_coco(text, mask.shape) == packed
    assert rle.from_coco({**text, "counts": packed.counts}) == packed
    column = np.flatnonzero(np.diff(mask.T.ravel().astype(int), prepend=0))
    counts = np.diff(column, prepend=0, append=mask.size).tolist()
    plain = [*counts, 0, 0] if zeros else counts  # empty runs are allowed, and dropped
    assert rle.from_coco({"size": list(mask.shape), "counts": plain}) == packed


def test_the_uncompressed_masks_of_a_real_annotation_file_are_read() -> None:
    path = shared("golden", "ytvis", "basic", "gt", "instances.json")
    annotation = json.loads(path.read_text())["annotations"][0]
    for found, size in zip(annotation["segmentations"], annotation["areas"], strict=True):
        if found is not None:
            assert rle.area(rle.from_coco(found)) == size


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "wanted a mapping"),
        ([[1, 2, 3, 4, 5, 6]], "wanted a mapping"),
        ({"size": [2, 2]}, "wanted a mapping"),
        ({"size": [8, 8], "counts": None}, "text or a list"),
        ({"size": [8, 8], "counts": ""}, "sum to 0"),
        ({"size": [8, 8], "counts": []}, "sum to 0"),
        ({"size": [100, 100], "counts": "02"}, "sum to 2"),
        ({"size": [2, 2], "counts": "d0"}, "sum to 20"),
        ({"size": [2, 2], "counts": [1, 1]}, "sum to 2"),
        ({"size": [2, 2], "counts": [1, 4]}, "sum to 5"),
        ({"size": [2, 2], "counts": [5, -1]}, "integers from 0"),
        ({"size": [2, 2], "counts": [4.0]}, "integers from 0"),
        ({"size": [2, 2], "counts": [True, 3]}, "integers from 0"),
        ({"size": [2, 2], "counts": "O5"}, "negative"),
        ({"size": [200000, 200000], "counts": "0"}, "wanted a size"),
        ({"size": [200000, 200000], "counts": [0]}, "wanted a size"),
        ({"size": [-1, 5], "counts": "0"}, "wanted a size"),
        ({"size": [2.0, 2], "counts": "4"}, "two integers"),
        ({"size": "22", "counts": "4"}, "two integers"),
        ({"size": [2, 2, 2], "counts": "8"}, "two integers"),
        ({"size": [2, 2], "counts": "b'4'"}, "cut short|compressed counts do not have|sum to|negative"),
        ({"size": [2, 2], "counts": "é"}, "compressed counts do not have"),
        ({"size": [2, 2], "counts": "4 "}, "compressed counts do not have"),
        ({"size": [2, 2], "counts": "P"}, "cut short"),
        ({"size": [2, 2], "counts": "oooooooooooooo0"}, "larger than any mask"),
    ],
)
def test_a_malformed_mask_is_refused_and_never_decoded(found: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rle.from_coco(found)


def test_a_mask_of_another_size_than_its_video_is_refused() -> None:
    with pytest.raises(DataError, match="2 × 3 in a video of 3 × 2"):
        rle.from_coco(rle.to_coco(rle.encode(np.ones((2, 3), bool))), (3, 2))


@given(st.binary(max_size=30), sides, sides)
def test_any_bytes_are_either_a_whole_mask_or_an_error(counts: bytes, height: int, width: int) -> None:
    hostile = Rle((height, width), counts)
    for use in (rle.decode, rle.area, rle.box, rle.centroid, lambda r: rle.merge([r, r])):
        try:
            use(hostile)
        except DataError:
            continue
        assert rle.decode(hostile).shape == (height, width)
        assert np.array_equal(rle.decode(hostile), coco.decode({"size": [height, width], "counts": counts}))
