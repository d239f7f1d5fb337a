"""Frame → masks at source size, beside Hugging Face's per-frame loop with the same weights, in the same run.

    python -m tests.bench.frames [--backbone resnet50|swin_tiny] [--size 360] [--dtype f32|bf16] [--json FILE]

Timed, for one decoded 720p picture: resizing and normalising, the forward pass, and the masks of the ten best queries
at 720p; ours ends with RLE and ids (`Segmenter.segment`), Hugging Face's with its own
`post_process_instance_segmentation`, whose pictures are prepared by the same resize as ours so that both see the same
pixels. Their side runs in float32 as it comes. Interleaved, medians; wall and core time (what the process used of all
cores). With `--keep-memory` the allocator is set for both sides, as `gvseg predict` sets it for itself.

Gate before any time is printed, in float32: our masks and those that the official two-stage chain makes of Hugging
Face's logits for the same queries, mean IoU ≥ 0.99 (weights are random and of true size: bits of attention masks near 0
flip; on the reference weights, which decide clearly, the tests hold 0.999).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from gvseg_core.data.demo import DemoSource
from gvseg_core.engine.build import load_segmenter
from gvseg_core.ops import rle
from gvseg_core.ops.allocator import keep_freed_memory
from gvseg_core.segmenter import Segmenter
from gvseg_core.types import Clip, Frame, FrameResult
from tests.bench.infer import hugging_face, measure
from tests.bench.machine import describe

SIZE = (720, 1280)
KEPT = 10


def build(folder: Path, size: int, dtype: str, conf: float) -> Segmenter:
    return load_segmenter(
        folder, "vis", size=size, dtype=dtype, conf=conf, settings={"tracking": {"birth_score": 0.0}}, device="cpu"
    )


def ours(segmenter: Segmenter, frame: Frame) -> FrameResult:
    return next(segmenter.run([frame], segmenter.task.tracker()))


def theirs(model: Any, processor: Any, clip: Clip) -> Any:
    found = model(pixel_values=clip.pixels)
    return processor.post_process_instance_segmentation(
        found, threshold=0.0, target_sizes=[clip.source_size], return_binary_maps=True
    )


def check(segmenter: Segmenter, model: Any, clip: Clip, frame: Frame) -> float:
    """Mean IoU of our masks with the best-fitting official ones."""
    logits = model(pixel_values=clip.pixels).masks_queries_logits
    padded = F.interpolate(logits, clip.padded_size, mode="bilinear")[..., : clip.input_size[0], : clip.input_size[1]]
    official = (F.interpolate(padded, SIZE, mode="bilinear")[0] > 0).flatten(1)
    ious = []
    for segment in ours(segmenter, frame).segments:
        mask = torch.from_numpy(np.ascontiguousarray(rle.decode(segment.mask))).bool().flatten()
        ious.append(float(((mask & official).sum(1) / (mask | official).sum(1)).max()))
    iou = sum(ious) / len(ious)
    if iou < 0.99:
        raise SystemExit(f"not the same masks: mean IoU {iou:.4f}")
    return iou


def main() -> None:
    from transformers import Mask2FormerImageProcessorPil

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=["resnet50", "swin_tiny"], default="resnet50")
    parser.add_argument("--size", type=int, default=360)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--keep-memory", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    if options.keep_memory:
        keep_freed_memory()

    frame = next(iter(DemoSource(SIZE, 40)))
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        peer = hugging_face(options.backbone)
        peer.save_pretrained(name)
        exact = build(Path(name), options.size, "fp32", 0.0)
        clip = next(exact.clips([frame]))
        proposals = exact.propose(clip, exact.task.tracker())
        assert proposals is not None
        conf = sorted(proposals.scores)[-KEPT]
        exact = build(Path(name), options.size, "fp32", conf)
        iou = check(exact, peer, clip, frame)
        mine = exact if options.dtype == "f32" else build(Path(name), options.size, "bf16", conf)
        processor = Mask2FormerImageProcessorPil()
        times = measure(
            {
                "hugging_face": lambda: theirs(peer, processor, next(exact.clips([frame]))),
                "gvseg": lambda: ours(mine, frame),
            },
            options.repeats,
        )
    median = {side: {kind: statistics.median(t) for kind, t in kinds.items()} for side, kinds in times.items()}
    walls = times["gvseg"]["wall"]
    figures = {
        "machine": describe(),
        "threads": options.threads,
        "what": f"{options.backbone} at {options.size}p to masks at 720p, {options.dtype}, {options.repeats} repeats",
        "mask_iou_f32": iou,
        "masks": len(ours(mine, frame).segments),
        "seconds": median,
        "ratio": {kind: median["hugging_face"][kind] / median["gvseg"][kind] for kind in ("wall", "core")},
        "noisy": max(walls) > 1.3 * min(walls),
    }
    print(json.dumps(figures, indent=2, ensure_ascii=False))
    if options.json:
        options.json.write_text(json.dumps(figures, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
