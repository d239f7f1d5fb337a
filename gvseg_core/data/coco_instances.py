"""COCO's instance segmentation: pictures, each scored as a video of one frame.

Layout, as downloaded: `annotations/instances_<split>2017.json` and `<split>2017/*.jpg`; sets of one's own in COCO's
form may have a JSON of the split anywhere that `train` finds one. Results: a list of `image_id`, `category_id`, `score`
and `segmentation`. Source: cocodataset/cocoapi, `pycocotools/coco.py` and `cocoeval.py` (BSD-2).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.coco import COCO
from gvseg_core.data.finding import find_annotations, find_pictures
from gvseg_core.data.recognition import misfit
from gvseg_core.data.still_records import still_results, stills_first
from gvseg_core.data.video_benchmark import VideoFootage
from gvseg_core.data.video_json import VideoResults, VideoTruth
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.types import Truth

if TYPE_CHECKING:
    from gvseg_core.data.pictures import PictureSource

_SPLITS = ("val", "train")
_SERVER = "CodaLab competition 7384 scores a ZIP of results.json"
_HIDDEN = f"the truth of this split is hidden (its file has no annotations): {_SERVER}"


class StillFootage(VideoFootage):
    """The pictures of a split, each by itself (a `Footage`)."""

    def open(self, video: str) -> PictureSource:
        """The one picture."""
        from gvseg_core.data.pictures import PictureSource  # torch arrives here

        listed = self._listed[video]
        return PictureSource(video, [self._pictures / listed.file_names[0]], size=listed.size)


def read_truth(path: Path) -> VideoTruth:
    """The ground truth: the file, or the validation split of the folder that holds it."""
    truth = VideoTruth(_annotations(path, "val"), COCO, stills_first, "images")
    if not len(truth):
        raise DataError(f"{printable(truth.path)}: {_HIDDEN}")
    return truth


def read_results(path: Path, truth: Truth) -> VideoResults:
    """A list of results: the file, or the `results.json` of a folder."""
    assert isinstance(truth, VideoTruth), "results are read for the truth of the same benchmark"
    file = path / "results.json" if path.is_dir() else path
    if not file.is_file():
        raise misfit(path, "coco", "no results.json in it")
    return VideoResults(file, truth, still_results)


def open_split(path: Path, split: str) -> StillFootage:
    """The pictures of a split.

    Raises:
        DataError: its annotations or its pictures are missing.
    """
    file = _annotations(path, split)
    truth = VideoTruth(file, COCO, stills_first, "images")
    return StillFootage(truth, find_pictures(file, path, split), _HIDDEN)


def _annotations(path: Path, split: str) -> Path:
    found = path if path.is_file() else find_annotations(path, split, "instances") if path.is_dir() else None
    if found is None:
        raise misfit(path, "coco", f"no JSON of COCO instances of {split} in it, nor in its `annotations`")
    return found


BENCHMARK = Benchmark(
    "coco",
    "COCO",
    "vis",
    COCO,
    read_truth,
    read_results,
    open_split,
    splits=_SPLITS,
    short_side={"resnet": 800, "swin": 800},
    server=_SERVER,
)
