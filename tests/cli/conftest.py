"""What the command's tests share: a tiny model, a tiny clip, and the command run here or as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gvseg_cli.main import main
from gvseg_core.types import VideoInfo
from gvseg_core.video.encode import VideoWriter
from tests.models import write_tiny_model

NUM_FRAMES = 12


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: bytes
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if "error: " in line]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights that does all four tasks."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


def write_clip(path: Path, num_frames: int = NUM_FRAMES, size: tuple[int, int] = (48, 64)) -> Path:
    """A bright square moving over a dark ground."""
    info = VideoInfo("clip", size, rate=Fraction(25), time_base=Fraction(1, 25))
    writer = VideoWriter(path, info, size)
    for index in range(num_frames):
        picture = np.full((*size, 3), 30, np.uint8)
        picture[10:30, index : index + 20] = (220, 180, 40)
        writer.write(picture, Fraction(index, 25))
    writer.close()
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """`clip.mp4` in the working directory, which is a new one."""
    return write_clip(tmp_path / "clip.mp4")


@pytest.fixture
def gvseg(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Done]:
    """Run the command here, in a new folder; `MODEL` stands for the tiny model."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Done:
        code = main([str(model) if word == "MODEL" else word for word in words])
        shown = capfdbinary.readouterr()
        return Done(code, shown.out, shown.err.decode())

    return run


def start(*words: str, cwd: Path, **more: object) -> subprocess.Popen[bytes]:
    """The command as a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment |= more.pop("env", {})  # type: ignore[arg-type]
    settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    # Started from a background job, as CI may be, this process ignores Ctrl-C, and its children would too.
    settings.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    return subprocess.Popen([sys.executable, "-m", "gvseg_cli", *words], cwd=cwd, env=environment, **settings)  # type: ignore[call-overload]
