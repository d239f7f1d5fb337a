"""A benchmark's split as training data: its pictures and its ground truth, side by side, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gvseg_core.data.benchmarks import choose_benchmark
from gvseg_core.data.pictures import PictureSource
from gvseg_core.data.training.videos import Scene, regions_of_frame
from gvseg_core.errors import DataError
from gvseg_core.types import Answer, FrameResult, TaskName

TEACHES: Mapping[TaskName, frozenset[TaskName]] = {
    "vis": frozenset({"vis", "evs"}),
    "vss": frozenset({"vss"}),
    "vps": frozenset({"vis", "vss", "vps", "evs"}),
    "evs": frozenset({"evs"}),
}
"""What the labels of a benchmark of each task can teach."""


class BenchmarkVideos:
    """A split whose truth is public (`TrainingVideos`). Each process that it is sent to opens it anew.

    Args:
        name: the benchmark, as `--bench` has it.
        folder: where it lies.

    Raises:
        DataError: it is incomplete, its truth is hidden, or it has no video.
    """

    is_still = False

    def __init__(self, name: str, folder: Path, split: str) -> None:
        benchmark = choose_benchmark(name)
        footage = benchmark.open(folder, split)
        if footage.truth is None:
            raise DataError(f"{folder}: no labels to train on: {footage.hidden}")
        if not footage.videos:
            raise DataError(f"{folder}: no video of {split} in it")
        self.vocabulary = footage.truth.vocabulary
        self.tasks = TEACHES[benchmark.task]
        self.notes: Sequence[str] = tuple(footage.truth.notes)
        self._opened_by = name, folder, split
        self._footage = footage
        self._truth = footage.truth
        self._last: tuple[int, Answer] | None = None

    def __reduce__(self) -> tuple[type[BenchmarkVideos], tuple[str, Path, str]]:
        return BenchmarkVideos, self._opened_by

    def __len__(self) -> int:
        return len(self._footage.videos)

    def name(self, video: int) -> str:
        """The benchmark's."""
        return self._footage.videos[video]

    def num_frames(self, video: int) -> int:
        """Those with labels."""
        return len(self._results(video))

    def shown(self, video: int) -> Sequence[int] | None:
        """What the file says of areas; label maps say nothing before they are read."""
        tracks = self._answer(video).tracks
        areas = [track.details["areas"] for track in tracks if not track.ignore and "areas" in track.details]
        if not areas:
            return None
        shown = [index for index in range(self.num_frames(video)) if any(area[index] for area in areas)]
        return shown or None

    def load(self, video: int, frames: Sequence[int]) -> list[Scene]:
        """Labels and pictures of these frames alone."""
        results = self._results(video)
        source = self._footage.open(self.name(video))
        assert isinstance(source, PictureSource), "a benchmark's frames are pictures"
        scenes = []
        for index in frames:
            result = results[index]
            picture = source.frame(result.frame.index).image.permute(1, 2, 0).numpy()
            try:
                regions = regions_of_frame(result, (picture.shape[0], picture.shape[1]))
            except DataError as error:
                name = self._footage.frame_name(self.name(video), result.frame)
                raise DataError(f"frame {name or result.frame.index}: {error}") from None
            scenes.append(Scene(picture, regions))
        return scenes

    def _results(self, video: int) -> Sequence[FrameResult]:
        frames = self._answer(video).frames
        assert isinstance(frames, Sequence), "the frames of a truth can be asked for one by one"
        return frames

    def _answer(self, video: int) -> Answer:
        """The truth of a video; the last one is kept, as a sample asks for it several times."""
        if self._last is None or self._last[0] != video:
            self._last = video, self._truth.answer(self.name(video))
        return self._last[1]
