"""Clips of any sizes as one batch: normalised as prediction normalises, padded at the right and bottom.

Source: `preprocess_image` and `prepare_targets` of Mask2Former-video (`video_maskformer_model.py`). How we differ:

- Clips travel to the device as bytes and numbers, 5 bytes a pixel; normalised pixels and a mask for each of ten targets
  would be 22.
- Padding is void, of which nothing may be learnt; there it is background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gvseg_core.config import InputSettings
from gvseg_core.types import VOID, LabelledClip, Size


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B clips on a device."""

    pixels: Tensor  # (B, T, 3, Hp, Wp) float32, normalised, 0 where padded; frames are channels-last in memory
    labels: Tensor  # (B, T, Hp, Wp) int16 as in `LabelledClip`; VOID where padded
    class_ids: tuple[Tensor, ...]  # of each clip, (N,) int64
    track_ids: tuple[Tensor, ...]  # of each clip, (N,) int64
    sizes: tuple[Size, ...]  # (H, W) of each clip, inside the padding

    def masks(self, row: int) -> Tensor:
        """(N, T, Hp, Wp) bool: the targets of one clip."""
        numbers = torch.arange(1, len(self.class_ids[row]) + 1, dtype=torch.int16, device=self.labels.device)
        return self.labels[row] == numbers[:, None, None, None]

    @property
    def void(self) -> Tensor:
        """(B, T, Hp, Wp) bool: pixels of which nothing may be learnt, the padding among them."""
        return self.labels == VOID


def collate(clips: Sequence[LabelledClip], settings: InputSettings, device: torch.device | str = "cpu") -> Batch:
    """A batch of the smallest size that holds every clip and is a multiple of `settings.divisor`.

    Args:
        clips: at least one, all of as many frames.
        device: where the batch is to be; what it is made of is sent there without waiting.

    Raises:
        ValueError: no clip, or clips of different lengths.
    """
    lengths = {len(clip.pixels) for clip in clips}
    if len(lengths) != 1:
        raise ValueError(f"clips of one batch have as many frames, found {sorted(lengths)}")
    sizes = tuple((int(clip.pixels.shape[-2]), int(clip.pixels.shape[-1])) for clip in clips)
    height, width = (-(-max(sides) // settings.divisor) * settings.divisor for sides in zip(*sizes, strict=True))
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (settings.mean, settings.std))
    shape = len(clips), lengths.pop()
    frames = torch.zeros(shape[0] * shape[1], height, width, 3, device=device)
    pixels = frames.permute(0, 3, 1, 2).unflatten(0, shape)
    labels = torch.full((*shape, height, width), VOID, dtype=torch.int16, device=device)
    for row, (clip, (h, w)) in enumerate(zip(clips, sizes, strict=True)):
        torch.sub(_sent(clip.pixels, device), mean, out=pixels[row, ..., :h, :w]).div_(std)
        labels[row, :, :h, :w] = _sent(clip.labels, device)
    return Batch(
        pixels,
        labels,
        tuple(_sent(clip.class_ids, device) for clip in clips),
        tuple(_sent(clip.track_ids, device) for clip in clips),
        sizes,
    )


def _sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
