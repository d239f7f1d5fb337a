"""Exemplars as masks, boxes or points, whatever the benchmark gives: how much does a method need to be told?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from gvseg_core.engine.evaluation.settings import ExemplarKind
from gvseg_core.errors import UsageError
from gvseg_core.ops import rle
from gvseg_core.types import Exemplar, Frame, Prompt


def pointed_at(frames: Iterable[Frame], kind: ExemplarKind) -> Iterator[Frame]:
    """The same frames, each object given as `kind`: its box, or its pixel nearest to its centre of mass.

    Raises:
        UsageError: the benchmark gives less than that: no mask.
    """
    change = _KINDS[kind]
    for frame in frames:
        if frame.exemplar is None:
            yield frame
        else:
            yield replace(frame, exemplar=Exemplar(tuple(change(prompt) for prompt in frame.exemplar.prompts)))


def _as_it_is(prompt: Prompt) -> Prompt:
    return prompt


def _box(prompt: Prompt) -> Prompt:
    if prompt.mask is None:
        raise UsageError("--exemplar-kind box: the benchmark gives no masks to take boxes of")
    return Prompt(prompt.track_id, box=rle.box(prompt.mask))


def _point(prompt: Prompt) -> Prompt:
    if prompt.mask is None:
        raise UsageError("--exemplar-kind point: the benchmark gives no masks to take points of")
    x, y = rle.centroid(prompt.mask)
    rows, columns = np.nonzero(rle.decode(prompt.mask))
    nearest = int(np.argmin((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2))
    return Prompt(prompt.track_id, point=(float(columns[nearest]) + 0.5, float(rows[nearest]) + 0.5))


_KINDS: dict[ExemplarKind, Callable[[Prompt], Prompt]] = {"mask": _as_it_is, "box": _box, "point": _point}
