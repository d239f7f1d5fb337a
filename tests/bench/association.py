"""How well objects are told apart by appearance, by shape and position, and by both, on ground-truth masks.

    python -m tests.bench.association [--seeds 8] [--json FILE]

λ = 0 is appearance alone, λ = 1 shape and position alone. Wrong pairs: of the objects on both of two frames 1, 5 or 10
apart, those not matched to themselves, each pair of frames on its own. Identity switches: the same matching over the
whole video, every frame, every fifth, every tenth. Descriptors are of masks at stride 4.

demo: eight videos of 120 frames at 25 a second, with the objects' own appearance (equal for look-alikes) plus noise of
length 0.25. The others: DAVIS schoolgirls (7 objects), YouTube-VOS penguins (5), CamVid's street (17 derived tracks),
with a histogram of colours and edges as appearance; ~ is the same plus noise of length 0.5, as of a network less sure
(without it the histogram alone tells the first two apart: no wrong pair at λ from 0 to 0.5 with radial "frame").

wrong pairs, %
   λ  radial |       demo       |  schoolgirls ~   |    penguins ~    |      camvid      |     camvid ~
            |     1    5   10  |     1    5   10  |     1    5   10  |     1    5   10  |     1    5   10
0.00  -     |  14.1 14.3 14.3  |  14.6 21.1 26.5  |  47.1 26.0 56.0  |   1.3 11.7 19.9  |  24.8 39.1 43.6
0.10  frame |   5.2  6.7  9.0  |   4.0 10.1 13.1  |   7.1  4.0  8.0  |   1.3  5.8 12.0  |  13.2 18.2 32.3
0.10  object|   5.6  9.6 12.7  |   0.4  9.9 13.7  |  10.0  4.0 24.0  |   1.6  8.6 18.8  |   8.5 25.5 33.8
0.25  frame |   1.0  2.4  5.1  |   0.7  2.9  2.4  |   0.0  0.0  0.0  |   1.8  7.4 11.7  |   4.4  8.6 23.3
0.25  object|   4.2  8.5 11.3  |   0.0  9.0  7.8  |   0.0  0.0  0.0  |   4.7 14.8 23.3  |   7.2 24.6 31.6
0.40  frame |   0.4  1.6  4.0  |   0.0  0.4  0.0  |   0.0  0.0  0.0  |   2.8  7.1 14.3  |   4.1  8.9 17.7
0.40  object|   4.2  8.0 11.1  |   0.0  7.6 10.8  |   0.0  0.0  0.0  |   7.0 21.8 32.3  |  11.1 27.4 36.5
0.50  frame |   0.3  1.3  3.7  |   0.0  0.4  0.0  |   0.0  0.0  0.0  |   3.4  9.5 15.4  |   4.9 11.7 18.0
0.50  object|   4.2  7.8 10.8  |   0.0  8.6 13.3  |   2.9  0.0  0.0  |  11.9 25.2 36.1  |  13.4 29.8 38.7
1.00  frame |   0.8  5.5 17.1  |   0.0  0.8  2.0  |   0.0  0.0  0.0  |   7.8 17.8 28.9  |   7.8 17.8 28.9
1.00  object|  32.9 54.7 64.6  |   0.4 22.3 28.0  |   5.7  0.0  0.0  |  29.2 47.4 53.8  |  29.2 47.4 53.8

identity switches
   λ  radial |       demo       |  schoolgirls ~   |    penguins ~    |      camvid      |     camvid ~
            |     1    5   10  |     1    5   10  |     1    5   10  |     1    5   10  |     1    5   10
0.00  -     |   970  177   94  |    81   15   19  |    33    2    4  |    15   11    8  |   143   32   14
0.10  frame |   360   86   62  |    22    8    6  |     5    0    0  |    18    5    5  |    92   22   11
0.10  object|   386  119   83  |     2    8    6  |     7    2    4  |    20   11    6  |    63   30   15
0.25  frame |    68   32   29  |     4    2    2  |     0    0    0  |    21    7    4  |    47   13    9
0.25  object|   287  119   83  |     0    4    4  |     0    0    0  |    42   21    6  |    67   25   10
0.40  frame |    26   28   31  |     0    0    0  |     0    0    0  |    25   11    5  |    41   15    6
0.40  object|   287  105   82  |     0    4    4  |     0    0    0  |    60   26    6  |    71   28   11
0.50  frame |    20   23   34  |     0    0    0  |     0    0    0  |    33   12    5  |    43   16    5
0.50  object|   290  102   80  |     0    6    4  |     2    0    0  |    78   26    9  |    94   29   11
1.00  frame |    74   94  111  |     0    0    4  |     0    0    0  |    50   23   11  |    50   23   11
1.00  object|  3676  859  468  |    80   46   23  |    14    0    0  |   189   40   18  |   189   40   18

Chosen by it: radii are measured against the frame's diagonal; against the object's own size they say too little of its
place, the more so the further frames are apart. λ = 0.25: it confuses 2 to 20 times fewer than appearance alone where
that confuses many, costs at most half a point where appearance suffices (camvid, next frame), and beats shape and
position alone where objects move far (demo and camvid from 5 frames on). More, 0.4 or 0.5, is better still where
appearance is weak or look-alikes abound; where things hardly move, position alone would do.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gvseg_core.data.demo import DemoSource
from gvseg_core.ops import rle
from gvseg_core.ops.assignment import assign
from gvseg_core.ops.shape_position import Radial, shape_position
from gvseg_core.track.association import Cues
from tests.conftest import shared

GAPS = (1, 2, 5, 10)  # frames
LAMBDAS = (0.0, 0.1, 0.25, 0.4, 0.5, 1.0)
RADIALS: tuple[Radial, ...] = ("frame", "object")
STRIDE = 4  # source pixels in a mask cell, as in the network
THRESHOLD = 0.2  # below it a track is not continued


@dataclass(frozen=True)
class Look:
    """What one object is matched by on one frame."""

    appearance: Tensor  # (D,) unit vector
    descriptors: dict[Radial, Tensor]  # (432,) each


Video = list[dict[int, Look]]  # a frame's objects by their true id


# --- videos -------------------------------------------------------------------------------------------------------


def demo_video(seed: int, num_frames: int = 120, noise: float = 0.25, size: tuple[int, int] = (180, 320)) -> Video:
    """The demo with its objects' own appearance vectors, equal for look-alikes, disturbed by `noise`."""
    source = DemoSource(size, num_frames=num_frames, seed=seed)
    video: Video = []
    for result in source.truth("vis"):
        states = {state.track_id: state for state in source.states(result.frame.index)}
        objects = {}
        for segment in result.segments:
            appearance = torch.from_numpy(states[segment.track_id].appearance)
            objects[segment.track_id] = appearance, torch.from_numpy(rle.decode(segment.mask).copy())
        video.append(looks(objects))
    return disturbed(video, noise, seed)


