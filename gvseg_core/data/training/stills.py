"""Sets of still pictures, each a video of one frame; and the simplest of them, plain maps of regions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gvseg_core.data.map_files import read_labels
from gvseg_core.data.object_maps import OBJECT
from gvseg_core.data.training.packed import Packed
from gvseg_core.data.training.videos import Scene, load_picture
from gvseg_core.errors import DataError
from gvseg_core.ops.label_maps import MapSegments, Regions
from gvseg_core.types import VOID, Size, TaskName, Vocabulary


class Reader(Protocol):
    """Reads an entry of a set; it is sent to worker processes."""

    def __call__(self, entry: Mapping[str, Any], size: Size) -> Regions:
        """Who owns each pixel of the entry's picture, which is of `size`."""


class Stills:
    """Pictures that come with one entry of annotations each (`TrainingVideos`).

    Args:
        folder: what the names of pictures are relative to.
        entries: each as JSON: `picture`, its name, and whatever `read` looks at. All of them show something.
    """

    is_still = True

    def __init__(
        self,
        folder: Path,
        entries: Iterable[str],
        read: Reader,
        vocabulary: Vocabulary,
        tasks: frozenset[TaskName],
        notes: Sequence[str] = (),
    ) -> None:
        self.vocabulary = vocabulary
        self.tasks = tasks
        self.notes: Sequence[str] = tuple(notes)
        self._folder = folder
        self._entries = Packed(entries)
        self._read = read

    def __len__(self) -> int:
        return len(self._entries)

    def name(self, video: int) -> str:
        """The picture's."""
        return str(self._entries[video]["picture"])

    def num_frames(self, video: int) -> int:  # noqa: ARG002
        """One."""
        return 1

    def shown(self, video: int) -> Sequence[int] | None:  # noqa: ARG002
        """That one."""
        return (0,)

    def load(self, video: int, frames: Sequence[int]) -> list[Scene]:
        """The picture, as often as it is asked for."""
        entry = self._entries[video]
        picture = load_picture(self._folder / entry["picture"])
        size = picture.shape[0], picture.shape[1]
        return [Scene(picture, self._read(entry, size))] * len(frames)


def region_maps(folder: Path, split: str) -> Stills:
    """Pictures in `images`, maps of the same stem in `regions`: index n is a region without a class, 0 is void.

    `<split>.txt`, where it is there, lists the stems of the split.

    Raises:
        DataError: a picture without a map, or no picture at all.
    """
    pictures = {path.stem: path.name for path in sorted((folder / "images").glob("*")) if path.is_file()}
    listed = folder / f"{split}.txt"
    stems = listed.read_text(encoding="utf-8").split() if listed.is_file() else list(pictures)
    for stem in stems:
        if stem not in pictures:
            raise DataError(f"{listed}: {stem} is not among the pictures of {folder / 'images'}")
        if not (folder / "regions" / f"{stem}.png").is_file():
            raise DataError(
                f"{folder / 'regions'}: no {stem}.png, though {folder / 'images' / pictures[stem]} is there"
            )
    if not stems:
        raise DataError(f"{folder / 'images'}: no picture in it")
    entries = (json.dumps({"picture": pictures[stem], "map": f"{stem}.png"}) for stem in stems)
    return Stills(folder / "images", entries, _RegionReader(folder / "regions"), OBJECT, frozenset({"evs"}))


class _RegionReader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, entry: Mapping[str, Any], size: Size) -> Regions:
        labels = read_labels(self._folder / entry["map"], size)
        known = {label: (label, 0, False) for label in np.unique(labels).tolist()}
        return MapSegments(labels, known | {0: (0, VOID, True)}).regions
