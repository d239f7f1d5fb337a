"""Pseudo-videos: a still picture in front of a camera that turns, with objects of other pictures passing before it.

Source: the pseudo-videos of VITA, DVIS, CTVIS and GenVIS (`data_video/augmentation.py`, `RandomRotationClip`): each
frame is turned by an angle of its own from ±15°, the angles of a clip ascend or descend, and the centre, in the middle
fifth of the picture, is the clip's. `rotation` alone gives exactly that; how we go on from there:

- Where the turned picture has no pixels nothing is known: void, which teaches nothing, instead of background.
- The view may also drift and zoom (`drift`, `zoom`), which small sets need: a rotation moves little at its centre.
- Objects may be pasted from another picture (`copy_paste`; Ghiasi et al., CVPR 2021, without their blending), each on
  a straight path of its own, so that what is pasted hides what is there, frame by frame, and gives it free again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.data.training.augment import View
from gvseg_core.data.training.targets import Numbers
from gvseg_core.data.training.videos import Scene
from gvseg_core.recipes import AugmentSettings
from gvseg_core.types import VOID, Size
from gvseg_core.video.picture import Picture

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: what is seen at (x, y) lies at (a·x + b·y + c, d·x + e·y + f); Pillow's order."""

MAX_GUESTS = 3  # objects pasted into one picture
_GUEST_AREA = 0.005  # of its own picture, at least
_GUEST_SCALE = (0.6, 1.2)  # of a guest against its host's pixels, log-uniformly
_GUEST_SIDE = 0.7  # of the picture's short side, at most
_PATH = 0.35  # of the picture's sides that a guest moves at most


# --- the camera ---------------------------------------------------------------------------------------------------


def draw_times(rng: np.random.Generator, length: int) -> NDArray[np.float64]:
    """(T,) when the frames of a clip are taken, ascending; a pseudo-video lasts from 0 to 1."""
    return np.sort(rng.random(length))


@dataclass(frozen=True, slots=True)
class Motion:
    """What the camera does from time 0 to 1."""

    centre: tuple[float, float]  # x, y as shares of the sides: where it turns, and zooms to
    turn: float  # degrees, from −turn to +turn
    drift: tuple[float, float]  # x, y as shares of the sides, from −drift to +drift
    zoom: float  # from 1 / zoom to zoom

    def matrix(self, time: float, size: Size) -> Matrix:
        """The camera's place at a time, in pixels of a picture of `size`."""
        course = 2 * time - 1
        angle, scale = math.radians(self.turn * course), self.zoom**course
        cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
        x, y = self.centre[0] * size[1], self.centre[1] * size[0]
        dx, dy = self.drift[0] * course * size[1], self.drift[1] * course * size[0]
        return cos, sin, x - cos * x - sin * y + dx, -sin, cos, y + sin * x - cos * y + dy


def draw_motion(rng: np.random.Generator, settings: AugmentSettings) -> Motion:
    """A camera's motion; forwards or backwards, with equal chance."""
    x, y = rng.uniform(0.4, 0.6, 2).tolist()
    turn = settings.rotation * (1 if rng.random() < 0.5 else -1)
    across, down = (rng.uniform(-1, 1, 2) * settings.drift).tolist()
    zoom = float(np.exp(rng.uniform(-1, 1) * np.log1p(settings.zoom)))
    return Motion((x, y), turn, (across, down), zoom)


def warp(picture: Picture, labels: Numbers, matrix: Matrix) -> tuple[Picture, Numbers]:
    """A picture and its labels from elsewhere: bilinear and nearest; black and void where there is nothing."""
    size = labels.shape[::-1]
    seen = Image.fromarray(picture).transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    numbers = Image.fromarray(labels.astype(np.int32)).transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=VOID
    )
    return np.array(seen), np.asarray(numbers).astype(np.int16)


# --- guests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Guest:
    """An object cut out of another picture, and its path."""

    picture: Picture  # (h, w, 3), its box
    mask: NDArray[np.bool_]  # (h, w)
    number: int  # its target's
    start: tuple[float, float]  # x, y of its centre as shares of the host's sides, at time 0
    end: tuple[float, float]  # and at time 1


def draw_guests(rng: np.random.Generator, scene: Scene, objects: Mapping[int, int], host: View) -> tuple[Guest, ...]:
    """One to `MAX_GUESTS` objects of a scene, each cut out, resized, perhaps mirrored, and given a path.

    Args:
        objects: the rows of its regions that may be taken, and the numbers of their targets.
        host: the view of the picture that they are pasted into; they get its scale, more or less, and its tint.
    """
    areas, least = scene.regions.areas, _GUEST_AREA * scene.regions.areas.sum()
    large = [row for row in objects if areas[row] >= least]
    num = min(len(large), int(rng.integers(1, MAX_GUESTS + 1)))
    x0, y0, x1, y1 = host.window
    per_pixel = math.sqrt(host.size[0] * host.size[1] / ((y1 - y0) * (x1 - x0)))
    guests = []
    for row in sorted(rng.choice(large, num, replace=False).tolist() if num else []):
        mask = scene.regions.paint((np.arange(len(areas)) == row).astype(np.int16))
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        top, left, h, w = rows[0], columns[0], int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
        factor = per_pixel * float(np.exp(rng.uniform(*np.log(_GUEST_SCALE))))
        factor = min(factor, _GUEST_SIDE * min(host.size) / max(h, w))
        size = max(round(h * factor), 1), max(round(w * factor), 1)
        window = float(left), float(top), float(left + w), float(top + h)
        view = View(window, size, bool(rng.random() < 0.5), host.tint)
        start = rng.uniform(0, 1, 2)
        end = start + rng.uniform(-_PATH, _PATH, 2)
        path = (float(start[0]), float(start[1])), (float(end[0]), float(end[1]))
        guests.append(Guest(view.picture(scene.picture), view.labels(mask) > 0, objects[row], *path))
    return tuple(guests)


def paste(picture: Picture, labels: Numbers, guests: Sequence[Guest], time: float) -> tuple[Picture, Numbers]:
    """The picture at a time with its guests before it, later ones before earlier ones; copies."""
    picture, labels = picture.copy(), labels.copy()
    h, w = labels.shape
    for guest in guests:
        height, width = guest.mask.shape
        centre = [a + (b - a) * time for a, b in zip(guest.start, guest.end, strict=True)]
        x, y = round(centre[0] * w - width / 2), round(centre[1] * h - height / 2)
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, w), min(y + height, h)
        if left >= right or top >= bottom:
            continue
        mask = guest.mask[top - y : bottom - y, left - x : right - x]
        picture[top:bottom, left:right][mask] = guest.picture[top - y : bottom - y, left - x : right - x][mask]
        labels[top:bottom, left:right][mask] = guest.number
    return picture, labels
