"""How long the network takes for a frame beside Hugging Face's Mask2Former with the same weights, in the same run.

    python -m tests.bench.infer --backbone resnet50|swin_tiny --size 360 --dtype f32|bf16 [--threads N] [--json FILE]

Timed: the forward pass of one frame at 16:9, normalised pixels to class logits and the mask logits of all 100 queries
at stride 4; Hugging Face's in float32 as it comes, ours prepared. Interleaved, medians. Beside wall time stands core
time (what the process used of all cores): with `--threads 1` other processes hardly disturb it, with more it counts
waiting too. A run whose wall times vary a lot is marked noisy. `share` is the shape–position descriptor of all 100
masks, of our own forward pass.

Gate before any time is printed: in float32 both give the same logits (99.9th percentile of the difference, because a
bit of an attention mask near 0 may flip, and random weights are never sure) and nearly the same masks. The weights are
random: what bfloat16 does to masks must be measured with trained ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, read_checkpoint
from gvseg_core.ops.allocator import keep_freed_memory
from gvseg_core.ops.shape_position import shape_position
from gvseg_core.types import Prediction
from tests.bench.machine import describe

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def hugging_face(backbone: str) -> Any:
    """A Mask2Former of true size; what its initialisation leaves at zero is made to matter."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig, SwinConfig

    if backbone == "resnet50":
        inner = ResNetConfig(out_features=STAGES)
    else:
        inner = SwinConfig(depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], drop_path_rate=0.0, out_features=STAGES)
    torch.manual_seed(0)
    model = Mask2FormerForUniversalSegmentation(Mask2FormerConfig(backbone_config=inner)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "sampling_offsets" in name or "attention_weights" in name or "relative_position_bias" in name:
                weight.normal_(std=0.5 if weight.ndim == 1 else weight.shape[-1] ** -0.5)
            elif "mask_embedder" in name and weight.ndim == 2:
                weight.normal_(std=2 * weight.shape[-1] ** -0.5)
            elif "queries_" in name or "level_embed" in name:
                weight.normal_()
    return model


def load(model: Any) -> Checkpoint:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return read_checkpoint(Path(folder))


def network_of(checkpoint: Checkpoint, dtype: torch.dtype) -> Network:
    network = Network(checkpoint.settings, checkpoint.heads)
    network.load_state_dict(checkpoint.state)
    return network.prepare_for_inference(dtype)


def predict(network: Network, pixels: torch.Tensor) -> Prediction:
    features = network.encode(pixels[None])
    return network.decode(features, network.queries["learned"](1), next(iter(network.class_heads)))


def gate(ours: Prediction, theirs: Any) -> dict[str, float]:
    """Agreement of the two in float32.

    Raises:
        SystemExit: they are not the same network.
    """
    logits, wanted = ours.mask_logits()[:, :, 0], theirs.masks_queries_logits
    apart = torch.cat([(logits - wanted).abs().flatten(), (ours.class_logits - theirs.class_queries_logits).flatten()])
    scale = float(wanted.std())
    difference = float(apart.abs().kthvalue(int(0.999 * apart.numel())).values)
    both, either = ((logits > 0) & (wanted > 0)).sum((-1, -2)), ((logits > 0) | (wanted > 0)).sum((-1, -2))
    iou = float((both / either.clamp(min=1))[either > 0].mean())
    if not (difference < 1e-2 * scale and iou > 0.995):
        raise SystemExit(
            f"not the same: 99.9 % of the logits within {difference:.1e} (σ {scale:.1e}), mask IoU {iou:.4f}"
        )
    return {"difference_p999": difference, "logit_std": scale, "mask_iou": iou}


def measure(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, dict[str, list[float]]]:
    """Wall and core seconds of every side, taking turns, after one turn to warm up."""
    times: dict[str, dict[str, list[float]]] = {name: {"wall": [], "core": []} for name in sides}
    for turn in range(repeats + 1):
        for name, run in sides.items():
            wall, core = time.perf_counter(), time.process_time()
            run()
            if turn:
                times[name]["wall"].append(time.perf_counter() - wall)
                times[name]["core"].append(time.process_time() - core)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=["resnet50", "swin_tiny"], default="resnet50")
    parser.add_argument("--size", type=int, default=360, help="height; the width is 16/9 of it")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--keep-memory", action="store_true", help="set the allocator, for both sides")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    if options.keep_memory:
        keep_freed_memory()

    peer = hugging_face(options.backbone)
    checkpoint = load(peer)
    pixels = torch.randn(1, 3, options.size, options.size * 16 // 9, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        agreement = gate(predict(network_of(checkpoint, torch.float32), pixels), peer(pixel_values=pixels))
        ours = network_of(checkpoint, DTYPES[options.dtype])
        prediction = predict(ours, pixels)
        size = (-(-options.size // 8), -(-pixels.shape[-1] // 8))
        masks = torch.nn.functional.interpolate(prediction.mask_logits()[:, :, 0], size) > 0
        times = measure(
            {
                "hugging_face_f32": lambda: peer(pixel_values=pixels),
                f"gvseg_{options.dtype}": lambda: predict(ours, pixels).mask_logits(),
                "descriptor": lambda: shape_position(masks),
            },
            options.repeats,
        )
    median = {name: {kind: statistics.median(t) for kind, t in kinds.items()} for name, kinds in times.items()}
    theirs, mine, descriptor = median.values()
    walls = times[f"gvseg_{options.dtype}"]["wall"]
    found = {
        "machine": describe(),
        "threads": options.threads,
        "what": f"{options.backbone}, {(*pixels.shape[-2:],)}, {options.dtype}, {options.repeats} repeats",
        "agreement_f32": agreement,
        "seconds": median,
        "ratio": {kind: theirs[kind] / mine[kind] for kind in ("wall", "core")},
        "share": {kind: descriptor[kind] / mine[kind] for kind in ("wall", "core")},
        "noisy": max(walls) > 1.3 * min(walls),
    }
    print(json.dumps(found, indent=2, ensure_ascii=False))
    if options.json:
        options.json.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
