"""Masked-attention decoder: queries look at a clip, only where they believe their object is.

Source: Mask2Former (Cheng et al. 2022), `mask2former_transformer_decoder.py`, and for clips its
`video_mask2former_transformer_decoder.py` (facebookresearch/Mask2Former, MIT). Differences, none in the numbers:
- attention masks are made at the resolution of their level: the mask features are resized once per level, not the
  logits of every query at every layer (resizing is linear), and one mask serves all heads;
- a mask is the sign of its logit, so there is no sigmoid;
- class logits are made for the last layer alone, unless all are asked for.
New is GvSEG's query matching inside the decoder (§3.2): `shape_position`.
New and ours is that a mask may depend on where its query starts (`mask_reach`). In Mask2Former a query's place decides
what it attends to and is no part of what it says; of two things that look alike, its mask is both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.config import DecoderSettings
from gvseg_core.model.attention import CrossAttention, SelfAttention
from gvseg_core.model.layers import Linear, initialise
from gvseg_core.ops.positions import clip_code, picture_code, place_waves
from gvseg_core.ops.shape_position import NUM_BINS, shape_position
from gvseg_core.ops.shape_position_dense import shape_position_dense
from gvseg_core.types import Features, Queries, Share, Size

_NUM_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder knows of its queries at the end, and after each layer."""

    embeddings: Tensor  # (B, Q, C) after the last norm
    mask_embeddings: Tensor  # (B, Q, Cm)
    history: tuple[tuple[Tensor, Tensor], ...]  # both after 0, 1, … layers, without the last; () unless asked for
    descriptors: Tensor | None  # (B, Q, T, 36·12) of the last masks, if asked for


