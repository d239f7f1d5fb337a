"""The paper's ablation in small: a network without GvSEG's ideas, with each of them alone, and with all.

    python -m tests.bench.ablation --init WEIGHTS --data SETS --out FOLDER [--steps 500] [--seeds 0 1 2] [--only NAME …]
    python -m tests.bench.ablation --out FOLDER --report     # a table of what is there, and FOLDER/ablation.png

| name       | queries start as        | shape and position                 | contrast | paper, VIPSeg VPQ |
|------------|-------------------------|------------------------------------|----------|-------------------|
| `baseline` | learnt ones             | none: cos(q, q') between clips     | none     | 36.0              |
| `spa`      | learnt ones             | in the decoder and between clips   | none     | 37.8              |
| `task`     | each task's own         | none                               | none     | 40.1              |
| `contrast` | learnt ones             | none                               | yes      | 41.2              |
| `all`      | each task's own         | in the decoder and between clips   | yes      | 44.0              |

`task_near` and `all_near` are `task` and `all` with one thing of ours: in training a thing is answered for by a query
that starts near it (`train.loss.place_weight`), not by whichever of those that say the same.

The rows between are taken as one idea each on the baseline: if they piled up, the fourth would have all of them and be
the fifth. `task` is initialisation and association: an exemplar's own query answers for its object, and a class's own
query for its class, where learnt queries have to be found again by what they look like.

Equal for all: the network, which is that of WEIGHTS, the budget, the samples of a seed to the last pixel, the start.
Backbone and pixel decoder are those of WEIGHTS and stay so; decoder, queries and class heads are new and learn. Thus
no configuration goes on with a decoder that was trained its own way, and the features of a sample are made once for all
of a seed; but the ideas cannot change the features, and if WEIGHTS were trained with all of them, so were these. It
learns from rendered videos and real sets in mixture, seen in small: minutes on one core, far from a network's best.

A run that is done lies in FOLDER/NAME-SEED.json and is not done again.

Gates: each network built is what its row says, the loss has a contrast where there is one, the projection of shapes has
moved from zero and the features have not moved, what a task compares is what it says; all configurations of a seed have
seen the same pixels.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gvseg_core.config import ModelSettings
from gvseg_core.data.synth_videos import parse_synth
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.evaluate import evaluate
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.watching import Nobody
from gvseg_core.engine.training.settings import TrainRequest
from gvseg_core.model.weights import read_checkpoint
from tests.bench.ablation_runs import Configuration, Shown, keep_features, settings_of, train
from tests.bench.ablation_table import tell_report
from tests.bench.identity import shown
from tests.bench.machine import describe

PRESET = "synth_tiny"
"""All that is not said here is as it is there."""

CONFIGURATIONS = {
    "baseline": Configuration("baseline", 36.0),
    "spa": Configuration("+ shape and position", 37.8, spa=True),
    "task": Configuration("+ queries and association by task", 40.1, task=True),
    "contrast": Configuration("+ contrast by task", 41.2, contrast=True),
    "all": Configuration("all", 44.0, task=True, spa=True, contrast=True),
    "task_near": Configuration("+ queries and association by task, near things (ours)", None, task=True, near=True),
    "all_near": Configuration("all, near things (ours)", None, task=True, near=True, spa=True, contrast=True),
}

CONTRAST_WEIGHT = 0.5  # as in every preset
PLACE_WEIGHT = 20.0  # as in nano


@dataclass(frozen=True, slots=True)
class Scale:
    """How large all is, the same for every configuration."""

    short_side: int = 144  # px, at evaluation
    training_sides: tuple[int, ...] = (128, 144, 160)  # px
    rendered: str = "videos=4096,frames=36,size=320x192"
    held_out: str = "videos=4,frames=32,size=320x192,seed=4000"
    real: bool = True


SMOKE = Scale(64, (64,), "videos=8,frames=6,size=96x64,objects=4", "videos=1,frames=6,size=96x64,objects=4", real=False)


@dataclass(frozen=True, slots=True)
class Test:
    """One evaluation."""

    bench: str
    task: str
    head: str | None  # class head; None is that of the task
    path: str | None = None  # below the sets; None is rendered
    split: str | None = None
    videos: tuple[str, ...] = ()  # all


TESTS = {
    "synth-vps": Test("synth", "vps", "demo"),
    "synth-vis": Test("synth", "vis", "demo"),
    "synth-vss": Test("synth", "vss", "demo"),
    "synth-evs": Test("synth", "evs", None),
    "camvid-vps": Test("vipseg", "vps", "street", "camvid-vps", "val"),
    "camvid-vss": Test("vspw", "vss", "street", "camvid-vss", "val"),
    "davis-evs": Test("davis17", "evs", None, "davis-mini", "val"),
    "davis-vis": Test("ytvis21", "vis", "people", "davis-mini", "val", ("schoolgirls",)),
}


def mixture(scale: Scale) -> list[dict[str, Any]]:
    """What is learnt from."""
    rendered = [
        ("vps", 1.2, {}),
        ("vis", 1.2, {"classes_as": "own"}),
        ("vss", 0.6, {}),
        ("evs", 0.8, {}),
    ]
    sets: list[dict[str, Any]] = [
        {"benchmark": "synth", "task": task, "path": f"{scale.rendered},seed={10000 * i}", "weight": weight, **more}
        for i, (task, weight, more) in enumerate(rendered)
    ]
    if scale.real:
        street = {"benchmark": "auto", "vocabulary": "street"}
        sets += [
            {**street, "path": "camvid-vps", "pictures": "../camvid-vss/data", "task": "vps", "weight": 1.0},
            {**street, "path": "camvid-vss", "task": "vss", "weight": 0.6},
            {"benchmark": "auto", "path": "pennfudan", "task": "vis", "vocabulary": "people", "weight": 0.4},
            {"benchmark": "coco", "path": "coco-mini", "task": "evs", "weight": 0.4},
            {"benchmark": "auto", "path": "ytvos-mini", "task": "evs", "weight": 0.8},
        ]
    return sets


def changes_of(
    configuration: Configuration, network: ModelSettings, scale: Scale, steps: int, seed: int
) -> dict[str, Any]:
    """What differs from the preset; of `network` all but where its queries come from."""
    model = network.model_dump(mode="json")
    model["queries"] |= {"source": "task" if configuration.task else "learned", "spa": configuration.spa}
    return {
        "model": model,
        "input": {"short_side": scale.short_side, "max_side": 2 * scale.short_side},
        "train": {
            "data": mixture(scale),
            "steps": steps,
            "milestones": [max(1, steps * 3 // 4)],
            "warmup": steps // 10,
            "lr": 1.0e-3,
            "freeze_backbone": True,
            "freeze_norms": True,
            "contrast": {"weight": CONTRAST_WEIGHT if configuration.contrast else 0.0},
            "augment": {
                "short_sides": list(scale.training_sides),
                "max_side": 2 * scale.short_side,
                "jitter": 0.2,
                "drift": 0.1,
                "zoom": 0.2,
            },
            "loss": {
                "num_points": 1024,
                "pixel_weight": 0.0,  # which teaches features alone
                "place_weight": PLACE_WEIGHT if configuration.near else 0.0,
            },
            "ema": None,
            "workers": 0,
            "seed": seed,
            "log_every": max(1, steps // 10),
            "save_every": steps,
        },
    }


# --- one run --------------------------------------------------------------------------------------------------------


def scores_of(weights: Path, tests: Mapping[str, Test], scale: Scale, data: Path | None) -> dict[str, Any]:
    """Every test's metrics by the names of the official programs; null where one is not defined."""
    scores: dict[str, Any] = {}
    for name, test in tests.items():
        begun = time.perf_counter()
        rendered = test.path is None
        settings = EvalSettings(
            bench=test.bench,
            task=test.task if rendered else None,  # type: ignore[arg-type]
            data=Path(scale.held_out) if rendered else (data or Path()) / (test.path or ""),
            split=test.split,
            videos=test.videos,
            model=str(weights),
            vocabulary=test.head,
            size=scale.short_side,
            device="cpu",
            dtype="fp32",
            overrides=settings_of(test.task),
        )
        metrics = evaluate(settings, Nobody()).scores.metrics  # type: ignore[union-attr]
        scores[name] = {key: float(value) if math.isfinite(value) else None for key, value in metrics.items()}
        scores[name]["seconds"] = time.perf_counter() - begun
    return scores


