"""Results made fit for files: one owner per pixel, maps of labels, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gvseg_core.ops import rle
from gvseg_core.ops.label_maps import by_claim
from gvseg_core.types import Frame, FrameResult, Rle, Segment, Size


def image_of(frame: Frame) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, row-major; the frame's own memory where that is its layout."""
    image: NDArray[np.uint8] = np.ascontiguousarray(frame.image.permute(1, 2, 0).cpu().numpy())
    return image


def has_picture(frame: Frame) -> bool:
    """Whether the picture itself is there: scoring files against files needs its size alone."""
    return hasattr(frame.image, "permute")


def frame_size(result: FrameResult) -> Size:
    """(H, W) of a result's picture."""
    _, h, w = result.frame.image.shape
    return int(h), int(w)


def without_overlap(segments: Sequence[Segment]) -> list[tuple[Segment, Rle]]:
    """Each segment with what is seen of it when a pixel may have one owner: the higher score, or else the lower id.

    Segments of which nothing is left are left out; the order is kept.
    """
    masks = [s.mask for s in segments]
    if len(segments) < 2 or sum(map(rle.area, masks)) == rle.area(rle.merge(masks)):
        return list(zip(segments, masks, strict=True))
    order = by_claim(segments)
    painted = rle.paint([masks[i] for i in order], [i + 1 for i in order], masks[0].size, "uint16")
    seen = rle.encode_labels(painted)
    return [(segments[label - 1], mask) for label, mask in seen.items()]


def label_map(segments: Sequence[Segment], labels: Sequence[int], size: Size, dtype: str) -> Any:
    """(H, W) of `dtype`: every pixel has the label of the segment with the best claim to it, or 0."""
    order = by_claim(segments)
    return rle.paint([segments[i].mask for i in order], [labels[i] for i in order], size, dtype)


def to_json(value: Any) -> bytes:
    """Compact JSON in plain ASCII, so that nothing in a name acts on a terminal; halves of characters become U+FFFD.

    Raises:
        ValueError: a number that JSON does not have (NaN, infinity).
    """
    return json.dumps(_whole_text(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def _whole_text(value: Any) -> Any:
    """`value` without lone surrogates, which strict readers refuse."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_whole_text(str(k)): _whole_text(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_text(v) for v in value]
    return value
