"""A network small enough to train in a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gvseg_core.config import DecoderSettings, ModelSettings, PixelDecoderSettings, QuerySettings, ResNetSettings
from gvseg_core.model.network import Network

Build = Callable[..., Network]


@pytest.fixture
def build() -> Build:
    """A seeded network; keywords go to its query settings."""

    def make(
        vocabularies: dict[str, int] | None = None, dim: int = 32, mask_waves: int = 0, **queries: object
    ) -> Network:
        torch.manual_seed(0)
        settings = ModelSettings(
            backbone=ResNetSettings(
                depths=(1, 1, 1, 1), stem_channels=8, channels=(16, 24, 32, 40), inner_channels=(4, 6, 8, 10)
            ),
            pixel_decoder=PixelDecoderSettings(
                dim=32, mask_dim=16, num_layers=1, num_heads=4, feedforward=24, mask_waves=mask_waves
            ),
            decoder=DecoderSettings(dim=dim, num_layers=4, num_heads=4, feedforward=24),
            queries=QuerySettings(**{"num_queries": 6, "grid": 4, **queries}),
        )
        return Network(settings, vocabularies or {"animals": 3})

    return make
