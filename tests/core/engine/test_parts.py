"""Which class head answers, and what a task is set to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gvseg_core.data.classes import plain_vocabulary
from gvseg_core.engine.build import build_network, make_segmenter
from gvseg_core.engine.parts import choose_head, make_task, untaught
from gvseg_core.errors import UsageError
from gvseg_core.model.weights import Checkpoint
from gvseg_core.recipes import load_preset
from gvseg_core.tasks.vis import Vis
from tests.models import make_checkpoint

ANIMALS = plain_vocabulary("animals", ["dog", "cat", "cow"])
STREET = plain_vocabulary("street", ["road", "car", "dog"])
SHAPES = plain_vocabulary("shapes", ["disc", "ring"])


@pytest.fixture(scope="module")
def taught() -> Checkpoint:
    made = make_checkpoint(load_preset("tiny").model, ANIMALS, STREET, SHAPES)
    return replace(
        made,
        answers={"vss": "street", "vis": "animals"},
        taught={"animals": ("vis",), "street": ("vps", "vss"), "shapes": ("vis", "vss")},
    )


def test_a_task_has_the_head_that_the_file_gives_it(taught: Checkpoint) -> None:
    assert [choose_head(taught, None, task).name for task in ("vis", "vss")] == ["animals", "street"]


def test_a_head_that_was_never_taught_a_task_is_not_chosen_for_it(taught: Checkpoint) -> None:
    assert choose_head(taught, None, "vps").name == "street"
    assert choose_head(taught, None, "vss", ANIMALS).name == "street"  # it knows the dog; animals know nothing of vss


def test_the_head_that_has_most_of_what_is_wanted_answers(taught: Checkpoint) -> None:
    assert choose_head(taught, None, "vss", SHAPES).name == "shapes"
    assert choose_head(taught, None, "vis", SHAPES).name == "shapes"
    assert choose_head(taught, None, "vis", plain_vocabulary("set", ["Dog", "CAT"])).name == "animals"
    assert choose_head(taught, None, "vis", plain_vocabulary("set", ["spoon"])).name == "animals"


def test_who_names_a_head_gets_it_and_is_told_what_it_cannot_do(taught: Checkpoint) -> None:
    head = choose_head(taught, "animals", "vss", SHAPES)
    assert head.name == "animals"
    (line,) = untaught(taught, head, "vss")
    assert line == "its classes animals were taught vis, not vss: expect little"
    assert make_segmenter(taught, "vss", name="m", vocabulary="animals").provenance["notes"] == [line]
    assert make_segmenter(taught, "vss", name="m", wanted=SHAPES).provenance["notes"] == []
    with pytest.raises(UsageError, match="did you mean 'animals'"):
        choose_head(taught, "animal", "vss")


def test_a_task_has_what_its_own_section_sets_beside_the_options(taught: Checkpoint) -> None:
    queries, head = build_network(taught).queries, next(iter(taught.vocabularies.values()))
    task = make_task(
        "vis", queries, head, None, conf=0.25, settings={"vis": {"covered": 0.875}, "tracking": {"memory": 7}}
    )
    assert isinstance(task, Vis)
    assert (task.settings.conf, task.settings.covered, task.tracking.memory) == (0.25, 0.875, 7)
    with pytest.raises(UsageError, match=r"--set evs\.radius has no effect on --task vis"):
        make_task("vis", queries, head, None, settings={"evs": {"radius": 3}})


def test_where_the_file_says_nothing_any_head_may_answer(taught: Checkpoint) -> None:
    silent = replace(taught, taught={}, answers={})
    assert choose_head(silent, None, "vps").name == "animals"
    assert choose_head(silent, None, "vps", SHAPES).name == "shapes"
    assert untaught(silent, SHAPES, "evs") == ()
