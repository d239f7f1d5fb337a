"""Segmenters small enough for tests, and videos for them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch

from gvseg_core.config import EvsSettings, InputSettings, TrackSettings, VisSettings, VpsSettings
from gvseg_core.model.network import Network
from gvseg_core.ops import rle
from gvseg_core.recipes import load_preset
from gvseg_core.segmenter import Segmenter
from gvseg_core.tasks import TASKS
from gvseg_core.types import Exemplar, Frame, Prompt, Rle
from tests.core.predictions import vocabulary

CLASSES = vocabulary(5, (0, 2))
EVERYTHING = {
    "vis": VisSettings(conf=0.0, top=None),
    "vss": None,
    "vps": VpsSettings(conf=0.0, overlap=0.0),
    "evs": EvsSettings(conf=0.0),
}
NO_THRESHOLDS = TrackSettings(match_threshold=-1.0, birth_score=0.0)


def make_segmenter(
    task: str, *, source: str = "task", spa: bool = True, clip_length: int = 3, dtype: torch.dtype = torch.float32
) -> Segmenter:
    """The smallest preset with random weights, on a task that keeps whatever it finds; queries know their places."""
    torch.manual_seed(0)
    preset = load_preset("tiny")
    queries = preset.model.queries.model_copy(update={"source": source, "spa": spa, "placed": True})
    pixels = preset.model.pixel_decoder.model_copy(update={"mask_waves": 2})
    settings = preset.model.model_copy(update={"queries": queries, "pixel_decoder": pixels, "clip_length": clip_length})
    network = Network(settings, {CLASSES.name: len(CLASSES)})
    if source == "task":
        for linear in (network.decoder.mask_reach, network.decoder.mask_shift):  # which start at zero
            torch.nn.init.normal_(linear.weight, std=0.1)
    network.prepare_for_inference(dtype)
    code = network.decoder.shape_position
    projection = None if code is None else code.weight
    made = TASKS[task](network.queries, CLASSES, EVERYTHING[task], NO_THRESHOLDS, projection)  # type: ignore[arg-type]
    return Segmenter(network, made, InputSettings(short_side=64, max_side=160))


def make_frames(
    num: int, size: tuple[int, int] = (40, 56), prompts: dict[int, tuple[Prompt, ...]] | None = None
) -> Iterator[Frame]:
    """A drifting pattern."""
    for index in range(num):
        y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
        image = torch.stack([(x + 3 * index) % 40 * 6, (y - index) % 30 * 8, (x * y // 9) % 250]).to(torch.uint8)
        given = (prompts or {}).get(index)
        yield Frame(index, Fraction(index, 25), image, Exemplar(given) if given else None)


def square(y: int, x: int, size: tuple[int, int] = (40, 56), side: int = 10) -> Rle:
    mask = np.zeros(size, bool)
    mask[y : y + side, x : x + side] = True
    return rle.encode(mask)
