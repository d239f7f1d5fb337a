"""The overlay: masks, contours, labels and a legend over a frame.

All masks become one map of labels, which a look-up table turns into colours in one pass, so that ten masks cost little
more than one. Smaller regions lie on larger ones. Only this file uses OpenCV, and only once something is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.errors import OutputError
from gvseg_core.ops import rle
from gvseg_core.sinks.content import frame_size, image_of
from gvseg_core.sinks.lettering import Picture, caption, chip, legend
from gvseg_core.sinks.palette import Rgb, track_color
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import Exemplar, FrameResult, Rle, Segment, Size

_LEAST_SHARE = 0.001  # of the picture: classes with less are not in the legend


@dataclass(frozen=True)
class _Region:
    """One segment as it will be drawn."""

    segment: Segment
    color: Rgb
    area: int


class Painter:
    """Draws results as the settings say.

    Raises:
        OutputError: OpenCV cannot be loaded.
    """

    def __init__(self, settings: SinkSettings) -> None:
        self._settings = settings
        self._cv2 = _load_cv2()

    def draw(
        self, result: FrameResult, size: Size | None = None, note: str = "", ground: Picture | None = None
    ) -> Picture:
        """A new picture of a frame with everything found on it.

        Args:
            result: what to draw.
            size: (h, w) of the picture, for thumbnails; by default the frame's.
            note: a line for the upper left corner.
            ground: (H, W, 3) uint8 RGB to draw on instead of the frame's own picture.

        Returns:
            (h, w, 3) uint8 RGB.
        """
        full = frame_size(result)
        picture = np.array(image_of(result.frame) if ground is None else ground)  # a copy: the frame is everybody's
        if size is not None:
            picture = self._cv2.resize(picture, size[::-1], interpolation=self._cv2.INTER_AREA)
        regions = sorted((_Region(s, self._color(s), rle.area(s.mask)) for s in result.segments), key=lambda r: -r.area)
        if regions:
            labels = self._labels([r.segment.mask for r in regions], full, picture.shape[:2])
            self._fill(picture, labels, [r.color for r in regions])
        scale = picture.shape[0] / full[0], picture.shape[1] / full[1]
        if result.frame.exemplar is not None:
            self._mark(picture, result.frame.exemplar, scale)
        if self._settings.labels:
            self._write(picture, regions, full, scale)
        if note:
            caption(picture, note)
        return picture

    def _color(self, segment: Segment) -> Rgb:
        by_track = {"track": True, "class": False, "auto": segment.class_id in self._settings.objects}
        if by_track[self._settings.color_by]:
            return track_color(segment.track_id)
        return self._settings.vocabulary.classes[segment.class_id].color

    def _labels(self, masks: list[Rle], full: Size, size: Size) -> NDArray[Any]:
        """(h, w) map of 1 + place in the list; row-major."""
        dtype = np.uint8 if len(masks) < 256 else np.uint16
        painted = rle.paint(masks, range(1, len(masks) + 1), full, dtype)
        labels: NDArray[Any] = self._cv2.transpose(painted.T)  # column-major to row-major, six times faster than numpy
        if size != full:
            labels = self._cv2.resize(labels, size[::-1], interpolation=self._cv2.INTER_NEAREST)
        return labels

    def _fill(self, picture: Picture, labels: NDArray[Any], colors: list[Rgb]) -> None:
        """Tint every region and draw its contour, on its inner side."""
        cv2 = self._cv2
        solid = self._colored(labels, np.array([(0, 0, 0), *colors], np.uint8))
        inside = (labels > 0).view(np.uint8)
        alpha = self._settings.alpha
        cv2.copyTo(cv2.addWeighted(picture, 1 - alpha, solid, alpha, 0), inside, picture)
        thick = _thickness(picture.shape[:2])
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thick + 1, 2 * thick + 1))
        edge = cv2.compare(cv2.dilate(labels, around), cv2.erode(labels, around), cv2.CMP_NE)
        cv2.copyTo(solid, cv2.bitwise_and(edge, inside), picture)

    def _colored(self, labels: NDArray[Any], table: Picture) -> Picture:
        """The colour of every label, (h, w, 3)."""
        colored: Picture
        if labels.dtype == np.uint8:
            whole = np.zeros((256, 1, 3), np.uint8)  # as OpenCV wants it
            whole[: len(table), 0] = table
            colored = self._cv2.applyColorMap(labels, whole)
        else:
            colored = np.take(table, labels, axis=0)
        return colored

    def _mark(self, picture: Picture, exemplar: Exemplar, scale: tuple[float, float]) -> None:
        """What was given: an outline, a box or a cross in white, lined with the object's colour."""
        cv2 = self._cv2
        thick = _thickness(picture.shape[:2])
        for prompt in exemplar.prompts:
            for color, width in (((255, 255, 255), 2 * thick + 1), (track_color(prompt.track_id), thick)):
                if prompt.mask is not None:
                    mask = np.ascontiguousarray(rle.decode(prompt.mask), np.uint8)
                    mask = cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
                    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
                    cv2.drawContours(picture, contours, -1, color, width)
                if prompt.box is not None:
                    x0, y0, x1, y1 = prompt.box
                    start = round(x0 * scale[1]), round(y0 * scale[0])
                    end = round(x1 * scale[1]) - 1, round(y1 * scale[0]) - 1
                    cv2.rectangle(picture, start, end, color, width)
                if prompt.point is not None:
                    at = round(prompt.point[0] * scale[1]), round(prompt.point[1] * scale[0])
                    cv2.drawMarker(picture, at, color, cv2.MARKER_TILTED_CROSS, 10 * thick, width)

    def _write(self, picture: Picture, regions: list[_Region], full: Size, scale: tuple[float, float]) -> None:
        """Chips for objects, in the order of their ids; the legend for all else."""
        classes = self._settings.vocabulary.classes
        shares: dict[int, float] = {}
        taken: list[tuple[int, int, int, int]] = []
        for region in sorted(regions, key=lambda r: r.segment.track_id):
            segment = region.segment
            if segment.class_id not in self._settings.objects:
                shares[segment.class_id] = shares.get(segment.class_id, 0) + region.area / (full[0] * full[1])
                continue
            name = f"{classes[segment.class_id].name} {segment.track_id}"
            x0, y0, x1, y1 = rle.box(segment.mask)
            box = x0 * scale[1], y0 * scale[0], x1 * scale[1], y1 * scale[0]
            chip(picture, (f"{name}  {segment.score:.2f}", name, str(segment.track_id)), region.color, box, taken)
        listed = [(classes[i].name, self._class_color(i), share) for i, share in sorted(shares.items())]
        listed = [entry for entry in listed if entry[2] >= _LEAST_SHARE]
        if listed:
            legend(picture, listed)

    def _class_color(self, class_id: int) -> Rgb:
        """The colour under which a class stands in the legend; its track id is class id + 1."""
        if self._settings.color_by == "track":
            return track_color(class_id + 1)
        return self._settings.vocabulary.classes[class_id].color


def _thickness(size: Size) -> int:
    """Pixels of a contour: 1 at 360p, 2 at 720p, 4 at 1080p."""
    return max(1, round(min(size) / 300))


def _load_cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise OutputError(
            f"drawing needs OpenCV, which could not be loaded ({error}); where libGL is missing, either install it "
            "(Debian: apt-get install libgl1) or use pip install opencv-python-headless in place of opencv-python"
        ) from None
    return cv2
