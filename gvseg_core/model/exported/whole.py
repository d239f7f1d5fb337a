"""The whole path of one clip as one module, to be traced: pixels in, what each query says out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gvseg_core.model.backbones import ResNet
from gvseg_core.model.exported.contract import Contract
from gvseg_core.model.network import Network
from gvseg_core.types import Features, Prediction, Queries, Share, TaskName

_FINEST = -1  # of `Features.multi_scale`: stride 8


class Whole(nn.Module):
    """What `gvseg_core.model.exported` describes. B is 1, and in no shape."""

    def __init__(self, network: Network, contract: Contract) -> None:
        """`network`: in float32 on the CPU, as it was read; its norms are folded here."""
        super().__init__()
        if isinstance(network.backbone, ResNet):
            network.backbone.fold_norms()
        self.network = network.float().eval().requires_grad_(False)
        self.contract = contract
        vocabulary = contract.vocabulary
        self.stuff = sorted(frozenset(range(len(vocabulary))) - vocabulary.thing_ids)

    def forward(
        self,
        pixels: Tensor,
        picture: Tensor,
        regions: Tensor | None = None,
        pooled: Tensor | None = None,
        places: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """The tensors that `Contract.outputs` names, in that order."""
        # From float64, as Python's numbers are: what falls on the edge of a cell must fall alike.
        height, width = picture.double().unbind(0)
        features = self.network.encode(pixels[None])
        level = features.multi_scale[_FINEST][0]
        state: tuple[Tensor, ...] = ()
        if regions is not None and pooled is not None and places is not None:
            pooled = _take_in(level[0], regions, pooled)
            size = (level.shape[-2], level.shape[-1])
            queries = self.network.queries["evs"](pooled[None], places[None], size)
            state = (pooled, level[-1])
        else:
            queries = self._queries(features, (height / pixels.shape[-2], width / pixels.shape[-1]))
        prediction = self.network.decode(
            features,
            queries,
            self.contract.vocabulary.name,
            picture_size=(height, width),
            descriptors=self.contract.describes,
            time_code=self.network.settings.clip_length > 1,
        )
        return (*self._said(prediction), *state)

    def _queries(self, features: Features, share: Share) -> Queries:
        sources, head = self.network.queries, self.contract.vocabulary.name
        ways: dict[TaskName | None, Callable[[], Any]] = {
            None: lambda: sources["learned"](1),
            "vis": lambda: sources["vis"](features, share),
            "vss": lambda: sources["vss"](1, head),
            "vps": lambda: sources["vps"](features, head, self.stuff, share),
        }
        return ways[self.contract.task]()  # type: ignore[no-any-return]

    def _said(self, prediction: Prediction) -> tuple[Tensor, ...]:
        said = (prediction.class_logits, prediction.embeddings, prediction.mask_embeddings, prediction.mask_features)
        described: tuple[Tensor, ...] = ()
        if prediction.descriptors is not None:
            projection = self.network.decoder.shape_position
            described = (prediction.descriptors if projection is None else projection(prediction.descriptors),)
        return tuple(part[0] for part in (*said, *described))


def _take_in(cells: Tensor, regions: Tensor, pooled: Tensor) -> Tensor:
    """(N, C): the mean of (C, h, w) cells under each region, and what was `pooled` before where there is none."""
    shares = regions.flatten(1)
    seen = shares @ cells.flatten(1).transpose(0, 1)
    return torch.where(shares.sum(1, keepdim=True) > 0, seen, pooled)
