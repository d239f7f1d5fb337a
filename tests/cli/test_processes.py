"""The command as a process: signals, pipes, closed streams, a full disk, a poor terminal."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import start, write_clip

LONG = "demo:frames=100000,size=64x48"  # far more than there is time for


@pytest.fixture
def words(model: Path) -> list[str]:
    return ["predict", LONG, "--task", "vss", "--model", str(model)]


def wait_for(process: subprocess.Popen[bytes], folder: Path, seconds: float = 60) -> None:
    """Until a part file has grown beyond its header: results are being written."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if any(part.stat().st_size > 1500 for part in folder.glob(".*.gvseg-part")):
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"nothing was written: {process.communicate()}")


def wait_until_it_stalls(folder: Path) -> None:
    """Until no part file has grown for a second."""
    sizes, seen = [-1], [0]
    while sizes != seen:
        sizes = seen
        time.sleep(1)
        seen = [part.stat().st_size for part in folder.glob(".*.gvseg-part")]


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_in_order_and_keeps_what_there_is(
    number: signal.Signals, code: int, words: list[str], tmp_path: Path
) -> None:
    process = start(*words, cwd=tmp_path)
    wait_for(process, tmp_path)
    process.send_signal(number)
    found, err = ended(process)
    assert found == code, err
    assert "stopping: finishing the current clip" in err
    assert "interrupted: " in err
    assert "demo.vss.mp4" in err
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"demo.vss.mp4", "demo.vss.json"}
    told = json.loads((tmp_path / "demo.vss.json").read_text())
    assert (told["info"]["complete"], told["info"]["reason"]) == (False, "interrupted")
    with av.open(str(tmp_path / "demo.vss.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == told["videos"][0]["length"] > 0


def test_a_second_signal_ends_at_once_and_leaves_no_part(words: list[str], tmp_path: Path) -> None:
    # The first signal waits for an input that gives nothing more and does not end.
    source, sink = os.pipe()
    os.write(sink, write_clip(tmp_path / "c.mkv", 150).read_bytes())
    words[1] = "-"
    process = start(*words, cwd=tmp_path, stdin=source)
    try:
        wait_for(process, tmp_path)
        wait_until_it_stalls(tmp_path)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        found, err = ended(process)
    finally:
        os.close(sink)
        os.close(source)
    assert (found, time.monotonic() - begun < 1.0) == (130, True), err
    assert {path.name for path in tmp_path.iterdir()} == {"c.mkv"}


def test_a_signal_before_anything_is_written_says_so(words: list[str], tmp_path: Path) -> None:
    process = start(*words, cwd=tmp_path)
    time.sleep(0.7)  # Python is up, torch is being imported or the model read
    process.send_signal(signal.SIGINT)
    found, err = ended(process)
    assert (found, err.splitlines()[-1]) == (130, "gvseg: interrupted; nothing was written"), err
    assert list(tmp_path.iterdir()) == []


def test_a_signal_while_a_text_is_executed_is_no_other(tmp_path: Path) -> None:
    """Modules that make data classes execute texts. Of a KeyboardInterrupt that has once left an `exec`, `python -m`
    makes a death by the signal in the end, whoever caught it."""
    code = """
from gvseg_cli.console import Console
from gvseg_cli.signals import Interrupts
with Interrupts(Console([])) as interrupts:
    try:
        exec("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    except KeyboardInterrupt:
        raise SystemExit(interrupts.exit_code)
"""
    (tmp_path / "interrupted.py").write_text(code)
    words = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_killed_run_harms_nothing_and_the_next_one_goes_on(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "demo.vss.mp4").write_bytes(b"an older result")
    process = start(*words, "-y", cwd=tmp_path)
    wait_for(process, tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / "demo.vss.mp4").read_bytes() == b"an older result"
    words[1] = "demo:frames=2,size=64x48"
    assert ended(start(*words, "-y", cwd=tmp_path))[0] == 0
    assert (tmp_path / "demo.vss.mp4").stat().st_size > 100


@pytest.mark.parametrize("more", [["-o", "-"], ["--json"]])
def test_a_closed_pipe_ends_quietly(more: list[str], words: list[str], tmp_path: Path) -> None:
    process = start(*words, *more, cwd=tmp_path)
    assert process.stdout is not None
    assert len(process.stdout.read(1000)) == 1000
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read().decode()
    assert (process.wait(timeout=60), [line for line in err.splitlines() if "frames" not in line]) == (0, [])


def test_a_list_of_results_that_nobody_reads_stops_nothing(words: list[str], tmp_path: Path) -> None:
    words[1:2] = ["demo:frames=2,size=64x48", str(write_clip(tmp_path / "c.mp4", 2))]
    process = start(*words, "--save", "csv", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read().decode()
    assert process.wait(timeout=60) == 0, err
    assert "2 inputs: 2 done" in err
    assert err.count("\n") == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_stdout_is_an_error(words: list[str], tmp_path: Path) -> None:
    words[1] = "demo:frames=2,size=64x48"
    with Path("/dev/full").open("wb") as full:
        found, err = ended(start(*words, "--json", cwd=tmp_path, stdout=full))
    assert (found, err.count("\n")) == (4, 1), err
    assert "no space left" in err


def test_a_stream_goes_in_and_out(words: list[str], tmp_path: Path) -> None:
    """As in `ffmpeg … | gvseg predict - -o - | ffplay -`: nothing but the video on stdout."""
    clip = write_clip(tmp_path / "c.mkv", 7)
    words[1] = "-"
    with clip.open("rb") as stream:
        process = start(*words, "-o", "-", cwd=tmp_path, stdin=stream)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    (tmp_path / "out.mkv").write_bytes(out)
    with av.open(str(tmp_path / "out.mkv")) as video:
        assert [frame.pts for frame in video.decode(video=0)] == [0, 40, 80, 120, 160, 200, 240]


def test_a_poor_terminal_and_a_closed_stdin_are_enough(model: Path, tmp_path: Path) -> None:
    name = "caf\u00e9 \U0001f600.mp4"
    write_clip(tmp_path / name, 1)
    bare = {"LANG": "C", "LC_ALL": "C", "TERM": "dumb", "PYTHONUTF8": "0", "HOME": "/nonexistent"}
    words = ["predict", name, "missing \U0001f600.mp4", "--task", "vss", "--model", str(model), "--save", "csv"]
    process = start(*words, cwd=tmp_path, env=bare, stdin=None, preexec_fn=lambda: os.close(0))
    found, err = ended(process)
    assert found == 1, err
    assert err.isascii()
    assert err.count("error: ") == 1
    assert (tmp_path / "caf\u00e9 \U0001f600.vss.csv").exists()


def test_a_full_disk_leaves_earlier_results_and_no_part(words: list[str], tmp_path: Path) -> None:
    """A limit on the size of files gives what a full disk gives: a write that fails on the way."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    (tmp_path / "noise").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (2, 240, 320, 3), dtype=np.uint8)
    for index, picture in enumerate(noise):
        Image.fromarray(picture).save(tmp_path / "noise" / f"{index}.png")
    words[1:2] = ["demo:frames=2,size=64x48", "noise"]
    process = start(*words, "-o", "out", cwd=tmp_path, preexec_fn=limit)
    found, err = ended(process)
    assert (found, err.count("error: ")) == (1, 1), err
    assert "cannot write out/noise.vss.mp4" in err or "out/noise.vss.mp4: cannot be written" in err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"demo.vss.mp4", "demo.vss.json"}


def test_a_closed_stderr_stops_nothing_and_its_number_goes_to_no_file(words: list[str], tmp_path: Path) -> None:
    words[1] = "demo:frames=2,size=64x48"
    process = start(*words, "--json", "--save", "csv", cwd=tmp_path, stderr=None, preexec_fn=lambda: os.close(2))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [0, 1]
    assert (tmp_path / "demo.vss.csv").read_text().startswith("frame,")


def test_a_closed_stdout_is_an_error_where_results_go_there(tmp_path: Path) -> None:
    words = ["predict", "demo:frames=2,size=64x48", "--task", "vss", "--model", "truth", "--json"]
    found, err = ended(start(*words, cwd=tmp_path, stdout=None, preexec_fn=lambda: os.close(1)))
    assert (found, err) == (4, "gvseg: error: stdout is closed, and results were to go there\n")
