"""What a model's run over one video says, in the form in which a benchmark asks for it.

Where predictions are ranked (AP) they are pairs of an object and a class, the best of the video (MinVIS,
`inference_video`): the score of a pair is the probability of the class over all clips in which the object was judged.
Elsewhere each region has one class, or none that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from gvseg_core.data.unseen import unseen_frame
from gvseg_core.engine.benchmarks import Says
from gvseg_core.engine.evaluation.classes import Translation
from gvseg_core.types import Answer, FrameResult, Outcome, Segment, Track, VideoInfo


class Collector:
    """A sink that keeps the results of one video in memory, without their pictures."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.tracks: tuple[Track, ...] = ()

    def begin(self, video: VideoInfo) -> None:
        """Nothing to open."""

    def write(self, result: FrameResult) -> None:
        """Keep all but the picture."""
        frame = result.frame
        _, h, w = frame.image.shape
        self.results.append(replace(result, frame=unseen_frame(frame.index, (int(h), int(w)), frame.time)))

    def end(self, outcome: Outcome) -> None:
        """Keep the tracks."""
        self.tracks = outcome.tracks

    def abort(self) -> None:
        """Nothing was opened."""


def answer(
    video: str,
    results: Iterable[FrameResult],
    tracks: Sequence[Track],
    *,
    says: Says,
    translation: Translation,
    per_video: int | None = None,
) -> Answer:
    """The results of one video, with the benchmark's classes; what is of no class of the benchmark is left out.

    Args:
        video: its name.
        results: of the frames that are asked for.
        tracks: of the whole video, with the model's classes.
        says: what the benchmark asks for.
        translation: from the model's classes.
        per_video: most predictions, where a server takes a limited number.
    """
    said = _TRACKS[says]([track for track in tracks if track.num_frames], translation.ids, per_video)
    kept = frozenset(track.track_id for track in said)
    class_of = _CLASSES[says]

    def spoken(segments: Iterable[Segment]) -> Iterator[Segment]:
        for segment in segments:
            class_id = class_of(segment.class_id, translation.ids)
            if segment.track_id in kept and class_id is not None:
                yield replace(segment, class_id=class_id)

    return Answer(video, [replace(result, segments=tuple(spoken(result.segments))) for result in results], said)


Ids = Sequence[int | None]


def _pairs(tracks: Sequence[Track], ids: Ids, per_video: int | None) -> list[Track]:
    """Every object under every class, the surest first; equals keep their order."""
    pairs = []
    for track in tracks:
        scores: dict[int, float] = {}
        for class_id, score in enumerate(track.class_scores) if track.class_scores else [(track.class_id, track.score)]:
            if (theirs := ids[class_id]) is not None:
                scores[theirs] = scores.get(theirs, 0.0) + score  # two of the model's classes may be one of theirs
        pairs += [replace(track, class_id=class_id, score=score, class_scores=()) for class_id, score in scores.items()]
    return sorted(pairs, key=lambda pair: -pair.score)[:per_video]


def _translated(tracks: Sequence[Track], ids: Ids, per_video: int | None) -> list[Track]:  # noqa: ARG001
    """Every region under its one class."""
    said = [(track, ids[track.class_id]) for track in tracks]
    return [replace(track, class_id=i, class_scores=()) for track, i in said if i is not None]


def _objects(tracks: Sequence[Track], ids: Ids, per_video: int | None) -> list[Track]:  # noqa: ARG001
    """Whatever it is, it is an object."""
    return [replace(track, class_id=0, class_scores=()) for track in tracks]


def _any_class(class_id: int, ids: Ids) -> int:  # noqa: ARG001
    """The tracks say what a mask is of, and may say it several times."""
    return 0


def _its_class(class_id: int, ids: Ids) -> int | None:
    return ids[class_id]


_TRACKS: dict[Says, Callable[[Sequence[Track], Ids, int | None], list[Track]]] = {
    "pairs": _pairs,
    "classes": _translated,
    "objects": _objects,
}
_CLASSES: dict[Says, Callable[[int, Ids], int | None]] = {
    "pairs": _any_class,
    "classes": _its_class,
    "objects": _any_class,
}
