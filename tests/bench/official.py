"""B6: clips of three frames through the official Mask2Former-VIS beside ours, same weights, same run.

    MASK2FORMER=…/Mask2Former DETECTRON2=…/detectron2 python -m tests.bench.official --weights FILE --config FILE

The official side is not installed by any package manager. It runs on a CPU without compiling anything, from two source
folders, facebookresearch/Mask2Former and facebookresearch/detectron2, which the two variables name; their own fallback
in PyTorch takes the place of the deformable-attention operator. `pip install fvcore iopath omegaconf yacs matplotlib
cloudpickle` gives what they import. Where any of it is missing this says so and ends with status 0.

Timed: three decoded 720p frames to the ten best instances with masks at 720p; on either side everything from resized
pictures on; theirs ends with boolean masks, ours with RLE. Interleaved, medians. Bound: 1.8 × in core time in float32,
4 × in bf16.

Gate before any time is printed: the same labels of the ten best, scores within 1e-4, masks of mean IoU ≥ 0.999.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
import warnings
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gvseg_core.config import TrackSettings, VisSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.engine.build import load_segmenter
from gvseg_core.ops import rle
from gvseg_core.ops.resize import input_size, resize_picture
from gvseg_core.segmenter import Segmenter
from gvseg_core.tasks import Vis
from gvseg_core.types import Frame
from tests.bench.machine import arguments, hold, is_noisy, measure, medians, ratios, skip_unless, tell

BOUNDS = {"f32": 1.8, "bf16": 4.0}
NUM_FRAMES, KEPT = 3, 10
SOURCES = "MASK2FORMER", "DETECTRON2"


def official(config: Path, weights: Path) -> Any:
    """Their model, in evaluation mode.

    Raises:
        SystemExit: with status 0, if their sources or what these import are not here.
    """
    folders = [Path(os.environ.get(name, "")) for name in SOURCES]
    is_there = all(os.environ.get(name) and folder.is_dir() for name, folder in zip(SOURCES, folders, strict=True))
    skip_unless(is_there, f"{' and '.join(SOURCES)} name no folders with the official sources")
    sys.path[:0] = [str(folders[0]), str(folders[1])]
    for name in ("detectron2._C", "MultiScaleDeformableAttention"):  # what would have to be compiled
        sys.modules.setdefault(name, types.ModuleType(name))
    try:
        config_of, build = (importlib.import_module(f"detectron2.{name}") for name in ("config", "modeling"))
        checkpoint = importlib.import_module("detectron2.checkpoint")
        image, video = (importlib.import_module(name) for name in ("mask2former", "mask2former_video"))
        deeplab = importlib.import_module("detectron2.projects.deeplab")
    except ImportError as error:
        skip_unless(False, f"the official sources cannot be imported: {error}")
    cfg = config_of.get_cfg()
    deeplab.add_deeplab_config(cfg)
    image.add_maskformer2_config(cfg)
    video.add_maskformer2_video_config(cfg)
    cfg.merge_from_file(str(config))
    cfg.MODEL.DEVICE = "cpu"
    model = build.build_model(cfg).eval()
    checkpoint.DetectionCheckpointer(model).load(str(weights))
    return model


def theirs(model: Any, frames: list[Frame], segmenter: Segmenter) -> Any:
    size = input_size(frames[0].image.shape[1:], segmenter.input_settings)  # type: ignore[arg-type]
    pictures = [resize_picture(frame.image, size).float() for frame in frames]
    height, width = frames[0].image.shape[1:]
    return model([{"image": pictures, "height": int(height), "width": int(width), "length": len(frames)}])


def ours(segmenter: Segmenter, frames: list[Frame]) -> Any:
    tracker = segmenter.task.tracker()
    return list(segmenter.run(frames, tracker)), tracker.tracks


def check(segmenter: Segmenter, model: Any, frames: list[Frame]) -> dict[str, float]:
    """Agreement of the ten best pairs of query and class.

    Raises:
        SystemExit: they are not the same.
    """
    said = theirs(model, frames, segmenter)
    results, tracks = ours(segmenter, frames)
    probs = torch.tensor([track.class_scores for track in tracks])
    values, places = probs.flatten().topk(KEPT)
    apart = float((values - torch.tensor(said["pred_scores"]).sort(descending=True).values).abs().max())
    labels = sorted(int(place) % probs.shape[1] for place in places)
    ious = []
    for value, place in zip(values.tolist(), places.tolist(), strict=True):
        nearest = min(range(KEPT), key=lambda n: abs(said["pred_scores"][n] - value))
        for t, result in enumerate(results):
            masks = {segment.track_id: segment.mask for segment in result.segments}
            mask = masks.get(tracks[place // probs.shape[1]].track_id)
            wanted = np.asarray(said["pred_masks"][nearest][t]) > 0
            found = np.zeros_like(wanted) if mask is None else rle.decode(mask)
            ious.append((found & wanted).sum() / max((found | wanted).sum(), 1) if (found | wanted).any() else 1.0)
    if labels != sorted(said["pred_labels"]) or apart > 1e-4 or np.mean(ious) < 0.999:
        raise SystemExit(f"not the same: labels {labels}, scores within {apart:.1e}, mean IoU {np.mean(ious):.4f}")
    return {"scores_differ": apart, "mask_iou": float(np.mean(ious))}


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--config", type=Path, help="theirs, such as video_maskformer2_R50_bs16_8ep.yaml")
    parser.add_argument("--weights", type=Path, help="a model_final.pkl that both sides read")
    parser.add_argument("--dtype", choices=BOUNDS, default="f32")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    model = official(options.config, options.weights)
    source = (72, 128) if options.smoke else (720, 1280)
    frames = [
        Frame(i, Fraction(i, 25), frame.image) for i, frame in enumerate(islice(DemoSource(source, 9), NUM_FRAMES))
    ]
    everything = {"tracking": {"birth_score": 0.0, "shape_weight": 0.0}}
    exact, mine = (
        load_segmenter(options.weights, "vis", conf=0.0, dtype=dtype, device="cpu", settings=everything)
        for dtype in ("fp32", {"f32": "fp32"}.get(options.dtype, options.dtype))
    )
    exact.clip_length = mine.clip_length = NUM_FRAMES
    best = VisSettings(conf=0.0, top=KEPT)  # as theirs, which answers with the ten best
    mine.task = Vis(mine.network.queries, mine.task.vocabulary, best, TrackSettings(birth_score=0.0, shape_weight=0.0))
    with torch.inference_mode():
        agreement = check(exact, model, frames)
        sides = {"official": lambda: theirs(model, frames, exact), "gvseg": lambda: ours(mine, frames)}
        times = measure(sides, 1 if options.smoke else options.repeats)
    median = medians(times)
    ratio = ratios(median, "official", "gvseg")
    figures = {
        "what": f"a clip of {NUM_FRAMES} frames of {source[0]}p, {options.weights.name}, {options.dtype}",
        "repeats": options.repeats,
        "threads": options.threads,
        "agreement_f32": agreement,
        "seconds": median,
        "ratio": ratio,
        "bound": BOUNDS[options.dtype],
        "noisy": is_noisy(times, options.threads),
    }
    tell(figures, options.json)
    if not options.smoke:
        hold({f"at least {BOUNDS[options.dtype]} ×": ratio["core"] >= BOUNDS[options.dtype]})


if __name__ == "__main__":
    main()
