"""Frames of which nobody needs the picture: scoring files against files looks at no image, and loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from gvseg_core.types import Frame, Size

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class NoPicture:
    """Stands where a picture would be; all it has is a shape."""

    shape: tuple[int, int, int]


def unseen_frame(index: int, size: Size, time: Fraction = Fraction(0)) -> Frame:
    """A frame of `size` (H, W) without its picture."""
    return Frame(index, time, cast("Tensor", NoPicture((3, *size))))
