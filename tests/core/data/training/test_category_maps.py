"""Classes of one set among those of another."""

from __future__ import annotations

import pytest

from gvseg_core.data.coco import COCO, COCO_PANOPTIC
from gvseg_core.data.ovis import OVIS
from gvseg_core.data.training.category_maps import TABLES, class_map
from gvseg_core.data.vocabularies import VOCABULARIES
from gvseg_core.data.vspw import VSPW
from gvseg_core.data.ytvis19 import YTVIS19
from gvseg_core.data.ytvis21 import YTVIS21
from gvseg_core.errors import DataError
from gvseg_core.types import Vocabulary

# What is not called the same in both, as the field has it.
ALIKE = {
    ("bicycle", "motorbike"),
    ("motorcycle", "motorbike"),
    ("car", "sedan"),
    ("car", "Vehical"),
    ("bus", "Vehical"),
    ("truck", "Vehical"),
    ("skis", "snowboard"),
    ("frisbee", "flying_disc"),
}


def pairs(own: Vocabulary, other: Vocabulary) -> set[tuple[str, str]]:
    found = class_map(own, other)
    return {(own.classes[i].name, other.classes[j].name) for i, j in enumerate(found) if j is not None}


@pytest.mark.parametrize("sets", TABLES)
def test_the_tables_of_the_field_join_classes_that_are_the_same(sets: tuple[str, str]) -> None:
    own, other = (VOCABULARIES[name] for name in sets)
    joined = pairs(own, other)
    assert len(joined) == len(TABLES[sets])
    for name, other_name in joined:
        assert (name, other_name) in ALIKE or name.replace(" ", "_") == other_name.lower()


@pytest.mark.parametrize(("other", "number"), [(YTVIS19, 21), (YTVIS21, 23), (OVIS, 17)])
def test_as_many_classes_are_joined_as_in_the_peers(other: Vocabulary, number: int) -> None:
    assert sum(class_id is not None for class_id in class_map(COCO, other)) == number


def test_without_a_table_names_decide_whatever_their_spelling() -> None:
    assert ("bear", "Bear") in pairs(YTVIS21, OVIS)
    assert ("giant_panda", "Giant_panda") in pairs(YTVIS21, OVIS)
    assert class_map(COCO, COCO_PANOPTIC) == tuple(range(80))


def test_every_class_is_itself_in_its_own_set() -> None:
    assert class_map(VSPW, VSPW) == tuple(range(124))


def test_sets_that_have_nothing_in_common_are_refused() -> None:
    with pytest.raises(DataError, match=r"none of the 2 classes of few \(airplane, bear …\) is one of vspw's"):
        class_map(Vocabulary("few", YTVIS21.classes[:2]), Vocabulary("vspw", VSPW.classes[:3]))
