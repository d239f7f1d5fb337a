"""Still pictures as a video: a folder of frames, or one picture (Pillow reads them)."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from gvseg_core.errors import UsageError, VideoError
from gvseg_core.types import Frame, Size, VideoInfo
from gvseg_core.video.container import MAX_PIXELS, MAX_SIDE, too_large
from gvseg_core.video.inputs import Input, natural_key, pictures_among
from gvseg_core.video.picture import Picture, as_tensor, letterboxed, on_black
from gvseg_core.video.selection import Selection, seconds

DEFAULT_RATE = Fraction(25)  # pictures a second; they carry no time


class StillsSource:
    """Pictures shown one after the other (a `VideoSource`, and a context manager).

    A folder's pictures come in natural order (1, 2, 10). One that cannot be read is left out and counted; one of
    another size than the first is letterboxed into it. An animated WebP gives its pictures, at an even rate.

    Attributes: as `FileSource`.
    """

    def __init__(self, source: Input, selection: Selection, *, fps: Fraction | None = None) -> None:
        """
        Raises:
            VideoError: no picture that can be read, or pictures of two kinds with the same names.
            UsageError: `selection` holds none of them.
        """
        assert source.path is not None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.num_decoded = 0
        self.num_errors = 0
        self._rate = fps or DEFAULT_RATE
        self._selection = selection
        self._places = _folder_places(source.path) if source.path.is_dir() else _file_places(source.path)
        self.num_expected: int | None = len(self._places)
        if source.path.is_dir():
            self.notes += _gaps([path for path, _ in self._places])
        if fps is None and len(self._places) > 1:
            self.notes.append(f"pictures carry no time: {seconds(self._rate)} a second taken")
        size, first = self._first_readable(source)
        self.info = VideoInfo(
            name=source.name,
            size=size,
            rate=self._rate,
            time_base=1 / self._rate,
            num_frames=sum(1 for _ in self._chosen_places()),
            duration=len(self._places) / self._rate,
            path=None,
            details={"container": "pictures", "codec": first.suffix.lower().lstrip(".")},
        )
        if self.info.num_frames == 0:
            frames = f"{len(self._places)} pictures in {seconds(len(self._places) / self._rate)} s"
            raise UsageError(f"{source.shown}: no frame is chosen: there are {frames}, {selection}")
        self._frames = self._read_all()

    def __iter__(self) -> Iterator[Frame]:
        """The chosen pictures, in order; a second iteration goes on where the first stopped."""
        return self._frames

    def __enter__(self) -> StillsSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._frames.close()

    def _chosen_places(self) -> Iterator[int]:
        num_begun = 0
        for index in range(len(self._places)):
            time = index / self._rate
            if self._selection.over(index, time):
                return
            if self._selection.begun(index, time):
                if num_begun % self._selection.stride == 0:
                    yield index
                num_begun += 1

    def _read_all(self) -> Generator[Frame]:
        for index in self._chosen_places():
            path, page = self._places[index]
            try:
                picture = read_picture(path, page)
            except VideoError as error:
                self.num_errors += 1
                self.problems.append(f"{error}; left out")
                continue
            self.num_decoded += 1
            if picture.shape[:2] != self.info.size:
                height, width = picture.shape[:2]
                self.notes.append(f"{path.name}: {width}×{height}, unlike the first picture: letterboxed")
                picture = letterboxed(picture, self.info.size)
            yield Frame(index, index / self._rate, as_tensor(picture))

    def _first_readable(self, source: Input) -> tuple[tuple[int, int], Path]:
        error = VideoError(f"{source.shown}: no picture in it")
        for path, page in self._places:
            try:
                picture = read_picture(path, page)
            except VideoError as problem:
                error = problem
            else:
                return (picture.shape[0], picture.shape[1]), path
        raise error


def read_picture(path: Path, page: int = 0) -> Picture:
    """(H, W, 3) uint8 RGB of a still picture: turned as its EXIF says, laid on black where see-through.

    Raises:
        VideoError: missing, unreadable, or larger than the limits of `container`.
    """
    with _explained(path), _opened(path) as image:
        image.seek(page)
        return _rgb(ImageOps.exif_transpose(image))


def picture_size(path: Path) -> Size:
    """(H, W) that `read_picture` gives, read off the file's header: no pixel is decoded.

    Raises:
        VideoError: as there, so far as the header tells.
    """
    with _explained(path), _opened(path) as image:
        width, height = image.size
        return (width, height) if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5 else (height, width)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in one line why a picture cannot be read."""
    try:
        yield
    except VideoError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        why = "it is empty" if path.is_file() and path.stat().st_size == 0 else " ".join(str(error).split())
        raise VideoError(f"{path}: not a picture that can be read: {why}") from None


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture whose header was read and is within the limits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we have a limit of our own
        image = Image.open(path)
    with image:
        if max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
            raise VideoError(f"{path}: {too_large(image.height, image.width)}")
        yield image


def _rgb(image: Image.Image) -> Picture:
    if image.mode in {"I;16", "I;16B", "I;16L", "I", "F"}:
        # 16 bits a pixel: Pillow would clip at 255 instead of scaling.
        values = np.asarray(image, dtype=np.float64)
        scale = 257 if image.mode != "F" else 1
        return np.repeat((values / scale).round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        return on_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _folder_places(folder: Path) -> list[tuple[Path, int]]:
    paths = pictures_among(sorted(folder.iterdir(), key=lambda p: natural_key(p.name)))
    doubled = [stem for stem, count in Counter(p.stem for p in paths).items() if count > 1]
    if doubled:
        kinds = ", ".join(sorted({p.suffix for p in paths if p.stem in doubled}))
        raise VideoError(f"{folder}: {doubled[0]!r} is there as {kinds}; keep the frames alone in a folder")
    return [(path, 0) for path in paths]


def _file_places(path: Path) -> list[tuple[Path, int]]:
    try:
        with _opened(path) as image:
            num_pages = getattr(image, "n_frames", 1) if getattr(image, "is_animated", False) else 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        num_pages = 1  # reading it will say what is wrong
    return [(path, page) for page in range(num_pages)]


def _gaps(paths: Sequence[Path]) -> list[str]:
    """A line if the pictures' last numbers do not go up evenly (every fifth frame is even)."""
    numbers = [re.findall(r"\d+", path.stem) for path in paths]
    if len(paths) < 3 or not all(numbers):
        return []
    values = [int(found[-1]) for found in numbers]
    steps = [b - a for a, b in pairwise(values)]
    usual = Counter(steps).most_common(1)[0][0]
    gaps = [f"{a.name} and {b.name}" for (a, b), step in zip(pairwise(paths), steps, strict=True) if step > usual > 0]
    return [f"{len(gaps)} gaps in the numbers of the pictures, the first between {gaps[0]}"] if gaps else []
