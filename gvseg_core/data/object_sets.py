"""Sets of videos whose objects are given and to be followed, annotated by a map a frame: DAVIS and YouTube-VOS.

Each set's own file says where things lie and which objects there are (`ObjectSet.read`); truth, results and pictures
are the same for both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gvseg_core.data.folders import MAPS, PICTURES, folders_in, frames_in, shown
from gvseg_core.data.map_files import read_labels
from gvseg_core.data.names import pair_names
from gvseg_core.data.object_maps import OBJECT, Check, ObjectFrames, exemplar_of
from gvseg_core.data.recognition import misfit
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.types import Answer, Exemplar, Frame, Size, Track, Truth, VideoSource


@dataclass(frozen=True, slots=True)
class GivenObject:
    """An object, and where it is annotated."""

    number: int
    frames: Sequence[str]  # their names, in order, at least one; on the first it is given
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectVideo:
    """One video as its set annotates it."""

    size: Size
    maps: Mapping[str, Path]  # by the names of the annotated frames, in order
    objects: Sequence[GivenObject]
    wanted: Collection[str] | None = None  # frames of which results are wanted, where some are not

    def given(self) -> Mapping[str, list[int]]:
        """The objects that are given on a frame, by its name."""
        found: dict[str, list[int]] = {}
        for item in self.objects:
            found.setdefault(item.frames[0], []).append(item.number)
        return found


class ObjectSet(ABC):
    """A split of a set."""

    bench: str  # as `--bench` has it
    videos: Sequence[str]
    notes: list[str]
    hidden: str = ""  # where to submit, where the truth is hidden

    def __init__(self) -> None:
        self.notes = []
        self._last: tuple[str, ObjectVideo] | None = None

    def video(self, name: str) -> ObjectVideo:
        """What is annotated of a video; the last is remembered."""
        if self._last is None or self._last[0] != name:
            self._last = name, self.read(name)
        return self._last[1]

    def truth(self) -> ObjectTruth:
        """The ground truth.

        Raises:
            DataError: it is hidden.
        """
        if self.hidden:
            raise DataError(f"{printable(self.folder())}: only what is given is annotated: {self.hidden}")
        return ObjectTruth(self)

    def footage(self) -> ObjectFootage:
        """The pictures."""
        return ObjectFootage(self)

    @abstractmethod
    def folder(self) -> Path:
        """Of the annotations."""

    @abstractmethod
    def read(self, name: str) -> ObjectVideo:
        """What is annotated of a video."""

    @abstractmethod
    def picture_folder(self, name: str) -> Path:
        """Of a video's pictures."""

    @abstractmethod
    def may_lack(self, frames: Sequence[str]) -> Collection[str]:
        """Those of a video's annotated frames of which results may be missing."""

    def check(self, video: ObjectVideo) -> Check | None:  # noqa: ARG002
        """What looks at each map of somebody's results of a video; may raise DataError."""
        return None


class ObjectTruth:
    """The maps of a set as its ground truth.

    Args:
        source: the set.
        by_pictures: whether frames are numbered by their place among the video's pictures, which must be at hand then,
            or among the annotated frames.
    """

    def __init__(self, source: ObjectSet, *, by_pictures: bool = False) -> None:
        self.source = source
        self.vocabulary = OBJECT
        self.videos = source.videos
        self.notes = source.notes
        self._by_pictures = by_pictures

    def answer(self, video: str) -> Answer:
        """The truth of one video."""
        found = self.source.video(video)
        names = list(pictures_of(self.source, video) if self._by_pictures else found.maps)
        folder = self.source.picture_folder(video)
        place = {name: _place(name, names, folder) for name in found.maps}
        frames = ObjectFrames(
            list(found.maps.values()), found.size, [o.number for o in found.objects], [place[n] for n in found.maps]
        )
        tracks = [
            Track(o.number, 0, 1.0, place[o.frames[0]], place[o.frames[-1]], len(o.frames), details=o.details)
            for o in found.objects
        ]
        return Answer(video, frames, tracks, {"frames": tuple(found.maps)})


