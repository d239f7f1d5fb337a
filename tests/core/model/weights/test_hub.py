"""Hub models, with a cache of our own making and no network."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.weights.hub import fetch
from tests.conftest import shared

hub = pytest.importorskip("huggingface_hub")
COMMIT = "0" * 40


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """What the hub's client leaves behind after it has fetched gv/tiny once."""
    model = tmp_path / "models--gv--tiny"
    snapshot = model / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(shared("parity", "hf_tiny") / name, snapshot / name)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    return tmp_path


@pytest.mark.parametrize("source", ["hf://gv/tiny", "hf://gv/tiny@main", f"hf://gv/tiny@{COMMIT}"])
def test_what_is_in_the_cache_is_used_offline(cache: Path, source: str) -> None:
    folder = fetch(source, offline=True, cache=cache)
    assert (folder / "config.json").is_file()


def test_a_single_file_can_be_asked_for(cache: Path) -> None:
    path = fetch("hf://gv/tiny/model.safetensors", offline=True, cache=cache)
    assert path.name == "model.safetensors"
    assert path.is_file()


@pytest.mark.parametrize("source", ["hf://gv/other", "hf://gv/tiny@v2", "hf://gv/tiny/gone.pth"])
def test_what_is_not_in_the_cache_is_said_offline(cache: Path, source: str) -> None:
    with pytest.raises(ModelError, match=rf"{source}: not in the local cache; run once without --offline"):
        fetch(source, offline=True, cache=cache)


def test_an_unreachable_hub_is_one_clear_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    with pytest.raises(ModelError, match=r"not to be had from the hub \(ConnectionError: no route to host\)"):
        fetch("hf://gv/tiny", cache=cache)


def test_pickles_are_fetched_only_where_there_are_no_safetensors(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    folder = cache / "snapshot"
    folder.mkdir()

    def download(*_: object, allow_patterns: list[str], **__: object) -> str:
        asked.append(allow_patterns)
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", download)
    fetch("hf://gv/tiny", cache=cache)
    assert asked == [["*.json", "*.safetensors"], ["*.json", "pytorch_model*.bin"]]
    (folder / "model.safetensors").touch()
    asked.clear()
    fetch("hf://gv/tiny", cache=cache)
    assert asked == [["*.json", "*.safetensors"]]


def test_without_the_extra_the_pip_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"pip install 'gvseg\[hub\]'"):
        fetch("hf://gv/tiny")


@pytest.mark.parametrize("source", ["hf://", "hf://tiny", "hf://a/b/../../c", "hf://a/b@", "hf://a b/c"])
def test_a_name_that_is_none_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="is no hub model"):
        fetch(source)
