"""Where queries come from: learnt ones, or each task's own (GvSEG §3.2).

The paper says what the content of a query is, and leaves its position code open. Our choice, source by source:

| source    | content                              | position code                                                     |
|-----------|--------------------------------------|-------------------------------------------------------------------|
| `learned` | learnt (Mask2Former)                 | learnt (Mask2Former)                                              |
| `vis`     | pixel features of a cell of the grid | of that cell, made from the keys' own code: it first looks there  |
| `vss`     | running mean of its class's features | learnt for each class: it has no place, but it may have habits    |
| `vps`     | `vis` for things, `vss` for stuff    | theirs                                                            |
| `evs`     | mean features under the exemplar     | learnt, plus the code of where the object was last seen, if known |

Features are the pixel decoder's at stride 8, normed and projected, because what a pixel says and what a query says are
two languages (and may differ in width).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.config import ModelSettings
from gvseg_core.ops.constants import kept
from gvseg_core.ops.positions import place_code
from gvseg_core.registry import choose
from gvseg_core.types import Features, Queries, Share, Size

_FINEST = -1  # of `Features.multi_scale`: stride 8


def build_queries(settings: ModelSettings, vocabularies: Mapping[str, int]) -> nn.ModuleDict:
    """The sources of `settings`, by name: `learned`, or `vis`, `vss`, `vps` and `evs`."""
    dim, pixel_dim, queries = settings.decoder.dim, settings.pixel_decoder.dim, settings.queries
    if queries.source == "learned":
        return nn.ModuleDict({"learned": LearnedQueries(queries.num_queries, dim)})
    return nn.ModuleDict(
        {
            "vis": GridQueries(queries.num_queries, queries.grid, pixel_dim, dim),
            "vss": ClassQueries(vocabularies, queries.momentum, pixel_dim, dim),
            "vps": PanopticQueries(
                GridQueries(queries.num_queries, queries.grid, pixel_dim, dim),
                ClassQueries(vocabularies, queries.momentum, pixel_dim, dim),
            ),
            "evs": ExemplarQueries(pixel_dim, dim),
        }
    )


class LearnedQueries(nn.Module):
    """The same queries for every clip."""

    def __init__(self, num_queries: int, dim: int) -> None:
        super().__init__()
        self.content = nn.Parameter(torch.randn(num_queries, dim))
        self.position = nn.Parameter(torch.randn(num_queries, dim))

    def forward(self, batch: int, is_thing: Tensor | None = None) -> Queries:
        """`batch` times the learnt queries; all may be things."""
        return Queries(self.content.expand(batch, -1, -1), self.position.expand(batch, -1, -1), is_thing)


class GridQueries(nn.Module):
    """N of the S × S cells of the middle frame: drawn where chance is given (training), else evenly spread."""

    def __init__(self, num_queries: int, grid: int, pixel_dim: int, dim: int) -> None:
        super().__init__()
        self.num_queries, self.grid = min(num_queries, grid * grid), grid
        self.content = _projection(pixel_dim, dim)
        self.position = nn.Linear(dim, dim)

    def forward(self, features: Features, frame: Share = (1.0, 1.0), chance: Sequence[torch.Generator] = ()) -> Queries:
        """
        Args:
            features: of B clips.
            frame: height and width of the unpadded picture as shares of the padded one; the grid covers the picture.
            chance: what draws each clip's cells, on the CPU: one for each, so that a clip's draw does not depend on
                what else is in the batch.
        """
        level = features.multi_scale[_FINEST]
        b, t, _, h, w = level.shape
        middle = level[:, t // 2]
        s, n = self.grid, self.num_queries
        if chance:
            drawn = [torch.randperm(s * s, generator=generator)[:n] for generator in chance]
            cells = torch.stack(drawn).to(level.device)
        else:
            cells = _spread(n, s, level.device).expand(b, -1)
        share = torch.stack([cells % s, cells // s], dim=-1).add(0.5) / s  # x, y over the picture
        x, y = share[..., 0] * frame[1], share[..., 1] * frame[0]
        share = torch.stack([x, y], dim=-1).to(share)
        grid = (share[:, :, None] * 2 - 1).to(middle.dtype)
        sampled = F.grid_sample(middle, grid, padding_mode="border", align_corners=False)[..., 0].transpose(1, 2)
        places = torch.stack([share[..., 0] * w, share[..., 1] * h], dim=-1) - 0.5
        code = place_code(places, (h, w), self.position.in_features)
        return Queries(self.content(sampled), self.position(code.to(sampled.dtype)), places=share)


@kept(12)
def _spread(num: int, side: int, device: torch.device) -> Tensor:
    return torch.tensor(spread(num, side), device=device)


def spread(num: int, side: int) -> list[int]:
    """`num` of `side` × `side` cells, numbered row by row: √num rows, evenly spaced, and so are the cells of each."""
    rows = round(math.sqrt(num))
    cells = []
    for row in range(rows):
        among = num * (row + 1) // rows - num * row // rows
        above = (2 * row + 1) * side // (2 * rows) * side
        cells += [above + (2 * i + 1) * side // (2 * among) for i in range(among)]
    return cells


class ClassQueries(nn.Module):
    """One query for each class of a vocabulary: the running mean of its features over the training set."""

    def __init__(self, vocabularies: Mapping[str, int], momentum: float, pixel_dim: int, dim: int) -> None:
        super().__init__()
        self.momentum = momentum
        self.content = _projection(pixel_dim, dim)
        self.classes = nn.ModuleDict({name: _ClassMeans(num, pixel_dim, dim) for name, num in vocabularies.items()})

    def forward(self, batch: int, vocabulary: str, class_ids: Sequence[int] | None = None) -> Queries:
        """`batch` times the queries of the classes in `class_ids`, of all by default; none is a thing."""
        known = self._known(vocabulary)
        rows = torch.arange(len(known.mean)) if class_ids is None else torch.tensor(list(class_ids), dtype=torch.long)
        content, position = self.content(known.mean[rows]), known.position[rows]
        nothing = torch.zeros(content.shape[0], dtype=torch.bool, device=content.device)
        return Queries(content.expand(batch, -1, -1), position.expand(batch, -1, -1), nothing)

    @torch.no_grad()
    def update(self, vocabulary: str, means: Tensor, present: Tensor) -> None:
        """Move the classes that a batch shows towards its means; a class seen for the first time takes them over.

        Args:
            vocabulary: whose classes these are.
            means: (K, C) mean features of each class, as `class_means` makes them (of all processes' sums together).
            present: (K,) bool: the classes that the batch shows.
        """
        known = self._known(vocabulary)
        is_new = known.mean.eq(0).all(-1)
        momentum = torch.where(is_new, 0.0, self.momentum)[:, None].to(known.mean.dtype)
        moved = known.mean * momentum + means.to(known.mean.dtype) * (1 - momentum)
        known.mean.copy_(torch.where(present[:, None], moved, known.mean))

    def means(self, vocabulary: str) -> Tensor:
        """(K, C) as they stand."""
        return self._known(vocabulary).mean

    def _known(self, vocabulary: str) -> _ClassMeans:
        known = choose("vocabulary", dict(self.classes.items()), vocabulary)
        assert isinstance(known, _ClassMeans)
        return known


class _ClassMeans(nn.Module):
    mean: Tensor

    def __init__(self, num_classes: int, pixel_dim: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_classes, pixel_dim))
        self.position = nn.Parameter(torch.randn(num_classes, dim))


class PanopticQueries(nn.Module):
    """Grid queries for things, class queries for stuff, in that order."""

    def __init__(self, things: GridQueries, stuff: ClassQueries) -> None:
        super().__init__()
        self.things, self.stuff = things, stuff

    def forward(
        self,
        features: Features,
        vocabulary: str,
        stuff_ids: Sequence[int],
        frame: Share = (1.0, 1.0),
        chance: Sequence[torch.Generator] = (),
    ) -> Queries:
        """`stuff_ids`: the classes of `vocabulary` that are stuff; `frame` and `chance` as for `GridQueries`."""
        things = self.things(features, frame, chance)
        stuff = self.stuff(things.content.shape[0], vocabulary, stuff_ids)
        num_things, num_stuff = things.content.shape[1], stuff.content.shape[1]
        return Queries(
            content=torch.cat([things.content, stuff.content], dim=1),
            position=torch.cat([things.position, stuff.position], dim=1),
            is_thing=torch.arange(num_things + num_stuff, device=things.content.device) < num_things,
            places=_end_nowhere(things.places, num_stuff),
        )


class ExemplarQueries(nn.Module):
    """One query for each object that was pointed at; what it looks like is `pooled` once, on the exemplar's frame."""

    def __init__(self, pixel_dim: int, dim: int) -> None:
        super().__init__()
        self.content = _projection(pixel_dim, dim)
        self.position = nn.Parameter(torch.randn(dim))
        self.place = nn.Linear(dim, dim)

    def forward(self, pooled: Tensor, places: Tensor | None = None, size: Size = (1, 1)) -> Queries:
        """
        Args:
            pooled: (B, N, C) mean features of each object (`exemplar_features`).
            places: (B, N, 2) x, y in cells where it was last seen; NaN where that is not known.
            size: (h, w) of the map that `places` speak of.
        """
        position = self.position.expand(*pooled.shape[:2], -1)
        if places is None:
            return Queries(self.content(pooled), position)
        code = self.place(place_code(places.nan_to_num(), size, self.place.in_features).to(position.dtype))
        position = position + code * places.isfinite().all(-1, keepdim=True)
        x, y = (places.float() + 0.5).unbind(-1)
        return Queries(self.content(pooled), position, places=torch.stack([x / size[1], y / size[0]], dim=-1))


def exemplar_features(features: Features, weights: Tensor, frame: int = 0) -> Tensor:
    """Mean features under each exemplar.

    Args:
        features: of one clip (B = 1).
        weights: (N, h, w) at stride 8, as `gvseg_core.ops.regions` makes them; each sums to 1.
        frame: which frame of the clip the exemplars were given on.

    Returns:
        (N, C).
    """
    level = features.multi_scale[_FINEST][0, frame]
    return weights.flatten(1).to(level.dtype) @ level.flatten(1).T


def class_sums(features: Features, labels: Tensor, num_classes: int) -> Tensor:
    """Sums of the features of each class that a batch of clips shows, and how many cells they are of.

    They may be added up, over the parts of a step and over processes, before they become means.

    Args:
        features: of B clips.
        labels: (B, T, H, W) integers at any resolution of the padded picture; what is not in 0 … K - 1 is left out.
        num_classes: K.

    Returns:
        (K, C + 1) float32; the last column counts. No gradient.
    """
    level = features.multi_scale[_FINEST].detach().float()
    small = F.interpolate(labels.float(), level.shape[-2:], mode="nearest-exact").long().flatten()
    cells = F.pad(level.permute(0, 1, 3, 4, 2).flatten(0, 3), (0, 1), value=1.0)
    # What is left out goes into one more row: choosing the others would make the device wait.
    row = torch.where((small >= 0) & (small < num_classes), small, num_classes)
    return cells.new_zeros(num_classes + 1, cells.shape[1]).index_add_(0, row, cells)[:-1]


def class_means(sums: Tensor) -> tuple[Tensor, Tensor]:
    """`class_sums` → (K, C) means, 0 where the class is absent, and (K,) bool: the classes present."""
    total, count = sums[:, :-1], sums[:, -1:]
    return total / count.clamp(min=1), count[:, 0] > 0


def _end_nowhere(places: Tensor | None, num: int) -> Tensor | None:
    """(B, N, 2) places, and `num` of queries that start nowhere."""
    return None if places is None else F.pad(places, (0, 0, 0, num), value=math.nan)


def _projection(pixel_dim: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(pixel_dim), nn.Linear(pixel_dim, dim))
