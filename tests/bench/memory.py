"""Peak memory of `gvseg predict` over a long video, and how it grows.

    python -m tests.bench.memory [--frames 500] [--size 720] [--backbone resnet50] [--json FILE]

A network of true size with random weights (written to a file first) runs `--task vis --save video,json` over a 720p
H.264 file, as its own process. `--conf` is the tenth best score on the first frame, so that about ten masks a frame are
drawn, encoded and spooled. Its resident set is read every half second, its progress from `--progress json`.

Printed: peak, and the slope of a line through the second half. Bounds: peak ≤ 1.5 GB, slope ≤ 5 MB per 1,000 frames,
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
from gvseg_core.types import VideoInfo
from gvseg_core.video.encode import VideoWriter
from tests.bench.machine import describe

RATE = Fraction(25)


def write_video(path: Path, num_frames: int) -> None:
    pictures = [frame.image.permute(1, 2, 0).numpy().copy() for frame in DemoSource((720, 1280), min(num_frames, 250))]
    writer = VideoWriter(path, VideoInfo("long", (720, 1280), rate=RATE, time_base=1 / RATE), (720, 1280))
    for index, picture in zip(range(num_frames), itertools.cycle(pictures), strict=False):
        writer.write(picture, index / RATE)
    writer.close()


def write_model(path: Path, backbone: str) -> None:
    torch.manual_seed(0)
    settings, coco = ModelSettings(backbone=BACKBONES[backbone]), choose_vocabulary("coco")
    network = Network(settings, {coco.name: len(coco)})
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    write_checkpoint(path, Checkpoint(settings, InputSettings(), state, "gvseg", "", vocabularies={coco.name: coco}))


def tenth_score(model: Path, size: int) -> float:
    """What the tenth best query scores on the first frame."""
    segmenter = load_segmenter(model, "vis", size=size, conf=0.0)
    clip = next(segmenter.clips(DemoSource((720, 1280), 1)))
    proposals = segmenter.propose(clip, segmenter.task.tracker())
    assert proposals is not None
    return sorted(proposals.scores)[-10]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--size", type=int, default=720)
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--backbone", default="resnet50", choices=BACKBONES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        video, model = Path(folder) / "long.mp4", Path(folder) / "model.safetensors"
        write_video(video, options.frames)
        write_model(model, options.backbone)
        conf = tenth_score(model, options.size)
        command = [sys.executable, "-m", "gvseg_cli", "predict", str(video), "--task", "vis", "--model", str(model)]
        command += [
            "--size",
            str(options.size),
            "--dtype",
            options.dtype,
            "--conf",
            str(conf),
            "--set",
            "tracking.birth_score=0",
        ]
        command += ["-o", str(Path(folder) / "out"), "--progress", "json"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        samples = watch(process)
        if process.returncode:
            raise SystemExit(f"predict ended with {process.returncode}")
        written = sum(path.stat().st_size for path in (Path(folder) / "out").iterdir()) / 2**20

    seconds, frames, resident = (np.array(column) for column in zip(*samples, strict=True))
    late = frames >= options.frames / 2
    slope = float(np.polyfit(frames[late], resident[late], 1)[0]) * 1000
    at = np.interp(np.array([0.02, 0.22, 0.8, 1.0]) * frames.max(), frames, seconds)
    figures = {
        "machine": describe(),
        "run": f"{options.frames} frames of 720p, {options.backbone}, network at {options.size}p, {options.dtype}",
        "peak_mib": float(resident.max()),
        "slope_mib_per_1000_frames": slope,
        "last_fifth_to_first": float((at[1] - at[0]) / (at[3] - at[2])),
        "frames_per_second": float(frames.max() / seconds[-1]),
        "written_mib": written,
    }
    print("\n".join(f"{name}: {value}" for name, value in figures.items()))
    if options.json:
        options.json.write_text(json.dumps(figures | {"samples": samples}, indent=1))


if __name__ == "__main__":
    main()
