"""B16: what clips cost that overlap, by the frames from one to the next, beside making all features again.

    python -m tests.bench.long [--clip-stride 1,2,3] [--clip-length 3] [--frames 12] [--size 360] [--dtype f32|bf16]

Timed, per frame of the video: `Segmenter.run` over a rendered 720p video in memory, new tracker each turn. `again` is
our own naive way: the same clips, with the features of all their frames made anew. Interleaved, medians. Bound: with
stride 1 a frame costs at most 1.35 × one with the clip's length as stride, for every third decoder pass that it saves
there; without the kept features it would be about three times.

Gate before any time is printed: kept features and features made again give the same class logits and masks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import torch

from gvseg_core.config import BACKBONES, InputSettings, ModelSettings, TrackSettings, VisSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.data.vocabularies import choose_vocabulary
from gvseg_core.model.network import Network
from gvseg_core.model.overlap import newest
from gvseg_core.ops.resize import prepare
from gvseg_core.recipes import load_preset
from gvseg_core.segmenter import Predicted, Segmenter
from gvseg_core.tasks import Vis
from gvseg_core.types import Clip, Frame, Tracker
from tests.bench.machine import arguments, hold, is_noisy, measure, medians, skip_unless, tell, waits_for

BOUND = 1.35
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def build(backbone: str, size: int, length: int, dtype: str, device: str) -> Segmenter:
    """A network for clips, of random weights."""
    torch.manual_seed(0)
    if backbone == "small":
        settings = load_preset("tiny").model.model_copy(update={"clip_length": length})
    else:
        settings = ModelSettings(backbone=BACKBONES[backbone], clip_length=length)
    coco = choose_vocabulary("coco")
    network = Network(settings, {coco.name: len(coco)}).prepare_for_inference(DTYPES[dtype]).to(device)
    task = Vis(network.queries, coco, VisSettings(conf=0.0, top=10), TrackSettings(birth_score=0.0))
    return Segmenter(network, task, InputSettings(short_side=size), device=device)


def made_again(segmenter: Segmenter, clips: Iterable[Clip], tracker: Tracker) -> Iterator[Predicted]:
    """As `Segmenter.predict`, with the features of every frame of a clip made anew."""
    for clip in clips:
        whole = replace(prepare(clip.frames, segmenter.input_settings), num_seen=0)
        ((_, prediction, _),) = segmenter.predict([whole], tracker)
        assert prediction is not None
        new = clip.frames[clip.num_seen :]
        yield Predicted(replace(clip, frames=new, num_seen=0), newest(prediction, len(new)))


def check(segmenter: Segmenter, frames: Sequence[Frame], stride: int) -> float:
    """The largest difference of a class logit.

    Raises:
        SystemExit: kept features are not those made again.
    """
    segmenter.clip_stride = stride
    clips = list(segmenter.clips(frames))
    tracker = segmenter.task.tracker()
    worst, agree = 0.0, []
    sides = segmenter.predict(clips, tracker), made_again(segmenter, clips, tracker)
    for (_, kept, _), (_, again, _) in zip(*sides, strict=True):
        assert kept is not None
        assert again is not None
        worst = max(worst, float((kept.class_logits - again.class_logits).abs().max()))
        agree.append(float(((kept.mask_logits() > 0) == (again.mask_logits() > 0)).float().mean()))
    if not (worst < 1e-2 and min(agree) > 0.999):
        raise SystemExit(f"not the same: class logits within {worst:.1e}, {min(agree):.5f} of the mask cells agree")
    return worst


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--clip-stride", default="1,2,3")
    parser.add_argument("--clip-length", type=int, default=3)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--backbone", choices=[*BACKBONES, "small"], default="resnet50")
    parser.add_argument("--size", type=int, default=360)
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(argv)
    source = (720, 1280)
    if options.smoke:
        options.backbone, options.size, options.repeats, options.frames, source = "small", 64, 1, 6, (72, 128)
    skip_unless(not options.device.startswith("cuda") or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")

    strides = [int(stride) for stride in options.clip_stride.split(",")]
    frames = list(islice(DemoSource(source, options.frames), options.frames))
    segmenter = build(options.backbone, options.size, options.clip_length, options.dtype, options.device)
    with torch.inference_mode():
        exact = build(options.backbone, options.size, options.clip_length, "f32", options.device)
        differences = {stride: check(exact, frames[:6], stride) for stride in strides}
        del exact

        def run(stride: int, again: bool) -> object:
            segmenter.clip_stride = stride
            clips, tracker = segmenter.clips(frames), segmenter.task.tracker()
            make = made_again if again else Segmenter.predict
            return list(segmenter.decide(make(segmenter, clips, tracker), tracker))

        sides: dict[str, Callable[[], object]] = {}
        for stride in strides:
            sides[f"stride_{stride}"] = lambda stride=stride: run(stride, again=False)  # type: ignore[misc]
        sides[f"stride_{strides[0]}_again"] = lambda: run(strides[0], again=True)
        times = measure(sides, options.repeats, waits_for(options.device))
    median = medians(times)
    first, last = median[f"stride_{strides[0]}"], median[f"stride_{strides[-1]}"]
    ratio = {kind: first[kind] / max(last[kind], 1e-12) for kind in ("wall", "core")}
    figures = {
        "what": f"{options.frames} frames at {source[0]}p, clips of {options.clip_length}, {options.backbone} at "
        f"{options.size}p, {options.dtype}, {options.device}",
        "repeats": options.repeats,
        "threads": options.threads,
        "class_logits_differ": differences,
        "ms_per_frame": {
            side: {kind: 1000 * taken / options.frames for kind, taken in kinds.items()}
            for side, kinds in median.items()
        },
        f"stride_{strides[0]}_to_{strides[-1]}": ratio,
        "bound": BOUND,
        "noisy": is_noisy(times, options.threads),
    }
    tell(figures, options.json)
    if not options.smoke:
        hold({f"stride {strides[0]} costs at most {BOUND} × stride {strides[-1]}": ratio["core"] <= BOUND})


if __name__ == "__main__":
    main()
