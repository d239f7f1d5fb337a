"""DAVIS 2017, semi-supervised: the objects of the first frame are to be followed.

Layout: `JPEGImages/480p/<sequence>/<frame>.jpg`, `Annotations/480p/<sequence>/<frame>.png` (palette; pixels are the
objects' numbers, 255 is void) and `ImageSets/2017/<split>.txt`. Results: `<sequence>/<frame>.png`.

What the official program (davisvideochallenge/davis2017-evaluation, `davis.py`, `results.py`; BSD-3) makes of them:
the objects are 1 … n, where n is the greatest number on the first frame, whether each is there or not; numbers that
appear later, and void, are background; results are read for all frames but the first and the last, and a number above n
in them is an error. How we differ: a sequence without any results counts as empty, and is told of; and where only some
frames are annotated, those are the frames there are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.folders import folders_in, read_list, shown
from gvseg_core.data.map_files import read_labels
from gvseg_core.data.names import pair_names
from gvseg_core.data.object_maps import OBJECT, Check, numbers_in
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
from gvseg_core.ops.label_maps import Labels

_FEWEST = 3  # frames of a sequence: one that is given, one that is scored, and the last, which is not
_SERVER = "DAVIS's server (CodaLab 6812) takes <sequence>/<frame>.png in a ZIP file"


class Davis(ObjectSet):
    """The sequences of a split.

    Args:
        root: the official folder.
        split: a list in `ImageSets/2017`, or in `ImageSets`.

    Raises:
        DataError: a part is missing.
    """

    bench = "davis17"

    def __init__(self, root: Path, split: str) -> None:
        super().__init__()
        self._root = root
        self._resolution = next((r for r in ("480p", "Full-Resolution") if (root / "Annotations" / r).is_dir()), "480p")
        if not self.folder().is_dir():
            raise misfit(root, self.bench, "no Annotations/480p in it; wanted the folder of DAVIS 2017")
        lists = [root / "ImageSets" / "2017" / f"{split}.txt", root / "ImageSets" / f"{split}.txt"]
        path = next((path for path in lists if path.is_file()), lists[0])
        self.videos = read_list(path)
        self._folders = pair_names(self.videos, folders_in(self.folder()), self.folder())
        if missing := [video for video in self.videos if video not in self._folders]:
            raise DataError(f"{printable(self.folder())}: no folder of {shown(missing)}, which {split}.txt lists")
        if all(len(self._maps(video)) == 1 for video in self.videos):
            self.hidden = f"the truth of {split} is hidden; {_SERVER}"

    def folder(self) -> Path:
        """`Annotations/480p`."""
        return self._root / "Annotations" / self._resolution

    def picture_folder(self, name: str) -> Path:
        """`JPEGImages/480p/<sequence>`."""
        return self._root / "JPEGImages" / self._resolution / self._folders[name]

    def read(self, name: str) -> ObjectVideo:
        """One sequence."""
        maps = self._maps(name)
        folder = printable(self.folder() / self._folders[name])
        if len(maps) < _FEWEST and not self.hidden:
            raise DataError(
                f"{folder}: {len(maps)} annotated frames; wanted {_FEWEST} or more, of which the first and the last do "
                "not count"
            )
        labels = read_labels(next(iter(maps.values())))
        numbers = numbers_in(labels)
        if not numbers:
            raise DataError(f"{folder}: no object on the first frame; wanted those that are to be followed")
        frames = tuple(maps)
        objects = [GivenObject(i, frames) for i in range(1, numbers[-1] + 1)]
        h, w = labels.shape
        return ObjectVideo((int(h), int(w)), maps, objects, None if self.hidden else frozenset(maps))

    def may_lack(self, frames: Sequence[str]) -> Collection[str]:
        """The first and the last, which are not scored."""
        return frames[0], frames[-1]

    def check(self, video: ObjectVideo) -> Check:
        """No number above that of the last object."""
        num_objects = len(video.objects)

        def look(path: Path, labels: Labels) -> None:
            if (most := int(labels.max())) > num_objects:
                raise DataError(f"{printable(path)}: object {most}; the sequence has {num_objects}, numbered from 1")

        return look

    def _maps(self, name: str) -> dict[str, Path]:
        return by_frame(self.folder() / self._folders[name])


def read_truth(path: Path) -> ObjectTruth:
    """The validation split of the official folder; its pictures may be missing."""
    return Davis(path, "val").truth()


def open_footage(path: Path, split: str) -> ObjectFootage:
    """The pictures of a split."""
    return Davis(path, split).footage()


BENCHMARK = Benchmark(
    name=Davis.bench,
    title="DAVIS 2017",
    task="evs",
    vocabulary=OBJECT,
    read_truth=read_truth,
    read_results=ObjectResults,
    open=open_footage,
    splits=("val", "train", "test-dev", "test-challenge"),
    short_side={"resnet": 480, "swin": 480},
    server=_SERVER,
)
