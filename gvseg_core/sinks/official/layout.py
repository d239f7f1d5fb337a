"""What the official layouts have in common: one video written whole, all put together, and a look before sending.

`write` takes one video at a time, in any order and from any number of processes; what goes into a file of all videos
waits as one part per video under `.gvseg-eval/parts`. `assemble` then joins the parts in the benchmark's order, one in
memory at a time, so that the result depends on what was found and on nothing else. `check` reads what lies there, as
the official program would, whoever wrote it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from gvseg_core.errors import DataError, OutputError
from gvseg_core.files import PartFile, printable, writing
from gvseg_core.sinks.content import frame_size
from gvseg_core.types import VOID, Answer, FrameResult, Outcome, Sink, Size, VideoInfo, Vocabulary

WORK_FOLDER = ".gvseg-eval"
"""Of the folder of results: what is on its way, never part of a submission."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a layout must know of a video besides its results."""

    name: str  # of its folder
    size: Size
    frames: tuple[str, ...]  # of the frames that results are wanted for, in order, without suffix
    number: int | None = None  # the data set's own, where it has one
    object_ids: frozenset[int] | None = None  # of the objects to be followed; None where the task is not guided
    details: Mapping[str, Any] = field(default_factory=dict)  # what else the layout repeats; it says which


class Layout(ABC):
    """The layout in which one benchmark's official program reads results."""

    @abstractmethod
    def write(
        self, folder: Path, answer: Answer, video: VideoFacts, vocabulary: Vocabulary, *, overwrite: bool = False
    ) -> None:
        """One video; what is written appears whole, or not at all.

        Raises:
            DataError: the results are not those of the video's frames, or the layout has no place for them.
            OutputError: it cannot be written, or stands there already and is not to be replaced.
        """

    @abstractmethod
    def assemble(
        self, folder: Path, videos: Sequence[VideoFacts], vocabulary: Vocabulary, *, overwrite: bool = False
    ) -> None:
        """Finish the folder, once every video is written.

        Raises:
            OutputError: a video was not written, or a file cannot be.
        """

    @abstractmethod
    def check(
        self, folder: Path, videos: Sequence[VideoFacts], vocabulary: Vocabulary, limit: int | None = None
    ) -> list[str]:
        """Hold a finished folder against the official program's rules.

        Args:
            limit: most predictions a video, where a server takes a limited number.

        Returns:
            One line for each thing worth knowing that breaks no rule.

        Raises:
            DataError: says what is missing or wrong, and where.
        """

    @abstractmethod
    def members(self, videos: Sequence[VideoFacts]) -> list[str]:
        """The files of a finished folder that are sent in, relative to it, with slashes."""


# --- writing ------------------------------------------------------------------------------------------------------


def part_path(folder: Path, video: VideoFacts) -> Path:
    """Where a video's part of a file of all videos waits."""
    return folder / WORK_FOLDER / "parts" / f"{quote(video.name, safe='')}.json"


def make_way(target: Path) -> Path:
    """`target`, once all folders above it but the last are there; that one comes and goes with the target."""
    with writing(target):
        target.parent.parent.mkdir(parents=True, exist_ok=True)
    return target


def inside(folder: Path, *names: str) -> Path:
    """A place in a folder by names from outside.

    Raises:
        DataError: they lead out of it.
    """
    path = PurePath(*names)
    if not all(names) or path.is_absolute() or ".." in path.parts or "\\" in str(path):
        raise DataError(f"{printable(path)}: a name that leads out of {printable(folder)}; wanted a plain one")
    return folder / path


def placed(answer: Answer, video: VideoFacts) -> Iterator[FrameResult]:
    """The results of a video's frames, each with its place in `VideoFacts.frames` as its index; regions of no class
    are left out.

    Raises:
        DataError: they are more or fewer than the frames, or of another size.
    """
    name, num_frames, place = printable(video.name), len(video.frames), -1
    for place, result in enumerate(answer.frames):
        if place == num_frames:
            raise DataError(f"{name}: results of more than {num_frames} frames; wanted one for each frame")
        if frame_size(result) != video.size:
            h, w = frame_size(result)
            raise DataError(f"{name}: results of {h} × {w} pixels; the video has {video.size[0]} × {video.size[1]}")
        segments = tuple(segment for segment in result.segments if segment.class_id != VOID)
        yield replace(result, frame=replace(result.frame, index=place), segments=segments)
    if place + 1 != num_frames:
        raise DataError(f"{name}: results of {place + 1} frames; wanted {num_frames}, one for each frame")


def drive(sinks: Sequence[Sink], answer: Answer, video: VideoFacts) -> None:
    """Write one video's results by sinks; what one of them cannot write, none of them keeps."""
    info = VideoInfo(video.name, video.size)
    try:
        for sink in sinks:
            sink.begin(info)
        for result in placed(answer, video):
            for sink in sinks:
                sink.write(result)
        outcome = Outcome(tuple(answer.tracks), len(video.frames))
        for sink in sinks:
            sink.end(outcome)
    finally:
        for sink in sinks:
            sink.abort()  # what has appeared stays


def parts_of(folder: Path, videos: Sequence[VideoFacts]) -> Iterator[bytes]:
    """The videos' parts, in their order.

    Raises:
        OutputError: some were not written.
    """
    there = [part_path(folder, video).exists() for video in videos]
    if missing := missing_videos(there, videos):
        raise OutputError(f"{printable(folder)}: {missing}; run the evaluation to its end")
    for video in videos:
        yield part_path(folder, video).read_bytes()


def missing_videos(there: Sequence[bool], videos: Sequence[VideoFacts]) -> str:
    """A few words about the videos that are not there; nothing where all are."""
    missing = [video.name for video, is_there in zip(videos, there, strict=True) if not is_there]
    if not missing:
        return ""
    return f"{len(missing)} of {len(videos)} videos are missing, the first is {printable(missing[0])}"


def write_whole(target: Path, pieces: Iterable[bytes], overwrite: bool) -> None:
    """A file that appears once all its pieces are written."""
    with PartFile(target, overwrite) as part, writing(target), part.path.open("wb") as file:
        file.writelines(pieces)


# --- looking ------------------------------------------------------------------------------------------------------


def read_json(path: Path) -> Any:
    """A JSON file of results, read whole: a server takes no more than fits into memory.

    Raises:
        DataError: there is none, or it is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{printable(path)} is missing") from None
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(path)} is not JSON: {printable(error)}") from error
