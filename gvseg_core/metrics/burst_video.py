"""One video on its way through BURST's protocols; `burst` says what they are, and adds the videos up."""

from __future__ import annotations

import numpy as np

from gvseg_core.metrics.hota import Floats, Pairs, hota_counts, unmatched
from gvseg_core.metrics.track_ap import THRESHOLDS, match_tracks
from gvseg_core.metrics.tracks import Detections, Flags, Rows, box_ious, mask_ious, rows_of, track_ious
from gvseg_core.types import Answer, FrameResult, Partial, Segment, VideoScorer, Vocabulary

SPLITS = ("all", "common", "uncommon")

_MOST_PER_FRAME = 300
_LEAST_IOU = 0.5  # below which a detection is alone when it is asked whether it may be left out
_OBJECT = 1  # the number that the open world's one class has; asked for among the lists of real classes, as officially


class _Video(VideoScorer):
    """Detections on all annotated frames."""

    def __init__(self, truth: Answer) -> None:
        self._truth = truth
        self._num_frames = 0
        self._true, self._found = Detections(), Detections()

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""
        segments = [s for s in found.segments if self._class_of(s) is not None]
        if len(segments) > _MOST_PER_FRAME:
            segments = sorted(segments, key=lambda s: -s.score)[:_MOST_PER_FRAME]
        self._true.add(self._num_frames, [(s.track_id, s.class_id, 1.0, s.mask) for s in truth.segments])
        self._found.add(self._num_frames, [(s.track_id, self._class_of(s) or 0, s.score, s.mask) for s in segments])
        self._num_frames += 1

    def _class_of(self, segment: Segment) -> int | None:
        """The class of a region found; None to leave it out."""
        return segment.class_id

    def _rows(self) -> tuple[Rows, Rows, Floats]:
        """The truth's, those found, and how the masks of both overlap on each frame."""
        true, found = (rows_of(detections, self._num_frames) for detections in (self._true, self._found))
        return true, found, mask_ious((self._true, self._found), (true, found))


class ClassVideo(_Video):
    """Every class by itself.

    Args:
        guided: whether objects were given: then classes are the truth's, and whatever was not given is not looked at.
    """

    def __init__(self, truth: Answer, vocabulary: Vocabulary, *, guided: bool) -> None:
        super().__init__(truth)
        self._class_of_track = {track.track_id: track.class_id for track in truth.tracks} if guided else None
        number = {info.dataset_id: class_id for class_id, info in enumerate(vocabulary.classes)}
        self._absent, self._partly = (
            np.array(sorted(number[i] for i in truth.details[name] if i in number), np.int64)
            for name in ("neg_category_ids", "not_exhaustive_category_ids")
        )

    def _class_of(self, segment: Segment) -> int | None:
        if self._class_of_track is None:
            return segment.class_id
        return self._class_of_track.get(segment.track_id)

    def partial(self) -> Partial:
        """Of C classes, N tracks of the truth and K found: `groups` (C,), `counts` (2, C, 3, A) and `sums`
        (2, C, 4, A) of HOTA, by boxes and by masks; `true_class`, `true_split` (N,); `found_class`, `found_score`,
        `found_ignored` (K,), `found_matched` (K, S) of those that count for AP, the best first."""
        true, found, masks = self._rows()
        same = true.class_id[:, None] == found.class_id
        groups = np.union1d(true.class_id, found.class_id)
        counted = np.logical_or.reduce(true.place > 0, axis=1)
        parts = []
        for similarity in (box_ious(true, found), masks):
            pairs = Pairs(true.place, found.place, true.class_id, found.class_id, np.where(same, similarity, 0.0))
            pairs = pairs.pick(counted, np.ones(len(true.class_id), np.bool_))
            if self._class_of_track is None:
                absent, partly = (np.isin(found.class_id, some) for some in (self._absent, self._partly))
                pairs = pairs.without(_left_out(pairs, absent, partly))
            parts.append(hota_counts(pairs, groups))
        split = {track.track_id: track.details["split"] for track in self._truth.tracks}
        return {
            "groups": groups,
            "counts": np.stack([counts for counts, _ in parts]),
            "sums": np.stack([sums for _, sums in parts]),
            "true_class": true.class_id,
            "true_split": np.array([split[i] for i in true.track_id.tolist()], np.str_),
            **self._tracks(true, found, masks),
        }

    def _tracks(self, true: Rows, found: Rows, masks: Floats) -> Partial:
        """What AP needs to know."""
        overlaps, track = track_ious(masks, true, found)
        of = track[found.of]  # of each detection
        num = overlaps.shape[1]
        scores = np.bincount(of, self._found.score, num) / np.maximum(1, np.bincount(of, minlength=num))
        first = np.full(num, len(of), np.int64)
        np.minimum.at(first, of, np.arange(len(of)))
        classes = np.array(self._found.class_id, np.int64)[first]
        order = np.lexsort((first, -scores))
        allowed = np.isin(classes, np.concatenate((true.class_id, self._absent)))
        order = order[allowed[order]]
        matched = np.zeros((num, len(THRESHOLDS)), np.bool_)
        for class_id in np.unique(true.class_id):
            mine = order[classes[order] == class_id]
            matched[mine] = match_tracks(overlaps[true.class_id == class_id][:, mine].T)
        return {
            "found_class": classes[order],
            "found_score": scores[order],
            "found_ignored": np.isin(classes, self._partly)[order],
            "found_matched": matched[order],
        }


