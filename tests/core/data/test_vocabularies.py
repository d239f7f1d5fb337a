from __future__ import annotations

from itertools import pairwise

import pytest

from gvseg_core.data.classes import color_of, parse_classes, plain_vocabulary
from gvseg_core.data.vocabularies import (
    VOCABULARIES,
    choose_vocabulary,
    complete_vocabulary,
    guess_vocabulary,
    recognise_vocabulary,
)
from gvseg_core.errors import UsageError

SIZES = {  # classes, things
    "coco": (80, 80),
    "coco_panoptic": (133, 80),
    "ytvis19": (40, 40),
    "ytvis21": (40, 40),
    "ovis": (25, 25),
    "vipseg": (124, 58),
    "vspw": (124, 58),
    "cityscapes": (19, 8),
    "cityscapes_things": (8, 8),
    "kitti_step": (19, 2),
    "ade20k": (150, 100),
    "ade20k_things": (100, 100),
}

# As DVIS and Tube-Link list them (`scripts/vspw_pth_to_png.py`), in runs.
VIPSEG_THINGS = [2, 4, 8, 10, 41, 43, 44, *range(46, 53), *range(54, 57), *range(60, 66), 72, 74, *range(76, 80)]
VIPSEG_THINGS += [*range(82, 93), *range(95, 98), *range(99, 103), *range(106, 110), *range(114, 119), 122, 123]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_set_has_its_classes_once_each(name: str) -> None:
    vocabulary = VOCABULARIES[name]
    assert (len(vocabulary), len(vocabulary.thing_ids)) == SIZES[name]
    assert vocabulary.name == name
    assert len({c.name for c in vocabulary.classes}) == len(vocabulary)
    assert len({c.dataset_id for c in vocabulary.classes}) == len(vocabulary)
    assert all(c.name == c.name.strip() and all(0 <= v <= 255 for v in c.color) for c in vocabulary.classes)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_colours_tell_classes_apart_as_far_as_the_set_does(name: str) -> None:
    colours = [c.color for c in VOCABULARIES[name].classes]
    twice = {"vipseg": 1, "vspw": 1, "ade20k": 1}  # these use (140, 140, 140) twice
    assert len(colours) - len(set(colours)) == twice.get(name, 0)
    assert (0, 0, 0) not in colours


@pytest.mark.parametrize(
    ("name", "index", "class_name", "dataset_id", "color"),
    [
        ("coco", 0, "person", 1, (220, 20, 60)),
        ("coco", 79, "toothbrush", 90, (191, 162, 208)),
        ("coco_panoptic", 80, "banner", 92, (255, 255, 128)),
        ("coco_panoptic", 132, "rug-merged", 200, (250, 141, 255)),
        ("ytvis19", 5, "sedan", 6, (0, 0, 142)),
        ("ytvis21", 25, "person", 26, (220, 20, 60)),
        ("ovis", 24, "Vehical", 25, (0, 0, 70)),
        ("vspw", 60, "person", 60, (11, 200, 200)),
        ("vipseg", 0, "door", 2, (6, 230, 230)),
        ("vipseg", 57, "train", 123, (133, 255, 0)),
        ("vipseg", 58, "wall", 0, (120, 120, 120)),
        ("cityscapes", 11, "person", 24, (220, 20, 60)),
        ("kitti_step", 13, "car", 13, (0, 0, 142)),
        ("ade20k", 149, "flag", 149, (92, 0, 255)),
        ("ade20k_things", 0, "bed", 7, (204, 5, 255)),
    ],
)
def test_single_classes_are_what_the_sets_say(
    name: str, index: int, class_name: str, dataset_id: int, color: tuple[int, int, int]
) -> None:
    found = VOCABULARIES[name].classes[index]
    assert (found.name, found.dataset_id, found.color) == (class_name, dataset_id, color)


def test_vipseg_has_things_first_and_otherwise_the_order_of_the_numbers() -> None:
    vipseg, vspw = VOCABULARIES["vipseg"], VOCABULARIES["vspw"]
    assert [c.dataset_id for c in vipseg.classes[:58]] == VIPSEG_THINGS
    assert vipseg.thing_ids == frozenset(range(58))
    stuff = [c.dataset_id for c in vipseg.classes[58:]]
    assert stuff == sorted(stuff)
    assert [c.dataset_id for c in vspw.classes] == list(range(124))
    assert set(vipseg.classes) == set(vspw.classes)