class ObjectResults:
    """Somebody's maps of objects: a folder for each video, with a PNG for each frame.

    Args:
        path: the folder of those; or one that has them in `Annotations`.

    Raises:
        DataError: nothing of any video, or results of one that the truth does not have.
    """

    def __init__(self, path: Path, truth: Truth) -> None:
        assert isinstance(truth, ObjectTruth), "results are read against the truth of their own set"
        self._source = truth.source
        bench, videos = self._source.bench, truth.videos
        if not path.is_dir():
            raise misfit(path, bench, "wanted the folder of results, with a folder of PNG files for each video")
        inner = (path / "Annotations" / "480p", path / "Annotations")
        folder = next((f for f in (path, *inner) if pair_names(videos, folders_in(f), f)), path)
        there = folders_in(folder)
        pairs = pair_names(videos, there, folder)
        strange = [n for n in there if n not in pairs.values() and any((folder / n).glob("*.png"))]
        if strange:
            raise misfit(folder, bench, f"results of videos that the ground truth does not have: {shown(strange)}")
        if not pairs:
            raise misfit(folder, bench, f"no results of any video; wanted folders such as {shown(videos)}")
        missing = [video for video in videos if video not in pairs]
        self.notes = [f"no results of {len(missing)} videos, counted as empty: {shown(missing)}"] if missing else []
        self._folders = {video: folder / name for video, name in pairs.items()}

    def answer(self, video: str) -> Answer:
        """The results of one video."""
        annotated = self._source.video(video)
        frames = list(annotated.maps)
        paths: list[Path | None] = [None] * len(frames)
        if video in self._folders:
            folder = self._folders[video]
            found = by_frame(folder)
            pairs = pair_names(frames, found, folder)
            optional = self._source.may_lack(frames)
            if missing := [f"{name}.png" for name in frames if name not in pairs and name not in optional]:
                raise DataError(
                    f"{printable(folder)}: {len(missing)} of {len(frames)} frames are missing: {shown(missing)}"
                )
            paths = [found[pairs[name]] if name in pairs else None for name in frames]
        ids = [item.number for item in annotated.objects]
        check = self._source.check(annotated)
        return Answer(video, ObjectFrames(paths, annotated.size, ids, range(len(frames)), check))


class ObjectFootage:
    """The pictures of a set, with its objects as exemplars on the frames on which they are given.

    An object that the map of that frame does not show cannot be given, and is not.
    """

    def __init__(self, source: ObjectSet) -> None:
        self.vocabulary = OBJECT
        self.videos = source.videos
        self.hidden = source.hidden
        self.truth: Truth | None = None if source.hidden else ObjectTruth(source, by_pictures=True)
        self._source = source
        self._names: tuple[str, list[str]] = "", []

    def open(self, video: str) -> VideoSource:
        """Its frames."""
        from gvseg_core.data.pictures import PictureSource  # torch arrives here

        annotated = self._source.video(video)
        paths = pictures_of(self._source, video)
        self._names = video, list(paths)
        exemplars: dict[int, Exemplar] = {}
        for name, ids in annotated.given().items():
            exemplar = exemplar_of(read_labels(annotated.maps[name], annotated.size), ids)
            if exemplar is not None:
                exemplars[_place(name, self._names[1], self._source.picture_folder(video))] = exemplar
        return PictureSource(video, list(paths.values()), exemplars=exemplars, size=annotated.size)

    def frame_name(self, video: str, frame: Frame) -> str:
        """Its file's stem; empty where no result of it is wanted."""
        if self._names[0] != video:
            self._names = video, list(pictures_of(self._source, video))
        name, wanted = self._names[1][frame.index], self._source.video(video).wanted
        return name if wanted is None or name in wanted else ""

    def facts(self, video: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing: results are maps and no more."""
        return {}


def _place(name: str, names: Sequence[str], folder: Path) -> int:
    """Which of a video's frames has a name."""
    if name not in names:
        raise DataError(f"{printable(folder)}: no picture of frame {printable(name)}, which is annotated")
    return names.index(name)


def by_frame(folder: Path, suffixes: Sequence[str] = MAPS) -> dict[str, Path]:
    """The files of a folder by the names of their frames, in order.

    Raises:
        DataError: there are none.
    """
    return {path.stem: path for path in frames_in(folder, suffixes)}


def pictures_of(source: ObjectSet, video: str) -> dict[str, Path]:
    """A video's pictures, by the names of frames, in order.

    Raises:
        DataError: there are none.
    """
    return by_frame(source.picture_folder(video), PICTURES)
