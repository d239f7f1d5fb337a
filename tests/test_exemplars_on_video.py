"""Objects pointed at by mask, box and point on real clips, on the first frame and on later ones.

Two networks, both random: one with learnt queries, which was never made for this (a Hugging Face folder), and one with
exemplar queries. What they find is noise, but whose noise it is, from when on, and where it may not be, is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gvseg_cli.main import main
from gvseg_core import Frame, FrameResult, Segmenter, Track, load_segmenter, open_video
from gvseg_core.data.exemplars import read_exemplars, with_exemplars
from gvseg_core.ops import rle
from gvseg_core.sinks.palette import davis_palette
from gvseg_core.types import Exemplar, Prompt, Rle
from tests.conftest import shared
from tests.models import write_tiny_model

SIZE = 96  # pixels, short side of the input


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A network with learnt queries, and one with exemplar queries."""
    own = write_tiny_model(tmp_path_factory.mktemp("models") / "tiny.safetensors")
    return {"learnt queries": shared("parity", "hf_tiny"), "exemplar queries": own}


@pytest.fixture(scope="module", params=["learnt queries", "exemplar queries"])
def segmenter(request: pytest.FixtureRequest, models: dict[str, Path]) -> Segmenter:
    """Sure enough of everything it is shown."""
    return load_segmenter(models[request.param], "evs", device="cpu", dtype="fp32", size=SIZE, conf=0.0)


