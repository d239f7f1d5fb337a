"""Models small enough to run in tests, written as files that any command takes."""

from __future__ import annotations

from pathlib import Path

import torch

from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, write_checkpoint
from gvseg_core.recipes import load_preset
from gvseg_core.types import Vocabulary


def write_tiny_model(path: Path, short_side: int = 64, vocabulary: Vocabulary = DEMO_VOCABULARY) -> Path:
    """The preset `tiny` with random weights: queries of each task's own, clips of three frames, any classes."""
    preset = load_preset("tiny")
    torch.manual_seed(0)
    network = Network(preset.model, {vocabulary.name: len(vocabulary)})
    checkpoint = Checkpoint(
        settings=preset.model,
        input=preset.input.model_copy(update={"short_side": short_side}),
        state=network.state_dict(),
        format="gvseg",
        sha256="",
        vocabularies={vocabulary.name: vocabulary},
    )
    write_checkpoint(path, checkpoint)
    return path
