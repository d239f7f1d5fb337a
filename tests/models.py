"""Models small enough to run in tests, written as files that any command takes."""

from __future__ import annotations

from pathlib import Path

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
