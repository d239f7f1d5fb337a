"""B9: peak memory of `gvseg predict` over a long video, and how it grows.

    python -m tests.bench.memory [--frames 500] [--size 720] [--backbone resnet50] [--json FILE]

A network of true size with random weights (written to a file first) runs `--task vis --save video,json` over a 720p
H.264 file, as its own process. `--conf` is the tenth best score on the first frame, so that about ten masks a frame are
drawn, encoded and spooled. Its resident set is read every half second, its progress from `--progress json`.

Printed: peak, and the slope of a line through the second half. Bounds: peak ≤ 1,536 MiB, slope ≤ 5 MB per 1,000 frames,
the last fifth at least 0.97 times as fast as the first.

The video is one rendered clip of 250 frames, encoded over and over.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import torch

from gvseg_core.config import BACKBONES, InputSettings, ModelSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.data.vocabularies import choose_vocabulary
from gvseg_core.engine.build import load_segmenter
from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, write_checkpoint
from gvseg_core.recipes import load_preset
from gvseg_core.types import VideoInfo
from gvseg_core.video.encode import VideoWriter
from tests.bench.machine import arguments, hold, tell

RATE = Fraction(25)
PEAK = 1536  # MiB


def write_video(path: Path, num_frames: int, size: tuple[int, int] = (720, 1280)) -> None:
    pictures = [frame.image.permute(1, 2, 0).numpy().copy() for frame in DemoSource(size, min(num_frames, 250))]
    writer = VideoWriter(path, VideoInfo("long", size, rate=RATE, time_base=1 / RATE), size)
    for index, picture in zip(range(num_frames), itertools.cycle(pictures), strict=False):
        writer.write(picture, index / RATE)
    writer.close()


def write_model(path: Path, backbone: str) -> None:
    torch.manual_seed(0)
    coco = choose_vocabulary("coco")
    small = backbone == "small"
    settings = load_preset("tiny").model if small else ModelSettings(backbone=BACKBONES[backbone])
    network = Network(settings, {coco.name: len(coco)})
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    write_checkpoint(path, Checkpoint(settings, InputSettings(), state, "gvseg", "", vocabularies={coco.name: coco}))


def tenth_score(model: Path, size: int, source: tuple[int, int]) -> float:
    """What the tenth best object scores on the first frame; the last, where there are fewer."""
    segmenter = load_segmenter(model, "vis", size=size, conf=0.0)
    clip = next(segmenter.clips(DemoSource(source, 9)))
    proposals = segmenter.propose(clip, segmenter.task.tracker())
    assert proposals is not None
    return sorted(proposals.scores)[-10:][0]


def watch(process: subprocess.Popen[str]) -> list[tuple[float, int, float]]:
    """(seconds, frames done, MiB resident) every half second until the process ends."""
    done, samples, start = [0], [], time.perf_counter()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            told = json.loads(line) if line.startswith("{") else {}
            done[0] = told.get("frame", done[0])
            if told.get("error") or not told:
                print(line, file=sys.stderr)

    threading.Thread(target=read, daemon=True).start()
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            samples.append((time.perf_counter() - start, done[0], watched.memory_info().rss / 2**20))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.5)
    return samples


def run(folder: Path, options: argparse.Namespace, source: tuple[int, int]) -> list[tuple[float, int, float]]:
    """`gvseg predict` as a process; what was seen of it."""
    video, model = folder / "long.mp4", folder / "model.safetensors"
    write_video(video, options.frames, source)
    write_model(model, options.backbone)
    conf = tenth_score(model, options.size, source)
    command = [sys.executable, "-m", "gvseg_cli", "predict", str(video), "--task", "vis", "--model", str(model)]
    command += ["--size", str(options.size), "--dtype", options.dtype, "--conf", str(conf)]
    command += ["--set", "tracking.birth_score=0", "-o", str(folder / "out"), "--progress", "json"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        samples = watch(process)
    finally:
        process.kill()
    if process.returncode:
        raise SystemExit(f"predict ended with {process.returncode}")
    return samples


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--size", type=int, default=720)
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--backbone", default="resnet50", choices=[*BACKBONES, "small"])
    options = parser.parse_args(argv)
    source = (720, 1280)
    if options.smoke:
        options.frames, options.size, options.backbone, source = 40, 32, "small", (72, 128)
    with tempfile.TemporaryDirectory() as name:
        samples = run(Path(name), options, source)
        written = sum(path.stat().st_size for path in Path(name, "out").iterdir()) / 2**20

    seconds, frames, resident = (np.array(column) for column in zip(*samples, strict=True))
    late = frames >= options.frames / 2
    slope = float(np.polyfit(frames[late], resident[late], 1)[0]) * 1000 if len(set(frames[late])) > 1 else 0.0
    at = np.interp(np.array([0.02, 0.22, 0.8, 1.0]) * frames.max(), frames, seconds)
    peak, steady = float(resident.max()), float((at[1] - at[0]) / max(at[3] - at[2], 1e-9))
    tell(
        {
            "what": f"{options.frames} frames of {source[0]}p, {options.backbone}, network at {options.size}p, "
            f"{options.dtype}",
            "peak_mib": peak,
            "slope_mib_per_1000_frames": slope,
            "last_fifth_to_first": steady,
            "frames_per_second": float(frames.max() / seconds[-1]),
            "written_mib": written,
            "samples": [] if options.smoke else samples,
        },
        options.json,
    )
    if not options.smoke:
        bounds = {f"peak of at most {PEAK} MiB": peak <= PEAK}
        if options.frames >= 500:  # a line through fewer says nothing
            bounds |= {"slope of at most 5 MiB": slope <= 5, "as fast at the end as at the start": steady >= 0.97}
        hold(bounds)


if __name__ == "__main__":
    main()
