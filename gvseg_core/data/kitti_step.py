"""KITTI-STEP: the 19 classes of Cityscapes under their training numbers, of which person (11) and car (13) are things.

Source: google-research/deeplab2, `data/dataset.py` (`KITTI_STEP_INFORMATION`) and `g3doc/setup/kitti_step.md`; the
colours are Cityscapes', as there.
"""

from __future__ import annotations

from dataclasses import replace

from gvseg_core.data.cityscapes import CITYSCAPES
from gvseg_core.types import Vocabulary

THINGS = (11, 13)

KITTI_STEP = Vocabulary(
    "kitti_step",
    tuple(replace(c, is_thing=i in THINGS, dataset_id=i) for i, c in enumerate(CITYSCAPES.classes)),
)
