"""YouTube-VOS 2018: objects are given on the frame on which each is annotated first, and to be followed from there.

Layout: `valid/meta.json` ({"videos": {name: {"objects": {number: {"category", "frames"}}}}}), `valid/JPEGImages` and
`valid/Annotations/<video>/<frame>.png` (palette; pixels are the objects' numbers), every fifth frame;
`valid_all_frames/JPEGImages`, every frame; the same for `train`. Results: `Annotations/<video>/<frame>.png`.

The truth of `valid` is hidden: its maps are those on which an object is given. What can be scored here is a set whose
maps are all there. The categories of `train/meta.json` are the seen ones; without it nobody can tell, and all count as
seen. All frames are run where they are at hand, and results kept of those that `meta.json` lists.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.folders import folders_in, shown
from gvseg_core.data.json_files import read_record
from gvseg_core.data.json_records import Record
from gvseg_core.data.map_files import read_size
from gvseg_core.data.names import pair_names
from gvseg_core.data.object_maps import OBJECT
from gvseg_core.data.object_sets import (
    GivenObject,
    ObjectFootage,
    ObjectResults,
    ObjectSet,
    ObjectTruth,
    ObjectVideo,
    by_frame,
)
from gvseg_core.data.recognition import misfit
from gvseg_core.errors import DataError
from gvseg_core.files import printable

_SERVER = "YouTube-VOS's server (CodaLab 7685) takes Annotations/<video>/<frame>.png in a ZIP file"
_FOLDERS = {"val": "valid"}  # split → its folder, where it has another name
_NONE_SEEN = "no train/meta.json beside it to tell which categories are seen in training: all count as seen"


class YoutubeVos(ObjectSet):
    """The videos of a split.

    Args:
        folder: `valid`, `train`, or another that has `meta.json` and `Annotations`.

    Raises:
        DataError: a part is missing or malformed.
    """

    bench = "ytvos18"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._objects = _objects(folder / "meta.json", self._seen())
        self.videos = tuple(self._objects)
        self._folders = pair_names(self.videos, folders_in(self.folder()), self.folder())
        if missing := [video for video in self.videos if video not in self._folders]:
            raise DataError(f"{printable(self.folder())}: no folder of {shown(missing)}, which meta.json lists")
        if not any(self._followed(video) for video in self.videos):
            self.hidden = f"the truth of {folder.name} is hidden; {_SERVER}"

    def folder(self) -> Path:
        """`valid/Annotations`."""
        return self._folder / "Annotations"

    def picture_folder(self, name: str) -> Path:
        """The folder of all its frames, or else that of every fifth."""
        every = self._folder.with_name(f"{self._folder.name}_all_frames") / "JPEGImages" / name
        return every if every.is_dir() else self._folder / "JPEGImages" / name

    def read(self, name: str) -> ObjectVideo:
        """One video."""
        folder = self.folder() / self._folders[name]
        maps, objects = by_frame(folder), self._objects[name]
        needed = (o.frames[:1] if self.hidden else o.frames for o in objects)
        if missing := sorted({f"{frame}.png" for frames in needed for frame in frames if frame not in maps}):
            raise DataError(f"{printable(folder)}: {shown(missing)} missing, which meta.json lists")
        wanted: Collection[str] | None = maps
        if self.hidden:  # then meta.json tells; one that lists no more than what is given does not
            wanted = {frame for o in objects for frame in o.frames} if any(len(o.frames) > 1 for o in objects) else None
        return ObjectVideo(read_size(next(iter(maps.values()))), maps, objects, wanted)

    def may_lack(self, frames: Sequence[str]) -> Collection[str]:  # noqa: ARG002
        """None: every frame may be an object's second."""
        return ()

    def _followed(self, video: str) -> bool:
        """Whether an object is annotated beyond the frame on which it is given."""
        maps = by_frame(self.folder() / self._folders[video])
        return any(frame in maps for o in self._objects[video] for frame in o.frames[1:])

    def _seen(self) -> set[str | None] | None:
        """The categories that occur in training; None where all do, as far as anybody can tell."""
        path = self._folder.with_name("train") / "meta.json"
        if self._folder.name == "train":
            return None
        if not path.is_file():
            self.notes.append(f"{printable(self._folder)}: {_NONE_SEEN}")
            return None
        return {o.details["category"] for objects in _objects(path, None).values() for o in objects}


def _objects(path: Path, seen: Collection[str | None] | None) -> dict[str, list[GivenObject]]:
    """The objects of each video, by ascending number, as a meta.json has them; `seen` categories occur in training."""
    meta = read_record(path)
    if "videos" not in meta:
        raise misfit(path, "ytvos18", "no videos in it; wanted YouTube-VOS's meta.json")
    videos = meta.record("videos")
    found = {}
    for name in videos.value:
        objects = videos.record(name).record("objects")
        found[name] = sorted((_object(objects, number, seen) for number in objects.value), key=lambda o: o.number)
        if not found[name]:
            raise DataError(f"{objects.where}: no object; wanted at least one a video")
    if not found:
        raise DataError(f"{videos.where}: no video; wanted at least one")
    return found


def _object(objects: Record, number: str, seen: Collection[str | None] | None) -> GivenObject:
    record = objects.record(number)
    if not (number.isascii() and number.isdecimal() and 0 < int(number) < 255):
        raise DataError(f"{record.where}: an object is numbered from 1 to 254")
    frames = record.texts("frames")
    if not frames:
        raise DataError(f"{record.path('frames')}: empty; wanted the frame on which the object is given")
    category = record.text("category") if "category" in record else None
    names = tuple(sorted(frames))
    unseen = seen is not None and category not in seen
    return GivenObject(int(number), names, {"category": category, "frames": names, "unseen": unseen})


def _find(path: Path, split: str) -> Path:
    """The folder of a split: in the official one, or the very one that is given."""
    name = _FOLDERS.get(split, split)
    for folder in (path / name, path):
        maps = folder / "Annotations"
        if (folder / "meta.json").is_file() and maps.is_dir() and not (maps / "480p").is_dir():
            return folder
    raise misfit(path, "ytvos18", f"no {name}/meta.json with {name}/Annotations; wanted the folder of YouTube-VOS 2018")


def read_truth(path: Path) -> ObjectTruth:
    """The validation split of the official folder, or a split's own folder."""
    return YoutubeVos(_find(path, "val")).truth()


def open_footage(path: Path, split: str) -> ObjectFootage:
    """The pictures of a split."""
    return YoutubeVos(_find(path, split)).footage()


BENCHMARK = Benchmark(
    name=YoutubeVos.bench,
    title="YouTube-VOS 2018",
    task="evs",
    vocabulary=OBJECT,
    read_truth=read_truth,
    read_results=ObjectResults,
    open=open_footage,
    splits=("val", "train"),
    short_side={"resnet": 360, "swin": 480},
    server=_SERVER,
)
