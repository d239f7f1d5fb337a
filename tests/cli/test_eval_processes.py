"""`gvseg eval` as processes: several at once, interrupted, killed; the numbers are always the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.conftest import start
from tests.cli.small_sets import write_vspw

SPEC = "videos=5,frames=8,size=64x48,objects=4"


def words(task: str, model: Path | str, *more: str) -> list[str]:
    return ["eval", "--bench", "synth", "--task", task, "--data", SPEC, "--model", str(model), *more]


def ended(process: subprocess.Popen[bytes], code: int = 0) -> tuple[bytes, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err.decode()
    return out, err.decode()


def torchrun(count: int, arguments: list[str], cwd: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    command = [*launcher, "-m", "gvseg_cli", *arguments]
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def numbers(path: Path) -> dict[str, Any]:
    """All that --json says, but for where it came from."""
    told = json.loads(path.read_text())
    return {key: told[key] for key in ("metrics", "details", "variants")}


def files(folder: Path) -> dict[str, bytes]:
    """Every result in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".gvseg-eval" not in path.parts
    }


@pytest.fixture(scope="module")
def whole(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process says without interruption: `out` and `whole.json`."""
    folder = tmp_path_factory.mktemp("whole")
    ended(start(*words("vps", model, "--save-results", "out", "--json", "whole.json"), cwd=folder))
    return folder


def test_two_processes_of_torchrun_say_what_one_says(model: Path, whole: Path, tmp_path: Path) -> None:
    more = ["--save-results", "two", "--json", "two.json", "--report", "page"]
    out, err = ended(torchrun(2, words("vps", model, *more), tmp_path))
    assert numbers(tmp_path / "two.json") == numbers(whole / "whole.json")
    assert files(tmp_path / "two") == files(whole / "out")
    assert out.count(b"per cent") == 1, "the first process alone speaks"
    assert "Traceback" not in err


def test_an_error_of_several_processes_is_said_once(tmp_path: Path) -> None:
    _, err = ended(torchrun(2, words("vps", "missing.safetensors"), tmp_path), code=1)
    assert err.count("gvseg: error: ") == 1


def test_several_workers_say_what_one_says(tmp_path: Path) -> None:
    score = write_vspw(tmp_path)
    ended(start(*score, "--json", "one.json", cwd=tmp_path))
    ended(start(*score, "--json", "three.json", "--workers", "3", cwd=tmp_path))
    one = numbers(tmp_path / "one.json")
    assert numbers(tmp_path / "three.json") == one
    assert 0.4 < one["metrics"]["mIoU"] < 0.8


def test_an_error_in_a_worker_is_the_commands_own(tmp_path: Path) -> None:
    score = write_vspw(tmp_path)
    (tmp_path / "results" / "video_2" / "00000003.png").write_bytes(b"no picture")
    _, err = ended(start(*score, "--workers", "2", cwd=tmp_path), code=5)
    assert err.count("error: ") == err.count("\n") == 1
    assert "video_2/00000003.png" in err


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[psutil.Process]]]:
    """A command and its two workers, one of which reads a file that never ends."""
    score = write_vspw(tmp_path)
    pipe = tmp_path / "results" / "video_2" / "00000003.png"
    pipe.unlink()
    os.mkfifo(pipe)
    process = start(*score, "--workers", "2", cwd=tmp_path)
    writer = open_when_read(pipe)
    workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 2
    yield process, workers
    process.kill()
    process.communicate()
    os.close(writer)


def open_when_read(pipe: Path) -> int:
    """The other end of a named pipe, as soon as somebody reads it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_workers_end_with_the_command_whatever_they_are_at(
    number: signal.Signals, code: int, stuck: tuple[subprocess.Popen[bytes], list[psutil.Process]]
) -> None:
    process, workers = stuck
    process.send_signal(number)
    ended(process, code)
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_a_worker_that_is_killed_ends_the_command(
    stuck: tuple[subprocess.Popen[bytes], list[psutil.Process]],
) -> None:
    process, workers = stuck
    workers[0].kill()
    _, err = ended(process, code=6)
    assert "a process that scored was killed; if memory ran out, use fewer --workers" in err
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def done_videos(folder: Path) -> int:
    return len(list(folder.glob(".gvseg-eval/videos/*.npz")))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_run_that_was_ended_goes_on_and_says_what_an_unbroken_one_says(
    number: signal.Signals, code: int, model: Path, whole: Path, tmp_path: Path
) -> None:
    arguments = words("vps", model, "--save-results", "out", "--json", "ended.json")
    process = start(*arguments, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while done_videos(tmp_path / "out") < 1 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = ended(process, code)
    done = done_videos(tmp_path / "out")
    assert 1 <= done < 5, "ended too late to tell"
    assert not (tmp_path / "ended.json").exists()
    if number != signal.SIGKILL:
        assert f"interrupted: {done} of 5 videos are done; the same command goes on" in err

    _, err = ended(start(*arguments, cwd=tmp_path))
    assert f"{done} of 5 videos were done before" in err
    assert numbers(tmp_path / "ended.json") == numbers(whole / "whole.json")
    kept = {name: data for name, data in files(tmp_path / "out").items() if "gvseg-part" not in name}
    assert kept == files(whole / "out")


def test_a_signal_where_nothing_is_kept_ends_at_once(model: Path, tmp_path: Path) -> None:
    endless = ["--bench", "synth", "--data", "videos=1,frames=100000,size=64x48", "--model", str(model)]
    process = start("eval", *endless, "--progress", "json", cwd=tmp_path)
    assert process.stderr is not None
    while b'"progress"' not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = ended(process, 130)
    assert err.splitlines()[-1] == "gvseg: interrupted; nothing was written"
    assert list(tmp_path.iterdir()) == []


def test_scoring_files_loads_no_torch() -> None:
    """Start-up would cost more than scoring does."""
    code = """
import sys
from gvseg_cli.main import main
import gvseg_cli.eval_table
import gvseg_core.engine.evaluate
from gvseg_core.engine.benchmarks import SCORINGS, choose_bench
from gvseg_core.data.benchmarks import BENCHMARKS
for name in BENCHMARKS:
    bench = choose_bench(name)
    bench.metrics(bench.benchmark)
heavy = {"torch", "cv2", "rich.table"} & sys.modules.keys()
sys.exit(f"loaded: {heavy}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
