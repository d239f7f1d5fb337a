"""What `--compile` brings: the network through `torch.compile` beside itself, and whether its masks are the same.

    python -m tests.bench.compiled [--size 360] [--dtype f32|bf16] [--device cuda] [--threads 1] [--json FILE]

Timed: encode and decode of one frame at 16:9 by a ResNet-50 with 100 queries and random weights, by turns, medians;
core time on a CPU, wall time on a GPU; and the first call, which compiles. Gate before any time is printed: mask IoU of
the two ≥ 0.99, over all queries. `--smoke` compiles a tiny network to machine code, which takes a minute.
"""

from __future__ import annotations

import time

import torch

from gvseg_core.config import ModelSettings, ResNetSettings
from gvseg_core.model.compiled import Compiled
from gvseg_core.model.network import Network
from gvseg_core.recipes import load_preset
from gvseg_core.types import Prediction
from tests.bench.machine import arguments, is_noisy, measure, medians, ratios, skip_unless, tell, waits_for

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def build(*, tiny: bool, device: str, dtype: torch.dtype) -> Network:
    """A network whose samples and masks depend on the picture."""
    torch.manual_seed(0)
    settings = load_preset("tiny").model if tiny else ModelSettings(backbone=ResNetSettings())
    if tiny:
        settings = settings.model_copy(update={"queries": ModelSettings(backbone=settings.backbone).queries})
    network = Network(settings, {"classes": 80})
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "sampling_offsets" in name or "attention_weights" in name:
                weight.normal_(std=0.5 if weight.ndim == 1 else weight.shape[-1] ** -0.5)
            elif "mask_embed" in name and weight.ndim == 2:
                weight.normal_(std=2 * weight.shape[-1] ** -0.5)
    return network.prepare_for_inference(dtype).to(device)


def ask(way: Network | Compiled, network: Network, pixels: torch.Tensor) -> Prediction:
    features = way.encode(pixels)
    return way.decode(features, network.queries["learned"](1), "classes")


def iou(one: Prediction, other: Prediction) -> float:
    a, b = one.mask_logits() > 0, other.mask_logits() > 0
    both, either = (a & b).sum((-1, -2)), (a | b).sum((-1, -2))
    return float((both / either.clamp(min=1))[either > 0].mean())


def main() -> None:
    parser = arguments(__doc__, repeats=7, threads=1)
    parser.add_argument("--size", type=int, default=360, help="height; the width is 16/9 of it")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    skip_unless(options.device == "cpu" or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    size = 64 if options.smoke else options.size
    kind = "core" if options.device == "cpu" else "wall"

    def give_up() -> None:
        raise SystemExit("it does not compile here")

    network = build(tiny=options.smoke, device=options.device, dtype=DTYPES[options.dtype])
    compiled = Compiled(network, on_failure=give_up)
    pixels = torch.randn(1, 1, 3, -(-size // 32) * 32, -(-size * 16 // 9 // 32) * 32).to(options.device)
    settle = waits_for(options.device)
    with torch.inference_mode():
        start = time.perf_counter()
        found = ask(compiled, network, pixels)
        settle()
        seconds = time.perf_counter() - start
        same = iou(found, ask(network, network, pixels))
        if same < 0.99:
            raise SystemExit(f"compiled masks are others: mean IoU {same:.4f}")
        sides = {"gvseg": lambda: ask(network, network, pixels), "compiled": lambda: ask(compiled, network, pixels)}
        times = measure(sides, options.repeats, settle)
    taken = medians(times)
    told = {
        "what": f"{'tiny' if options.smoke else 'resnet50'}, {(*pixels.shape[-2:],)}, {options.dtype}",
        "device": options.device,
        "threads": options.threads,
        "mask_iou": same,
        "seconds_to_compile": seconds,
        "seconds": taken,
        "ratio": ratios(taken, "gvseg", "compiled")[kind],
        "noisy": is_noisy(times, options.threads),
    }
    tell(told, options.json)


if __name__ == "__main__":
    main()
