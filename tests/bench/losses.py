"""Matching and losses of one clip beside Hugging Face's Mask2Former loss, from the decoder's vectors to gradients.

    python -m tests.bench.losses [--queries 100] [--targets 10] [--repeats 5] [--threads 1] [--json FILE]

A clip of three frames at 360 × 640 (cells 90 × 160), ten outputs of the decoder. Both sides start from query vectors,
mask features and class logits that ask for gradients, and end with those. Hugging Face's loss knows pictures only: it
gets the three frames as a batch, with the same number of targets on each, and the masks of all queries at all outputs,
which its decoder makes and ours does not. Each side runs as a process of its own, so that its peak is its own; the
peak is above what was resident before the first step.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from gvseg_core.losses.matching import match
from gvseg_core.losses.points import draw_points
from gvseg_core.losses.segmentation import amounts, normaliser_of, segmentation_losses
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.recipes import LossSettings
from gvseg_core.types import Prediction
from tests.bench.machine import arguments, tell

T, H, W, C, K, OUTPUTS = 3, 360, 640, 256, 40, 10
SIDES = "gvseg", "hugging_face"


def inputs(num_queries: int) -> tuple[Tensor, Tensor, Tensor]:
    """(L, Q, C) query vectors, (T, C, h, w) mask features, (L, Q, K + 1) class logits."""
    draw = torch.Generator().manual_seed(0)
    queries = torch.randn(OUTPUTS, num_queries, C, generator=draw) / 16
    features = torch.randn(T, C, H // 4, W // 4, generator=draw)
    logits = torch.randn(OUTPUTS, num_queries, K + 1, generator=draw)
    return queries.requires_grad_(), features.requires_grad_(), logits.requires_grad_()


def labels(num_targets: int) -> Tensor:
    """(T, H, W) int16: squares that lie apart."""
    drawn = torch.zeros(T, H, W, dtype=torch.int16)
    for n in range(num_targets):
        y, x = n // 5 * 90, n % 5 * 120
        drawn[:, y : y + 80, x : x + 100] = n + 1
    return drawn


def ours(num_queries: int, num_targets: int) -> Callable[[], Tensor]:
    queries, features, logits = inputs(num_queries)
    classes = torch.arange(num_targets) % K
    things = torch.ones(num_targets, dtype=torch.bool)
    targets = [Targets(classes, classes, labels(num_targets), things, (FREE,) * num_targets, (H, W), has_void=False)]
    settings = LossSettings()
    layers = tuple((logits[i][None], queries[i][None]) for i in range(OUTPUTS))
    prediction = Prediction(layers[-1][0], layers[-1][1], layers[-1][1], features[None], None, layers[:-1])
    normaliser = normaliser_of(amounts(targets, num_queries, settings), features.device)

    def step() -> Tensor:
        points = [draw_points(settings, T, features.device)]
        matching = match(prediction, targets, points, settings)
        total = sum(segmentation_losses(prediction, targets, points, matching, settings, normaliser).values())
        assert isinstance(total, Tensor)
        torch.autograd.grad(total, [queries, features, logits])
        return total

    return step


def theirs(num_queries: int, num_targets: int) -> Callable[[], Tensor]:
    from transformers import Mask2FormerConfig
    from transformers.models.mask2former.modeling_mask2former import Mask2FormerLoss

    queries, features, logits = inputs(num_queries)
    criterion = Mask2FormerLoss(Mask2FormerConfig(num_labels=K), {})
    number = torch.arange(1, num_targets + 1, dtype=torch.int16)[:, None, None]
    masks = [(frame == number).float() for frame in labels(num_targets)]
    classes = [torch.arange(num_targets) % K] * T
    weights = {"loss_cross_entropy": 2.0, "loss_mask": 5.0, "loss_dice": 5.0}

    def step() -> Tensor:
        outputs = [
            {
                "masks_queries_logits": torch.einsum("qc,tchw->tqhw", queries[i], features),
                "class_queries_logits": logits[i].expand(T, -1, -1),
            }
            for i in range(OUTPUTS)
        ]
        losses = criterion(**outputs[-1], mask_labels=masks, class_labels=classes, auxiliary_predictions=outputs[:-1])
        total = sum(weight * loss for key, weight in weights.items() for name, loss in losses.items() if key in name)
        assert isinstance(total, Tensor)
        torch.autograd.grad(total, [queries, features, logits])
        return total

    return step


def run_side(side: str, options: argparse.Namespace) -> None:
    """One JSON line: core seconds of each step, MiB above what was there before, the loss."""
    torch.set_num_threads(options.threads)
    step = (ours if side == "gvseg" else theirs)(options.queries, options.targets)
    torch.manual_seed(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    loss = float(step())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    times = []
    for _ in range(options.repeats):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    print(json.dumps({"seconds": times, "mib": peak, "loss": loss}))


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, threads=1)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.side:
        run_side(options.side, options)
        return
    if options.smoke:
        options.queries, options.targets, options.repeats = 4, 2, 1
    told = ("queries", "targets", "repeats", "threads")
    words = [word for name in told for word in (f"--{name}", str(getattr(options, name)))]
    results = {}
    for side in SIDES:
        command = [sys.executable, "-m", "tests.bench.losses", "--side", side, *words]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results[side] = json.loads(shown.splitlines()[-1])
        results[side]["seconds"] = statistics.median(results[side]["seconds"])
    mine, peer = (results[side] for side in SIDES)
    ratio = {"core": peer["seconds"] / mine["seconds"], "mib": mine["mib"] / max(peer["mib"], 1 / 1024)}
    what = f"matching and losses of a clip, {options.queries} queries, {options.targets} targets"
    tell(
        {"what": what, "repeats": options.repeats, "threads": options.threads, **results, "ratio": ratio}, options.json
    )


if __name__ == "__main__":
    main()
