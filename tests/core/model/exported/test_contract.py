"""What a graph says of itself comes back, and what is not ours or too new is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gvseg_core.config import InputSettings
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.errors import ModelError
from gvseg_core.model.exported.contract import Contract, contract_from
from tests.core.model.weights.foreign import tiny_settings


def contract(**changes: Any) -> Contract:
    values: dict[str, Any] = {
        "settings": tiny_settings(),
        "input": InputSettings(short_side=96),
        "vocabulary": DEMO_VOCABULARY,
        "sha256": "abc",
        "size": (96, 128),
        "notes": ("a note",),
        "provenance": {"preset": "tiny"},
    }
    return Contract(**values | changes)


@pytest.mark.parametrize("changes", [{}, {"size": None, "task": "evs"}, {"tasks": ("vis", "vss")}])
def test_it_comes_back_as_it_was(changes: dict[str, Any]) -> None:
    made = contract(**changes)
    assert contract_from(made.as_text(), "f") == made


def test_what_goes_in_and_out_depends_on_the_task() -> None:
    assert contract().outputs[-1] == "descriptors"
    assert contract(task="vss").outputs == contract().outputs[:-1]
    assert contract(task="evs").inputs == ("pixels", "picture", "regions", "pooled", "places")
    assert contract(task="evs").outputs[-2:] == ("pooled_next", "features")


def test_another_task_is_refused_and_learnt_queries_serve_all() -> None:
    contract().check_task("vps")
    with pytest.raises(ModelError, match=r"exported for vis, not for vps; export one with --task vps"):
        contract(task="vis").check_task("vps")
    with pytest.raises(ModelError, match=r"weights are for vss, not for vis"):
        contract(tasks=("vss",)).check_task("vis")


def test_a_newer_format_names_the_version_that_reads_it() -> None:
    said = json.loads(contract().as_text()) | {"format_version": 99, "version": "9.1"}
    with pytest.raises(ModelError, match=r"f: graph format 99, this gvseg reads up to 1; install gvseg >= 9\.1"):
        contract_from(json.dumps(said), "f")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"format_version": "one"}', contract().as_text().replace('"vss"', "3").replace("96", "-1")],
)
def test_metadata_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"f: its metadata cannot be read"):
        contract_from(text, "f")
