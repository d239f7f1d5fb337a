"""B11: how long it takes to find remembered objects among the queries of a clip, on the CPU.

    python -m tests.bench.match [--tracks 10,100,1000] [--queries 100] [--found 20] [--threads 1] [--json FILE]

Timed: `SpaTracker.update` without masks, with appearance and shape–position descriptors, when so many objects are
remembered and so many of the queries are kept; the other side is MinVIS's rule, which matches all queries of two
frames: cosines and scipy's assignment of a queries × queries matrix. Interleaved, medians. Bound: 0.3 ms a clip with
100 remembered objects on an idle machine; in the pipeline it runs while the network sees the next clip.

Gate before any time is printed: every object is found again, though the queries come in another order.
"""

from __future__ import annotations

from fractions import Fraction

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gvseg_core.config import TrackSettings
from gvseg_core.ops.rle import encode
from gvseg_core.ops.shape_position import NUM_BINS
from gvseg_core.track.association import Cues
from gvseg_core.track.tracker import SpaTracker
from gvseg_core.types import Clip, Frame, Proposals
from tests.bench.machine import arguments, hold, is_noisy, measure, medians, tell

DIM, CLASSES, BOUND_MS = 256, 40, 0.3
MASK = encode(torch.ones(2, 2).bool().numpy())
FRAME = Frame(0, Fraction(0), torch.zeros(3, 2, 2, dtype=torch.uint8))
CLIP = Clip((FRAME,), torch.zeros(1, 3, 2, 2), (2, 2), (2, 2))


def proposals(embeddings: Tensor, descriptors: Tensor) -> Proposals:
    """All of these queries, sure of what they are."""
    num = len(embeddings)
    logits = torch.zeros(num, CLASSES + 1)
    logits[:, 0] = 9.0
    return Proposals(
        class_logits=logits,
        embeddings=embeddings,
        descriptors=descriptors[:, None],
        rows=tuple(range(num)),
        class_ids=(0,) * num,
        scores=(0.99,) * num,
        render=lambda rows: [(MASK,) for _ in rows],
    )


def remembering(num: int) -> tuple[SpaTracker, Tensor, Tensor]:
    """A tracker that has seen `num` objects, and what they look like."""
    embeddings, descriptors = torch.randn(num, DIM), torch.rand(num, NUM_BINS)
    tracker = SpaTracker(TrackSettings(memory=10**6), Cues(shape_weight=0.25))
    list(tracker.update(proposals(embeddings, descriptors), CLIP))
    return tracker, embeddings, descriptors


def check(num: int, found: int) -> None:
    """
    Raises:
        SystemExit: an object is not found, or taken for another.
    """
    tracker, embeddings, descriptors = remembering(num)
    order = torch.randperm(num)[:found]
    list(tracker.update(proposals(embeddings[order], descriptors[order]), CLIP))
    seen = [track.num_frames for track in tracker.tracks]
    if len(seen) != num or sorted(seen) != sorted([1] * (num - len(order)) + [2] * len(order)):
        raise SystemExit(f"of {num} objects some were not found again")


@torch.inference_mode()
def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, repeats=200, threads=1)
    parser.add_argument("--tracks", default="10,100,1000", help="remembered objects")
    parser.add_argument("--queries", type=int, default=100, help="of the other side, on both of its frames")
    parser.add_argument("--found", type=int, default=20, help="queries that are kept in a clip")
    options = parser.parse_args(argv)
    if options.smoke:
        options.tracks, options.repeats = "10,100", 3
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    first, second = torch.randn(2, options.queries, DIM)

    def minvis() -> None:
        alike = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
        linear_sum_assignment((1 - alike).cpu().numpy())

    sides = {"minvis": minvis}
    for tracks in map(int, options.tracks.split(",")):
        check(tracks, min(options.found, tracks))
        tracker, embeddings, descriptors = remembering(tracks)
        order = torch.randperm(tracks)[: options.found]
        clip = proposals(embeddings[order], descriptors[order])
        sides[str(tracks)] = lambda tracker=tracker, clip=clip: list(tracker.update(clip, CLIP))  # type: ignore[misc]
    times = measure(sides, options.repeats)
    median = medians(times)
    figures = {
        "what": f"{options.found} queries kept of a clip, among remembered objects; MinVIS: {options.queries} with "
        f"{options.queries}",
        "repeats": options.repeats,
        "threads": options.threads,
        "ms": {side: {kind: 1000 * taken for kind, taken in kinds.items()} for side, kinds in median.items()},
        "bound_ms": BOUND_MS,
        "noisy": is_noisy(times, options.threads),
    }
    tell(figures, options.json)
    if not options.smoke and "100" in median:
        hold({f"at most {BOUND_MS} ms with 100 objects": 1000 * median["100"]["core"] <= BOUND_MS})


if __name__ == "__main__":
    main()