def run(name: str, seed: int, features: Path, options: argparse.Namespace, scale: Scale, material: Shown) -> None:
    """Train and score one configuration with one seed, unless that has been done."""
    told = options.out / f"{name}-{seed}.json"
    if told.exists():
        return
    print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
    configuration, folder = CONFIGURATIONS[name], options.out / f"{name}-{seed}"
    start = read_checkpoint(features, allow_partial=True)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
    request = TrainRequest(
        preset=PRESET,
        data=options.data or Path(),
        out=folder,
        changes=changes_of(configuration, start.settings, scale, options.steps, seed),
        init=str(features),
        allow_partial=True,
        device="cpu",
    )
    weights, known = train(configuration, request, material)
    begun = time.perf_counter()
    scores = scores_of(weights, {n: t for n, t in TESTS.items() if scale.real or t.path is None}, scale, options.data)
    asked = load_segmenter(
        weights,
        "vis",
        device="cpu",
        dtype="fp32",
        size=scale.short_side,
        vocabulary="demo",
        settings=settings_of("vis"),
    )
    switches, found = shown(asked, parse_synth(scale.held_out))
    scores["identity"] = {"switches": switches, "found": found}
    known |= {"scores": scores, "scoring": {"wall": time.perf_counter() - begun}}
    known = {
        "name": name,
        **asdict(configuration),
        "seed": seed,
        "steps": options.steps,
        "scale": asdict(scale),
        **known,
    }
    known |= {"machine": describe(), "features": start.sha256, "trained": dict(start.provenance)}
    part = told.with_suffix(".part")
    part.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    part.replace(told)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=Path, help="weights whose backbone and pixel decoder all start from")
    parser.add_argument("--data", type=Path, help="the folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="where results are, one file a run")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=CONFIGURATIONS, default=list(CONFIGURATIONS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="train nothing; tell what is there")
    parser.add_argument("--smoke", action="store_true", help="sizes that say nothing, on rendered videos alone")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    if not options.report:
        if options.init is None or (options.data is None and not options.smoke):
            parser.error("--init and --data are needed to train")
        options.out.mkdir(parents=True, exist_ok=True)
        features = options.out / "features.safetensors"
        if not features.exists():
            keep_features(options.init, features)
        for seed in options.seeds:
            material = Shown()
            for name in options.only:
                run(name, seed, features, options, SMOKE if options.smoke else Scale(), material)
    tell_report(options.out, list(CONFIGURATIONS))


if __name__ == "__main__":
    main()