class Decoder(nn.Module):
    """Layers of cross-attention, self-attention and MLP; layer i looks at level i mod 3, coarse to fine."""

    def __init__(
        self, memory_dim: int, mask_dim: int, settings: DecoderSettings, *, spa: bool, mask_waves: int = 0
    ) -> None:
        """
        Args:
            memory_dim: channels of the pixel decoder's maps.
            mask_dim: of the mask features.
            settings: the layers.
            spa: project the shape–position descriptor.
            mask_waves: of places in the mask features, an axis, if masks are to depend on where their queries start.
        """
        super().__init__()
        dim = settings.dim
        self.level_embed = nn.Parameter(torch.randn(_NUM_LEVELS, dim))
        self.input_proj: nn.ModuleList | None = None
        if settings.input_projection or memory_dim != dim:
            self.input_proj = nn.ModuleList(nn.Conv2d(memory_dim, dim, 1) for _ in range(_NUM_LEVELS))
            for conv in self.input_proj:
                assert isinstance(conv, nn.Conv2d)
                initialise(conv, partial(nn.init.kaiming_uniform_, a=1))
        self.layers = nn.ModuleList(DecoderLayer(settings) for _ in range(settings.num_layers))
        self.norm = nn.LayerNorm(dim)
        self.mask_embed = nn.ModuleList([Linear(dim, dim), Linear(dim, dim), Linear(dim, mask_dim)])
        self.shape_position: nn.Linear | None = None
        if spa:
            # From zero, so that a network trained without it starts where it was.
            self.shape_position = nn.Linear(NUM_BINS, dim, bias=False)
            nn.init.zeros_(self.shape_position.weight)
        self.num_waves = mask_waves
        if mask_waves:
            # What is linear in the waves of two places can fall with their distance: how, and how far from its start
            # the middle of its object lies, is the query's to say. From zero, as above.
            self.mask_shift = nn.Linear(dim, 2)
            self.mask_reach = nn.Linear(dim, 4 * mask_waves)
            self.mask_places = nn.Linear(4 * mask_waves, mask_dim, bias=False)
            for linear in (self.mask_shift, self.mask_reach):
                nn.init.zeros_(linear.weight)
                nn.init.zeros_(linear.bias)

    def forward(
        self,
        features: Features,
        queries: Queries,
        frame: Share,
        *,
        time_code: bool,
        history: bool,
        descriptors: bool,
    ) -> Decoded:
        """
        Args:
            features: of B clips.
            queries: what to start from.
            frame: height and width of the unpadded picture as shares of the padded one.
            time_code: tell the frames of a clip apart by a 3-D position code, else all have the 2-D one.
            history: keep what was known after each layer.
            descriptors: describe the last masks.
        """
        levels = self._levels(features, time_code=time_code)
        places = queries.places if self.num_waves else None
        # Descriptors of all layers are made at stride 8, so that they can be compared.
        finest = levels[-1]
        x, past = queries.content, []
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            level = levels[i % _NUM_LEVELS]
            past.append(self._look(x, places))
            x = layer.look(x, queries.position, level, level.allowed(past[-1][1]))
            position = queries.position
            if self.shape_position is not None:
                shapes = self._describe(self._look(x, places)[1], finest, frame)
                position = position + self.code_of_shapes(shapes, queries.is_thing)
            x = layer.discuss(x, position)
        embeddings, mask_embeddings = self._look(x, places)
        described = self._describe(mask_embeddings, finest, frame) if descriptors else None
        return Decoded(embeddings, mask_embeddings, tuple(past) if history else (), described)

    def _levels(self, features: Features, *, time_code: bool) -> list[Level]:
        levels = []
        b, t = features.mask_features.shape[:2]
        pictures = features.mask_features.flatten(0, 1)
        for i, level in enumerate(features.multi_scale):
            size = (level.shape[-2], level.shape[-1])
            maps = level.flatten(0, 1)
            if self.input_proj is not None:
                maps = self.input_proj[i](maps)
            memory = maps.permute(0, 2, 3, 1).reshape(b, t * size[0] * size[1], -1)
            dim, device = memory.shape[-1], memory.device
            code = clip_code(t, size, dim, device) if time_code else picture_code(size, dim, device)
            located = (memory.view(b, -1, *code.shape) + code.to(memory.dtype)).flatten(1, 2)
            small = F.interpolate(pictures, size, mode="bilinear", align_corners=False)
            masks = small.permute(0, 2, 3, 1).reshape(b, t * size[0] * size[1], -1)
            levels.append(Level(memory, located, masks, self.level_embed[i], t, size))
        return levels

    def _look(self, x: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
        """Queries, normed, and the vectors that turn mask features into their masks."""
        embeddings = self.norm(x)
        first, second, last = self.mask_embed
        masks = last(second(first(embeddings, "relu"), "relu"))
        if places is not None:
            waves = place_waves(places + self.mask_shift(embeddings).float(), self.num_waves)
            masks = masks + self.mask_places(self.mask_reach(embeddings) * waves.to(embeddings.dtype))
        return embeddings, masks

    def _describe(self, mask_embeddings: Tensor, level: Level, frame: Share) -> Tensor:
        """(B, Q, T, 36·12) of the masks at the resolution of `level`."""
        masks = (mask_embeddings.detach() @ level.mask_features.detach().transpose(1, 2)) > 0
        masks = masks.unflatten(-1, (level.num_frames, *level.size))
        cells: Any = (frame[0] * level.size[0], frame[1] * level.size[1])
        describe: Any = shape_position_dense if torch.compiler.is_exporting() else shape_position
        if masks.device.type in {"cuda", "meta"} and not torch.is_grad_enabled():  # a CUDA graph waits for nothing
            describe = shape_position_dense
            cells = tuple(torch.full((), side, dtype=torch.float64, device=masks.device) for side in cells)
        return describe(masks, cells, d_model=self.norm.normalized_shape[0])  # type: ignore[no-any-return]

    def code_of_shapes(self, descriptors: Tensor, is_thing: Tensor | None) -> Tensor:
        """(B, Q, C): the mean over the frames that show the object, projected; 0 for stuff and for nothing."""
        assert self.shape_position is not None
        shown = descriptors.ne(0).any(-1).sum(2).clamp(min=1)  # (B, Q)
        mean = descriptors.sum(2) / shown[..., None]
        if is_thing is not None:
            mean = mean * is_thing[:, None]
        return self.shape_position(mean.to(self.shape_position.weight.dtype))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a clip, ready for the decoder; N is T·h·w, frames first."""

    memory: Tensor  # (B, N, C)
    located: Tensor  # (B, N, C) with the position code
    mask_features: Tensor  # (B, N, Cm)
    embedding: Tensor  # (C,)
    num_frames: int
    size: Size

    @torch.no_grad()
    def allowed(self, mask_embeddings: Tensor) -> Tensor:
        """(B, 1, Q, N) bool: where each query's mask is; everywhere if it is nowhere in the whole clip."""
        inside = (mask_embeddings @ self.mask_features.transpose(1, 2)) >= 0
        return (inside | ~inside.any(-1, keepdim=True))[:, None]


class DecoderLayer(nn.Module):
    """Cross-attention, self-attention, MLP; norms last."""

    def __init__(self, settings: DecoderSettings) -> None:
        super().__init__()
        dim = settings.dim
        self.cross_attn = CrossAttention(dim, settings.num_heads)
        self.cross_norm = nn.LayerNorm(dim)
        self.self_attn = SelfAttention(dim, settings.num_heads)
        self.self_norm = nn.LayerNorm(dim)
        self.linear1 = Linear(dim, settings.feedforward)
        self.linear2 = Linear(settings.feedforward, dim)
        self.ffn_norm = nn.LayerNorm(dim)
        for layer in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(layer.weight)

    def look(self, x: Tensor, position: Tensor, level: Level, allowed: Tensor) -> Tensor:
        """Queries (B, Q, C) look at the cells of a level that they are `allowed` to see."""
        return self.cross_norm(  # type: ignore[no-any-return]
            self.cross_attn(x, position, level.memory, level.located, level.embedding, allowed)
        )

    def discuss(self, x: Tensor, position: Tensor) -> Tensor:
        """Queries (B, Q, C) look at each other, and each thinks for itself."""
        x = self.self_norm(self.self_attn(x, position))
        return self.ffn_norm(self.linear2(self.linear1(x, "relu"), add=x))  # type: ignore[no-any-return]
