"""What a run may be asked for, and what it may not."""

from __future__ import annotations

import pytest

from gvseg_core.engine.settings import PredictSettings, check_together, parse_overrides
from gvseg_core.errors import UsageError


def settings(**changes: object) -> PredictSettings:
    return PredictSettings.model_validate({"inputs": ("a.mp4",), "task": "vis", "model": "m", **changes})


def test_overrides_become_nested_settings_with_their_types() -> None:
    assert parse_overrides(["tracking.shape_weight=0", "tracking.memory=9", "input.max_side=800"]) == {
        "tracking": {"shape_weight": 0, "memory": 9},
        "input": {"max_side": 800},
    }


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (["tracking.shape_weight"], "wanted section.name=value"),
        (["shape_weight=1"], "wanted section.name=value"),
        (["tracking.memory=1", "tracking.memory=2"], "given twice"),
        (["tracking.memory=[1"], "cannot read the value"),
        (["trackng.memory=1"], "did you mean 'tracking'"),
        (["tracking.memory=-1"], "greater than 0"),
    ],
)
def test_an_override_that_is_wrong_is_refused_by_name(assignments: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_overrides(assignments)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "evs"}, "--exemplar first.png"),
        ({"task": "evs", "inputs": ("demo", "a.mp4")}, "--exemplar first.png"),
        ({"exemplars": ("m.png",)}, "--exemplar is for --task evs"),
        ({"output": "-", "json_lines": True}, "choose one"),
        ({"save": ()}, "no result"),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_together(settings(**changes))


@pytest.mark.parametrize(
    "changes", [{}, {"task": "evs", "inputs": ("demo:frames=3",)}, {"save": (), "json_lines": True}]
)
def test_options_that_go_together_pass(changes: dict[str, object]) -> None:
    check_together(settings(**changes))
