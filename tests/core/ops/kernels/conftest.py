"""Kernels are tested on the GPU where there is one, and else by Triton's interpreter, which is slow: inputs are tiny.

The interpreter must be chosen before Triton is imported, which `tests/conftest.py` does. What it does not notice (types
that change within a loop) the compiler does: `test_compiling.py`.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is here where there is no Triton."""
    if find_spec("triton") is None:
        for item in items:
            if "kernels" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason="needs Triton: pip install gvseg[triton]"))


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
