"""How far bf16 masks are from float32 ones, on weights that decide clearly.

    python -m tests.bench.agreement [--steps 300] [--threads 2] [--json FILE]

Random weights of true size put every logit near 0, where rounding decides; so a small network is trained here, from
scratch, on the rendered world: query k is class k (no matching is needed), masks by cross-entropy and dice. Then the
same weights segment frames of another seed in float32 and in bf16. Printed: pixel accuracy against the exact truth (so
that it is seen that the weights decide), label agreement, and the IoU of each class's masks between both precisions.
Bound: mean IoU ≥ 0.95.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.config import DecoderSettings, ModelSettings, PixelDecoderSettings, QuerySettings, ResNetSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.model.network import Network
from gvseg_core.ops import rle
from tests.bench.machine import describe

SIZE = (128, 224)
SETTINGS = ModelSettings(
    backbone=ResNetSettings(
        block="basic",
        depths=(1, 1, 1, 1),
        stem_channels=32,
        channels=(32, 64, 96, 128),
        inner_channels=(32, 64, 96, 128),
    ),
    pixel_decoder=PixelDecoderSettings(dim=64, mask_dim=64, num_layers=2, num_heads=4, feedforward=128),
    decoder=DecoderSettings(dim=64, num_layers=3, num_heads=4, feedforward=128),
    queries=QuerySettings(num_queries=len(DemoSource().vocabulary)),
)


def examples(seed: int, num_frames: int = 60) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures (3, H, W), normalised, and their labels (H, W)."""
    for result in DemoSource(size=SIZE, num_frames=num_frames, seed=seed).truth("vss"):
        labels = torch.zeros(SIZE, dtype=torch.long)
        for segment in result.segments:
            labels[torch.from_numpy(rle.decode(segment.mask)).bool()] = segment.class_id
        yield (result.frame.image.float() - 118) / 58, labels


def class_masks(network: Network, pixels: Tensor) -> Tensor:
    """(B, K, H, W) mask logits, query k speaking for class k."""
    features = network.encode(pixels[:, None])
    prediction = network.decode(features, network.queries["learned"](len(pixels)), "demo")
    return F.interpolate(prediction.mask_logits()[:, :, 0], size=SIZE, mode="bilinear")


def train(steps: int) -> Network:
    torch.manual_seed(0)
    network = Network(SETTINGS, {"demo": SETTINGS.queries.num_queries})
    optimiser = torch.optim.AdamW(network.parameters(), lr=1.0e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1.0e-3, total_steps=steps)
    pool = [example for seed in range(12) for example in islice(examples(seed), 0, None, 4)]
    for _ in range(steps):
        chosen = torch.randint(len(pool), (8,)).tolist()
        pixels, labels = (torch.stack([pool[i][part] for i in chosen]) for part in (0, 1))
        logits = class_masks(network, pixels)
        truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).float()
        overlap = (logits.sigmoid() * truth).sum((2, 3))
        dice = 1 - (2 * overlap + 1) / (logits.sigmoid().sum((2, 3)) + truth.sum((2, 3)) + 1)
        present = truth.amax((2, 3))
        loss = F.binary_cross_entropy_with_logits(logits, truth) * 5 + (dice * present).sum() / present.sum()
        optimiser.zero_grad()
        (loss + F.cross_entropy(logits, labels)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)

    start = time.perf_counter()
    trained = train(options.steps)
    print(f"{describe()}\ntrained {options.steps} steps in {time.perf_counter() - start:.0f} s", flush=True)
    exact = copy.deepcopy(trained).prepare_for_inference(torch.float32)
    rough = copy.deepcopy(trained).prepare_for_inference(torch.bfloat16)
    right, same, pixels_seen, ious = 0, 0, 0, []
    with torch.inference_mode():
        for picture, labels in islice(examples(seed=100), 0, None, 3):
            masks = [class_masks(network, picture[None])[0] for network in (exact, rough)]
            winners = [mask.argmax(0) for mask in masks]
            right += int((winners[0] == labels).sum())
            same += int((winners[0] == winners[1]).sum())
            pixels_seen += labels.numel()
            a, b = (mask > 0 for mask in masks)
            large = a.flatten(1).sum(1) >= 20  # a mask of a few pixels says little about precision
            ious += ((a & b).flatten(1).sum(1) / (a | b).flatten(1).sum(1))[large].tolist()
    figures = {
        "machine": describe(),
        "pixel_accuracy_f32": right / pixels_seen,
        "label_agreement": same / pixels_seen,
        "mask_iou_mean": sum(ious) / len(ious),
        "mask_iou_worst": min(ious),
        "masks": len(ious),
    }
    print("\n".join(f"{name}: {value}" for name, value in figures.items() if name != "machine"))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if figures["mask_iou_mean"] < 0.95:
        raise SystemExit("bf16 agreement below its bound of 0.95")


if __name__ == "__main__":
    main()
