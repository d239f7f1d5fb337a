"""The overlay paints the pixels of the segments, in colours that stay."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gvseg_core.errors import OutputError
from gvseg_core.ops import rle
from gvseg_core.sinks import SINKS, make_sink
from gvseg_core.sinks.content import image_of
from gvseg_core.sinks.drawing import Painter
from gvseg_core.sinks.palette import track_color
from gvseg_core.types import Exemplar, FrameResult, Prompt
from tests.core.sinks.scenes import TASKS, VOCABULARY, box_mask, outcome, result, results, segment, settings, video


def draw(shown: FrameResult, task: str = "vis", **more: object) -> np.ndarray:
    return Painter(settings(task, **{"labels": False, **more})).draw(shown)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_masks_are_blended_edged_with_their_colour_and_nothing_else_is_touched(alpha: float) -> None:
    mask = box_mask(10, 10, 30, 40)
    shown = result(0, [segment(5, 0, mask)])
    picture, before = draw(shown, alpha=alpha), image_of(shown.frame)
    color = np.array(track_color(5))
    inner = box_mask(11, 11, 29, 39)
    assert np.array_equal(picture[~mask], before[~mask])
    assert (picture[mask & ~inner] == color).all()
    assert np.abs(picture[inner] - ((1 - alpha) * before[inner] + alpha * color)).max() <= 1


def test_another_ground_takes_the_place_of_the_picture_and_is_left_alone() -> None:
    ground = np.full((48, 64, 3), 128, np.uint8)
    mask = box_mask(10, 10, 30, 40)
    picture = Painter(settings(labels=False)).draw(result(0, [segment(5, 0, mask)]), ground=ground)
    assert (picture[~mask] == 128).all()
    assert (picture[mask] != 128).any()
    assert (ground == 128).all()


def test_a_mask_that_reaches_the_border_has_no_edge_there() -> None:
    shown = result(0, [segment(5, 0, np.ones((48, 64), bool))])
    assert np.array_equal(draw(shown, alpha=0.0), image_of(shown.frame))


@pytest.mark.parametrize("task", TASKS)
def test_neither_order_nor_company_nor_time_changes_a_colour(task: str) -> None:
    painter = Painter(settings(task, labels=False, alpha=1.0))
    first, *rest = results(task)
    picture = painter.draw(first)
    for other in rest:
        painter.draw(other)
    assert np.array_equal(painter.draw(replace(first, segments=first.segments[::-1])), picture)
    for one in first.segments:
        alone = painter.draw(replace(first, segments=(one,)))
        seen = (picture == alone).all(2) & rle.decode(one.mask)
        assert seen.any()


def test_objects_are_coloured_by_id_and_all_else_by_class() -> None:
    mask = box_mask(10, 10, 30, 40)
    for task, class_id, color_by, color in [
        ("vis", 0, "auto", track_color(5)),
        ("evs", 0, "auto", track_color(5)),
        ("vss", 0, "auto", VOCABULARY.classes[0].color),
        ("vps", 0, "auto", track_color(5)),
        ("vps", 2, "auto", VOCABULARY.classes[2].color),
        ("vps", 0, "class", VOCABULARY.classes[0].color),
        ("vss", 0, "track", track_color(5)),
    ]:
        picture = draw(result(0, [segment(5, class_id, mask)]), task, alpha=1.0, color_by=color_by)
        assert tuple(picture[20, 20]) == color


def test_a_small_region_lies_on_a_large_one_whatever_their_scores() -> None:
    small, large = box_mask(20, 20, 26, 26), box_mask(5, 5, 50, 40)
    for scores in ((0.1, 0.9), (0.9, 0.1)):
        shown = result(0, [segment(1, 0, small, scores[0]), segment(2, 0, large, scores[1])])
        assert tuple(draw(shown, alpha=1.0)[23, 23]) == track_color(1)


def test_hundreds_of_regions_keep_their_colours() -> None:
    masks = [box_mask(x, y, x + 2, y + 2) for y in range(0, 36, 2) for x in range(0, 64, 2)]
    assert len(masks) > 300
    picture = draw(result(0, [segment(i + 1, 0, mask) for i, mask in enumerate(masks)]), alpha=1.0)
    for i, mask in enumerate(masks):
        assert (picture[mask] == track_color(i + 1)).all()


def test_the_frame_itself_is_left_as_it_is() -> None:
    shown = results("vps")[0]
    before = image_of(shown.frame).copy()
    Painter(settings("vps")).draw(shown)
    assert np.array_equal(image_of(shown.frame), before)


def test_only_classes_that_are_there_are_in_the_legend() -> None:
    size = (360, 640)
    sky, road = box_mask(0, 0, 640, 100, size), box_mask(0, 100, 640, 200, size)
    speck = box_mask(0, 210, 10, 215, size)

    def legend_has(found: list[np.ndarray], class_id: int) -> bool:
        segments = [segment(c + 1, c, mask) for c, mask in zip((2, 3), found, strict=False)]
        picture = Painter(settings("vss", alpha=0.5)).draw(result(0, segments, size))
        return bool((picture[250:] == VOCABULARY.classes[class_id].color).all(2).any())

    assert legend_has([sky], 2)
    assert not legend_has([sky], 3)
    assert legend_has([sky, road], 3)
    assert not legend_has([sky, speck], 3)
    shown = result(0, [segment(3, 2, sky)], size)
    assert np.array_equal(draw(shown, "vss")[250:], image_of(shown.frame)[250:])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (9, 16), (90, 160), (121, 161)])
def test_pictures_of_any_size_are_drawn(task: str, size: tuple[int, int]) -> None:
    shown = result(0, [segment(i + 1, i, np.ones(size, bool)) for i in range(4)], size)
    assert Painter(settings(task)).draw(shown).shape == (*size, 3)
    assert Painter(settings(task)).draw(shown, (5, 7), note="0:00.0").shape == (5, 7, 3)


def test_labels_appear_only_when_wanted() -> None:
    shown = result(0, [segment(1, 0, box_mask(200, 100, 400, 300, (360, 640)))], (360, 640))
    with_labels, without = Painter(settings()).draw(shown), Painter(settings(labels=False)).draw(shown)
    difference = (with_labels != without).any(2)
    assert difference[60:101, 200:400].any()
    assert not difference[101:].any()


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(1, mask=rle.encode(box_mask(10, 10, 20, 20))),
        Prompt(1, box=(10, 10, 20, 20)),
        Prompt(1, point=(15, 15)),
    ],
)
def test_what_was_given_is_marked(prompt: Prompt) -> None:
    plain = result(0)
    marked = draw(replace(plain, frame=replace(plain.frame, exemplar=Exemplar((prompt,)))), "evs")
    difference = (marked != image_of(plain.frame)).any(2)
    assert difference[8:23, 8:23].any()
    assert not difference[24:].any()
    assert (marked == (255, 255, 255)).all(2).any()
    assert (marked == track_color(1)).all(2).any()


def test_without_opencv_the_error_names_both_cures_and_all_else_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for word in ("video", "contact"):
        with pytest.raises(OutputError, match=r"libgl1.*opencv-python-headless"):
            make_sink(word, tmp_path / word, settings())
    for word in SINKS.keys() - {"video", "contact", "alpha"}:
        sink = make_sink(word, tmp_path / word, settings())
        sink.begin(video())
        for one in results("vis"):
            sink.write(one)
        sink.end(outcome(results("vis")))
        assert (tmp_path / word).exists()
