"""How a sample is looked at: cropped, resized, mirrored, tinted — alike for all frames of all of its clips.

Source: Mask2Former-video and DVIS (`data_video/augmentation.py`: `choice_by_clip`, `RandomCropClip`, `flip_by_clip`).
How we differ:

- A crop there is a resize, a cut and another resize, each of which rounds and blurs. Here the same window is cut from
  the source and resized once.
- Pictures are resized as prediction resizes them (`ops.resize`: Pillow, bilinear, antialiased).
- Labels are one map a frame, by nearest neighbour, so that masks stay disjoint.
- Tints are drawn by sample, not by frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.config import InputSettings
from gvseg_core.data.training.targets import Numbers
from gvseg_core.ops.resize import input_size
from gvseg_core.recipes import AugmentSettings
from gvseg_core.types import Box, Size
from gvseg_core.video.picture import Picture

_CROP_MAX_SIDE = 1333  # px, of a picture that is about to be cropped (DVIS)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Tint:
    """Factors; 1 leaves things as they are."""

    brightness: float = 1.0
    contrast: float = 1.0  # about the mean grey of the frame
    saturation: float = 1.0

    def __call__(self, picture: Picture) -> Picture:
        """(H, W, 3) uint8, tinted."""
        if self == Tint():
            return picture
        grey = picture @ _LUMA
        mean = float(grey.mean())
        # Around its grey, then around the mean, then from black: one product and two sums a value.
        scale = self.brightness * self.contrast
        shift = (scale * (1 - self.saturation)) * grey + self.brightness * (1 - self.contrast) * mean
        tinted = picture * np.float32(scale * self.saturation)
        tinted += shift[..., None] + np.float32(0.5)
        return tinted.clip(0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class View:
    """A window of the source, and what it becomes."""

    window: Box  # in source pixels; may end between two
    size: Size  # (H, W) that it is resized to
    mirrored: bool = False
    tint: Tint = Tint()

    def picture(self, picture: Picture) -> Picture:
        """A frame, seen so."""
        image = Image.fromarray(picture)
        seen = np.asarray(image.resize(self.size[::-1], Image.Resampling.BILINEAR, self.window))
        return self.tint(np.ascontiguousarray(seen[:, ::-1] if self.mirrored else seen))

    def labels(self, labels: Numbers) -> Numbers:
        """Its labels, by nearest neighbour: of every pixel the one on which its centre falls."""
        x0, y0, x1, y1 = self.window
        rows = _nearest(y0, y1, self.size[0], labels.shape[0])
        columns = _nearest(x0, x1, self.size[1], labels.shape[1])
        if self.mirrored:
            columns = columns[::-1]
        return np.ascontiguousarray(labels[rows[:, None], columns])


def _nearest(begin: float, end: float, num: int, limit: int) -> NDArray[np.int64]:
    centres = begin + (np.arange(num) + 0.5) * ((end - begin) / num)
    places: NDArray[np.int64] = np.clip(np.floor(centres), 0, limit - 1).astype(np.int64)
    return places


def draw_view(rng: np.random.Generator, source: Size, settings: AugmentSettings) -> View:
    """A view of pictures of `source` (H, W)."""
    cropped = rng.random() < settings.crop
    window, shape = _draw_window(rng, source, settings) if cropped else (_whole(source), source)
    short_side = int(rng.choice(settings.short_sides)) * float(np.exp(rng.uniform(*np.log(settings.scale))))
    size = input_size(shape, InputSettings(short_side=max(round(short_side), 1), max_side=settings.max_side))
    mirrored = bool(rng.random() < settings.flip)
    factors = rng.uniform(1 - settings.jitter, 1 + settings.jitter, 3).tolist()
    return View(window, size, mirrored, Tint(*factors))


def _draw_window(rng: np.random.Generator, source: Size, settings: AugmentSettings) -> tuple[Box, Size]:
    """A window of the source, and its size in pixels of the picture as resized for the crop."""
    short_side = int(rng.choice(settings.crop_short_sides))
    resized = input_size(source, InputSettings(short_side=short_side, max_side=_CROP_MAX_SIDE))
    least, most = settings.crop_range
    h, w = (int(rng.integers(min(least, side), min(most, side) + 1)) for side in resized)
    y, x = int(rng.integers(resized[0] - h + 1)), int(rng.integers(resized[1] - w + 1))
    down, across = source[0] / resized[0], source[1] / resized[1]
    right, bottom = min((x + w) * across, source[1]), min((y + h) * down, source[0])
    return (x * across, y * down, right, bottom), (h, w)


def _whole(source: Size) -> Box:
    return 0.0, 0.0, float(source[1]), float(source[0])
