"""Benchmarks whose truth is one video JSON: where their files lie, their pictures, and whose classes they have.

Folders are taken as they are downloaded: `<split>/instances.json` or a JSON named after the split, beside or in
`annotations`, and pictures in `JPEGImages`, in the split's folder or beside it. Other sets in the same layout may be
read as any of these benchmarks, with their own classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gvseg_core.data.benchmark import BackboneFamily, Benchmark
from gvseg_core.data.folders import PICTURES, find_frames, folders_in, shown
from gvseg_core.data.names import pair_names, stem_of
from gvseg_core.data.recognition import misfit, recognise
from gvseg_core.data.video_json import VideoResults, VideoTruth
from gvseg_core.data.video_records import Video, same_classes
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.registry import choose
from gvseg_core.types import Frame, Truth, Vocabulary

if TYPE_CHECKING:
    from gvseg_core.data.pictures import PictureSource

SPLITS = {"val": ("valid", "val"), "train": ("train",), "test": ("test",)}
"""What files and folders of a split are called."""

_PLACES = (  # of the JSON of a split
    "{split}/instances.json",
    "{split}.json",
    "annotations/{split}.json",
    "annotations_{split}.json",
    "annotations/annotations_{split}.json",
    "instances_{split}.json",
    "annotations/instances_{split}.json",
    "instances_{split}_sub.json",
    "annotations/instances_{split}_sub.json",
    "annotations/{split}/instances.json",
)
_SINGLE = ("instances.json", "annotations.json")  # where a folder is the split
_PICTURES = ("{split}/JPEGImages", "JPEGImages", "JPEGImages/480p", "{split}", "", "images")
_ALIKE = ({"ytvis19", "ytvis21"}, {"ovis"})  # benchmarks that are scored alike
_FOREIGN = {"vipseg", "burst"}  # benchmarks that have JSON files too
_HIDDEN = "the truth of this split is hidden (its file has no annotations)"


def video_benchmark(
    name: str,
    title: str,
    vocabulary: Vocabulary,
    *,
    server: str,
    short_side: Mapping[BackboneFamily, int],
    per_video: int,
    home: Sequence[str],
) -> Benchmark:
    """A benchmark of video instance segmentation.

    Args:
        vocabulary: its official classes.
        server: where its results are scored.
        short_side: see `Benchmark`.
        per_video: see `Benchmark`.
        home: what the folder that holds it may be called.
    """

    def read_truth(path: Path) -> VideoTruth:
        truth = _open(_find_truth(path, name), vocabulary, name)
        if not len(truth):
            raise DataError(f"{printable(truth.path)}: {_HIDDEN}: {server}")
        return truth

    def read_results(path: Path, truth: Truth) -> VideoResults:
        assert isinstance(truth, VideoTruth), "results are read for the truth of the same benchmark"
        return VideoResults(_find_results(path, name), truth)

    def open_split(path: Path, split: str) -> VideoFootage:
        names = choose("split", {**SPLITS, "valid": SPLITS["val"]}, split)
        roots = [path, *(path / part for part in home if (path / part).is_dir())]
        found = next(_annotations(roots, names), None)
        if found is None:
            raise _no_annotations(path, name, roots, split)
        truth = _open(found, vocabulary, name)
        return VideoFootage(truth, _pictures(roots, found, names, truth), f"{_HIDDEN}: {server}")

    return Benchmark(
        name,
        title,
        "vis",
        vocabulary,
        read_truth,
        read_results,
        open_split,
        splits=tuple(SPLITS),
        short_side=short_side,
        per_video=per_video,
        server=server,
    )


class VideoFootage:
    """The pictures of a split (a `Footage`).

    Args:
        truth: the videos, and what is true of them where it is known.
        pictures: the folder that the names of frames begin in.
        hidden: why truth is not known, where it is not.

    Raises:
        DataError: videos have no pictures there.
    """

    def __init__(self, truth: VideoTruth, pictures: Path, hidden: str) -> None:
        self.vocabulary = truth.vocabulary
        self.videos = truth.videos
        self.truth: Truth | None = truth if len(truth) else None
        self.hidden = "" if len(truth) else hidden
        self._listed = truth.listed
        self._pictures = pictures
        folders = {folder for video in self._listed.values() for folder in _folders_of(video)}
        exact = {folder for folder in folders if (pictures / folder).is_dir()}
        loose = pair_names(sorted(folders - exact), folders_in(pictures), pictures) if folders != exact else {}
        self._folders = {folder: pictures / loose.get(folder, folder) for folder in folders}
        missing = sorted(folders - exact - loose.keys())
        if missing:
            raise DataError(f"{printable(pictures)}: no pictures of {len(missing)} of the videos: {shown(missing)}")

    def open(self, video: str) -> PictureSource:
        """Its frames."""
        from gvseg_core.data.pictures import PictureSource  # torch arrives here

        listed = self._listed[video]
        found: dict[str, Path] = {}
        for folder in _folders_of(listed):
            names = [name for name in listed.file_names if _folder_of(name) == folder]
            found |= zip(names, find_frames(self._folders[folder], list(map(stem_of, names)), PICTURES), strict=True)
        return PictureSource(video, [found[name] for name in listed.file_names], size=listed.size)

    def frame_name(self, video: str, frame: Frame) -> str:
        """Its picture's name."""
        return stem_of(self._listed[video].file_names[frame.index])

    def facts(self, video: str) -> Mapping[str, Any]:
        """Its number."""
        return {"number": self._listed[video].number}


