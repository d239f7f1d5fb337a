"""Processes that share an evaluation; how several do is tested through the command (tests/cli/test_eval_processes)."""

from __future__ import annotations

import pytest

from gvseg_core.engine.evaluation.team import Team
from gvseg_core.errors import UsageError


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("values", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"WORLD_SIZE": ""}])
def test_without_torchrun_there_is_one_process(values: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, **values)
    with Team.of_environment() as team:
        assert team == Team(0, 1, 0)
        assert team.everyone("mine") == ["mine"]
        assert team.agree(lambda: 3) == 3
        assert team.share([1, 2, 3]) == [1, 2, 3]


@pytest.mark.parametrize(
    "values", [{"RANK": "2"}, {"RANK": "0"}, {"LOCAL_RANK": "0"}, {"RANK": "x", "LOCAL_RANK": "0"}]
)
def test_variables_that_cannot_be_are_refused(values: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, WORLD_SIZE="2", **values)
    with pytest.raises(UsageError, match="use torchrun"):
        Team.of_environment()


def test_shares_are_disjoint_and_together_all() -> None:
    videos = list(range(11))
    shares = [Team(rank, 4, rank).share(videos) for rank in range(4)]
    assert sorted(video for share in shares for video in share) == videos
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_an_error_passes_through() -> None:
    def fail() -> None:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        Team().agree(fail)
