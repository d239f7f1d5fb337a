"""Packed masks and their runs, against masks that are not packed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gvseg_core.ops import bits, rle


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 12))))
def test_runs_of_bits_are_runs_of_the_mask(mask):
    found = bits.encode(bits.pack(mask), mask.shape)
    assert found == (rle.encode(mask) if mask.any() else None)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (8, 3), (16, 1), (720, 40)])
def test_a_full_mask_is_one_run_through_all_columns(size):
    full = np.ones(size, np.bool_)
    assert bits.encode(bits.pack(full), size) == rle.encode(full)


def test_bits_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"of shape \(4, 2\), found \(4, 1\)"):
        bits.encode(np.zeros((4, 1), np.uint8), (8, 4))
