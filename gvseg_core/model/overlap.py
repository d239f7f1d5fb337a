"""Clips that share frames, and clips that are computed together: what goes in is joined, what comes out is taken apart.

Features are made frame by frame, so those of a frame that two clips share are made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor

from gvseg_core.model.network import Network
from gvseg_core.types import Clip, Features, Prediction


def encode_clips(network: Network, clips: Sequence[Clip], device: torch.device, known: Features | None) -> Features:
    """Features of B consecutive clips of one size and length; only frames that no clip before had are computed.

    Args:
        network: what computes them.
        clips: with the pixels of their new frames.
        device: where the network is.
        known: of the clip before the first, where that shares frames with it; B = 1.
    """
    pixels = [clip.pixels.to(device, non_blocking=True) for clip in clips]
    if not any(clip.num_seen for clip in clips):
        return network.encode(pixels[0][None] if len(pixels) == 1 else torch.stack(pixels))
    new = network.encode(torch.cat(pixels)[None])
    num_known = clips[0].num_seen
    assert known is not None or not num_known, "the clip before was not shown to the network"
    ends = list(accumulate((len(clip.pixels) for clip in clips), initial=num_known))[1:]

    def joined(new: Tensor, known: Tensor | None) -> Tensor:
        """(1, F, …) of the new frames and (1, T, …) of the clip before → (B, T, …)."""
        frames = torch.cat([known[:, -num_known:], new], dim=1) if known is not None and num_known else new
        return torch.cat([frames[:, e - len(clip.frames) : e] for e, clip in zip(ends, clips, strict=True)])

    before = known.multi_scale if known is not None else [None] * len(new.multi_scale)
    return Features(
        multi_scale=tuple(joined(*levels) for levels in zip(new.multi_scale, before, strict=True)),
        mask_features=joined(new.mask_features, None if known is None else known.mask_features),
    )


def features_of(features: Features, b: int) -> Features:
    """Those of the `b`-th clip alone, B = 1."""
    levels = tuple(level[b : b + 1] for level in features.multi_scale)
    return Features(levels, features.mask_features[b : b + 1])


def prediction_of(prediction: Prediction, b: int) -> Prediction:
    """That of the `b`-th clip alone, B = 1."""
    descriptors = prediction.descriptors
    return Prediction(
        class_logits=prediction.class_logits[b : b + 1],
        embeddings=prediction.embeddings[b : b + 1],
        mask_embeddings=prediction.mask_embeddings[b : b + 1],
        mask_features=prediction.mask_features[b : b + 1],
        descriptors=None if descriptors is None else descriptors[b : b + 1],
    )


def newest(prediction: Prediction, num: int) -> Prediction:
    """For the last `num` frames; descriptors also of the frame before, which whoever remembers has met."""
    descriptors = prediction.descriptors
    return replace(
        prediction,
        mask_features=prediction.mask_features[:, -num:],
        descriptors=None if descriptors is None else descriptors[:, :, -num - 1 :],
    )
