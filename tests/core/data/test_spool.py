"""What is put aside comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.data import spool
from gvseg_core.data.spool import Spool

leaves = st.none() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")) | st.binary()
records = st.lists(leaves | st.lists(leaves, max_size=3), max_size=4).map(tuple)


@pytest.mark.parametrize("in_memory", [1, 2**26])
@given(st.lists(st.tuples(st.integers(-2, 2), records), max_size=12))
def test_records_come_back_by_key_in_order_as_often_as_one_likes(in_memory: int, put: list[tuple[int, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_IN_MEMORY", in_memory)
        kept = Spool()
    for key, record in put:
        kept.put(key, record)
    assert len(kept) == len(put)
    for _ in range(2):
        for key in range(-3, 4):
            assert list(kept.take(key)) == [record for other, record in put if other == key]
            assert (key in kept) == any(other == key for other, _ in put)
