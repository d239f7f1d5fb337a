"""Training as processes: killed, told to stop, on a full disk, two at once, one of them failing."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gvseg_cli.main import main
from gvseg_core.engine.training.log import read_log
from gvseg_core.engine.training.state import STATE, load_state
from tests.cli.conftest import start
from tests.core.engine.training.runs import assert_same, write_recipe

STEPS = 8


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, `mine.yaml`, and the run that nobody disturbed, `whole`."""
    folder = tmp_path_factory.mktemp("training")
    changes = {"batch_size": 2, "steps": STEPS, "save_every": 2, "log_every": 3, "ema": 0.9}
    recipe = write_recipe(folder / "mine.yaml", "vps", "evs", **changes)
    assert main(["train", "--preset", str(recipe), "--out", str(folder / "whole"), "-q"]) == 0
    return folder


def assert_as_if_nothing_had_happened(home: Path, run: str) -> None:
    """Weights, moments, averages and queues to the last bit, and every byte of the log."""
    found, wanted = (load_state(home / name)[0] for name in (run, "whole"))
    assert found.step == wanted.step == STEPS
    assert_same(found.tensors, wanted.tensors)
    assert {name.partition(".")[0] for name in found.tensors} == {"network", "queues", "optimiser", "ema", "pixels"}
    assert found.facts == wanted.facts
    assert (home / run / "log.jsonl").read_bytes() == (home / "whole" / "log.jsonl").read_bytes()
    assert (home / run / "last.safetensors").read_bytes() == (home / "whole" / "last.safetensors").read_bytes()


def resumed(home: Path, run: str, *words: str) -> int:
    return main(["train", "--preset", str(home / "mine.yaml"), "--out", str(home / run), "--resume", *words])


def wait_for(process: subprocess.Popen[bytes], condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return
        time.sleep(0.005)
    process.kill()
    raise AssertionError(process.communicate())


def ended(process: subprocess.Popen[bytes], seconds: float = 120) -> tuple[int, str]:
    try:
        _, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, err.decode()


def begin(home: Path, run: str, *words: str, **more: object) -> subprocess.Popen[bytes]:
    return start("train", "--preset", "mine.yaml", "--out", run, *words, cwd=home, **more)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(home: Path) -> None:
    """Killed somewhere between its first save and its end, perhaps while it saves."""
    process = begin(home, "killed", "--set", "train.workers=1")
    wait_for(process, (home / "killed" / STATE).exists)
    time.sleep(random.random() * 1.5)
    process.kill()
    process.communicate()
    assert resumed(home, "killed") == 0
    assert_as_if_nothing_had_happened(home, "killed")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_saves_at_the_next_step_and_the_run_goes_on(
    home: Path, number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    run = number.name
    process = begin(home, run, "--set", "train.save_every=100")
    wait_for(process, (home / run / "log.jsonl").exists)
    time.sleep(0.3)
    process.send_signal(number)
    found, err = ended(process)
    assert found == code, err
    assert "finishing the step and saving the state" in err
    assert "--resume goes on" in err
    assert "Traceback" not in err
    state, _ = load_state(home / run)
    assert 1 <= state.step < STEPS
    assert resumed(home, run, "--set", "train.save_every=2") == 0
    assert f"going on after step {state.step} of {STEPS}" in capfd.readouterr().err
    assert_as_if_nothing_had_happened(home, run)


def test_a_run_killed_before_its_first_save_can_begin_again(home: Path) -> None:
    process = begin(home, "early", "--set", "train.save_every=100", "--set", "train.steps=100000")
    wait_for(process, lambda: any(read_log(home / "early")))
    process.kill()
    process.communicate()
    assert resumed(home, "early") == 2
    assert main(["train", "--preset", str(home / "mine.yaml"), "--out", str(home / "early"), "-q"]) == 0
    assert_as_if_nothing_had_happened(home, "early")


@pytest.mark.parametrize("limit", [100_000, 1_500_000])
def test_a_full_disk_keeps_the_last_state(home: Path, limit: int) -> None:
    """A limit on the size of files gives what a full disk gives: the state, or the weights alone, are cut off."""
    run = f"full{limit}"
    words = ["--preset", str(home / "mine.yaml"), "--out", str(home / run), "--set", "train.steps=4"]
    assert main(["train", *words, "-q"]) == 0
    before = (home / run / STATE).read_bytes()

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    found, err = ended(begin(home, run, "--resume", "--set", "train.steps=6", "--allow-changed", preexec_fn=limited))
    assert (found, err.count("gvseg: error: ")) == (4, 1), err
    assert "cannot write" in err
    assert (home / run / STATE).read_bytes() == before
    assert not list((home / run).glob(".*gvseg-part"))


def torchrun(home: Path, *words: str, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("-m", "gvseg_cli", "train", *words),
        ],
        cwd=home,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2]), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_two_processes_are_one_with_the_same_batch(home: Path) -> None:
    """A mixture of tasks with contrast, queues and an average, in parts; but for the last digits of sums."""
    changes = ("--set", "train.batch_size=4", "--set", "train.steps=3")
    found, err = ended(
        torchrun(home, "--preset", "mine.yaml", "--out", "two", *changes, "--set", "train.micro_batch=1")
    )
    assert found == 0, err
    assert main(["train", "--preset", str(home / "mine.yaml"), "--out", str(home / "one"), "-q", *changes]) == 0
    (two, _), (one, _) = load_state(home / "two"), load_state(home / "one")
    assert (one.world_size, two.world_size) == (1, 2)
    assert any(tensor.any() for name, tensor in two.tensors.items() if name.startswith("queues."))
    averages = {name for name in one.tensors if name.startswith("ema.")}
    assert averages
    keep = [name for name in one.tensors if name not in averages]
    assert_same({name: two.tensors[name] for name in keep}, {name: one.tensors[name] for name in keep}, 1e-5)
    for ours, theirs in zip(read_log(home / "two"), read_log(home / "one"), strict=True):
        assert ours.pop("kind") == theirs.pop("kind")
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


def test_one_process_that_fails_ends_all_with_one_message(home: Path) -> None:
    """The second process cannot read its share of the data; `sitecustomize` sees to it."""
    script = home / "sitecustomize.py"
    script.write_text(
        "import os\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import gvseg_core.data.training.rendered as rendered\n"
        "    from gvseg_core.errors import DataError\n"
        "    own, count = rendered.RenderedVideos.load, iter(range(100))\n"
        "    def load(self, video, frames):\n"
        "        if next(count) == 3:\n"
        "            raise DataError('the disk of this machine is gone')\n"
        "        return own(self, video, frames)\n"
        "    rendered.RenderedVideos.load = load\n"
    )
    path = f"{home}{os.pathsep}{Path(__file__).parents[2]}"
    begun = time.monotonic()
    process = torchrun(home, "--preset", "mine.yaml", "--out", "failed", PYTHONPATH=path)
    found, err = ended(process)
    script.unlink()
    assert found != 0
    assert time.monotonic() - begun < 60
    errors = [line for line in err.splitlines() if "gvseg: error: " in line]
    assert len(errors) == 1, err
    assert "process 1: " in errors[0]
    assert "the disk of this machine is gone" in errors[0]


def test_what_all_processes_meet_is_said_once(home: Path) -> None:
    found, err = ended(torchrun(home, "--preset", "mine.yaml", "--out", "whole"))
    assert found != 0
    errors = [line for line in err.splitlines() if "gvseg: error: " in line]
    assert len(errors) == 1, err
    assert "holds a run already" in errors[0]
