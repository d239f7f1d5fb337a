"""Videos whose labels are PNG maps, a folder each: ground truth, results and pictures of VSPW, VIPSeg and KITTI-STEP.

Each of these sets says how a map is read; here is what they share: frames are read when they are asked for, results
are found by the names of the truth's videos and frames, and what does not fit is said in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gvseg_core.data.folders import find_frames, folders_in, frames_in, shown
from gvseg_core.data.map_files import read_size
from gvseg_core.data.names import pair_names
from gvseg_core.data.recognition import misfit
from gvseg_core.data.unseen import LazyFrames, unseen_frame
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import MapSegments
from gvseg_core.types import Answer, Frame, FrameResult, Size, Track, Truth, Vocabulary

if TYPE_CHECKING:
    from gvseg_core.data.pictures import PictureSource

Read = Callable[[str, int, Path, Size], MapSegments]
"""Video, place of the frame in it, file, size that the map must have → what it says."""


class MapFrames(LazyFrames):
    """The frames of a video; each is read when it is asked for.

    Args:
        video: its name.
        paths: of the maps, one a frame.
        size: that every map must have.
        read: makes segments of a map.
    """

    def __init__(self, video: str, paths: Sequence[Path], size: Size, read: Read) -> None:
        self._video = video
        self._paths = paths
        self._size = size
        self._read = read

    def __len__(self) -> int:
        return len(self._paths)

    def at(self, place: int) -> FrameResult:
        """One frame."""
        segments = self._read(self._video, place, self._paths[place], self._size)
        return FrameResult(unseen_frame(place, self._size), segments)


class MapTruth:
    """Ground truth (a `Truth`).

    Args:
        vocabulary: what class ids mean.
        maps: video → its maps, one a frame, in order; at least one of each.
        read: makes segments of a map.
        tracks: what is known of a video before its maps are read.
        notes: see `Truth`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        maps: Mapping[str, Sequence[Path]],
        read: Read,
        *,
        tracks: Callable[[str], Sequence[Track]] = lambda _: (),
        notes: Sequence[str] = (),
    ) -> None:
        self.vocabulary = vocabulary
        self.videos: Sequence[str] = tuple(maps)
        self.notes = list(notes)
        self._maps = maps
        self._read = read
        self._tracks = tracks

    def answer(self, video: str) -> Answer:
        """The truth of one video."""
        return Answer(video, MapFrames(video, self._maps[video], self.size(video), self._read), self._tracks(video))

    def size(self, video: str) -> Size:
        """(H, W) of its first map, which the others share."""
        return read_size(self._maps[video][0])

    def frame_names(self, video: str) -> list[str]:
        """What the set calls its frames, without suffix."""
        return [path.stem for path in self._maps[video]]


class MapResults:
    """Results in `<video>/<frame>.png` (a `Results`).

    Args:
        folder: that holds the videos' folders.
        truth: what they are results for; where it has no names for its frames, files are taken in their order.
        read: makes segments of a map.
        bench: whose results they are, as `--bench` has it.
        videos: that there are results of; by default those that have a folder.

    Raises:
        DataError: results of a video that `truth` does not have, or of none that it has.
    """

    def __init__(self, folder: Path, truth: Truth, read: Read, bench: str, videos: Iterable[str] | None = None) -> None:
        if not folder.is_dir():
            raise misfit(folder, bench, "wanted the folder of results, with a folder for each video")
        there = folders_in(folder)
        listed = there if videos is None else list(videos)
        pairs = pair_names(truth.videos, listed, folder)
        if strange := [name for name in listed if name not in pairs.values()]:
            raise misfit(folder, bench, f"results of videos that the ground truth does not have: {shown(strange)}")
        if not pairs:
            raise misfit(folder, bench, f"no results of any video; wanted folders such as {shown(truth.videos)}")
        missing = [video for video in truth.videos if video not in pairs]
        self.notes = [f"no results of {len(missing)} videos, counted as empty: {shown(missing)}"] if missing else []
        self._folders = {
            video: folder / pair_names([name], there, folder).get(name, name) for video, name in pairs.items()
        }
        self._truth = truth
        self._read = read

    def answer(self, video: str) -> Answer:
        """The results of one video."""
        names, sizes = _wanted(self._truth, video)
        folder = self._folders.get(video)
        if folder is None:
            return Answer(video, tuple(FrameResult(unseen_frame(i, size), ()) for i, size in enumerate(sizes)))
        paths = frames_in(folder) if names is None else find_frames(folder, names)
        if len(paths) != len(sizes):
            raise DataError(f"{printable(folder)}: {len(paths)} frames; the ground truth has {len(sizes)}")
        return Answer(video, MapFrames(video, paths, sizes[0], self._read))


class MapFootage:
    """Pictures of a split (a `Footage`).

    Args:
        vocabulary: of the set.
        pictures: video → its pictures, one a frame, in order, those of `truth` where there is truth.
        rate: frames a second.
        truth: what is true of them; None where it is hidden.
        hidden: why.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        pictures: Mapping[str, Sequence[Path]],
        rate: Fraction,
        truth: MapTruth | None,
        hidden: str = "",
    ) -> None:
        self.vocabulary = vocabulary
        self.videos: Sequence[str] = tuple(pictures)
        self.truth: Truth | None = truth
        self.hidden = hidden
        self._pictures = pictures
        self._rate = rate

    def open(self, video: str) -> PictureSource:
        """Its frames."""
        from gvseg_core.data.pictures import PictureSource  # torch arrives here

        return PictureSource(video, self._pictures[video], rate=self._rate)

    def frame_name(self, video: str, frame: Frame) -> str:
        """Its picture's name."""
        return self._pictures[video][frame.index].stem

    def facts(self, video: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing: these layouts know videos and frames by name."""
        return {}


def _wanted(truth: Truth, video: str) -> tuple[list[str] | None, list[Size]]:
    """The names of a video's frames, where the truth has names, and their sizes."""
    if isinstance(truth, MapTruth):
        names = truth.frame_names(video)
        return names, [truth.size(video)] * len(names)
    shapes = [result.frame.image.shape for result in truth.answer(video).frames]
    return None, [(int(h), int(w)) for _, h, w in shapes]
