"""A network traced into a graph by `torch.export`, for one size or for any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from gvseg_core.model.exported.contract import Contract
from gvseg_core.model.exported.whole import Whole
from gvseg_core.types import Size

_STRIDE = 32  # of the coarsest map: padded sides are its multiples
_MOST = 256  # times that, of a side: 8192 pixels
_MOST_OBJECTS = 254  # what palette PNG can name
_TRACED = (64, 96)  # pixels, where any size will do: as good as any, and quick


@torch.no_grad()
def trace(whole: Whole) -> ExportedProgram:
    """The graph, by the contract's names.

    Frames of a clip may be fewer than the network's T, and objects that are pointed at any number. PyTorch takes sizes
    of 0 and 1 for special, and would have a graph for several frames refuse a clip of one; here they are not.
    """
    contract = whole.contract
    size = contract.size or _TRACED
    with _sizes_alike():
        program: ExportedProgram = torch.export.export(
            whole, _example(contract, size), dynamic_shapes=_free(contract), strict=False
        )
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:  # where in the source it is from, and on whose disk
                node.meta = {key: value for key, value in node.meta.items() if key == "val"}
    return program


def _example(contract: Contract, size: Size) -> tuple[Tensor, ...]:
    height, width = size
    pixels = torch.randn(contract.settings.clip_length, 3, height, width)
    picture = torch.tensor([height - 3, width - 5])
    if not contract.has_state:
        return pixels, picture
    channels = contract.settings.pixel_decoder.dim
    return pixels, picture, torch.rand(2, height // 8, width // 8), torch.randn(2, channels), torch.rand(2, 2)


def _free(contract: Contract) -> tuple[dict[int, Any] | None, ...]:
    """Which sizes of each input may be others."""
    length = contract.settings.clip_length
    # More than there will be, or PyTorch would conclude, for a length of 2, that there are always 2.
    pixels: dict[int, Any] = {} if length == 1 else {0: Dim("frames", min=1, max=2 * length)}
    regions: dict[int, Any] = {0: Dim("objects", min=1, max=_MOST_OBJECTS)}
    others = dict(regions)
    if contract.size is None:
        down, across = (Dim(name, min=1, max=_MOST) for name in ("down", "across"))
        pixels |= {2: _STRIDE * down, 3: _STRIDE * across}
        regions |= {1: _STRIDE // 8 * down, 2: _STRIDE // 8 * across}
    return (pixels, None, regions, others, others) if contract.has_state else (pixels, None)


@contextmanager
def _sizes_alike() -> Iterator[None]:
    config: Any = import_module("torch.fx.experimental._config")
    with config.patch(backed_size_oblivious=True):
        yield
