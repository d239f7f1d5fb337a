"""What each task takes for a target."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gvseg_core.data.training.targets import BACKGROUND, Lesson, Numbering, number_targets
from gvseg_core.data.training.videos import Scene
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import VOID, ClassInfo, TaskName, Vocabulary
from tests.core.data.training.sets import CAT, DOG, SKY, WORDS, lesson

# One row of pixels: nobody, two cats, a dog, sky in two pieces, a crowd of dogs, void.
LABELS = np.array([[0, 1, 2, 3, 4, 5, 6, 7]], np.uint16)
KNOWN = {
    1: (11, CAT, False),
    2: (12, CAT, False),
    3: (13, DOG, False),
    4: (14, SKY, False),
    5: (15, SKY, False),
    6: (16, DOG, True),
    7: (17, VOID, True),
}


def scene(labels: NDArray[np.uint16] = LABELS, known: dict[int, tuple[int, int, bool]] = KNOWN) -> Scene:
    return Scene(np.zeros((*labels.shape, 3), np.uint8), MapSegments(labels, known).regions)


def told(numbering: Numbering, scenes: list[Scene]) -> list[list[tuple[int, int] | int]]:
    """(class id, track id) of each pixel of the first rows; BACKGROUND or VOID where there is no target."""
    pairs = list(zip(numbering.class_ids.tolist(), numbering.track_ids.tolist(), strict=True))
    return [[n if n <= 0 else pairs[n - 1] for n in numbers[0].tolist()] for numbers in numbering.maps(scenes)]


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ("vis", [0, (CAT, 12), (CAT, 13), (DOG, 14), 0, 0, VOID, VOID]),
        ("vss", [VOID, (CAT, 1), (CAT, 1), (DOG, 2), (SKY, 3), (SKY, 3), VOID, VOID]),
        ("vps", [VOID, (CAT, 15), (CAT, 16), (DOG, 17), (SKY, 3), (SKY, 3), VOID, VOID]),
        ("evs", [0, (0, 12), (0, 13), (0, 14), 0, 0, VOID, VOID]),
    ],
)
def test_each_task_reads_regions_in_its_own_way(task: TaskName, wanted: list[object]) -> None:
    scenes = [scene()]
    assert told(number_targets(scenes, lesson(task)), scenes) == [wanted]


def test_an_object_has_one_number_through_all_frames() -> None:
    scenes = [scene(), scene(np.array([[3, 2, 0]], np.uint16))]
    numbering = number_targets(scenes, lesson("vis"))
    assert told(numbering, scenes)[1] == [(DOG, 14), (CAT, 13), BACKGROUND]
    assert len(numbering.class_ids) == 3


def test_pictures_of_different_videos_are_kept_apart_though_not_their_classes() -> None:
    scenes = [scene(), scene()]
    apart = number_targets(scenes, lesson("vps"), offsets=[0, 100])
    assert sorted(apart.track_ids.tolist()) == [3, 15, 16, 17, 115, 116, 117]


def test_classes_that_the_head_does_not_have_are_background_for_objects_and_void_for_maps() -> None:
    head = Vocabulary("others", (ClassInfo("sky", (1, 1, 1), False), ClassInfo("dog", (2, 2, 2))))
    scenes = [scene()]
    for task, rest in (("vis", BACKGROUND), ("vss", VOID), ("vps", VOID)):
        numbering = number_targets(scenes, Lesson(task, WORDS, head, (None, 1, 0)))  # type: ignore[arg-type]
        first = told(numbering, scenes)[0]
        assert first[1:3] == [rest, rest]
        assert first[3][0] == 1  # type: ignore[index]


def test_stuff_that_the_head_tells_apart_is_void_as_nobody_knows_where_one_begins() -> None:
    head = Vocabulary("things", (ClassInfo("cat", (1, 1, 1)), ClassInfo("sky", (2, 2, 2))))
    scenes = [scene()]
    numbering = number_targets(scenes, Lesson("vis", WORDS, head, (0, None, 1)))
    assert told(numbering, scenes)[0][3:6] == [BACKGROUND, VOID, VOID]


def test_things_that_the_head_does_not_tell_apart_are_one_target() -> None:
    head = Vocabulary("stuff", (ClassInfo("cat", (1, 1, 1), False), ClassInfo("dog", (2, 2, 2))))
    scenes = [scene()]
    numbering = number_targets(scenes, Lesson("vps", WORDS, head, (0, 1, None)))
    assert told(numbering, scenes)[0][1:4] == [(0, 1), (0, 1), (1, 2 + 1 + 13)]


def test_frames_that_show_nothing_have_no_target() -> None:
    numbering = number_targets([scene(np.zeros((2, 2), np.uint16))], lesson("vis"))
    assert len(numbering.class_ids) == len(numbering.track_ids) == 0