def _open(path: Path, official: Vocabulary, bench: str) -> VideoTruth:
    """The truth in a file, unless its classes are those of a benchmark that is scored in another way."""
    if recognise(path) in _FOREIGN:
        raise misfit(path, bench, "no objects of videos, as YouTube-VIS has them")
    truth = VideoTruth(path, official)
    other = None if truth.vocabulary is official else _owner(truth.vocabulary)
    if other is None or other == bench:
        return truth
    said = f"these are the {len(truth.vocabulary)} classes of {other}, not those of {bench}"
    if not any({bench, other} <= alike for alike in _ALIKE):
        raise DataError(f"{printable(path)}: {said}; use --bench {other}")
    truth.notes.append(f"{said}; both are scored alike")
    return truth


def _owner(vocabulary: Vocabulary) -> str | None:
    """The benchmark whose classes and numbers these are, in any order."""
    from gvseg_core.data.vocabularies import VOCABULARIES  # of all sets, which few runs need

    names = (name for alike in _ALIKE for name in sorted(alike))
    return next((name for name in names if same_classes(vocabulary, VOCABULARIES[name])), None)


def _no_annotations(path: Path, bench: str, roots: Sequence[Path], split: str) -> DataError:
    others = [other for other, names in SPLITS.items() if next(_annotations(roots, names), None) is not None]
    if others:
        return DataError(f"{printable(path)}: no annotations of {split}, only of {', '.join(others)}")
    wanted = ", ".join(place.format(split=split) for place in _PLACES[:4])
    return misfit(path, bench, f"no annotations of {split}; wanted one of {wanted}")


def _find_truth(path: Path, bench: str) -> Path:
    """The JSON of truth that a path means: itself, or the only one that a folder has for it."""
    if not path.is_dir():
        return path
    names = [name for names in SPLITS.values() for name in names]
    found = next(_annotations([path, path / "gt"], names), None)
    if found is None:
        raise misfit(path, bench, "no annotations in it; wanted instances.json")
    return found


def _find_results(path: Path, bench: str) -> Path:
    """The JSON of results that a path means: itself, or the `results.json` or only JSON of a folder."""
    if not path.is_dir():
        return path
    there = sorted(path.glob("*.json"))
    found = path / "results.json" if path / "results.json" in there or len(there) != 1 else there[0]
    if not found.is_file():
        raise misfit(path, bench, "no results.json in it")
    return found


def _annotations(roots: Sequence[Path], splits: Sequence[str]) -> Iterator[Path]:
    """Files that may be the annotations of a split, the likeliest first."""
    if roots[0].is_file():
        yield roots[0]
    for root in roots:
        paths = [root / place.format(split=split) for split in splits for place in _PLACES]
        paths += [root / place for place in _SINGLE if root.name in splits or not any(map(Path.is_file, paths))]
        yield from filter(Path.is_file, paths)


def _pictures(roots: Sequence[Path], annotations: Path, splits: Sequence[str], truth: VideoTruth) -> Path:
    """The folder that the names of frames begin in.

    Raises:
        DataError: the first video is in none of the places where it may be.
    """
    bases = list(dict.fromkeys([annotations.parent, *(root for root in roots if root.is_dir())]))
    bases += [base.parent for base in bases if base.name == "annotations"]
    places = [base / place.format(split=split) for base in bases for split in splits for place in _PICTURES]
    places = [place for place in dict.fromkeys(places) if place.is_dir()]
    first = _folders_of(truth.listed[truth.videos[0]])[0]
    for place in places:
        if (place / first).is_dir() and (first or any(place.glob("*.jpg"))):
            return place
    for place in places:
        if pair_names([first], folders_in(place), place):
            return place
    looked = shown(dict.fromkeys(os.path.relpath(place, roots[0]) for place in places))
    raise DataError(
        f"{printable(roots[0])}: no pictures of the video {printable(first)}, which {annotations.name} lists; "
        f"wanted them in JPEGImages; looked in {looked}"
    )


def _folder_of(file_name: str) -> str:
    return file_name.rpartition("/")[0]


def _folders_of(video: Video) -> list[str]:
    """The folders of its frames, relative to the pictures'.

    Raises:
        DataError: one that leads elsewhere.
    """
    folders = list(dict.fromkeys(map(_folder_of, video.file_names)))
    for folder in folders:
        if folder.startswith("/") or ":" in folder or ".." in folder.split("/") or "\0" in folder:
            raise DataError(f"video {video.number}: its frames are in {printable(folder)}, outside of the set")
    return folders
