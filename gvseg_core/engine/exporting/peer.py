"""A Hugging Face folder, run by `transformers` itself where it is installed, frame by frame."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from gvseg_core.engine.exporting.comparison import Comparison, demo_frames, differences
from gvseg_core.errors import ExportError
from gvseg_core.ops.resize import prepare
from gvseg_core.segmenter import Segmenter
from gvseg_core.types import Size

_NUM_FRAMES = 2


def has_transformers() -> bool:
    """Whether it is installed; nothing is imported."""
    return find_spec("transformers") is not None


@torch.inference_mode()
def compare_with_transformers(folder: Path, original: Segmenter, size: Size) -> Comparison:
    """The logits of `Mask2FormerForUniversalSegmentation` for the same pixels.

    Raises:
        ExportError: it misses tensors or does not know some.
    """
    model = _load(folder)
    network, worst, both, either = original.network, [0.0, 0.0], 0, 0
    for frame, _ in zip(demo_frames(size, 1), range(_NUM_FRAMES), strict=False):
        clip = prepare([frame], original.input_settings)
        features = network.encode(clip.pixels[None])
        ours = network.decode(features, network.queries["learned"](1), original.task.head)
        theirs = model(pixel_values=clip.pixels)
        class_logits, mask_logits, shared, total = differences(
            ours.class_logits, theirs.class_queries_logits, ours.mask_logits()[:, :, 0], theirs.masks_queries_logits
        )
        worst = [max(worst[0], class_logits), max(worst[1], mask_logits)]
        both, either = both + shared, either + total
    return Comparison("transformers", size, _NUM_FRAMES, worst[0], worst[1], both / either if either else 1.0)


def _load(folder: Path) -> Any:
    transformers: Any = import_module("transformers")
    logging: Any = import_module("transformers.utils.logging")
    before = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # that a ResNet is not on its list; it runs it all the same
    try:
        kind = transformers.Mask2FormerForUniversalSegmentation
        model, told = kind.from_pretrained(folder, output_loading_info=True)
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(map(str, told[problem])):
            raise ExportError(f"transformers reports {problem.replace('_', ' ')}: {', '.join(names[:5])}")
    return model.float().eval()
