"""The whole network: clips in, predictions out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from gvseg_core.config import ModelSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.backbones import ResNet, build_backbone
from gvseg_core.model.decoder import Decoder
from gvseg_core.model.layers import Conv2d
from gvseg_core.model.pixel_decoder import PixelDecoder
from gvseg_core.model.queries import build_queries
from gvseg_core.registry import choose
from gvseg_core.types import Features, Prediction, Queries, Size


class Network(nn.Module):
    """Backbone, pixel decoder, decoder, query sources, and a class head for each vocabulary."""

    def __init__(self, settings: ModelSettings, vocabularies: Mapping[str, int]) -> None:
        """`vocabularies`: number of classes of each, without "no object"; one network may speak several.

        Raises:
            ModelError: widths that cannot be divided as they must be, or places that nothing makes.
        """
        super().__init__()
        _check(settings)
        self.settings = settings
        pixel, dim = settings.pixel_decoder, settings.decoder.dim
        self.backbone = build_backbone(settings.backbone)
        self.pixel_decoder = PixelDecoder(self.backbone.channels, pixel)
        starts = settings.queries.source == "task"  # learnt queries start nowhere
        self.decoder = Decoder(
            pixel.dim,
            pixel.mask_dim,
            settings.decoder,
            spa=settings.queries.spa,
            mask_waves=pixel.mask_waves if starts and settings.queries.placed else 0,
        )
        self.queries = build_queries(settings, vocabularies)
        self.class_heads = nn.ModuleDict({name: nn.Linear(dim, num + 1) for name, num in vocabularies.items()})

    def encode(self, pixels: Tensor) -> Features:
        """Features of B clips of T frames, each frame on its own.

        Args:
            pixels: (B, T, 3, Hp, Wp) normalised, and padded with 0; any size.
        """
        b, t = pixels.shape[:2]
        pictures = pixels.flatten(0, 1).to(self.pixel_decoder.mask_features.weight.dtype)
        maps = list(self.backbone(pictures.contiguous(memory_format=torch.channels_last)))
        multi_scale, mask_features = self.pixel_decoder(maps)
        return Features(
            multi_scale=tuple(level.unflatten(0, (b, t)) for level in multi_scale),
            mask_features=mask_features.unflatten(0, (b, t)),
        )

    def decode(
        self,
        features: Features,
        queries: Queries,
        vocabulary: str,
        picture_size: Size | tuple[Tensor, Tensor] | None = None,
        descriptors: bool = False,
        auxiliary: bool = False,
        time_code: bool | None = None,
    ) -> Prediction:
        """What the queries find in the clips.

        Args:
            features: of B clips.
            queries: B sets of Q.
            vocabulary: which class head answers.
            picture_size: (H, W) of the pictures inside the padding, in input pixels; all of it by default.
            descriptors: describe the masks (`Prediction.descriptors`).
            auxiliary: also give what was predicted before and after each layer but the last; for training.
            time_code: tell the frames of a clip apart by a 3-D position code; by default where there are several.

        Raises:
            UsageError: no such vocabulary.
        """
        head = choose("vocabulary", dict(self.class_heads.items()), vocabulary)
        _, num_frames, _, h, w = features.mask_features.shape
        frame = (1.0, 1.0) if picture_size is None else (picture_size[0] / (4 * h), picture_size[1] / (4 * w))
        decoded = self.decoder(
            features,
            queries,
            frame,
            time_code=num_frames > 1 if time_code is None else time_code,
            history=auxiliary,
            descriptors=descriptors,
        )
        return Prediction(
            class_logits=head(decoded.embeddings.float()),
            embeddings=decoded.embeddings.float(),
            mask_embeddings=decoded.mask_embeddings,
            mask_features=features.mask_features,
            descriptors=decoded.descriptors,
            auxiliary=tuple((head(embeddings.float()), masks) for embeddings, masks in decoded.history),
        )

    def prepare_for_inference(self, dtype: torch.dtype = torch.float32) -> Self:
        """Make the network as fast as it gets, in place: norms folded, channels last, `dtype` throughout.

        Class logits, embeddings, descriptors, sampling places and the weights of sampling stay float32. There is no
        way back: the state dict is another one afterwards, and nothing can be trained.
        """
        self.eval().requires_grad_(False)
        if isinstance(self.backbone, ResNet):
            self.backbone.fold_norms()
        self.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.class_heads.float()
        for module in self.modules():
            if isinstance(module, Conv2d):
                module.prepare_for_inference()
        return self


def _check(settings: ModelSettings) -> None:
    pixel, decoder = settings.pixel_decoder, settings.decoder
    problems = [
        f"{name} {width} is no multiple of {part}"
        for name, width, part in (
            ("pixel_decoder.dim", pixel.dim, 32),
            ("pixel_decoder.dim", pixel.dim, pixel.num_heads),
            ("decoder.dim", decoder.dim, 4),
            ("decoder.dim", decoder.dim, decoder.num_heads),
        )
        if width % part
    ]
    if settings.queries.placed and not pixel.mask_waves:
        problems.append("queries.placed needs pixel_decoder.mask_waves")
    if problems:
        raise ModelError("model settings: " + "; ".join(problems))
