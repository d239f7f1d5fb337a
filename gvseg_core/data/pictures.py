"""A benchmark's video: the very pictures its lists name, one file a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from gvseg_core.errors import DataError, VideoError
from gvseg_core.types import Exemplar, Frame, Size, VideoInfo
from gvseg_core.video.picture import as_tensor
from gvseg_core.video.stills import DEFAULT_RATE, read_picture


class PictureSource:
    """Pictures in the order given (a `VideoSource`, and a context manager). It may be iterated again.

    Unlike a folder that somebody points at, a benchmark's video must be whole: nothing is left out or letterboxed.

    Args:
        name: of the video.
        paths: one a frame, at least one; a frame's index is its place here.
        rate: frames a second, where it is known.
        exemplars: what is given on which frame, by its index.
        size: (H, W) that every picture must have; that of the first by default.

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
            size=size or self._read(0, None)[1],
            rate=rate,
            time_base=1 / rate,
            num_frames=len(paths),
            duration=len(paths) / rate,
            details={"container": "pictures", "codec": paths[0].suffix.lower().lstrip(".")},
        )

    def __iter__(self) -> Iterator[Frame]:
        for index in range(len(self._paths)):
            yield self._read(index, self.info.size)[0]

    def __enter__(self) -> PictureSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open; here because every source can be closed."""

    def frame(self, index: int) -> Frame:
        """One frame by itself, as training draws them."""
        return self._read(index, self.info.size)[0]

    def _read(self, index: int, wanted: Size | None) -> tuple[Frame, Size]:
        path = self._paths[index]
        try:
            picture = read_picture(path)
        except VideoError as error:
            raise DataError(str(error)) from None
        size = picture.shape[0], picture.shape[1]
        if wanted is not None and size != wanted:
            raise DataError(f"{path}: {size[1]}×{size[0]}, wanted {wanted[1]}×{wanted[0]} as the rest of its video")
        return Frame(index, index / self._rate, as_tensor(picture), self._exemplars.get(index)), size
