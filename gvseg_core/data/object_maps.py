"""Maps of objects, a PNG a frame, whose pixels are the objects' numbers, as DAVIS and YouTube-VOS have them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from gvseg_core.data.map_files import read_labels
from gvseg_core.data.unseen import LazyFrames, unseen_frame
from gvseg_core.ops import rle
from gvseg_core.ops.label_maps import Labels, MapSegments
from gvseg_core.types import ClassInfo, Exemplar, FrameResult, Prompt, Size, Vocabulary

VOID = 255
OBJECT = Vocabulary("object", (ClassInfo("object", (200, 80, 60)),))
"""What every object is; `tasks.evs` speaks of nothing else."""

Check = Callable[[Path, Labels], None]


class ObjectFrames(LazyFrames):
    """The frames of a video, each read when it is asked for.

    Args:
        paths: one a frame; None where nothing is there.
        size: (H, W) that each must have.
        ids: of the objects; other numbers are nobody's.
        indices: `Frame.index` of each.
        check: looks at every map that is read; may raise DataError.
    """

    def __init__(
        self,
        paths: Sequence[Path | None],
        size: Size,
        ids: Collection[int],
        indices: Sequence[int],
        check: Check | None = None,
    ) -> None:
        self._paths = paths
        self._size = size
        self._known = {i: (i, 0, False) for i in ids}
        self._indices = indices
        self._check = check

    def __len__(self) -> int:
        return len(self._paths)

    def at(self, place: int) -> FrameResult:
        """One frame."""
        path = self._paths[place]
        frame = unseen_frame(self._indices[place], self._size)
        if path is None:
            return FrameResult(frame, ())
        labels = read_labels(path, self._size)
        if self._check is not None:
            self._check(path, labels)
        return FrameResult(frame, MapSegments(labels, self._known))


def numbers_in(labels: Labels) -> list[int]:
    """The objects of a map, ascending; neither background nor void."""
    return [i for i in np.unique(labels).tolist() if i not in (0, VOID)]


def exemplar_of(labels: Labels, ids: Iterable[int]) -> Exemplar | None:
    """Those of some objects that a map shows, given as masks; None if it shows none."""
    masks = rle.encode_labels(labels)
    prompts = tuple(Prompt(i, mask=masks[i]) for i in ids if i in masks)
    return Exemplar(prompts) if prompts else None
