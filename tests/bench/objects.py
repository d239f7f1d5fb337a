"""B10: what a frame costs with more and more objects on it, from the decoded picture to RLE masks at 720p with ids.

    python -m tests.bench.objects [--n 1,5,20,50,100] [--size 360] [--dtype f32|bf16] [--device cpu] [--json FILE]

Timed: `Segmenter.run` on one frame with a new tracker; the n best queries are kept. Interleaved, medians. The network
answers for all its queries whatever is kept of them, so that the time should hardly grow: bound t(most) ≤ 1.5 × t(1) on
a CPU, 1.25 × on a GPU. Methods that follow prompts (SAM 2 and 3) pay by the object.

Gate before any time is printed: the masks that are found with few objects are, bit for bit, among those found with all.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch

from gvseg_core.data.demo import DemoSource
from tests.bench.frames import SIZE, keep_best, ours
from tests.bench.infer import BACKBONES, hugging_face
from tests.bench.machine import arguments, hold, is_noisy, measure, medians, skip_unless, tell, waits_for


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--n", default="1,5,20,50,100", help="objects")
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--size", type=int, default=360)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(argv)
    source = SIZE
    if options.smoke:
        options.n, options.backbone, options.size, options.repeats, source = "1,20", "small", 64, 1, (72, 128)
    skip_unless(not options.device.startswith("cuda") or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    numbers = [int(n) for n in options.n.split(",")]

    frame = next(iter(DemoSource(source, 40)))
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        hugging_face(options.backbone).save_pretrained(name)
        segmenters = {n: keep_best(Path(name), options.size, frame, options.device, n)[0] for n in numbers}
        if options.dtype == "bf16":
            for segmenter in segmenters.values():
                segmenter.network.prepare_for_inference(torch.bfloat16)
        masks = {
            n: {segment.mask for segment in ours(segmenter, frame).segments} for n, segmenter in segmenters.items()
        }
        if any(not found <= masks[numbers[-1]] for found in masks.values()):
            raise SystemExit("not the same masks with few objects and with many")
        sides = {str(n): lambda segmenter=segmenter: ours(segmenter, frame) for n, segmenter in segmenters.items()}  # type: ignore[misc]
        times = measure(sides, options.repeats, waits_for(options.device))
    median = medians(times)
    grown = {
        kind: median[str(numbers[-1])][kind] / max(median[str(numbers[0])][kind], 1e-12) for kind in ("wall", "core")
    }
    bound = 1.25 if options.device.startswith("cuda") else 1.5
    figures = {
        "what": f"frame to masks at {source[0]}p, {options.backbone} at {options.size}p, {options.dtype}, "
        f"{options.device}",
        "repeats": options.repeats,
        "threads": options.threads,
        "masks": {n: len(found) for n, found in masks.items()},
        "seconds": median,
        "most_to_fewest": grown,
        "bound": bound,
        "noisy": is_noisy(times, options.threads),
    }
    tell(figures, options.json)
    if not options.smoke:
        hold({f"{numbers[-1]} objects take at most {bound} × the time of {numbers[0]}": grown["core"] <= bound})


if __name__ == "__main__":
    main()
