"""Processes as one: what a single one does without sending anything, and what the environment may say."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from gvseg_core.engine.training.processes import PeerError, Processes, joined
from gvseg_core.errors import DataError, UsageError

ALONE = Processes()
PAIR = Processes(0, 2, 0)


def test_alone_everything_stays_as_it_is() -> None:
    value = torch.randn(3, 2)
    assert ALONE.sum(value) is value
    assert torch.equal(ALONE.mean(value), value)
    assert ALONE.gather(value) is value
    assert ALONE.agree(True)
    assert not ALONE.agree(False)
    ALONE.wait()


def test_an_error_of_the_only_process_is_that_error() -> None:
    with pytest.raises(DataError, match="gone"), ALONE.all_or_none():
        raise DataError("gone")
    with ALONE.all_or_none():
        pass


@pytest.mark.parametrize(
    "error", [dist.DistBackendError("NCCL"), RuntimeError("[../gloo/transport/tcp/pair.cc] closed")]
)
def test_the_end_of_another_process_is_told_from_an_error_of_this_one(error: RuntimeError) -> None:
    with pytest.raises(PeerError), PAIR.together():
        raise error
    with pytest.raises(type(error)), ALONE.together():
        raise error
    with pytest.raises(RuntimeError, match="shape"), PAIR.together():
        raise RuntimeError("shape")


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as processes:
        assert processes == ALONE
        assert processes.is_first


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE='two': wanted a number"),
        ({"WORLD_SIZE": "2", "RANK": "2", "LOCAL_RANK": "0"}, "RANK 2 and LOCAL_RANK 0 do not go with WORLD_SIZE 2"),
        ({"WORLD_SIZE": "2", "RANK": "1"}, "LOCAL_RANK -1"),
    ],
)
def test_an_environment_that_contradicts_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: str
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=words), joined("cpu"):
        pass
