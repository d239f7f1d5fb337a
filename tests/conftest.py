"""What every test may use: the shared material (skipped by name where absent) and quiet threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("gvseg", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("gvseg")
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels are interpreted; must be said before anything imports Triton
torch.set_num_threads(1)  # the suite runs in several processes; results do not depend on it

SHARED = Path(os.environ.get("GVSEG_SHARED", "../shared")).resolve()  # tests may change the working directory


def shared(*parts: str) -> Path:
    """A file or folder of the shared material; the test is skipped where it is absent, as on a user's machine."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {path} (set GVSEG_SHARED to the shared material)")
    return path.resolve()


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of real clips."""
    return shared("data", "clips")
