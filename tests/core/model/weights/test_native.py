from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.config import InputSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.weights import Checkpoint, read_checkpoint, write_checkpoint
from gvseg_core.types import ClassInfo, Vocabulary
from tests.core.model.weights.foreign import TINY_SWIN, same, tiny_settings, tiny_state

WORLD = Vocabulary("world", (ClassInfo("Ångström", (1, 2, 3), dataset_id=7), ClassInfo("sky", (4, 5, 6), False, 9)))


def make(**changes: Any) -> Checkpoint:
    settings = tiny_settings(TINY_SWIN)
    state = tiny_state(settings, "world", 2)
    whole = Checkpoint(
        settings=settings,
        input=InputSettings(short_side=480),
        state=state,
        format="gvseg",
        sha256="",
        vocabularies={"world": WORLD},
        tasks=("vis", "vps"),
        answers={"vis": "world"},
        taught={"world": ("vis", "vps")},
        provenance={"trained on": "synth", "steps": "100"},
    )
    return replace(whole, **changes)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("native") / "model.safetensors"
    write_checkpoint(path, make())
    return path.read_bytes()


def relabelled(written: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The same file with its JSON changed."""
    (length,) = struct.unpack("<Q", written[:8])
    header = json.loads(written[8 : 8 + length])
    said = json.loads(header["__metadata__"]["gvseg"])
    change(said)
    header["__metadata__"]["gvseg"] = json.dumps(said)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + written[8 + length :]


def test_what_is_written_comes_back_whole(tmp_path: Path) -> None:
    path, checkpoint = tmp_path / "anything.bin", make()
    sha256 = write_checkpoint(path, checkpoint)
    found = read_checkpoint(path)
    assert same(found.state, checkpoint.state)
    for field in ("settings", "input", "vocabularies", "tasks", "answers", "taught", "provenance", "format", "heads"):
        assert getattr(found, field) == getattr(checkpoint, field), field
    assert found.sha256 == sha256


def test_the_same_checkpoint_is_the_same_bytes(tmp_path: Path, written: bytes) -> None:
    shuffled = make()
    shuffled = replace(shuffled, state=dict(reversed(shuffled.state.items())))
    write_checkpoint(tmp_path / "a", shuffled)
    assert (tmp_path / "a").read_bytes() == written


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_bit_among_the_numbers_is_always_found(
    tmp_path_factory: pytest.TempPathFactory, written: bytes, data: st.DataObject
) -> None:
    (length,) = struct.unpack("<Q", written[:8])
    changed = bytearray(written)
    changed[data.draw(st.integers(8 + length, len(written) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "model.safetensors"
    path.write_bytes(changed)
    with pytest.raises(ModelError, match=r"SHA-256 of its tensors is \w{16}…, written was \w{16}…"):
        read_checkpoint(path)


def drop_class(said: dict[str, Any]) -> None:
    said["vocabularies"]["world"].pop()


def rename_head(said: dict[str, Any]) -> None:
    said["vocabularies"]["elsewhere"] = said["vocabularies"].pop("world")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: said.update(format_version=2, needs="0.9"), r"file format 2, .* up to 1; install gvseg >= 0\.9"),
        (lambda said: said.pop("model"), "metadata cannot be read.*model"),
        (lambda said: said["model"].update(depth=3), "model: depth: no such setting"),
        (lambda said: said["input"].update(short_side="big"), "short_side"),
        (lambda said: said.update(vocabularies=[1]), "metadata cannot be read"),
        (lambda said: said["vocabularies"]["world"][0].update(color=[1, 2]), "metadata cannot be read"),
        (drop_class, "vocabulary 'world' has 1 classes, its head 2"),
        (rename_head, "vocabulary 'elsewhere' has 2 classes, its head is missing"),
        (lambda said: said["model"]["decoder"].update(num_layers=4), r"missing: decoder\.layers\.3"),
        (
            lambda said: said["model"]["queries"].update(num_queries=6),
            r"queries\.learned\.content is \(5, 32\), wanted",
        ),
    ],
)
def test_a_file_at_odds_with_itself_or_newer_is_refused(
    tmp_path: Path, written: bytes, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(relabelled(written, change))
    with pytest.raises(ModelError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format_version": null}', "[" * 10_000])
def test_metadata_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({"a": torch.ones(1)}, path, {"gvseg": text})
    with pytest.raises(ModelError, match="metadata cannot be read"):
        read_checkpoint(path)


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match="nothing says what the 2 classes of head 'world' are"):
        write_checkpoint(path, make(vocabularies={}))
    state = make().state
    state["decoder.norm.weight"][0] = float("inf")
    with pytest.raises(ModelError, match=r"decoder\.norm\.weight holds infinity"):
        write_checkpoint(path, make(state=state))
    assert not path.exists()
