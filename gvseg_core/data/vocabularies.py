"""The class vocabularies of the known sets, and which of them a model means that does not say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gvseg_core.data.ade20k import ADE20K, ADE20K_THINGS
from gvseg_core.data.cityscapes import CITYSCAPES, CITYSCAPES_THINGS
from gvseg_core.data.classes import plain_vocabulary
from gvseg_core.data.coco import COCO, COCO_PANOPTIC
from gvseg_core.data.kitti_step import KITTI_STEP
from gvseg_core.data.ovis import OVIS
from gvseg_core.data.vipseg_classes import VIPSEG
from gvseg_core.data.vspw import VSPW
from gvseg_core.data.ytvis19 import YTVIS19
from gvseg_core.data.ytvis21 import YTVIS21
from gvseg_core.registry import choose
from gvseg_core.types import Vocabulary

VOCABULARIES: dict[str, Vocabulary] = {
    vocabulary.name: vocabulary
    for vocabulary in (
        COCO,
        COCO_PANOPTIC,
        YTVIS19,
        YTVIS21,
        OVIS,
        VIPSEG,
        VSPW,
        CITYSCAPES,
        CITYSCAPES_THINGS,
        KITTI_STEP,
        ADE20K,
        ADE20K_THINGS,
    )
}

# Words in the names of files, folders and configured data sets that tell the set; letters and digits only.
WORDS = {
    "ytvis19": ("vis2019", "vis19", "yt19"),
    "ytvis21": ("vis2021", "vis21", "yt21"),
    "ovis": ("ovis",),
    "vipseg": ("vipseg", "vspw"),
    "coco": ("coco",),
    "coco_panoptic": ("coco",),
    "kitti_step": ("kitti",),
    "cityscapes": ("cityscapes",),
    "cityscapes_things": ("cityscapes",),
    "ade20k": ("ade",),
    "ade20k_things": ("ade",),
}

UNMISTAKABLE = ("coco", "coco_panoptic", "vipseg", "ade20k")
"""Sets that a number of classes (80, 133, 124, 150) tells by itself."""


def choose_vocabulary(name: str) -> Vocabulary:
    """The vocabulary called `name`.

    Raises:
        UsageError: no such vocabulary; the nearest one is named.
    """
    return choose("vocabulary", VOCABULARIES, name)


def guess_vocabulary(num_classes: int, hints: Iterable[str] = ()) -> Vocabulary | None:
    """The known set that a class head of this size most likely means; None where nothing tells.

    Of two sets of one size (YouTube-VIS 2019 and 2021) only the hints can choose. VSPW's classes are taken in things-
    first order, as DVIS trains them, unless a hint says `mmdet`, where Tube-Link has them in the set's own order.

    Args:
        num_classes: without "no object".
        hints: file, folder and data set names.
    """
    said = " ".join(re.sub(r"[^a-z0-9]", "", hint.lower()) for hint in hints)
    fitting = [name for name in WORDS if len(VOCABULARIES[name]) == num_classes]
    told = [name for name in fitting if any(word in said for word in WORDS[name])]
    if not told:
        told = [name for name in fitting if name in UNMISTAKABLE]
    if len(told) != 1:
        return None
    if told == ["vipseg"] and "mmdet" in said and "vspw" in said and "pano" not in said:
        return VSPW
    return VOCABULARIES[told[0]]


def recognise_vocabulary(names: Sequence[str], hints: Iterable[str] = ()) -> Vocabulary | None:
    """The known set whose classes these are, in this order; None if they are of no known set.

    Spellings may differ ("sidewalk, pavement" and "sidewalk"): three names of four have to agree, place for place.
    Cityscapes and KITTI-STEP have the same names; it is Cityscapes unless the hints say otherwise.
    """
    wanted = [_plain(name) for name in names]
    agreeing = [v for v in VOCABULARIES.values() if len(v) == len(wanted) > 0 and _agrees(wanted, v)]
    guess = guess_vocabulary(len(wanted), hints)
    return guess if guess in agreeing else next(iter(agreeing), None)


def complete_vocabulary(num_classes: int, names: Sequence[str] | None = None, hints: Iterable[str] = ()) -> Vocabulary:
    """The classes of a head, as well as they can be known: always an answer.

    A known set where the names or the hints tell it; else the names as they are; else "class 0", "class 1" …, in a
    vocabulary called `classes`.
    """
    if names is not None:
        known = recognise_vocabulary(names, hints)
        return known if known is not None else plain_vocabulary("classes", names)
    guess = guess_vocabulary(num_classes, hints)
    return guess if guess is not None else plain_vocabulary("classes", (f"class {i}" for i in range(num_classes)))


def _agrees(names: Sequence[str], vocabulary: Vocabulary) -> bool:
    pairs = zip(names, vocabulary.classes, strict=True)
    return sum(name == _plain(known.name) for name, known in pairs) * 4 >= len(names) * 3


def _plain(name: str) -> str:
    """The first of several synonyms, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.split(",")[0].split(";")[0].lower())
