"""What shape and position do for identity with trained weights: AP and identity switches on `synth`, same network.

    python -m tests.bench.identity --model M [--videos 4] [--seeds 3] [--smoke] [--json FILE]

The same weights, queries and masks, three ways to tell objects of neighbouring clips apart:

    spa         cos(q + P·H, q' + P·H'), as the network was trained (where it has a projection)
    mixed       (1 − λ)·cos(q, q') + λ·cos(H, H'), λ = 0.25, training-free
    appearance  cos(q, q'), as MinVIS

Switches: every frame's objects are matched with what was found, by mask IoU of at least 0.5, at the scores `predict`
shows; a switch is an object that is found under another id than the last time it was found. AP as `gvseg eval` has it,
at its scores. Seeds are of the held-out videos; nothing is timed.

Gate: found objects at their own places. With the truth in the network's place no object may change its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gvseg_core.data.synth_videos import SynthSettings, parse_synth
from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.evaluation.model import LOW_CONF
from gvseg_core.engine.evaluation.run import score_segmenter
from gvseg_core.ops import rle_sets
from gvseg_core.ops.assignment import assign
from gvseg_core.segmenter import Segmenter
from gvseg_core.track.association import Cues
from gvseg_core.types import FrameResult
from tests.bench.machine import arguments, tell

LEAST_IOU = 0.5
SHAPE_WEIGHT = 0.25


def cues_of(segmenter: Segmenter) -> Mapping[str, Cues]:
    """What may be compared, by name."""
    own = segmenter.task.cues  # type: ignore[attr-defined]
    known = {"mixed": Cues(SHAPE_WEIGHT), "appearance": Cues(0.0)}
    return known if own.projection is None else {"spa": own, **known}


def count_switches(truth: Iterable[FrameResult], found: Iterable[FrameResult]) -> tuple[int, int]:
    """Identity switches, and how many of the true objects were found, frame by frame."""
    last: dict[int, int] = {}
    switches = seen = 0
    for true, result in zip(truth, found, strict=True):
        if not true.segments or not result.segments:
            continue
        overlaps = rle_sets.ious([s.mask for s in true.segments], [s.mask for s in result.segments])
        for row, column in assign(torch.from_numpy(overlaps), LEAST_IOU):
            object_id, track_id = true.segments[row].track_id, result.segments[column].track_id
            switches += last.get(object_id, track_id) != track_id
            last[object_id] = track_id
            seen += 1
    return switches, seen


def shown(segmenter: Segmenter, videos: SynthSettings) -> tuple[int, int]:
    """Switches and found objects of all videos, as `predict` would write them."""
    switches = seen = 0
    for name in videos.names("val"):
        video = videos.video(name, "vis")
        truth = [frame.truth("vis") for frame in video]
        found = list(segmenter.run(videos.video(name, "vis"), segmenter.task.tracker()))
        more, also = count_switches(truth, found)
        switches, seen = switches + more, seen + also
    return switches, seen


def build(model: str, kind: str, **settings: Any) -> Segmenter:
    segmenter = load_segmenter(model, "vis", device="cpu", dtype="fp32", **settings)
    segmenter.task.cues = cues_of(segmenter)[kind]  # type: ignore[attr-defined]
    return segmenter


def check(spec: str) -> None:
    """The gate."""
    videos = parse_synth(spec)
    for name in videos.names("val"):
        truth = [frame.truth("vis") for frame in videos.video(name, "vis")]
        switches, seen = count_switches(truth, truth)
        assert switches == 0, f"{name}: the truth changes ids"
        assert seen == sum(len(result.segments) for result in truth), f"{name}: the truth is not found"


def rows_of(model: str, specs: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row for each way to compare, over every seed's videos."""
    bench = choose_bench("synth", "vis")
    ranked = {"conf": LOW_CONF, "settings": {"tracking": {"birth_score": LOW_CONF}}}
    for kind in cues_of(load_segmenter(model, "vis", device="cpu")):
        counts = [shown(build(model, kind), parse_synth(spec)) for spec in specs]
        aps = [
            score_segmenter(build(model, kind, **ranked), bench, bench.benchmark.open(Path(spec), "val")).metrics["AP"]
            for spec in specs
        ]
        yield {
            "cues": kind,
            "AP": [round(ap, 4) for ap in aps],
            "switches": [switches for switches, _ in counts],
            "found": [seen for _, seen in counts],
        }


def main(words: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--videos", type=int, default=4, help="of each seed")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    size = ",frames=4,size=96x64,objects=4" if options.smoke else ""
    specs = [f"videos={options.videos},seed={2000 + 100 * seed}{size}" for seed in range(options.seeds)]
    for spec in specs:
        check(spec)
    rows = {row.pop("cues"): row for row in rows_of(options.model, specs)}
    what = f"AP and identity switches of {options.seeds} × {options.videos} held-out videos, by what is compared"
    tell({"what": what, "cues": rows}, options.json)


if __name__ == "__main__":
    main()
