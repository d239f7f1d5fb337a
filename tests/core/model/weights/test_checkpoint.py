from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gvseg_core.config import InputSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.weights.checkpoint import Checkpoint, check_numbers, hash_tensors, match
from gvseg_core.types import ClassInfo, Vocabulary
from tests.core.model.weights.foreign import tiny_settings, tiny_state

ANIMALS = Vocabulary("animals", (ClassInfo("cat", (1, 2, 3)), ClassInfo("dog", (4, 5, 6)), ClassInfo("ox", (7, 8, 9))))


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    settings = tiny_settings()
    state = tiny_state(settings)
    return Checkpoint(settings, InputSettings(), state, "detectron2", hash_tensors(state), tasks=("vis",))


def test_heads_count_their_classes_without_no_object(checkpoint: Checkpoint) -> None:
    assert checkpoint.heads == {"classes": 3}


def test_a_vocabulary_takes_over_its_head_and_nothing_else(checkpoint: Checkpoint) -> None:
    named = checkpoint.with_vocabulary("classes", ANIMALS)
    assert named.heads == {"animals": 3}
    assert named.vocabularies == {"animals": ANIMALS}
    assert torch.equal(named.state["class_heads.animals.weight"], checkpoint.state["class_heads.classes.weight"])
    assert len(named.state) == len(checkpoint.state)
    assert checkpoint.heads == {"classes": 3}


def test_what_a_head_was_taught_goes_along_with_its_new_name(checkpoint: Checkpoint) -> None:
    taught = replace(checkpoint, answers={"vis": "classes", "evs": "object"}, taught={"classes": ("vis",)})
    named = taught.with_vocabulary("classes", ANIMALS)
    assert named.answers == {"vis": ANIMALS.name, "evs": "object"}
    assert named.taught == {ANIMALS.name: ("vis",)}
    assert named.knows(ANIMALS.name, "vis")
    assert not named.knows(ANIMALS.name, "vss")
    assert checkpoint.knows("classes", "vss")  # nobody says


def test_a_vocabulary_of_another_size_is_refused(checkpoint: Checkpoint) -> None:
    two = Vocabulary("two", ANIMALS.classes[:2])
    with pytest.raises(ModelError, match="'two' has 2 classes, class head 'classes' has 3"):
        checkpoint.with_vocabulary("classes", two)
    with pytest.raises(ModelError, match="no class head 'coco'"):
        checkpoint.with_vocabulary("coco", ANIMALS)


def test_a_task_the_weights_were_not_trained_for_is_refused(checkpoint: Checkpoint) -> None:
    checkpoint.check_task("vis")
    with pytest.raises(ModelError, match="for vis, not for vss"):
        checkpoint.check_task("vss")


def test_the_hash_sees_every_change_and_no_order() -> None:
    state = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[3.0]], dtype=torch.bfloat16)}
    same = hash_tensors({"b": state["b"], "a": state["a"].clone()})
    assert hash_tensors(state) == same
    others = [
        {**state, "a": torch.tensor([1.0, 2.0000002])},
        {**state, "a": torch.tensor([[1.0, 2.0]])},
        {**state, "a": torch.tensor([1.0, 2.0], dtype=torch.float64)},
        {"a": state["a"], "c": state["b"]},
    ]
    assert len({same, *map(hash_tensors, others)}) == 5


@pytest.mark.parametrize(("number", "word"), [(float("nan"), "NaN"), (float("inf"), "infinity")])
def test_numbers_that_are_none_are_named(number: float, word: str) -> None:
    with pytest.raises(ModelError, match=f"f: b holds {word}"):
        check_numbers({"a": torch.ones(2), "b": torch.tensor([0.0, number])}, "f")


def test_whole_numbers_are_no_weights() -> None:
    with pytest.raises(ModelError, match=r"a holds torch\.int64"):
        check_numbers({"a": torch.ones(2, dtype=torch.int64)}, "f")


EXPECTED = {"a": (2,), "b": (3,), **{f"m{i}": (1,) for i in range(7)}}


def test_what_does_not_fit_is_named_five_of_each_kind_and_counted() -> None:
    state = {"a": torch.ones(2), "b": torch.ones(4), "x": torch.ones(1)}
    with pytest.raises(ModelError) as caught:
        match(state, EXPECTED, "f", hint="try another preset")
    message = str(caught.value)
    assert "7 missing: m0, m1, m2, m3, m4 and 2 more" in message
    assert "1 not in the network: x" in message
    assert "1 of another shape: b is (4,), wanted (3,)" in message
    assert message.endswith("try another preset")


def test_a_partial_match_goes_on_with_what_fits_and_says_the_rest() -> None:
    state = {"a": torch.ones(2), "b": torch.ones(4)}
    fits, problems = match(state, EXPECTED, "f", allow_partial=True)
    assert list(fits) == ["a"]
    assert len(problems) == 2


def test_a_full_match_has_no_problems() -> None:
    state = {name: torch.ones(shape) for name, shape in EXPECTED.items()}
    assert match(state, EXPECTED, "f") == (state, ())
