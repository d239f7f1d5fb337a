"""Packed annotations: the same list, in one block."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.data.training.packed import Packed

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("äb€", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(PLAIN, max_size=5))
def test_every_entry_comes_back_as_it_was(entries: list[Any]) -> None:
    packed = Packed(json.dumps(entry, ensure_ascii=False) for entry in entries)
    assert len(packed) == len(entries)
    assert [packed[i] for i in range(len(packed))] == entries


def test_it_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Packed(['{"a":1}', "2"])))[0] == {"a": 1}


@pytest.mark.parametrize("index", [-1, 2])
def test_there_is_nothing_outside(index: int) -> None:
    with pytest.raises(IndexError):
        Packed(["1", "2"])[index]
