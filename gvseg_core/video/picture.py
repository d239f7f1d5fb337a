"""From a decoded frame to the upright RGB picture: colour, alpha, rotation, letterbox."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import cast

import av
import numpy as np
import numpy.typing as npt
import torch
from av.buffer import Buffer
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from torch import Tensor

from gvseg_core.types import Size

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

Matrix = tuple[int, int, int, int]
"""a, b, c, d of FFmpeg's display matrix: a stored pixel (x, y) is shown at (a·x + c·y, b·x + d·y)."""

UPRIGHT: Matrix = (1, 0, 0, 1)

# Matrices by the number in the stream (ITU-T H.273, table 4). 8-bit video keeps swscale's fast path (at most 2 levels
# off); deeper video would be up to 4 levels off there and takes the exact one.
_SPACES = {1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601}
_SPACES |= {7: Colorspace.SMPTE240M, 9: Colorspace.BT2020, 10: Colorspace.BT2020}
_EXACT = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND


class Developer:
    """Develops frames of one video into pictures; holds the conversion's tables, so one serves a whole video."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Picture:
        """(H, W, 3) uint8 RGB as stored, not yet turned; a see-through frame is laid on black.

        Range and matrix are as tagged. An untagged matrix is taken as players take it: BT.709 from 720 lines or 1280
        columns on, else BT.601.
        """
        is_deep, has_alpha = _traits(frame.format.name)
        large = frame.height >= 720 or frame.width >= 1280
        space = _SPACES.get(frame.colorspace, Colorspace.ITU709 if large else Colorspace.ITU601)
        converted = self._reformatter.reformat(
            frame,
            format="rgba" if has_alpha else "rgb24",
            src_colorspace=space,
            interpolation=_EXACT if is_deep else None,
            threads=None if is_deep else 1,
        )
        pixels = np.asarray(converted.to_ndarray(), dtype=np.uint8)
        return on_black(pixels) if has_alpha else pixels


@lru_cache(maxsize=64)
def _traits(format_name: str) -> tuple[bool, bool]:
    """Whether a pixel format is deeper than 8 bits, and whether it has alpha."""
    components = av.VideoFormat(format_name).components
    return max(c.bits for c in components) > 8, format_name == "pal8" or any(c.is_alpha for c in components)


def on_black(pixels: Picture) -> Picture:
    """An (H, W, 4) picture with straight alpha laid on black: (H, W, 3)."""
    alpha = pixels[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return np.ascontiguousarray(pixels[..., :3])
    return ((pixels[..., :3] * alpha + 127) // 255).astype(np.uint8)


def display_matrix(frame: av.VideoFrame) -> Matrix | None:
    """How the frame is to be turned and mirrored, each number -1, 0 or 1; None when by an odd angle."""
    data = cast("Mapping[Type, Buffer]", frame.side_data).get(Type.DISPLAYMATRIX)
    if data is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    straight, across = min(abs(a), abs(d)), min(abs(b), abs(c))
    if max(abs(b), abs(c)) * 100 <= straight:
        return _sign(a), 0, 0, _sign(d)
    if max(abs(a), abs(d)) * 100 <= across:
        return 0, _sign(b), _sign(c), 0
    return None


def turned(picture: Picture, matrix: Matrix) -> Picture:
    """The picture turned and mirrored as `matrix` (of -1, 0 and 1) says."""
    a, b, c, d = matrix
    if b:
        picture = picture.transpose(1, 0, 2)
    if a < 0 or c < 0:
        picture = picture[:, ::-1]
    if d < 0 or b < 0:
        picture = picture[::-1]
    return picture


def letterboxed(picture: Picture, size: Size) -> Picture:
    """The whole picture, as large as fits into `size` (H, W), aspect kept, black around it."""
    height, width, _ = picture.shape
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    small = frame.reformat(width=inner[1], height=inner[0]).to_ndarray()
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    boxed = np.zeros((*size, 3), np.uint8)
    boxed[top : top + inner[0], left : left + inner[1]] = small
    return boxed


def as_tensor(picture: Picture) -> Tensor:
    """(H, W, 3) → (3, H, W), a view where the picture lies unbroken in memory."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
