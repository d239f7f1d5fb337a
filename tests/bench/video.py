"""B5: a video file to finished results, end to end, beside a loop of Hugging Face's Mask2Former, cv2 and pycocotools.

    python -m tests.bench.video [--input FILE] [--out rle|png|mp4] [--frames 40] [--size 360] [--dtype f32|bf16]
        [--backbone resnet50] [--device cpu] [--batch N]

Timed, per side: from opening the file to the finished result in a file; networks are loaded before. Ours is the path of
`gvseg predict` (`segment_video` with one sink). The other side is what its users write: `cv2.VideoCapture`, the same
resize as ours so that both see the same pixels, the network in float32 as it comes,
`post_process_instance_segmentation`, and of the ten best masks RLE by pycocotools in a JSON file, a map of labels by
Pillow for each frame, or an overlay by `cv2.addWeighted` and `cv2.VideoWriter` (MPEG-4, which is the cheaper encoder:
ours writes H.264). Without `--input` the file is a rendered clip of 720p in H.264. Interleaved, medians.

Printed further: the stage table of our last turn, with the share of the longest stage (1 is perfect overlap).

Gate before any time is printed: in float32 our masks on the first frame are those of the official chain of resizes on
Hugging Face's logits (as in `tests.bench.frames`), and both sides saw the same number of frames.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco

from gvseg_core import open_video
from gvseg_core.engine.pipeline import segment_video
from gvseg_core.engine.report import Report, Stages
from gvseg_core.ops.resize import prepare
from gvseg_core.segmenter import Segmenter
from gvseg_core.sinks import SinkSettings, make_sink
from gvseg_core.types import Frame
from tests.bench.frames import KEPT, build, check, keep_best
from tests.bench.infer import BACKBONES, hugging_face, tf32
from tests.bench.machine import arguments, is_noisy, measure, medians, ratios, skip_unless, tell, waits_for
from tests.bench.memory import write_video

Found = tuple[list[Any], list[float]]
"""Ten masks (H, W) of a frame, and their scores."""
WORDS = {"rle": "json", "png": "png", "mp4": "video"}


# --- their side ---------------------------------------------------------------------------------------------------


def their_frames(path: Path, num: int) -> Iterator[Any]:
    """(H, W, 3) BGR."""
    capture = cv2.VideoCapture(str(path))
    try:
        for _ in range(num):
            there, picture = capture.read()
            if not there:
                return
            yield picture
    finally:
        capture.release()


def their_masks(model: Any, processor: Any, picture: Any, segmenter: Segmenter) -> Found:
    image = torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)
    clip = prepare([Frame(0, 0, image)], segmenter.input_settings)  # type: ignore[arg-type]
    found = model(pixel_values=clip.pixels.to(model.device))
    (said,) = processor.post_process_instance_segmentation(
        found, threshold=0.0, target_sizes=[clip.source_size], return_binary_maps=True
    )
    scores = [segment["score"] for segment in said["segments_info"]]
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[:KEPT]
    maps = [] if said["segmentation"] is None else said["segmentation"][best].cpu().numpy().astype(np.uint8)
    return list(maps), [scores[i] for i in best]


def their_rle(frames: Iterator[tuple[Any, Found]], folder: Path) -> int:
    listed, num = [], 0
    for num, (_, (masks, scores)) in enumerate(frames, start=1):
        for mask, score in zip(masks, scores, strict=True):
            packed = coco.encode(np.asfortranarray(mask))
            counts = packed["counts"].decode()
            listed.append({"frame": num, "score": score, "size": packed["size"], "counts": counts})
    (folder / "out.json").write_text(json.dumps(listed))
    return num


def their_png(frames: Iterator[tuple[Any, Found]], folder: Path) -> int:
    num = 0
    for num, (picture, (masks, _)) in enumerate(frames, start=1):
        labels = np.zeros(picture.shape[:2], np.uint8)
        for label, mask in reversed(list(enumerate(masks, start=1))):
            labels[mask > 0] = label
        Image.fromarray(labels).save(folder / f"{num:06}.png")
    return num


def their_mp4(frames: Iterator[tuple[Any, Found]], folder: Path) -> int:
    colors = np.random.default_rng(0).integers(0, 255, (KEPT, 3), np.uint8)
    writer, num = None, 0
    for picture, (masks, _) in frames:
        num += 1
        tinted = picture.copy()
        for mask, color in zip(masks, colors, strict=False):
            tinted[mask > 0] = color
        drawn = cv2.addWeighted(picture, 0.5, tinted, 0.5, 0)
        if writer is None:
            code = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(folder / "out.mp4"), code, 25, drawn.shape[1::-1])
        writer.write(drawn)
    if writer is not None:
        writer.release()
    return num


THEIRS: dict[str, Callable[[Iterator[tuple[Any, Found]], Path], int]] = {
    "rle": their_rle,
    "png": their_png,
    "mp4": their_mp4,
}


def theirs(model: Any, processor: Any, segmenter: Segmenter, path: Path, num: int, out: str) -> int:
    """The whole loop; how many frames it saw."""
    pictures = their_frames(path, num)
    frames = ((picture, their_masks(model, processor, picture, segmenter)) for picture in pictures)
    with tempfile.TemporaryDirectory() as folder:
        return THEIRS[out](frames, Path(folder))


# --- our side -----------------------------------------------------------------------------------------------------


def ours(segmenter: Segmenter, path: Path, num: int, out: str, batch: int | None) -> Report:
    """The whole path; where the time went."""
    source, stages, start = open_video(path), Stages(), time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            suffix = {"rle": "out.json", "png": "out", "mp4": "out.mp4"}[out]
            sink = make_sink(WORDS[out], Path(folder) / suffix, SinkSettings("vis", segmenter.task.vocabulary))
            ended = segment_video(source, islice(source, num), segmenter, [sink], stages=stages, batch=batch)
    finally:
        source.close()
    taken = time.perf_counter() - start
    return Report("video", "done", num_frames=ended.outcome.num_frames, seconds=taken, stages=stages.seconds)


def main(argv: list[str] | None = None) -> None:
    from transformers import Mask2FormerImageProcessorPil

    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--out", choices=WORDS, default="rle")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--size", type=int, default=360)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int)
    options = parser.parse_args(argv)
    height, width = 720, 1280
    if options.smoke:
        options.backbone, options.size, options.repeats, options.frames = "small", 64, 1, 4
        height, width = 72, 128
    skip_unless(not options.device.startswith("cuda") or torch.cuda.is_available(), "there is no GPU here")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")

    with tempfile.TemporaryDirectory() as name, torch.inference_mode(), tf32(False):
        path = options.input or Path(name) / "clip.mp4"
        if options.input is None:
            write_video(path, options.frames, (height, width))
        model = hugging_face(options.backbone)
        model.save_pretrained(Path(name) / "model")
        model.to(options.device)
        processor = Mask2FormerImageProcessorPil()
        source = open_video(path)
        frame = next(iter(source))
        source.close()
        exact, conf = keep_best(Path(name) / "model", options.size, frame, options.device)
        iou = check(exact, model, next(exact.clips([frame])), frame)
        mine = exact
        if options.dtype == "bf16":
            mine = build(Path(name) / "model", options.size, "bf16", conf, options.device)
        num_theirs = theirs(model, processor, exact, path, min(options.frames, 3), options.out)
        report = ours(mine, path, min(options.frames, 3), options.out, options.batch)
        if num_theirs != report.num_frames:
            raise SystemExit(f"not the same video: {num_theirs} and {report.num_frames} frames")
        reports: list[Report] = []
        sides = {
            "hugging_face": lambda: theirs(model, processor, exact, path, options.frames, options.out),
            "gvseg": lambda: reports.append(ours(mine, path, options.frames, options.out, options.batch)),
        }
        times = measure(sides, options.repeats, waits_for(options.device))
    median, last = medians(times), reports[-1]
    tell(
        {
            "what": f"{path.name}, {last.num_frames} frames of {tuple(frame.image.shape[1:])} to {options.out}, "
            f"{options.backbone} at {options.size}p, {options.dtype}, {options.device}",
            "repeats": options.repeats,
            "threads": options.threads,
            "mask_iou_f32": iou,
            "seconds": median,
            "frames_per_second": {side: last.num_frames / median[side]["wall"] for side in sides},
            "ratio": ratios(median, "hugging_face", "gvseg"),
            "stages": {stage: share._asdict() for stage, share in last.stage_shares().items()},
            "overlap": last.overlap,
            "noisy": is_noisy(times, options.threads),
        },
        options.json,
    )


if __name__ == "__main__":
    main()
