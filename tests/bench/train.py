"""B13: one training step beside the same step of Hugging Face's Mask2Former, with the same weights, in the same run.

    python -m tests.bench.train [--size 240] [--batch 1] [--targets 5] [--repeats 3] [--threads 1] [--json FILE]

Timed: everything that a step does with a batch that lies ready (single frames at 16:9, noise with rectangles on it):
forward pass, matching and losses of all ten outputs at 12544 points, backward pass, clipping, AdamW. Float32, batch
statistics and norms of the ResNet frozen on both sides, points the same for both. Each side is a process of its own,
and they take turns, after one step to warm up; medians of wall and core time (what the process used of all cores).
Memory is the peak above what was resident when the weights had been loaded: activations, gradients and the optimiser's
two moments (Linux).

Gate before any time is printed: both say the same loss at the first step and, having moved their weights, at the
second, within 1e-3 of it. Exit 1 where that or the bound of 1.5 × in core time is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gvseg_core.engine.training.optimiser import trainable
from gvseg_core.losses.matching import match
from gvseg_core.losses.points import Points, draw_points
from gvseg_core.losses.segmentation import amounts, normaliser_of, segmentation_losses
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.model.network import Network
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.recipes import LossSettings, SourceSettings, TrainSettings
from tests.bench.infer import BACKBONES, hugging_face
from tests.bench.machine import arguments, hold, is_noisy, medians, ratios, tell

SIDES = "hugging_face", "gvseg"
BOUND = 1.5
CPU = torch.device("cpu")
SETTINGS = LossSettings()

Move = Callable[[Tensor], float]


def batch(options: argparse.Namespace) -> tuple[Tensor, list[Targets], Points]:
    """(B, 3, H, W) pixels, sides multiples of 32; rectangles that lie apart; the points of all pictures."""
    height, width = (-(-side // 32) * 32 for side in (options.size, options.size * 16 // 9))
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randn(options.batch, 3, height, width, generator=draw)
    labels = torch.zeros(1, height, width, dtype=torch.int16)
    across = -(-options.targets // 2)
    for n in range(options.targets):
        y, x = n % 2 * height // 2, n // 2 * width // across
        labels[:, y + 8 : y + height // 2 - 8, x + 8 : x + width // across - 8] = n + 1
    numbers = torch.arange(options.targets)
    things = torch.ones(options.targets, dtype=torch.bool)
    one = Targets(numbers % 2, numbers, labels, things, (FREE,) * options.targets, (height, width), has_void=False)
    return pixels, [one] * options.batch, draw_points(SETTINGS, 1, CPU, draw)


def mover(weights: list[nn.Parameter]) -> Move:
    """Backward pass, clipping and AdamW; returns the loss."""
    optimiser = torch.optim.AdamW(weights, lr=1e-5, weight_decay=0.05)

    def move(loss: Tensor) -> float:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 0.01)
        optimiser.step()
        return float(loss.detach())

    return move


def ours(folder: Path, options: argparse.Namespace) -> Callable[[], float]:
    checkpoint = read_checkpoint(folder)
    network = trainable(
        Network(checkpoint.settings, checkpoint.heads),
        TrainSettings(data=(SourceSettings(benchmark="synth"),), steps=1),
    )
    network.load_state_dict(checkpoint.state)
    vocabulary = next(iter(checkpoint.heads))
    pixels, targets, points = batch(options)
    move = mover([weight for weight in network.parameters() if weight.requires_grad])

    def step() -> float:
        features = network.encode(pixels[:, None])
        queries = network.queries["learned"](len(pixels))
        prediction = network.decode(features, queries, vocabulary, auxiliary=True)
        matching = match(prediction, targets, [points] * len(targets), SETTINGS)
        normaliser = normaliser_of(amounts(targets, prediction.class_logits.shape[1], SETTINGS), CPU)
        losses = segmentation_losses(prediction, targets, [points] * len(targets), matching, SETTINGS, normaliser)
        return move(torch.stack(list(losses.values())).sum())

    return step


def theirs(folder: Path, options: argparse.Namespace) -> Callable[[], float]:
    from transformers import Mask2FormerForUniversalSegmentation

    model = Mask2FormerForUniversalSegmentation.from_pretrained(folder).eval()  # batch statistics stay as they are
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    pixels, targets, points = batch(options)
    draw_ours(points)
    masks, classes = [t.masks[:, 0].float() for t in targets], [t.class_ids for t in targets]
    move = mover([weight for weight in model.parameters() if weight.requires_grad])
    return lambda: move(model(pixel_values=pixels, mask_labels=masks, class_labels=classes).loss.sum())


def draw_ours(points: Points) -> None:
    """Let their loss draw our points: every mask the same, as ours do."""
    from transformers.models.mask2former import modeling_mask2former

    known = {drawn.shape[-2]: drawn for drawn in (points.shared[None], points.candidates, points.uniform)}

    class Torch:
        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

        @staticmethod
        def rand(rows: int, num: int, *_: int, **__: object) -> Tensor:
            return known[num].repeat(rows, 1, 1)

    modeling_mask2former.torch = Torch()


def run_side(side: str, folder: Path, options: argparse.Namespace) -> None:
    """A step, and a JSON line about it, for every line that comes in."""
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    step = (ours if side == "gvseg" else theirs)(folder, options)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now
    before = peak_mib()
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, core = time.perf_counter(), time.process_time()
        loss = step()
        spent = {"wall": time.perf_counter() - wall, "core": time.process_time() - core}
        print(json.dumps({"loss": loss, **spent, "mib": peak_mib() - before}), flush=True)


def peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def take_turns(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """What each side says of each of its steps, the first one included."""
    told = ("backbone", "size", "batch", "targets", "threads")
    words = [word for name in told for word in (f"--{name}", str(getattr(options, name)))]
    command = [sys.executable, "-m", "tests.bench.train", *words, "--weights", str(folder), "--side"]
    steps: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    running = {
        side: subprocess.Popen([*command, side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for side in SIDES
    }
    for turn in range(options.repeats + 2):
        for side, process in running.items():
            assert process.stdin
            assert process.stdout
            if turn:
                process.stdin.write("step\n")
                process.stdin.flush()
            if not (line := process.stdout.readline()):
                raise SystemExit(f"{side} has died")
            if turn:
                steps[side].append(json.loads(line))
    for process in running.values():
        process.communicate()
    return steps


def check(steps: dict[str, list[dict[str, float]]]) -> list[float]:
    """By how much of itself the loss differs at the first two steps.

    Raises:
        SystemExit: by too much.
    """
    both = [[one["loss"] for one in steps[side][:2]] for side in SIDES]
    apart = [abs(mine - peer) / peer for peer, mine in zip(*both, strict=True)]
    if not max(apart) < 1e-3:
        raise SystemExit(f"not the same step: losses {both} differ by {apart}")
    return apart


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, repeats=3, threads=1)
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--size", type=int, default=240, help="height; the width is 16/9 of it")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--targets", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.smoke:
        options.backbone, options.size, options.targets, options.repeats = "small", 64, 2, 1
    if options.side:
        run_side(options.side, options.weights, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        hugging_face(options.backbone).save_pretrained(folder)
        steps = take_turns(Path(folder), options)
    apart = check(steps)
    counted = {
        side: {kind: [one[kind] for one in told[1:]] for kind in ("wall", "core")} for side, told in steps.items()
    }
    median = medians(counted)
    mib = {side: max(one["mib"] for one in told) for side, told in steps.items()}
    ratio = ratios(median, "hugging_face", "gvseg")
    figures = {
        "what": f"{options.backbone}, {options.size}p, batch {options.batch}, {options.targets} targets",
        "repeats": options.repeats,
        "threads": options.threads,
        "losses": {side: [one["loss"] for one in told[:2]] for side, told in steps.items()},
        "losses_differ": apart,
        "seconds": median,
        "mib": mib,
        "ratio": {**ratio, "mib": mib["gvseg"] / mib["hugging_face"]},
        "bound": BOUND,
        "noisy": is_noisy(counted, options.threads),
    }
    tell(figures, options.json)
    if not options.smoke:
        hold({f"at least {BOUND} ×": ratio["core"] >= BOUND})


if __name__ == "__main__":
    main()
