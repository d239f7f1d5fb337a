"""Frames in a report: what is drawn, on what ground."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gvseg_core.errors import OutputError
from gvseg_core.sinks.report import Scene
from gvseg_core.sinks.report import scenes as module
from gvseg_core.sinks.report.scenes import scene_figures
from gvseg_core.types import VOID, FrameResult, Size, TaskName
from tests.core.sinks.scenes import SIZE, VOCABULARY, box_mask, result, results, segment


def unseen(shown: FrameResult, size: Size = SIZE) -> FrameResult:
    return replace(shown, frame=replace(shown.frame, image=SimpleNamespace(shape=(3, *size))))


def pictures(truth: FrameResult, found: FrameResult, task: TaskName = "vis") -> list[np.ndarray]:
    """Truth and result as drawn."""
    (figure,) = scene_figures([Scene("ant", "00005", 0.314, truth, found)], VOCABULARY, task)
    packed = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', figure)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(one)))).astype(int) for one in packed]


def test_truth_and_result_stand_side_by_side_with_video_frame_and_score() -> None:
    shown = results("vis", 2)
    (figure,) = scene_figures([Scene("<ant>", "00005", 0.314, *shown)], VOCABULARY, "vis")
    assert "&lt;ant&gt;" in figure
    assert "frame 00005, score 31.4" in figure
    assert figure.index("Truth") < figure.index("Result")
    truth, found = pictures(shown[0], replace(shown[0], segments=()))
    assert truth.shape == found.shape == (*SIZE, 3)
    assert np.abs(truth - found).max() > 60


def test_where_nobody_has_the_picture_the_ground_is_grey() -> None:
    empty, full = pictures(unseen(result(0)), unseen(results("vis", 1)[0]))
    assert np.abs(empty - 128).max() <= 2
    assert np.abs(full - 128).max() > 60


def test_large_frames_are_reduced_and_small_ones_left() -> None:
    (large, _) = pictures(*[unseen(result(0), (1080, 1920))] * 2)
    assert large.shape == (360, 640, 3)


def test_regions_of_no_class_are_not_drawn() -> None:
    void = replace(segment(1, 0, box_mask(0, 0, 64, 48)), class_id=VOID, ignore=True)
    with_void, without = pictures(result(0, [void]), result(0))
    assert np.array_equal(with_void, without)


def test_of_objects_those_much_less_sure_than_the_best_are_not_drawn() -> None:
    sure, unsure = segment(1, 0, box_mask(0, 0, 9, 9), 0.8), segment(2, 1, box_mask(20, 20, 60, 45), 0.39)
    both, one = pictures(result(0, [sure, unsure]), result(0, [sure]))
    assert np.array_equal(both, one)
    both, one = pictures(result(0, [sure, unsure]), result(0, [sure]), "vps")
    assert not np.array_equal(both, one)


def test_a_report_without_opencv_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> None:
        raise OutputError("drawing needs OpenCV, which could not be loaded")

    monkeypatch.setattr(module, "Painter", missing)
    (line,) = scene_figures([Scene("ant", "00005", 0.3, result(0), result(0))] * 3, VOCABULARY, "vis")
    assert "There are no pictures: drawing needs OpenCV" in line