def disturbed(video: Video, noise: float, seed: int) -> Video:
    """The video with a random vector of length `noise` added to every appearance: a network that is less sure."""
    chance = torch.Generator().manual_seed(seed)

    def disturb(look: Look) -> Look:
        direction = F.normalize(torch.randn(len(look.appearance), generator=chance), dim=0)
        return Look(F.normalize(look.appearance + noise * direction, dim=0), look.descriptors)

    return [{track_id: disturb(look) for track_id, look in frame.items()} for frame in video]


def real_video(frames: Sequence[tuple[Path, Path]], labels_of: Callable[[np.ndarray], np.ndarray]) -> Video:
    """Frames and masks from files, with a colour and edge histogram as appearance."""
    video: Video = []
    for picture_path, mask_path in frames:
        with Image.open(picture_path) as picture, Image.open(mask_path) as mask:
            image = torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)
            labels = torch.from_numpy(labels_of(np.asarray(mask)).astype(np.int64))
        masks = {int(i): labels == i for i in labels.unique() if i > 0}
        video.append(looks({i: (histogram(image, mask), mask) for i, mask in masks.items()}))
    return video


def histogram(image: Tensor, mask: Tensor) -> Tensor:
    """(80,) square roots of the shares of 64 colours and of 16 edge directions under a mask, as a unit vector."""
    cells = (image.long() // 64)[:, mask]
    colors = torch.bincount(cells[0] * 16 + cells[1] * 4 + cells[2], minlength=64).float()
    grey = image.float().mean(0)
    dx, dy = grey.roll(-1, 1) - grey.roll(1, 1), grey.roll(-1, 0) - grey.roll(1, 0)
    turn = ((torch.atan2(dy, dx) / (2 * torch.pi) % 1) * 16).long().clamp(max=15)[mask]
    edges = torch.bincount(turn, weights=torch.hypot(dx, dy)[mask], minlength=16).float()
    shares = torch.cat([colors / colors.sum(), edges / edges.sum().clamp(min=1e-6)])
    return F.normalize(shares.sqrt(), dim=0)


def looks(objects: dict[int, tuple[Tensor, Tensor]]) -> dict[int, Look]:
    """Appearance and full-size mask of each object → what it is matched by."""
    if not objects:
        return {}
    masks = torch.stack([mask for _, mask in objects.values()])
    share = F.avg_pool2d(masks[:, None].float(), STRIDE, ceil_mode=True, count_include_pad=False)[:, 0]
    cells = share >= share.amax((1, 2), keepdim=True).clamp(max=0.5)  # the smallest object keeps its fullest cell
    frame = masks.shape[1] / STRIDE, masks.shape[2] / STRIDE
    descriptors = {radial: shape_position(cells, frame, radial=radial) for radial in RADIALS}
    return {
        track_id: Look(appearance, {radial: descriptors[radial][row] for radial in RADIALS})
        for row, (track_id, (appearance, _)) in enumerate(objects.items())
    }


def real_videos() -> Iterator[tuple[str, Video]]:
    """The videos of the shared data with several objects."""
    data = shared("data")
    girls = data / "davis-mini"
    penguins = data / "ytvos-mini" / "train"
    street = data / "camvid-vps"
    for name, root, video in (
        ("schoolgirls", girls, "480p/schoolgirls"),
        ("penguins", penguins, "003234408d"),
    ):
        masks = sorted((root / "Annotations" / video).glob("*.png"))
        pairs = [(root / "JPEGImages" / video / f"{m.stem}.jpg", m) for m in masks]
        yield name, real_video(pairs, lambda values: np.where(values == 255, 0, values))
    masks = sorted((street / "panomasks" / "0016E5_15hz_a").glob("*.png"))
    pairs = [(street / "imgs" / "0016E5_15hz_a" / f"{m.stem}.jpg", m) for m in masks]
    yield "camvid", real_video(pairs, lambda values: np.where(values >= 100, values, 0))


# --- matching -----------------------------------------------------------------------------------------------------


def similarity(rows: Sequence[Look], columns: Sequence[Look], weight: float, radial: Radial) -> Tensor:
    """(M, Q), without a learnt projection; `weight` is λ."""
    sides = []
    for side in (rows, columns):
        sides += [torch.stack([x.appearance for x in side]), torch.stack([x.descriptors[radial] for x in side])]
    return Cues(shape_weight=weight).similarity(*sides)


def wrong_pairs(video: Video, gap: int, weight: float, radial: Radial) -> tuple[int, int]:
    """Over all frames `gap` apart: objects on both that are not matched to themselves, and objects on both."""
    wrong = total = 0
    for before, after in zip(video, video[gap:], strict=False):
        if not before or not after:
            continue
        ids, others = list(before), list(after)
        pairs = assign(similarity(list(before.values()), list(after.values()), weight, radial))
        right = sum(ids[i] == others[j] for i, j in pairs)
        common = len(before.keys() & after.keys())
        wrong, total = wrong + common - right, total + common
    return wrong, total


def switches(video: Video, gap: int, weight: float, radial: Radial) -> int:
    """Identity switches when every `gap`-th frame is followed, lost objects remembered for ever."""
    tracks: list[Look] = []
    track_of: dict[int, int] = {}
    count = 0
    for frame in video[::gap]:
        columns = list(frame.values())
        pairs = assign(similarity(tracks, columns, weight, radial), THRESHOLD) if tracks and columns else []
        row_of = {column: row for row, column in pairs}
        for column, (object_id, look) in enumerate(frame.items()):
            row = row_of.get(column, len(tracks))
            if row == len(tracks):
                tracks.append(look)
            else:
                tracks[row] = look
            count += track_of.get(object_id, row) != row
            track_of[object_id] = row
    return count


# --- table --------------------------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8, help="demo videos")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    sets = {"demo": [demo_video(seed) for seed in range(options.seeds)]}
    for name, video in real_videos():
        sets |= {name: [video], f"{name} ~": [disturbed(video, noise=0.5, seed=0)]}
    table = []
    for name, videos in sets.items():
        for weight in LAMBDAS:
            for radial in RADIALS if weight else RADIALS[:1]:
                row = {"set": name, "lambda": weight, "radial": radial if weight else "-"}
                for gap in GAPS:
                    counts = [wrong_pairs(video, gap, weight, radial) for video in videos]
                    row[f"wrong {gap}"] = sum(w for w, _ in counts) / sum(t for _, t in counts)
                    row[f"switches {gap}"] = sum(switches(video, gap, weight, radial) for video in videos)
                table.append(row)
                shares = " ".join(f"{100 * row[f'wrong {gap}']:6.1f}" for gap in GAPS)
                counts = " ".join(f"{row[f'switches {gap}']:5d}" for gap in GAPS)
                print(f"{name:12} {weight:4.2f} {row['radial']:6} {shares}  {counts}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