def test_kitti_step_counts_persons_and_cars_alone() -> None:
    kitti = VOCABULARIES["kitti_step"]
    assert {kitti.classes[i].name for i in kitti.thing_ids} == {"person", "car"}


def test_the_two_years_of_youtube_vis_are_not_the_same_classes() -> None:
    names19, names21 = ({c.name for c in VOCABULARIES[n].classes} for n in ("ytvis19", "ytvis21"))
    assert names19 - names21 == {"sedan", "ape", "hand", "turtle", "owl", "eagle"} - names21
    assert "squirrel" in names21 - names19


def test_an_unknown_name_suggests_the_nearest() -> None:
    assert choose_vocabulary("ovis") is VOCABULARIES["ovis"]
    with pytest.raises(UsageError, match="did you mean 'ytvis19'"):
        choose_vocabulary("ytvis9")


@pytest.mark.parametrize(
    ("num_classes", "hints", "name"),
    [
        (80, (), "coco"),
        (133, (), "coco_panoptic"),
        (150, (), "ade20k"),
        (124, (), "vipseg"),
        (40, (), None),
        (40, ("model_final", "ytvis_2019_val"), "ytvis19"),
        (40, ("mask2former-swin-tiny-youtubevis-2021",), "ytvis21"),
        (40, ("YouTube-VIS 2019", "ytvis21"), None),
        (25, (), None),
        (25, ("minvis_ovis_R50",), "ovis"),
        (124, ("panoVSPW_vps_video_train",), "vipseg"),
        (124, ("VSPW_vss_video_train",), "vipseg"),
        (124, ("mmdet", "tube_link_vspw"), "vspw"),
        (124, ("mmdet", "vipseg_tb_r50_8e"), "vipseg"),
        (19, (), None),
        (19, ("mask2former-swin-small-cityscapes-semantic",), "cityscapes"),
        (19, ("kitti-step",), "kitti_step"),
        (8, ("cityscapes-instance",), "cityscapes_things"),
        (100, ("ade20k",), "ade20k_things"),
        (7, ("coco",), None),
    ],
)
def test_a_set_is_guessed_only_where_something_tells_it(
    num_classes: int, hints: tuple[str, ...], name: str | None
) -> None:
    found = guess_vocabulary(num_classes, hints)
    assert (found and found.name) == name


@pytest.mark.parametrize("name", [n for n in VOCABULARIES if n != "kitti_step"])
def test_a_set_is_recognised_by_its_names_however_they_are_spelled(name: str) -> None:
    names = [c.name.split(",")[0].upper().replace("_", " ") for c in VOCABULARIES[name].classes]
    assert recognise_vocabulary(names) is VOCABULARIES[name]
    changed = ["something else", *names[1:]]
    assert recognise_vocabulary(changed) is VOCABULARIES[name]
    assert recognise_vocabulary(names[::-1]) is None
    assert recognise_vocabulary(names[1:]) is None


def test_hints_choose_between_sets_of_the_same_names() -> None:
    names = [c.name for c in VOCABULARIES["cityscapes"].classes]
    assert recognise_vocabulary(names, ["kitti_step"]) is VOCABULARIES["kitti_step"]


def test_there_is_always_an_answer() -> None:
    assert complete_vocabulary(80).name == "coco"
    named = complete_vocabulary(2, ["left", "right"])
    assert [c.name for c in named.classes] == ["left", "right"]
    numbered = complete_vocabulary(3)
    assert [c.name for c in numbered.classes] == ["class 0", "class 1", "class 2"]
    assert named.name == numbered.name == "classes"


def test_colours_of_ours_are_fixed_and_far_apart() -> None:
    colours = [c.color for c in plain_vocabulary("x", map(str, range(200))).classes]
    assert colours == [color_of(i) for i in range(200)]
    assert len(set(colours)) == 200
    for one, other in pairwise(colours):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 100


@pytest.mark.parametrize("line", ["1 thing 1,2 cat", "1 object 1,2,3 cat", "x thing 1,2,3 cat", "1 thing 1,2,3"])
def test_a_damaged_table_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of Python's own it is does not matter
        parse_classes(line)
