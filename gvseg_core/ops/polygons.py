"""Polygons of annotation files as masks.

Drawn by pycocotools (cocodataset/cocoapi, common/maskApi.c; BSD-2), so that pixels are those of COCO's own programs.
What they would take amiss is looked at before: they read NaN as a place, a polygon of two points as a box, need memory
in proportion to the length of the outline, wherever it leads, and write past the end of runs that are all very long.
"""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco

from gvseg_core.errors import DataError
from gvseg_core.ops import rle
from gvseg_core.types import Rle, Size

_MAX_PIXELS = 2**26  # 8192 × 8192; in less no four counts of pixels take six characters each
_FEWEST = 6  # numbers that enclose something: three points


def from_polygons(found: object, size: Size) -> tuple[Rle, int]:
    """The pixels inside of any of the polygons; what is outside of the picture is cut off.

    Args:
        found: a list of polygons, each a list x, y, x, y … in pixels.
        size: (H, W) of the picture.

    Returns:
        The mask, empty where there is no polygon; and how many polygons of fewer than three points were left out.

    Raises:
        DataError: anything else, or a corner that is further outside of the picture than the picture is large.
    """
    if not isinstance(found, list):
        raise DataError(f"wanted a list of polygons, found {type(found).__name__}")
    h, w = size
    if h * w > _MAX_PIXELS:
        raise DataError(f"polygons in a picture of {w}×{h}; wanted {_MAX_PIXELS} pixels at most, or run lengths")
    kept = []
    for place, polygon in enumerate(found):
        if not isinstance(polygon, list) or len(polygon) % 2 or not all(type(n) in (int, float) for n in polygon):
            raise DataError(f"polygon {place}: wanted a list of numbers x, y, x, y …")
        for x, y in zip(polygon[0::2], polygon[1::2], strict=True):
            if not (-w <= x <= 2 * w and -h <= y <= 2 * h):  # nor is NaN
                raise DataError(f"polygon {place}: a corner at ({x:.6g}, {y:.6g}) of a picture of {w}×{h}")
        if len(polygon) >= _FEWEST:
            kept.append([float(n) for n in polygon])
    if not kept:
        return rle.from_bounds(np.empty(0, np.int64), size), len(found)
    return Rle(size, coco.merge(coco.frPyObjects(kept, *size))["counts"]), len(found) - len(kept)
