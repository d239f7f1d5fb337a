"""Frames worth looking at: the truth and the result side by side, as pictures that lie in the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gvseg_core.errors import OutputError
from gvseg_core.sinks.content import frame_size, has_picture
from gvseg_core.sinks.drawing import Painter
from gvseg_core.sinks.lettering import Picture
from gvseg_core.sinks.report.markup import Html, tag, text
from gvseg_core.sinks.report.numbers import shown
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import VOID, FrameResult, Size, TaskName, Vocabulary

_LONG_SIDE = 640  # px of a picture in the page: sharp at the width it has there
_GROUND = 128  # grey, where there is no picture
_QUALITY = 85
_LEAST_SHARE: Mapping[TaskName, float] = {"vis": 0.5}
"""Of a frame's best score, that a region needs to be drawn: instance results hold many that nobody would show."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame of one video."""

    video: str
    frame: str  # as the benchmark calls it
    score: float  # of the video, in [0, 1]
    truth: FrameResult
    found: FrameResult


def scene_figures(scenes: Sequence[Scene], vocabulary: Vocabulary, task: TaskName) -> Iterator[Html]:
    """A figure for each; one line instead, where OpenCV cannot be loaded: the rest of a report needs none."""
    try:
        painter = Painter(SinkSettings(task, vocabulary))
    except OutputError as error:
        yield tag("p", f"There are no pictures: {error}", class_="faint")
        return
    for scene in scenes:
        yield _figure(scene, painter, _LEAST_SHARE.get(task, 0.0))


def _figure(scene: Scene, painter: Painter, least: float) -> Html:
    caption = tag("figcaption", tag("strong", scene.video), text(f", frame {scene.frame}, score {shown(scene.score)}"))
    sides = [
        tag(
            "div",
            tag("img", src=_data_uri(_drawn(result, painter, least)), alt=f"{name} of {scene.video}"),
            tag("p", name),
        )
        for name, result in (("Truth", scene.truth), ("Result", scene.found))
    ]
    return tag("figure", caption, tag("div", sides, class_="pair"))


def _drawn(result: FrameResult, painter: Painter, least: float) -> Picture:
    """A frame with its regions, without those that belong to no class, on grey where nobody has its picture."""
    full = frame_size(result)
    best = max((segment.score for segment in result.segments), default=0.0)
    known = replace(
        result, segments=tuple(s for s in result.segments if s.class_id != VOID and s.score >= least * best)
    )
    ground = None if has_picture(result.frame) else np.full((*full, 3), _GROUND, np.uint8)
    return painter.draw(known, _reduced(full), ground=ground)


def _reduced(size: Size) -> Size:
    scale = min(1.0, _LONG_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _data_uri(picture: Picture) -> Html:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=_QUALITY)
    return Html("data:image/jpeg;base64," + base64.b64encode(packed.getvalue()).decode("ascii"))
