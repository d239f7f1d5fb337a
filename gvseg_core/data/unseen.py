"""Frames of which nobody needs the picture: scoring files against files looks at no image, and loads no torch.

They are put together one by one, when they are asked for, so that any of them can be read by itself.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast, overload

from gvseg_core.types import Frame, FrameResult, Size

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class NoPicture:
    """Stands where a picture would be; all it has is a shape."""

    shape: tuple[int, int, int]


def unseen_frame(index: int, size: Size, time: Fraction = Fraction(0)) -> Frame:
    """A frame of `size` (H, W) without its picture."""
    return Frame(index, time, cast("Tensor", NoPicture((3, *size))))


class LazyFrames(Sequence[FrameResult]):
    """What a set says of a video, frame by frame."""

    @abstractmethod
    def at(self, place: int) -> FrameResult:
        """The frame at a place, from 0."""

    @overload
    def __getitem__(self, place: int) -> FrameResult: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[FrameResult, ...]: ...
    def __getitem__(self, place: int | slice) -> FrameResult | tuple[FrameResult, ...]:
        places = range(len(self))[place]
        return self.at(places) if isinstance(places, int) else tuple(self.at(i) for i in places)
