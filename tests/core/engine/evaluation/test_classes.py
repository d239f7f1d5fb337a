"""A model's classes in a benchmark's words."""

from __future__ import annotations

import pytest

from gvseg_core.data.classes import plain_vocabulary
from gvseg_core.data.vocabularies import VOCABULARIES
from gvseg_core.engine.evaluation.classes import num_common, translate
from gvseg_core.errors import ModelError

BENCHMARK = plain_vocabulary("set", ["person", "Giant_panda", "cow", "sedan"])


def test_names_are_compared_by_letters_and_the_first_of_synonyms() -> None:
    translation = translate(plain_vocabulary("model", ["cow, moo-cow", "giant panda", "kite"]), BENCHMARK)
    assert translation.ids == (2, 1, None)
    assert translation.num_known == 2


def test_what_the_model_cannot_find_is_said() -> None:
    model = plain_vocabulary("model", ["person", "cow"])
    assert translate(model, BENCHMARK).note(model, BENCHMARK) == (
        "the model knows 2 of the benchmark's 4 classes (model); it cannot find Giant_panda, sedan"
    )
    assert translate(BENCHMARK, BENCHMARK).note(BENCHMARK, BENCHMARK) == ""


def test_a_long_list_of_lacking_classes_is_cut() -> None:
    model, benchmark = plain_vocabulary("model", "a"), plain_vocabulary("set", "abcdefg")
    assert translate(model, benchmark).note(model, benchmark).endswith("b, c, d, … (6 in all)")


def test_classes_in_common_are_counted_once_however_they_are_spelt() -> None:
    model = plain_vocabulary("model", ["giant panda", "Cow; ox", "cow", "kite"])
    assert num_common(model, BENCHMARK) == num_common(BENCHMARK, model) == 2
    assert num_common(model, plain_vocabulary("set", ["spoon"])) == 0


def test_nothing_in_common_is_an_error_that_names_both_and_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"3 classes \(model: class 0, class 1, class 2\).*person, .*--vocabulary"):
        translate(plain_vocabulary("model", ["class 0", "class 1", "class 2"]), BENCHMARK)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_known_set_is_itself_class_by_class(name: str) -> None:
    vocabulary = VOCABULARIES[name]
    assert translate(vocabulary, vocabulary).ids == tuple(range(len(vocabulary)))


def test_the_same_classes_in_another_order_are_found() -> None:
    vipseg, vspw = VOCABULARIES["vipseg"], VOCABULARIES["vspw"]
    ids = translate(vipseg, vspw).ids
    assert sorted(i for i in ids if i is not None) == list(range(124))
    assert all(vspw.classes[i].name == vipseg.classes[n].name for n, i in enumerate(ids) if i is not None)
