"""B1–B4: how long the network takes for a frame beside Hugging Face's Mask2Former with the same weights, in one run.

    python -m tests.bench.infer --backbone resnet50|swin_tiny|swin_large --size 360 --dtype f32|bf16 [--device cuda]

Timed: the forward pass of one frame at 16:9, normalised pixels to class logits and the mask logits of all queries at
stride 4; ours prepared. Hugging Face's runs in float32 as it comes (on a GPU without TF32), and for `--dtype bf16` also
under autocast; on a GPU further with TF32, and in bf16 compiled. Interleaved, medians. Beside wall time stands core
time (what the process used of all cores): with `--threads 1` other processes hardly disturb it, with more it counts
waiting too. `descriptor` is the shape–position descriptor of all masks, a share of our own forward pass.

Gate before any time is printed: in float32 both give the same logits (99.9th percentile of the difference, because a
bit of an attention mask near 0 may flip, and random weights are never sure) and nearly the same masks. The weights are
random: what bfloat16 does to masks must be measured with trained ones (`tests.bench.agreement`).
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, read_checkpoint
from gvseg_core.ops.allocator import keep_freed_memory
from gvseg_core.ops.shape_position import shape_position
from gvseg_core.types import Prediction
from tests.bench.machine import arguments, is_noisy, measure, medians, ratios, skip_unless, tell, waits_for

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
SWIN = {
    "swin_tiny": {"depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]},
    "swin_large": {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48], "window_size": 12},
}
BACKBONES = ("resnet50", *SWIN, "small")
"""What Hugging Face's side is built with; `small` is for `--smoke`, a network of no use."""


def hugging_face(backbone: str) -> Any:
    """A Mask2Former of true size; what its initialisation leaves at zero is made to matter."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig, SwinConfig

    more: dict[str, Any] = {}
    if backbone == "small":
        inner: Any = ResNetConfig(
            embedding_size=16, hidden_sizes=[32, 32, 64, 64], depths=[1, 1, 1, 1], out_features=STAGES
        )
        more = {"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "encoder_feedforward_dim": 64}
        more |= {"dim_feedforward": 64, "encoder_layers": 2, "decoder_layers": 4, "num_queries": 20}
    elif backbone == "resnet50":
        inner = ResNetConfig(out_features=STAGES)
    else:
        inner = SwinConfig(**SWIN[backbone], drop_path_rate=0.0, out_features=STAGES)
        more = {"num_queries": 200} if backbone == "swin_large" else {}
    torch.manual_seed(0)
    model = Mask2FormerForUniversalSegmentation(Mask2FormerConfig(backbone_config=inner, **more)).eval()
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


def peers(model: Any, pixels: torch.Tensor, dtype: str) -> dict[str, Callable[[], object]]:
    """Hugging Face's side in the ways it is run."""
    sides: dict[str, Callable[[], object]] = {}
    kind = pixels.device.type

    def plain() -> object:
        with tf32(False):
            return model(pixel_values=pixels)

    def autocast(model: Any = model) -> object:
        with torch.autocast(kind, torch.bfloat16):
            return model(pixel_values=pixels)

    def with_tf32() -> object:
        with tf32(True):
            return model(pixel_values=pixels)

    sides["hugging_face_f32"] = plain
    if kind == "cuda":
        compiled = torch.compile(model)
        sides["hugging_face_tf32"] = with_tf32
        sides["hugging_face_bf16_compiled"] = lambda: autocast(compiled)
    elif dtype == "bf16":
        sides["hugging_face_bf16"] = autocast
    return sides


@contextlib.contextmanager
def tf32(is_on: bool) -> Iterator[None]:
    """Whether float32 products may be rounded to TF32, on a GPU."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = is_on
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, repeats=7)
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--size", type=int, default=360, help="height; the width is 16/9 of it")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--keep-memory", action="store_true", help="set the allocator, for both sides")
    options = parser.parse_args(argv)
    if options.smoke:
        options.backbone, options.size, options.repeats = "small", 64, 1
    skip_unless(not options.device.startswith("cuda") or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    if options.keep_memory:
        keep_freed_memory()

    peer = hugging_face(options.backbone)
    checkpoint = load(peer)
    pixels = torch.randn(1, 3, options.size, options.size * 16 // 9, generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(options.device)
    peer.to(options.device)
    with torch.inference_mode(), tf32(False):
        exact = network_of(checkpoint, torch.float32).to(options.device)
        agreement = gate(predict(exact, pixels), peer(pixel_values=pixels))
        ours = network_of(checkpoint, DTYPES[options.dtype]).to(options.device)
        prediction = predict(ours, pixels)
        size = (-(-options.size // 8), -(-pixels.shape[-1] // 8))
        masks = torch.nn.functional.interpolate(prediction.mask_logits()[:, :, 0], size) > 0
        name = f"gvseg_{options.dtype}"
        sides = peers(peer, pixels, options.dtype) | {
            name: lambda: predict(ours, pixels).mask_logits(),
            "descriptor": lambda: shape_position(masks),
        }
        times = measure(sides, options.repeats, waits_for(options.device))
    median = medians(times)
    figures = {
        "what": f"forward pass, {options.backbone}, {(*pixels.shape[-2:],)}, {options.dtype}, {options.device}",
        "repeats": options.repeats,
        "threads": options.threads,
        "agreement_f32": agreement,
        "seconds": median,
        "frames_per_second": {side: 1 / median[side]["wall"] for side in times if side != "descriptor"},
        "ratio": {side: ratios(median, side, name) for side in times if side.startswith("hugging_face")},
        "share": ratios(median, "descriptor", name),
        "noisy": is_noisy(times, options.threads),
    }
    tell(figures, options.json)


if __name__ == "__main__":
    main()
