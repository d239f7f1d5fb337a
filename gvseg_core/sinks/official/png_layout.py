"""Layouts of one PNG per frame: `<video>/<frame>.png`, below a folder that some programs want."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gvseg_core.errors import DataError, OutputError
from gvseg_core.files import printable
from gvseg_core.sinks.official.layout import Layout, VideoFacts, drive, inside, make_way, missing_videos
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.types import Answer, Frame, Sink, Size, TaskName, Vocabulary


class PngLayout(Layout):
    """A folder per video.

    Subclasses say with which sink it is written, and which pixels the official program takes.
    """

    task: TaskName
    root = ""  # the folder that holds the videos' folders
    modes: tuple[str, ...] = ("P", "L")  # of Pillow, that the official program reads

    @abstractmethod
    def sink(self, target: Path, settings: SinkSettings, video: VideoFacts) -> Sink:
        """What writes the video's folder."""

    def fault(self, pixels: NDArray[Any], video: VideoFacts, vocabulary: Vocabulary) -> str:  # noqa: ARG002
        """What is wrong with a frame's (H, W) or (H, W, 3) pixels, in a few words; nothing by default."""
        return ""

    def settings(self, video: VideoFacts, vocabulary: Vocabulary, overwrite: bool) -> SinkSettings:
        """For the sink."""

        def frame_name(frame: Frame) -> str:
            return str(inside(Path(), video.frames[frame.index]))

        return SinkSettings(self.task, vocabulary, overwrite=overwrite, frame_name=frame_name)

    def write(
        self, folder: Path, answer: Answer, video: VideoFacts, vocabulary: Vocabulary, *, overwrite: bool = False
    ) -> None:
        """The video's folder."""
        target = make_way(inside(folder / self.root, video.name))
        drive([self.sink(target, self.settings(video, vocabulary, overwrite), video)], answer, video)

    def assemble(
        self,
        folder: Path,
        videos: Sequence[VideoFacts],
        vocabulary: Vocabulary,  # noqa: ARG002
        *,
        overwrite: bool = False,  # noqa: ARG002 - nothing more is written
    ) -> None:
        """Nothing is left to do but to see that every video is there."""
        if missing := self._missing(folder, videos):
            raise OutputError(f"{missing}; run the evaluation to its end")

    def check(
        self,
        folder: Path,
        videos: Sequence[VideoFacts],
        vocabulary: Vocabulary,
        limit: int | None = None,  # noqa: ARG002
    ) -> list[str]:
        """A PNG of the video's size for each frame, with no pixel that the official program does not know."""
        self.check_folders(folder, videos)
        for video, _, path, pixels in self.pictures(folder, videos):
            if fault := self.fault(pixels, video, vocabulary):
                raise DataError(f"{printable(path)}: {fault}")
        return self.strangers(folder, videos)

    def members(self, videos: Sequence[VideoFacts]) -> list[str]:
        """Every listed frame of every video."""
        return [name for video in videos for name in self._files(video)]

    def check_folders(self, folder: Path, videos: Sequence[VideoFacts]) -> None:
        """See that every video has its folder.

        Raises:
            DataError: says how many have none, and names the first.
        """
        if missing := self._missing(folder, videos):
            raise DataError(f"{printable(folder / self.root)}: {missing}")

    def pictures(
        self, folder: Path, videos: Sequence[VideoFacts]
    ) -> Iterator[tuple[VideoFacts, int, Path, NDArray[Any]]]:
        """Every frame that is wanted: video, place, file, pixels."""
        for video in videos:
            for place, name in enumerate(self._files(video)):
                yield video, place, folder / name, read_png(folder / name, video.size, self.modes)

    def strangers(self, folder: Path, videos: Sequence[VideoFacts]) -> list[str]:
        """A line about files among the frames that are of no frame."""
        found = []
        for video in videos:
            listed = {Path(name).name for name in self._files(video)}
            there = sorted(path.name for path in inside(folder / self.root, video.name).iterdir())
            found += [f"{video.name}/{name}" for name in there if name not in listed]
        if not found:
            return []
        return [f"{len(found)} files are of no frame and stay behind, the first is {printable(found[0])}"]

    def _missing(self, folder: Path, videos: Sequence[VideoFacts]) -> str:
        there = [inside(folder / self.root, video.name).is_dir() for video in videos]
        return missing_videos(there, videos)

    def _files(self, video: VideoFacts) -> list[str]:
        root = inside(Path(self.root), video.name)
        return [inside(root, f"{frame}.png").as_posix() for frame in video.frames]


def distinct(labels: NDArray[Any]) -> list[int]:
    """The values that occur in a map, ascending; labels come in runs, so that few pixels need to be sorted."""
    flat = labels.ravel()
    found: list[int] = np.unique(flat[np.flatnonzero(np.diff(flat, prepend=~flat[:1]))]).tolist()
    return found


def read_png(path: Path, size: Size, modes: Sequence[str]) -> NDArray[Any]:
    """The pixels of a PNG: (H, W) indices or grey, or (H, W, 3).

    Raises:
        DataError: it is missing, broken, no PNG, or of another size or mode.
    """
    name = printable(path)
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if (image.height, image.width) != size:
                raise DataError(f"{name}: {image.height} × {image.width} pixels; the video has {size[0]} × {size[1]}")
            if image.mode not in modes:
                raise DataError(f"{name}: a PNG of mode {image.mode}; wanted {' or '.join(modes)}")
            return np.asarray(image)
    except FileNotFoundError:
        raise DataError(f"{name} is missing") from None
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: not a PNG that can be read ({printable(error)})") from error
