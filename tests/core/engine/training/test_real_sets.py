"""Thirty steps on one clip of every real set drive its losses down."""

from __future__ import annotations

from itertools import islice

import pytest

from gvseg_core.types import TaskName
from tests.conftest import shared
from tests.core.data.training.test_real_sets import SETS
from tests.core.engine.training.runs import batches, recipe, sources_of, stepper_of


@pytest.mark.parametrize("name", SETS)
def test_losses_fall_on_one_clip_of_every_real_set(name: str) -> None:
    task: TaskName = SETS[name][0]
    source = {**SETS[name][1], "task": task}
    preset = recipe(
        data=[source],
        batch_size=1,
        lr=4.0e-3,
        backbone_lr_scale=1.0,
        clip_norm=5.0,
        freeze_norms=False,
        augment={"short_sides": [64], "max_side": 128, "flip": 0.0, "rotation": 0.0},
        seed=1,
    )
    sources = sources_of(preset, shared("data"))
    stepper = stepper_of(preset, sources)
    (batch,) = islice(batches(preset, sources), 1)
    said = [stepper.step(i, batch).losses for i in range(30)]
    assert said[-1]["loss"] < 0.7 * said[0]["loss"]
    for term in ("mask", "dice"):
        assert said[-1][term] < 0.9 * said[0][term], term
    assert said[-1]["class"] < 0.9 * said[0]["class"] or len(sources[0].lesson.vocabulary) == 1
