"""Predictions made by hand: masks and class logits as a test wants them, in the types the network would use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gvseg_core.types import ClassInfo, Clip, Exemplar, Frame, Prediction, Size, Vocabulary

Case = tuple[dict[str, Any], dict[str, Any]]


def read_case(path: Path) -> Case:
    """Arrays and settings of one stored case."""
    return dict(np.load(path.with_suffix(".npz"))), json.loads(path.with_suffix(".json").read_text())


def vocabulary(num_classes: int, things: Sequence[int] | None = None) -> Vocabulary:
    """Classes called 0, 1, …; all of them things by default."""
    things = range(num_classes) if things is None else things
    return Vocabulary("tests", tuple(ClassInfo(str(c), (c, c, c), c in things) for c in range(num_classes)))


def make_clip(
    length: int,
    source: Size,
    input_size: Size | None = None,
    padded: Size | None = None,
    *,
    start: int = 0,
    exemplar: Exemplar | None = None,
) -> Clip:
    """Black frames; `exemplar` is given on the first."""
    input_size = input_size or source
    frames = tuple(
        Frame(start + t, Fraction(start + t, 25), torch.zeros(3, *source, dtype=torch.uint8), None if t else exemplar)
        for t in range(length)
    )
    return Clip(frames, torch.zeros(length, 3, *(padded or input_size)), input_size, source)


def make_prediction(
    class_logits: Tensor, mask_logits: Tensor, embeddings: Tensor | None = None, descriptors: Tensor | None = None
) -> Prediction:
    """Of one clip, from (Q, K + 1), (Q, T, h, w), (Q, C) and (Q, T, D): each query has a mask feature of its own."""
    num = len(mask_logits)
    return Prediction(
        class_logits=class_logits[None],
        embeddings=(torch.zeros(num, 4) if embeddings is None else embeddings)[None],
        mask_embeddings=torch.eye(num)[None],
        mask_features=mask_logits.transpose(0, 1)[None],
        descriptors=None if descriptors is None else descriptors[None],
    )


def case_clip(settings: dict[str, Any], length: int, start: int = 0) -> Clip:
    """The clip of a stored case."""
    sizes = (tuple(settings[name]) for name in ("output_size", "input_size", "padded_size"))
    return make_clip(length, *sizes, start=start)