class OpenVideo(_Video):
    """Objects of any kind, and of all that were found those that are common ones, and those that are not."""

    def partial(self) -> Partial:
        """`groups` (3,), the places of `SPLITS`; `counts` (2, 3, 3, A) and `sums` (2, 3, 4, A) of HOTA, by boxes and
        by masks."""
        true, found, masks = self._rows()
        split = {track.track_id: track.details["split"] for track in self._truth.tracks}
        splits = [split[i] for i in true.track_id.tolist()]
        absent, partly = (
            np.full(len(found.class_id), _OBJECT in self._truth.details[name])
            for name in ("neg_category_ids", "not_exhaustive_category_ids")
        )
        parts = []
        for similarity in (box_ious(true, found), masks):
            for name in SPLITS:
                mine = np.array([name in ("all", other) for other in splits], np.bool_)
                whole = Pairs(
                    true.place, found.place, np.zeros_like(true.class_id), np.zeros_like(found.class_id), similarity
                )
                pairs = whole.pick(np.logical_or.reduce(true.place[:, mine] > 0, axis=1), mine)
                parts.append(hota_counts(pairs.without(_left_out(pairs, absent, partly)), np.zeros(1, np.int64)))
        counts, sums = (np.stack([part[i][0] for part in parts]) for i in (0, 1))
        return {
            "groups": np.arange(len(SPLITS)),
            "counts": counts.reshape(2, len(SPLITS), *counts.shape[1:]),
            "sums": sums.reshape(2, len(SPLITS), *sums.shape[1:]),
        }


def _left_out(pairs: Pairs, absent: Flags, partly: Flags) -> Flags:
    """(T, M) detections of which nobody can say whether they are wrong.

    Where there is nothing of a class and the video was not searched for it, nothing found of it counts; where not
    everything of a class is annotated, nothing counts that is alone.

    Args:
        absent: (M,) of a class that the video surely lacks.
        partly: (M,) of a class that is not annotated throughout.
    """
    same = pairs.found_group[:, None] == pairs.true_group  # (M, N)
    present = (pairs.true > 0).astype(np.int64) @ same.T > 0
    left: Flags = np.greater(pairs.found, 0) & ~present & ~absent
    if partly.any():
        left = left | (unmatched(pairs, _LEAST_IOU) & partly)
    return left