def blob(size: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray[Any, Any]:
    """A disc; places are shares of the picture, the radius one of its height."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    return np.hypot(rows - y * size[0], columns - x * size[1]) < radius * size[0]


def save_mask(path: Path, masks: dict[int, np.ndarray[Any, Any]]) -> Path:
    """An indexed PNG as DAVIS has it."""
    pixels = sum(np.uint8(track_id) * mask for track_id, mask in masks.items())
    picture = Image.fromarray(np.asarray(pixels, np.uint8))
    picture.putpalette(davis_palette().tobytes())
    picture.save(path)
    return path


def follow(
    segmenter: Segmenter, clip: str, specs: Sequence[str], end: int, start: int = 0
) -> tuple[list[FrameResult], dict[int, Track]]:
    """What is found, and the tracks by id."""
    tracker = segmenter.task.tracker()
    with open_video(shared("data", "clips", clip), start=f"f{start}", end=f"f{end}") as video:
        given = read_exemplars(specs, video.info.size)
        assert given.conflicts == []
        results = list(segmenter.run(with_exemplars(video, given.by_frame), tracker))
    assert [result.frame.index for result in results] == list(range(start, end))
    for result in results:
        check_apart(result)
    return results, {track.track_id: track for track in tracker.tracks}


def check_apart(result: FrameResult) -> None:
    """No two objects share a pixel, and none is empty."""
    masks = [segment.mask for segment in result.segments]
    assert all(rle.area(mask) > 0 for mask in masks)
    assert sum(map(rle.area, masks)) == (rle.area(rle.merge(masks)) if masks else 0)


def mask_of(result: FrameResult, track_id: int) -> Rle | None:
    return next((s.mask for s in result.segments if s.track_id == track_id), None)


def iou(found: Rle | None, wanted: Rle) -> float:
    assert found is not None
    either = rle.area(rle.merge([found, wanted]))
    return (rle.area(found) + rle.area(wanted) - either) / either


# --- masks, boxes and points --------------------------------------------------------------------------------------


def test_masks_boxes_and_points_are_followed_side_by_side(segmenter: Segmenter, tmp_path: Path) -> None:
    size = (360, 640)
    given = {5: blob(size, 0.3, 0.2, 0.15), 9: blob(size, 0.3, 0.5, 0.1)}
    masks = save_mask(tmp_path / "first.png", given)
    results, tracks = follow(segmenter, "cups.mp4", [str(masks), "box:420,40,200,150", "point:320.5,300.5"], end=12)
    assert set(tracks) == {1, 2, 5, 9}  # boxes and points have the ids that the picture leaves free
    first = results[0]
    assert [segment.track_id for segment in first.segments] == [1, 2, 5, 9]
    assert [segment.score for segment in first.segments] == [1.0] * 4
    for track_id, mask in given.items():
        assert mask_of(first, track_id) == rle.encode(mask)
    for result in results:
        for segment in result.segments:
            assert segment.track_id in tracks
            assert segment.mask.size == size
            assert 0 <= segment.score <= 1
    for track_id, track in tracks.items():
        seen = [result.frame.index for result in results if mask_of(result, track_id) is not None]
        assert (track.first_frame, track.last_frame, track.num_frames) == (seen[0], seen[-1], len(seen))
        assert track.num_frames > 1


# --- from a later frame on ----------------------------------------------------------------------------------------


def test_an_object_is_nowhere_before_the_frame_it_is_given_on(segmenter: Segmenter, tmp_path: Path) -> None:
    mask = blob((480, 368), 0.4, 0.5, 0.2)
    path = save_mask(tmp_path / "later.png", {3: mask})
    specs = [f"7:{path}", "box:20,300,150,150@4", "point:300.5,60.5@10"]
    results, tracks = follow(segmenter, "cat-portrait.mp4", specs, end=14)
    begins = {1: 4, 2: 10, 3: 7}
    assert {track_id: track.first_frame for track_id, track in tracks.items()} == begins
    for result in results:
        known = {track_id for track_id, begin in begins.items() if begin <= result.frame.index}
        assert {segment.track_id for segment in result.segments} <= known
    for track_id, begin in begins.items():
        assert mask_of(results[begin], track_id) is not None
    assert mask_of(results[7], 3) == rle.encode(mask)
    for index in (0, 3):
        assert results[index].segments == ()


def test_what_names_no_frame_is_given_on_the_first_that_is_read(segmenter: Segmenter, tmp_path: Path) -> None:
    mask = blob((480, 368), 0.5, 0.5, 0.2)
    path = save_mask(tmp_path / "first.png", {1: mask})
    results, tracks = follow(segmenter, "cat-portrait.mp4", [str(path)], end=26, start=20)
    assert mask_of(results[0], 1) == rle.encode(mask)
    assert tracks[1].first_frame == 20


def test_an_object_given_again_keeps_its_id_and_has_both_masks(segmenter: Segmenter, tmp_path: Path) -> None:
    masks = {0: blob((480, 368), 0.3, 0.3, 0.15), 8: blob((480, 368), 0.7, 0.6, 0.2)}
    paths = {index: save_mask(tmp_path / f"{index}.png", {4: mask}) for index, mask in masks.items()}
    results, tracks = follow(segmenter, "cat-portrait.mp4", [f"{i}:{path}" for i, path in paths.items()], end=12)
    assert list(tracks) == [4]
    for index, mask in masks.items():
        assert mask_of(results[index], 4) == rle.encode(mask)
    again, _ = follow(segmenter, "cat-portrait.mp4", [f"8:{paths[8]}"], end=12)
    assert [mask_of(result, 4) for result in results[8:]] == [mask_of(result, 4) for result in again[8:]]


def test_the_pixels_of_a_newcomer_are_its_own_and_nothing_before_it_changes(
    segmenter: Segmenter, tmp_path: Path
) -> None:
    old, new = blob((360, 640), 0.5, 0.3, 0.3), blob((360, 640), 0.5, 0.45, 0.3)
    specs = [f"0:{save_mask(tmp_path / 'old.png', {1: old})}", f"6:{save_mask(tmp_path / 'new.png', {2: new})}"]
    results, _ = follow(segmenter, "bedroom.mp4", specs, end=9)
    assert mask_of(results[0], 1) == rle.encode(old)
    assert mask_of(results[6], 2) == rle.encode(new)
    alone, _ = follow(segmenter, "bedroom.mp4", specs[:1], end=6)
    assert [mask_of(result, 1) for result in results[:6]] == [mask_of(result, 1) for result in alone]


# --- what is followed ---------------------------------------------------------------------------------------------


def still(prompt: Prompt | None = None, num: int = 4) -> Iterator[Frame]:
    """The first picture of a real clip, again and again; pointed at when it first comes."""
    with open_video(shared("data", "clips", "cat-portrait.mp4"), end="f1") as video:
        (frame,) = video
    for index in range(num):
        exemplar = Exemplar((prompt,)) if prompt and index == 0 else None
        yield replace(frame, index=index, time=Fraction(index, 25), exemplar=exemplar)


@pytest.mark.parametrize("kind", ["box", "point"])
def test_while_nothing_moves_the_answer_stays(kind: str, models: dict[str, Path]) -> None:
    prompt = Prompt(1, box=(60, 80, 260, 340)) if kind == "box" else Prompt(1, point=(180.5, 200.5))
    segmenter = load_segmenter(models["learnt queries"], "evs", device="cpu", dtype="fp32", size=SIZE)
    results = list(segmenter.run(still(prompt), segmenter.task.tracker()))
    masks = [mask_of(result, 1) for result in results]
    assert masks[0] is not None
    assert masks == [masks[0]] * len(masks)


def test_what_the_network_itself_marks_is_found_again_when_it_is_shown(models: dict[str, Path]) -> None:
    """Object by object; queries of a random network differ by little, so that its neighbour may stand for one."""
    folder = shared("parity", "hf_tiny_resnet")
    shown_all = {"tracking": {"birth_score": 0.0}}
    vis = load_segmenter(folder, "vis", device="cpu", dtype="fp32", size=SIZE, conf=0.0, settings=shown_all)
    evs = load_segmenter(folder, "evs", device="cpu", dtype="fp32", size=SIZE)
    (found,) = vis.run(still(num=1), vis.task.tracker())
    masks = [segment.mask for segment in found.segments]
    assert min(iou(masks[0], mask) for mask in masks) < 0.7  # they are not all alike
    for mask in masks:
        given, *later = evs.run(still(Prompt(1, mask=mask)), evs.task.tracker())
        assert mask_of(given, 1) == mask
        for result in later:
            assert iou(mask_of(result, 1), mask) > 0.95


# --- through the command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["learnt queries", "exemplar queries"])
def test_hand_drawn_masks_of_a_real_video_come_out_as_they_went_in(
    network: str, models: dict[str, Path], tmp_path: Path
) -> None:
    """Two caps, the second of which comes later; five of 67 frames have masks, and all five are given."""
    root = shared("data", "davis-mini")
    frames, drawn = root / "JPEGImages" / "480p" / "caps", root / "Annotations" / "480p" / "caps"
    options = ["--model", str(models[network]), "--size", "64", "--conf", "0", "--device", "cpu", "--dtype", "fp32"]
    words = ["predict", str(frames), "--task", "evs", "--exemplar", str(drawn), "-o", str(tmp_path), *options]
    assert main([*words, "--save", "json,png"]) == 0
    pictures = {int(file.stem): Image.open(file) for file in (tmp_path / "caps.evs.png").iterdir()}
    assert sorted(pictures) == list(range(67))
    wanted = {int(file.stem): np.asarray(Image.open(file)) for file in drawn.iterdir()}
    assert len(wanted) == 5
    for index, labels in wanted.items():
        objects = np.unique(labels[(labels > 0) & (labels < 255)])
        found = np.asarray(pictures[index])
        for track_id in objects:
            np.testing.assert_array_equal(found == track_id, labels == track_id)
    for picture in pictures.values():
        assert picture.mode == "P"
        assert np.asarray(picture.getpalette()).reshape(-1, 3).tolist() == davis_palette().tolist()
        assert set(np.unique(np.asarray(picture))) <= {0, 1, 2}
    told = json.loads((tmp_path / "caps.evs.json").read_text())
    begins = {one["id"]: next(i for i, mask in enumerate(one["segmentations"]) if mask) for one in told["annotations"]}
    firsts = {track_id: min(i for i, labels in wanted.items() if (labels == track_id).any()) for track_id in begins}
    assert begins == firsts
    for one in told["annotations"]:
        for index, mask in enumerate(one["segmentations"]):
            shown = np.asarray(pictures[index]) == one["id"]
            np.testing.assert_array_equal(
                np.zeros_like(shown) if mask is None else rle.decode(rle.from_coco(mask)), shown
            )
