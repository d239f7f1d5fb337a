"""Exported graphs beside the network they were made of: how long an export takes, what it weighs, how fast it runs.

    python -m tests.bench.export [--backbone resnet50] [--size 360] [--formats onnx,torch] [--dynamic]
                                 [--repeats 5] [--threads N] [--json FILE] [--smoke]

Random weights of learnt queries, one frame at a time, in float32 on the CPU. The gate is the export itself: it compares
masks, classes and ids of all four tasks before it keeps a file. What is timed is one frame, from pixels to what the
queries say of it, without preparing the picture and deciding; the sides take turns.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from gvseg_core.config import BACKBONES, ModelSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.export import Export
from gvseg_core.engine.exporting.settings import SUFFIX, ExportSettings, Format
from gvseg_core.model.weights import write_checkpoint
from gvseg_core.recipes import load_preset
from gvseg_core.segmenter import Segmenter
from tests.bench.machine import arguments, is_noisy, measure, medians, tell
from tests.models import make_checkpoint

WHAT = "one frame, pixels to class logits, embeddings and mask features"


def settings_of(backbone: str, *, smoke: bool) -> ModelSettings:
    if not smoke:
        return ModelSettings(backbone=BACKBONES[backbone])
    tiny = load_preset("tiny").model
    queries = tiny.queries.model_copy(update={"source": "learned", "spa": False})
    decoder = tiny.decoder.model_copy(update={"num_layers": 1})
    return tiny.model_copy(update={"queries": queries, "decoder": decoder, "clip_length": 1})


def export(model: Path, kind: Format, size: int, dynamic: bool) -> tuple[Path, dict[str, Any]]:
    """Its file, and what the export said."""
    target = model.with_suffix(SUFFIX[kind])
    job = Export(
        ExportSettings(model=str(model), format=kind, output=str(target), size=str(size), dynamic=dynamic),
        lambda _: None,
    )
    start = time.perf_counter()
    job.plan()
    done = job.run()
    return target, {
        "seconds": time.perf_counter() - start,
        "bytes": done.num_bytes,
        "comparisons": [comparison.line() for comparison in done.comparisons],
    }


def one_frame(segmenter: Segmenter, size: int) -> Any:
    """What shows the segmenter one frame, prepared beforehand."""
    frames = DemoSource((size, size * 16 // 9), num_frames=1)
    (clip,) = segmenter.clips(frames)
    tracker = segmenter.task.tracker()
    return lambda: list(segmenter.predict([clip], tracker))


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--backbone", default="resnet50", choices=BACKBONES)
    parser.add_argument("--size", type=int, default=360, help="short side of 16:9 pictures")
    parser.add_argument("--formats", default="onnx,torch")
    parser.add_argument("--dynamic", action="store_true")
    options = parser.parse_args(argv)
    if options.smoke:
        options.size, options.repeats = 64, 1
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.safetensors")
        settings = settings_of(options.backbone, smoke=options.smoke)
        write_checkpoint(model, make_checkpoint(settings, short_side=options.size))
        sides = {"gvseg": load_segmenter(model, "vis", device="cpu", dtype="fp32")}
        exports = {}
        for kind in options.formats.split(","):
            path, exports[kind] = export(model, kind, options.size, options.dynamic)
            sides[kind] = load_segmenter(path, "vis", device="cpu")
        runs = {name: one_frame(segmenter, options.size) for name, segmenter in sides.items()}
        times = measure(runs, options.repeats)
    tell(
        {
            "what": f"{WHAT}, {options.backbone} at {options.size}p, float32, {options.threads} threads",
            "exports": exports,
            "seconds": medians(times),
            "repeats": options.repeats,
            "noisy": is_noisy(times, options.threads),
        },
        options.json,
    )


if __name__ == "__main__":
    main()
