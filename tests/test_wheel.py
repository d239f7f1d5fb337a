"""What a user installs is the wheel: it holds both packages and the presets, and its command works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gvseg_core
from gvseg_core.recipes import bundled_weights, presets

ROOT = Path(__file__).parent.parent
NOT_BUILT_FROM = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "*.egg-info", "build", "dist", "tests")


def run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel, and nothing else, is installed."""
    work = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, work / "tree", ignore=NOT_BUILT_FROM)
    built = run(sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "-q", "-w", str(work), cwd=work / "tree")
    if built.returncode and re.search("hatchling|connection|No matching distribution", built.stderr, re.I):
        pytest.skip(f"hatchling, which builds the wheel, cannot be had here: {built.stderr[-200:]}")
    assert built.returncode == 0, built.stderr
    (wheel,) = work.glob("gvseg-*.whl")
    target = work / "site"
    installed = run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "-q",
        "--target",
        str(target),
        str(wheel),
        cwd=work,
    )
    assert installed.returncode == 0, installed.stderr
    return target


def test_the_wheel_carries_the_presets_and_the_marks_of_a_typed_package(site: Path) -> None:
    found = {path.stem for path in (site / "gvseg_core" / "presets").glob("*.yaml")}
    assert found == set(presets())
    assert (site / "gvseg_core" / "presets" / "nano.safetensors").read_bytes() == bundled_weights().read_bytes()
    assert (site / "gvseg_core" / "py.typed").exists()
    assert (site / "gvseg_cli" / "py.typed").exists()
    assert not (site / "tests").exists()


def test_the_installed_package_finds_its_presets(site: Path, tmp_path: Path) -> None:
    asked = "gvseg_core.__file__, len(r.presets()), r.load_preset('tiny')"
    code = f"import gvseg_core, gvseg_core.recipes as r; print({asked})"
    done = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{site / 'gvseg_core' / '__init__.py'} {len(presets())} ")


def test_the_installed_command_works(site: Path, tmp_path: Path) -> None:
    command = str(site / "bin" / "gvseg")
    version = run(command, "--version", cwd=tmp_path, PYTHONPATH=str(site))
    assert version.stdout == f"gvseg {gvseg_core.__version__}\n", version.stderr
    words = ("predict", "demo:frames=2,size=64x48", "--task", "vps")
    done = run(command, *words, cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"demo.vps.mp4", "demo.vps.json"}
