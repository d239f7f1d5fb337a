"""Objects of videos in one JSON file, as YouTube-VIS, OVIS and COCO-style sets of videos have them.

Ground truth is an object of `videos`, `categories` and `annotations`, each of which has one object's masks on all
frames (`segmentations`: compressed or plain run lengths, polygons, or null), and `areas`, `iscrowd` and, in OVIS,
`occlusion`. Results are a list of `video_id`, `category_id`, `score` and `segmentations`.

Files are read once, element by element; what is needed later lies in a `Spool`, video by video. So the memory that is
taken does not depend on the size of the file.

Source: youtubevos/cocoapi, `pycocotools/ytvos.py`. How we differ: a file must keep its own promises. Lists of another
length than the video, which the official program cuts to the shortest, ids that stand twice and undeclared classes of
the truth are refused. Predictions of classes that the truth does not have drop out, as they do there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gvseg_core.data.folders import shown
from gvseg_core.data.json_files import iterate
from gvseg_core.data.json_records import Record, claim, refuse_undeclared
from gvseg_core.data.spool import Spool
from gvseg_core.data.unseen import LazyFrames, unseen_frame
from gvseg_core.data.video_records import (
    Masks,
    Tally,
    Video,
    read_areas,
    read_masks,
    read_occlusion,
    read_video,
    read_vocabulary,
    videos_first,
    with_names,
)
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.types import Answer, FrameResult, Rle, Segment, Track, Vocabulary

Object = tuple[Track, Masks]


class VideoTruth:
    """The ground truth of a file (a `Truth`); where it has no annotations, its videos and classes.

    Track ids are the places of annotations in the file, from 1. The `details` of a track are the annotation's `id`,
    its `areas` and `occlusion` by frame, if it has them, and `where` it stands.

    Args:
        path: the JSON file.
        official: the vocabulary that is meant if the file has the same classes.
        records: reads it: what it declares, then its annotations, in the words of this form.
        listed: what the file itself calls its `videos`.

    Raises:
        DataError: it is malformed, or has no video or no class.
    """

    def __init__(
        self,
        path: Path,
        official: Vocabulary,
        records: Callable[[Path], Iterable[tuple[str, Record]]] = videos_first,
        listed: str = "videos",
    ) -> None:
        self.path = path
        self._where = printable(path)
        self._spool = Spool()
        self._videos: dict[int, Video] = {}
        self._class_ids: dict[int, int] = {}
        tally = Tally()
        categories: list[Record] = []
        taken: Mapping[str, dict[int, str]] = {"videos": {}, "categories": {}, "annotations": {}}
        strange: Mapping[str, set[int]] = {"video_id": set(), "category_id": set()}
        for key, record in records(path):
            if key not in taken:
                raise DataError(f"{self._where}: a list, as results are; wanted {listed}, categories and annotations")
            claim(taken[key], "id", record.integer("id"), record)
            if key == "videos":
                self._videos[record.integer("id")] = read_video(record)
            elif key == "categories":
                self._class_ids[record.integer("id")] = len(categories)
                categories.append(record)
            else:
                self._put(record, strange, tally)
        for key, called in (("videos", listed), ("categories", "categories")):
            if not taken[key]:
                raise DataError(f"{self._where}: no {called} in it; wanted {listed}, categories and annotations")
        refuse_undeclared(self._where, "annotations: video_id", sorted(strange["video_id"]), "ids of videos")
        refuse_undeclared(self._where, "annotations: category_id", sorted(strange["category_id"]), "ids of categories")
        self.listed: Mapping[str, Video] = {
            video.name: video for video in with_names([self._videos[n] for n in sorted(self._videos)])
        }
        self.videos: Sequence[str] = tuple(self.listed)
        self.vocabulary = read_vocabulary(categories, official)
        self.notes: list[str] = tally.notes

    def __len__(self) -> int:
        """Annotations."""
        return len(self._spool)

    def answer(self, video: str) -> Answer:
        """The truth of one video."""
        listed = self.listed[video]
        objects = []
        for place, class_id, number, crowd, masks, areas, occlusion in self._spool.take(listed.number):
            details = {"where": f"{self._where}: annotations[{place - 1}]", "id": number}
            details |= {} if areas is None else {"areas": areas}
            details |= {} if occlusion is None else {"occlusion": occlusion}
            objects.append((_track(place, class_id, 1.0, masks, details, ignore=crowd), masks))
        return _answer(listed, objects)

    def _put(self, record: Record, strange: Mapping[str, set[int]], tally: Tally) -> None:
        number, category = record.integer("video_id"), record.integer("category_id")
        if number not in self._videos or category not in self._class_ids:
            strange["video_id"].update({number} - self._videos.keys())
            strange["category_id"].update({category} - self._class_ids.keys())
            return
        video = self._videos[number]
        said = record.integer("id"), record.flag("iscrowd"), read_masks(record, video, tally)
        more = read_areas(record, video), read_occlusion(record, video)
        self._spool.put(number, (len(self._spool) + 1, self._class_ids[category], *said, *more))


class Listing(Protocol):
    """What results are read against: the videos of a truth and its classes."""

    vocabulary: Vocabulary
    listed: Mapping[str, Video]


class VideoResults:
    """Results for a truth (a `Results`).

    Track ids are the places of predictions in the file, from 1; the `details` of a track say `where` it stands.

    Args:
        path: the JSON file.
        truth: what they are results for.
        records: reads it, in the words of this form.

    Raises:
        DataError: the file is malformed, or speaks of a video that the truth does not have.
    """

    def __init__(self, path: Path, truth: Listing, records: Callable[[Path], Iterable[Record]] | None = None) -> None:
        self._where = printable(path)
        self._truth = truth
        self._spool = Spool()
        videos = {video.number: video for video in truth.listed.values()}
        class_ids = {info.dataset_id: class_id for class_id, info in enumerate(truth.vocabulary.classes)}
        tally = Tally()
        strange: set[int] = set()
        listed = (record for _, record in iterate(path)) if records is None else records(path)
        for place, record in enumerate(listed, start=1):
            number, category, score = record.integer("video_id"), record.integer("category_id"), record.number("score")
            if number not in videos:
                strange.add(number)
                continue
            masks = read_masks(record, videos[number], tally)
            if category in class_ids:
                self._spool.put(number, (place, class_ids[category], score, masks))
            else:
                tally.categories[category] = tally.categories.get(category, 0) + 1
        refuse_undeclared(self._where, "video_id", sorted(strange), "videos of the ground truth")
        bare = [video.name for number, video in videos.items() if number not in self._spool]
        self.notes = [*tally.notes, *_note(bare, len(videos))]

    def answer(self, video: str) -> Answer:
        """The results of one video."""
        listed = self._truth.listed[video]
        objects = []
        for place, class_id, score, masks in self._spool.take(listed.number):
            details = {"where": f"{self._where}: [{place - 1}]"}
            objects.append((_track(place, class_id, score, masks, details), masks))
        return _answer(listed, objects)


class VideoFrames(LazyFrames):
    """The frames of a video, put together when they are asked for."""

    def __init__(self, video: Video, objects: Sequence[Object]) -> None:
        self._video = video
        self._objects = objects

    def __len__(self) -> int:
        return len(self._video.file_names)

    def at(self, place: int) -> FrameResult:
        """One frame."""
        size = self._video.size
        segments = tuple(
            Segment(track.track_id, track.class_id, track.score, Rle(size, counts), track.ignore)
            for track, masks in self._objects
            if (counts := masks[place]) is not None
        )
        return FrameResult(unseen_frame(place, size), segments)


def _track(
    track_id: int, class_id: int, score: float, masks: Masks, details: Mapping[str, Any], *, ignore: bool = False
) -> Track:
    seen = [frame for frame, mask in enumerate(masks) if mask is not None]
    first, last = (seen[0], seen[-1]) if seen else (0, 0)
    return Track(track_id, class_id, score, first, last, len(seen), ignore=ignore, details=details)


def _answer(video: Video, objects: Sequence[Object]) -> Answer:
    return Answer(video.name, VideoFrames(video, objects), tuple(track for track, _ in objects))


def _note(bare: Iterable[str], num_videos: int) -> list[str]:
    names = list(bare)
    return [f"{len(names)} of {num_videos} videos have no predictions: {shown(names)}"] if names else []
