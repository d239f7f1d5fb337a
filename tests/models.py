"""Models small enough to run in tests, written as files that any command takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from gvseg_core.config import InputSettings, ModelSettings
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, write_checkpoint
from gvseg_core.recipes import load_preset
from gvseg_core.types import Vocabulary


def make_checkpoint(
    settings: ModelSettings, *vocabularies: Vocabulary, short_side: int = 64, seed: int = 0
) -> Checkpoint:
    """Random weights of a network with these settings and a head for each vocabulary, the demo's by default."""
    spoken = vocabularies or (DEMO_VOCABULARY,)
    torch.manual_seed(seed)
    network = Network(settings, {vocabulary.name: len(vocabulary) for vocabulary in spoken})
    return Checkpoint(
        settings=settings,
        input=InputSettings(short_side=short_side),
        state=network.state_dict(),
        format="gvseg",
        sha256="",
        vocabularies={vocabulary.name: vocabulary for vocabulary in spoken},
    )


def write_tiny_model(path: Path, short_side: int = 64, vocabulary: Vocabulary = DEMO_VOCABULARY) -> Path:
    """The preset `tiny` with random weights: queries of each task's own, clips of three frames, any classes."""
    write_checkpoint(path, make_checkpoint(load_preset("tiny").model, vocabulary, short_side=short_side))
    return path


def write_model(path: Path, settings: ModelSettings, seed: int = 0) -> Path:
    """Random weights, the projection of shapes and positions among them (it starts from 0), for pictures of 64 rows."""
    checkpoint = make_checkpoint(settings, short_side=64, seed=seed)
    if (projection := checkpoint.state.get("decoder.shape_position.weight")) is not None:
        projection.copy_(torch.randn(projection.shape, generator=torch.Generator().manual_seed(1)))
    write_checkpoint(path, checkpoint)
    return path


@contextmanager
def traced_once() -> Iterator[None]:
    """What is exported in several formats inside is traced once: that takes the longest, and is the same for all."""
    from gvseg_core.engine.exporting import formats

    programs, trace = dict[str, Any](), formats.trace

    def once(whole: Any) -> Any:
        contract = whole.contract.as_text()
        if contract not in programs:
            programs[contract] = trace(whole)
        return programs[contract]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "trace", once)
        yield
