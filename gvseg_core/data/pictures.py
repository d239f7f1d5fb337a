"""A benchmark's video: the very pictures its lists name, one file a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from gvseg_core.errors import DataError, VideoError
from gvseg_core.types import Exemplar, Frame, Size, VideoInfo
from gvseg_core.video.picture import as_tensor
from gvseg_core.video.stills import DEFAULT_RATE, picture_size, read_picture

T = TypeVar("T")


class PictureSource:
    """Pictures in the order given (a `VideoSource`, and a context manager). It may be iterated again.

    Unlike a folder that somebody points at, a benchmark's video must be whole: nothing is left out or letterboxed.

    Args:
        name: of the video.
        paths: one a frame, at least one; a frame's index is its place here.
        rate: frames a second, where it is known.
        exemplars: what is given on which frame, by its index.
        size: (H, W) that every picture must have; by default that of the first, as its header has it.

    Raises:
        DataError: a picture that is missing, unreadable or of another size.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[Path],
        *,
        rate: Fraction = DEFAULT_RATE,
        exemplars: Mapping[int, Exemplar] | None = None,
        size: Size | None = None,
    ) -> None:
        self._paths = paths
        self._exemplars = exemplars or {}
        self._rate = rate
        self.problems: list[str] = []
        self.info = VideoInfo(
            name=name,
            size=size or _asked(picture_size, paths[0]),
            rate=rate,
            time_base=1 / rate,
            num_frames=len(paths),
            duration=len(paths) / rate,
            details={"container": "pictures", "codec": paths[0].suffix.lower().lstrip(".")},
        )

    def __iter__(self) -> Iterator[Frame]:
        for index in range(len(self._paths)):
            yield self.frame(index)

    def __enter__(self) -> PictureSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open; here because every source can be closed."""

    def frame(self, index: int) -> Frame:
        """One frame by itself, as training draws them."""
        path, (height, width) = self._paths[index], self.info.size
        picture = _asked(read_picture, path)
        h, w, _ = picture.shape
        if (h, w) != (height, width):
            raise DataError(f"{path}: {w}×{h}, wanted {width}×{height} as the rest of its video")
        return Frame(index, index / self._rate, as_tensor(picture), self._exemplars.get(index))


def _asked(read: Callable[[Path], T], path: Path) -> T:
    """What a reader of pictures says of a set's file; what it cannot read is bad data."""
    try:
        return read(path)
    except VideoError as error:
        raise DataError(str(error)) from None
