"""Bilinear resizing: pictures on their way in, and the weights that bring masks back out.

Two kinds, which must not be confused:

- pictures shrink with antialiasing, and by Pillow itself, as in detectron2 and Hugging Face. torch's integer kernel
  takes a fifth of the time (1 of 5 ms for 720p to 360p) but is one grey level off in 1 of 1000 values, and that was
  measured to move 1 of 400 pixels of the masks of small reference weights;
- masks never do: two taps an axis, whatever the scale, as `F.interpolate(align_corners=False)` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gvseg_core.config import InputSettings
from gvseg_core.types import Clip, Frame, Size

_TILE = 128  # outputs of a band that are multiplied at once: few zeros, few calls


# --- pictures -----------------------------------------------------------------------------------------------------


def input_size(source: Size, settings: InputSettings) -> Size:
    """The size a picture of `source` has in front of the network: aspect kept, halves rounded up, never 0.

    Source: `ResizeShortestEdge.get_output_shape` of detectron2 (Hugging Face cuts the fraction off instead: for
    480 × 854 at 360 pixels it has 640 columns, detectron2 641).
    """
    height, width = source
    scale = settings.short_side / min(height, width)
    scale *= min(1.0, settings.max_side / (max(height, width) * scale))
    return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)


def resize_picture(image: Tensor, size: Size) -> Tensor:
    """(3, H, W) uint8 → (3, *size) uint8, by Pillow's `BILINEAR`, which is antialiased."""
    if tuple(image.shape[-2:]) == size:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
    resized = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def prepare(frames: Sequence[Frame], settings: InputSettings) -> Clip:
    """Frames of one size as the network wants them: resized, normalised, and only then padded with 0.

    Raises:
        ValueError: no frame, or frames of different sizes.
    """
    sizes = {(int(frame.image.shape[-2]), int(frame.image.shape[-1])) for frame in frames}
    if len(sizes) != 1:
        raise ValueError(f"a clip has frames of one size, found {sorted(sizes)}")
    source = sizes.pop()
    size = input_size(source, settings)
    padded = [-(-side // settings.divisor) * settings.divisor for side in size]
    mean, std = torch.tensor(settings.mean)[:, None, None], torch.tensor(settings.std)[:, None, None]
    pixels = torch.zeros(len(frames), 3, *padded).contiguous(memory_format=torch.channels_last)
    for place, frame in zip(pixels, frames, strict=True):
        picture = resize_picture(frame.image, size)
        torch.sub(picture, mean, out=place[:, : size[0], : size[1]]).div_(std)
    return Clip(tuple(frames), pixels, size, source)


# --- masks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Band:
    """One axis of a resize: every output is a weighted mean of a few neighbouring inputs."""

    matrix: Tensor  # (outputs, inputs) float32, zero but for a band along the diagonal
    first: NDArray[np.int64]  # (outputs,) first and last input with a say; both ascend
    last: NDArray[np.int64]

    def reach(self, begin: int, end: int) -> tuple[int, int]:
        """Outputs begin … end - 1 with a say of any of these inputs; begin and end of those inputs' outputs."""
        return int(np.searchsorted(self.last, begin)), int(np.searchsorted(self.first, end))

    def needs(self, begin: int, end: int) -> tuple[int, int]:
        """The inputs (begin, end) that outputs begin … end - 1 are made of."""
        return int(self.first[begin]), int(self.last[end - 1]) + 1

    def rows(self, values: Tensor, begin: int, end: int) -> Tensor:
        """(..., inputs, n) → (..., end - begin, n); `values` begins with the first input that is needed."""
        low = int(self.first[begin])
        out = values.new_empty(*values.shape[:-2], end - begin, values.shape[-1])
        for a in range(begin, end, _TILE):
            b = min(a + _TILE, end)
            i, j = self.needs(a, b)
            torch.matmul(
                self.matrix[a:b, i:j].to(values),
                values[..., i - low : j - low, :],
                out=out[..., a - begin : b - begin, :],
            )
        return out

    def columns(self, values: Tensor, begin: int, end: int) -> Tensor:
        """(..., n, inputs) → (..., n, end - begin); `values` begins with the first input that is needed."""
        low = int(self.first[begin])
        out = values.new_empty(*values.shape[:-1], end - begin)
        for a in range(begin, end, _TILE):
            b = min(a + _TILE, end)
            i, j = self.needs(a, b)
            out[..., a - begin : b - begin] = values[..., i - low : j - low] @ self.matrix[a:b, i:j].to(values).T
        return out


@lru_cache(maxsize=64)
def taps(inputs: int, outputs: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(outputs, 2) indices and weights of a bilinear resize along one axis.

    They are read off `F.interpolate` itself: how it rounds a place to float32 moves a weight by up to 3e-5 at pixel
    600, which is more than all other rounding together.
    """
    weights = F.interpolate(torch.eye(inputs)[None], outputs, mode="linear", align_corners=False)[0].T.numpy()
    low = (weights != 0).argmax(1)
    high = np.minimum(low + 1, inputs - 1)
    each = np.arange(outputs)
    return np.stack([low, high], 1), np.stack([weights[each, low], np.where(high > low, weights[each, high], 0)], 1)


@lru_cache(maxsize=32)
def band(*sizes: int) -> Band:
    """Resizes one after the other along one axis, as one: `band(90, 360, 720)` from 90 cells by way of 360 to 720.

    A negative size is a crop: `band(96, 384, -360, 720)` throws the last 24 of 384 away before going on to 720.
    """
    matrix = torch.eye(sizes[0], dtype=torch.float64)
    for size in sizes[1:]:
        if size < 0:
            matrix = matrix[:-size]
            continue
        index, weight = taps(matrix.shape[0], size)
        low, high = torch.from_numpy(weight).double().unbind(1)
        matrix = low[:, None] * matrix[index[:, 0]] + high[:, None] * matrix[index[:, 1]]
    used = (matrix != 0).numpy()
    return Band(matrix.float(), used.argmax(1), used.shape[1] - 1 - used[:, ::-1].argmax(1))
