"""The sets of a run: what they teach, and why they sometimes cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from gvseg_core.data.coco import COCO
from gvseg_core.data.training.sources import Source, open_sources, vocabularies_of
from gvseg_core.errors import DataError, UsageError
from gvseg_core.recipes import SourceSettings
from gvseg_core.types import TaskName
from tests.conftest import shared
from tests.core.data.training.sets import write_coco, write_panoptic


def opened(root: Path, *sets: dict[str, object], task: TaskName | None = "vis") -> tuple[Source, ...]:
    return open_sources([SourceSettings.model_validate(one) for one in sets], root, task)


def test_a_set_lies_in_its_path_or_in_its_name_or_in_the_root_itself(tmp_path: Path) -> None:
    write_coco(tmp_path / "mine")
    write_coco(tmp_path / "coco", num=2)
    (by_path,) = opened(tmp_path, {"benchmark": "coco", "path": "mine"})
    (by_name,) = opened(tmp_path, {"benchmark": "coco"})
    (at_root,) = opened(tmp_path / "mine", {"benchmark": "coco"})
    assert [len(s.videos) for s in (by_path, by_name, at_root)] == [3, 2, 3]


def test_a_source_says_what_it_is(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (one,) = opened(tmp_path, {"benchmark": "coco"})
    assert str(one) == "train.data[0], coco train: 3 stills, for vis, 2 classes of instances_train"


def test_a_set_teaches_its_own_task_or_the_runs(tmp_path: Path) -> None:
    write_coco(tmp_path)
    vis, evs = opened(tmp_path, {"benchmark": "coco"}, {"benchmark": "coco", "task": "evs"})
    assert (vis.lesson.task, evs.lesson.task) == ("vis", "evs")
    assert [info.name for info in evs.lesson.vocabulary.classes] == ["object"]
    assert evs.lesson.class_map == (0, 0)
    with pytest.raises(UsageError, match="says nothing of its task"):
        opened(tmp_path, {"benchmark": "coco"}, task=None)


def test_instances_of_a_panoptic_set_are_of_its_things(tmp_path: Path) -> None:
    write_panoptic(tmp_path)
    vis, vps, evs = (
        opened(tmp_path, {"benchmark": "coco_panoptic", "task": task})[0].lesson for task in ("vis", "vps", "evs")
    )
    assert (vis.vocabulary.name, len(vis.vocabulary), vis.class_map) == ("panoptic_train_things", 1, (0, None))
    assert (vps.vocabulary.name, len(vps.vocabulary), vps.class_map) == ("panoptic_train", 2, (0, 1))
    assert evs.class_map == (0, None)


def test_things_of_cocos_panoptic_set_are_cocos() -> None:
    root = shared("data")
    (one,) = opened(root, {"benchmark": "coco_panoptic", "path": "coco-mini"})
    assert one.lesson.vocabulary is COCO


def test_classes_are_translated_and_heads_renamed(tmp_path: Path) -> None:
    root = shared("data")
    (one,) = opened(root, {"benchmark": "coco", "path": "coco-mini", "classes_as": "ytvis21"})
    assert one.lesson.vocabulary.name == "ytvis21"
    assert sum(class_id is not None for class_id in one.lesson.class_map) == 23
    (other,) = opened(root, {"benchmark": "coco", "path": "coco-mini", "vocabulary": "mine"})
    assert (other.lesson.vocabulary.name, other.lesson.vocabulary.classes) == ("mine", COCO.classes)


def test_a_set_may_teach_objects_on_the_head_of_all_its_classes(tmp_path: Path) -> None:
    """Instances and whole pictures then share what they learn; stuff still is nobody's target."""
    objects, everything = opened(
        tmp_path, {"benchmark": "synth", "classes_as": "own"}, {"benchmark": "synth", "task": "vss"}
    )
    assert objects.lesson.vocabulary == everything.lesson.vocabulary
    things = objects.lesson.vocabulary.thing_ids
    assert objects.lesson.class_map == tuple(i if i in things else None for i in range(15))
    assert vocabularies_of([objects, everything]).keys() == {"demo"}


def test_heads_are_known_by_name(tmp_path: Path) -> None:
    write_coco(tmp_path)
    sources = opened(tmp_path, {"benchmark": "coco"}, {"benchmark": "coco", "task": "evs"}, {"benchmark": "synth"})
    assert {name: len(v) for name, v in vocabularies_of(sources).items()} == {
        "instances_train": 2,
        "object": 1,
        "demo_things": 8,
    }


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (
            {"benchmark": "cocoo"},
            UsageError,
            r"train\.data\[0\], cocoo train: unknown set 'cocoo'; did you mean 'coco'",
        ),
        ({"benchmark": "coco", "path": "gone"}, DataError, "gone does not exist; --data is the folder of the sets"),
        ({"benchmark": "coco", "split": "test"}, DataError, "no JSON of COCO instances of test in it"),
        ({"benchmark": "coco", "task": "vss"}, UsageError, "its labels can teach evs, vis; not vss"),
        ({"benchmark": "coco", "partial": True}, UsageError, "`partial` labels can only teach evs"),
        ({"benchmark": "coco", "task": "evs", "classes_as": "ovis"}, UsageError, "`classes_as` has no effect"),
        ({"benchmark": "coco", "classes_as": "ovi"}, UsageError, "did you mean 'ovis'"),
        ({"benchmark": "coco", "classes_as": "ovis"}, DataError, "none of the 2 classes of instances_train"),
        ({"benchmark": "coco", "pictures": "gone"}, DataError, "`pictures` is no folder"),
        ({"benchmark": "synth", "path": "length=3"}, UsageError, "unknown setting of synth 'length'"),
        ({"benchmark": "vspw"}, DataError, r"train\.data\[0\], vspw train: "),
    ],
)
def test_what_cannot_be_meant_is_explained(
    tmp_path: Path, settings: dict[str, object], error: type[Exception], words: str
) -> None:
    write_coco(tmp_path)
    with pytest.raises(error, match=words):
        opened(tmp_path, settings)


def test_two_sets_cannot_mean_other_classes_by_one_head(tmp_path: Path) -> None:
    write_coco(tmp_path)
    clash = {"benchmark": "synth", "vocabulary": "instances_train"}
    with pytest.raises(
        DataError, match=r"train\.data\[0\].* and train\.data\[1\].* both teach the head 'instances_train'"
    ):
        opened(tmp_path, {"benchmark": "coco"}, clash)


def test_partial_labels_teach_exemplars(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (one,) = opened(tmp_path, {"benchmark": "coco", "partial": True, "objects": 3}, task="evs")
    assert one.max_objects == 3
