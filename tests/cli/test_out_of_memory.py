"""Memory that runs out, of a GPU and of the machine: said in a line, what was done is kept, nothing hangs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from gvseg_core.model.network import Network
from tests.cli.conftest import Done, start, write_clip
from tests.core.engine.training.runs import write_recipe

Run = Callable[..., Done]
VIS = ("--task", "vis", "--model", "MODEL", "--conf", "0")

AS_A_PROCESS = """
import sys
import torch
from gvseg_core.model.network import Network

encode, calls = Network.encode, []

def full(self, pixels):
    calls.append(pixels.shape)
    if len(calls) > 2:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return encode(self, pixels)

Network.encode = full
from gvseg_cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def full_device(monkeypatch: pytest.MonkeyPatch, *, most: int = 10**9, from_call: int = 10**9) -> list[int]:
    """The network's device has room for `most` frames at once, and none at all from a certain call on."""
    encode, calls = Network.encode, list[int]()

    def full(self: Network, pixels: torch.Tensor) -> object:
        calls.append(pixels.shape[0] * pixels.shape[1])
        if calls[-1] > most or len(calls) > from_call:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return encode(self, pixels)

    monkeypatch.setattr(Network, "encode", full)
    return calls


def test_a_smaller_batch_is_tried_once_and_said(gvseg: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gvseg("predict", clip.name, *VIS, "--save", "json", "-o", "wanted").code == 0
    calls = full_device(monkeypatch, most=6)
    done = gvseg("predict", clip.name, *VIS, "--save", "json", "-o", "found", "--batch", "4")
    assert (done.code, done.errors) == (0, [])
    assert calls == [12, 3, 3, 3, 3]
    assert "memory ran out at frame 0: from there on one clip at a time instead of 4" in done.err
    found, wanted = (json.loads(next(Path(where).iterdir()).read_text()) for where in ("found", "wanted"))
    assert [a["segmentations"] for a in found["annotations"]] == [a["segmentations"] for a in wanted["annotations"]]


def test_what_was_done_is_kept_as_a_part_and_the_run_ends(
    gvseg: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "next.mp4")
    full_device(monkeypatch, from_call=2)
    done = gvseg("predict", clip.name, "next.mp4", *VIS, "-o", "out")
    assert done.code == 6
    assert len(done.errors) == 1
    assert "memory ran out after 6 frames; the GPU's memory does not suffice; a smaller --size" in done.errors[0]
    assert "warning: clip.mp4: memory ran out: what was written ends after 6 frames" in done.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["clip.vis.json", "clip.vis.mp4"]
    info = json.loads(Path("out/clip.vis.json").read_text())["info"]
    assert (info["complete"], info["reason"]) == (False, "memory ran out")


def test_a_device_without_room_for_the_first_clip_leaves_nothing(
    gvseg: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_device(monkeypatch, from_call=0)
    done = gvseg("predict", clip.name, *VIS, "-o", "out")
    assert (done.code, len(done.errors)) == (6, 1)
    assert not Path("out").exists()


def test_a_process_whose_device_is_full_ends_with_its_results(model: Path, clip: Path, tmp_path: Path) -> None:
    words = ["predict", clip.name, "--task", "vis", "--model", str(model), "--conf", "0", "--progress", "json"]
    done = subprocess.run(
        [sys.executable, "-c", AS_A_PROCESS, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 6, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    (end,) = [event for event in events if event["event"] == "end"]
    assert (end["state"], end["frame"]) == ("partial", 6)
    assert done.stderr.count("error: ") == 1
    assert all(Path(tmp_path, path).exists() for path in end["outputs"])


def test_a_loader_that_the_system_kills_is_named_and_ends_the_run(tmp_path: Path) -> None:
    write_recipe(tmp_path / "mine.yaml", "vis", batch_size=2, steps=10**6, save_every=10**6)
    process = start("train", "--preset", "mine.yaml", "--out", "run", "--set", "train.workers=1", cwd=tmp_path)
    try:
        victim = _data_worker(process)
        victim.kill()
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 6
    assert "a data worker was ended by SIGKILL; out of memory? fewer train.workers need less" in err.decode()
    assert psutil.wait_procs([victim], timeout=10)[1] == []


def _data_worker(process: subprocess.Popen[bytes], seconds: float = 120) -> psutil.Process:
    """The process that makes training clips, once it does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        for child in psutil.Process(process.pid).children():
            if "spawn_main" in " ".join(child.cmdline()):
                return child
        time.sleep(0.05)
    raise AssertionError(f"no worker: {process.communicate()}")
