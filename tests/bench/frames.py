"""B1–B4 with all around the network: a frame to masks at source size, beside Hugging Face's per-frame loop.

    python -m tests.bench.frames [--backbone resnet50|swin_tiny] [--size 360] [--dtype f32|bf16] [--device cuda]

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
from tests.bench.infer import BACKBONES, hugging_face, tf32
from tests.bench.machine import arguments, is_noisy, measure, medians, ratios, skip_unless, tell, waits_for

SIZE = (720, 1280)
KEPT = 10


def build(folder: Path, size: int, dtype: str, conf: float, device: str = "cpu") -> Segmenter:
    """Ours, keeping what scores at least `conf`."""
    return load_segmenter(
        folder, "vis", size=size, dtype=dtype, conf=conf, settings={"tracking": {"birth_score": 0.0}}, device=device
    )


def keep_best(folder: Path, size: int, frame: Frame, device: str = "cpu", num: int = KEPT) -> tuple[Segmenter, float]:
    """Ours in float32, with the threshold that the `num` best queries of the frame pass; and that threshold."""
    everything = build(folder, size, "fp32", 0.0, device)
    proposals = everything.propose(next(everything.clips([frame])), everything.task.tracker())
    assert proposals is not None
    conf = sorted(proposals.scores)[-num]
    return build(folder, size, "fp32", conf, device), conf


def ours(segmenter: Segmenter, frame: Frame) -> FrameResult:
    return next(segmenter.run([frame], segmenter.task.tracker()))


def theirs(model: Any, processor: Any, clip: Clip) -> Any:
    found = model(pixel_values=clip.pixels.to(model.device))
    return processor.post_process_instance_segmentation(
        found, threshold=0.0, target_sizes=[clip.source_size], return_binary_maps=True
    )


def check(segmenter: Segmenter, model: Any, clip: Clip, frame: Frame) -> float:
    """Mean IoU of our masks with the best-fitting official ones.

    Raises:
        SystemExit: they are not the same masks.
    """
    logits = model(pixel_values=clip.pixels.to(model.device)).masks_queries_logits.cpu()
    padded = F.interpolate(logits, clip.padded_size, mode="bilinear")[..., : clip.input_size[0], : clip.input_size[1]]
    official = (F.interpolate(padded, clip.source_size, mode="bilinear")[0] > 0).flatten(1)
    ious = []
    for segment in ours(segmenter, frame).segments:
        mask = torch.from_numpy(np.ascontiguousarray(rle.decode(segment.mask))).bool().flatten()
        ious.append(float(((mask & official).sum(1) / (mask | official).sum(1)).max()))
    iou = sum(ious) / max(len(ious), 1)
    if iou < 0.99:
        raise SystemExit(f"not the same masks: mean IoU {iou:.4f}")
    return iou


def main(argv: list[str] | None = None) -> None:
    from transformers import Mask2FormerImageProcessorPil

    parser = arguments(__doc__)
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--size", type=int, default=360)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--keep-memory", action="store_true")
    options = parser.parse_args(argv)
    source = SIZE
    if options.smoke:
        options.backbone, options.size, options.repeats, source = "small", 64, 1, (72, 128)
    skip_unless(not options.device.startswith("cuda") or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    if options.keep_memory:
        keep_freed_memory()

    frame = next(iter(DemoSource(source, 40)))
    with tempfile.TemporaryDirectory() as name, torch.inference_mode(), tf32(False):
        peer = hugging_face(options.backbone)
        peer.save_pretrained(name)
        peer.to(options.device)
        exact, conf = keep_best(Path(name), options.size, frame, options.device)
        iou = check(exact, peer, next(exact.clips([frame])), frame)
        mine = exact if options.dtype == "f32" else build(Path(name), options.size, "bf16", conf, options.device)
        processor = Mask2FormerImageProcessorPil()
        times = measure(
            {
                "hugging_face": lambda: theirs(peer, processor, next(exact.clips([frame]))),
                "gvseg": lambda: ours(mine, frame),
            },
            options.repeats,
            waits_for(options.device),
        )
        num_masks = len(ours(mine, frame).segments)
    median = medians(times)
    figures = {
        "what": f"frame to masks at {source[0]}p, {options.backbone} at {options.size}p, {options.dtype}, "
        f"{options.device}",
        "repeats": options.repeats,
        "threads": options.threads,
        "mask_iou_f32": iou,
        "masks": num_masks,
        "seconds": median,
        "ratio": ratios(median, "hugging_face", "gvseg"),
        "noisy": is_noisy(times, options.threads),
    }
    tell(figures, options.json)


if __name__ == "__main__":
    main()
