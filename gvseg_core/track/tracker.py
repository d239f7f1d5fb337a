"""Identity in one video: objects by likeness of their queries, stuff by its class.

Follows GvSEG (§3.2) and, with `shape_weight` 0, `momentum` 0, `match_threshold` -1 and `birth_score` 0 on all queries,
is MinVIS to the last index: every query of the first frame is a slot, linked to the next frame through its embedding on
the last. What neither of them says, and we chose:

- an object that is not found is remembered for `memory` frames, and may come back under its old id; but it has to look
  more like itself (`return_threshold`) than one that never was away, or the next newcomer would be taken for it. 0.7
  confuses the fewest by colours and fixed shapes. Where shape and place have been learnt to count, an object that
  returns elsewhere is less like itself: on rendered videos 0.3 to 0.5 gave the best AP (0.42; 0.38 at 0.7);
- of two that look alike, the one is meant that would be there if it went on as it went (`motion_weight`, where shape
  and place have been learnt to count; `track.motion`). On rendered videos, where two of eight objects look alike
  and pass each other twice, `nano` has an AP of 60.7 (AP50 86.3) with 0.3, and of 53.4 (73.0) with 0;
- what is remembered of an object is the running mean of its embeddings (`momentum`), but the last descriptor that shows
  it: looks change slowly, places do not;
- a new object needs more confidence (`birth_score`) than one that is followed (the task's `conf`);
- an object's class is the likeliest over all of its clips, so that labels do not flicker; its score on a frame is that
  class's score there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gvseg_core.config import TrackSettings
from gvseg_core.ops.assignment import assign
from gvseg_core.track.association import Cues, first_shown, last_shown
from gvseg_core.track.motion import Motion, gone_on, nearness
from gvseg_core.track.summary import Summary
from gvseg_core.types import Clip, FrameResult, Proposals, Segment, Track


class _Memories:
    """Objects that may still come (back), a row for each, oldest first."""

    def __init__(self) -> None:
        self.summaries: list[Summary] = []
        self.embeddings = torch.empty(0, 0)  # (M, C)
        self.descriptors: Tensor | None = None  # (M, U·V)
        self.motions: list[Motion | None] = []  # of those whose place is known
        self.last_seen = np.empty(0, np.int64)  # (M,) on the tracker's own clock

    def __len__(self) -> int:
        return len(self.summaries)

    def move(self, rows: Sequence[int], embeddings: Tensor, descriptors: Tensor | None, momentum: float) -> None:
        """What is found again looks a little otherwise now; its descriptor is replaced where it shows."""
        at = torch.as_tensor(rows, dtype=torch.long)
        self.embeddings[at] = torch.lerp(embeddings, self.embeddings[at], momentum)
        if descriptors is not None and self.descriptors is not None:
            shows = descriptors.any(1)
            self.descriptors[at[shows]] = descriptors[shows]

    def go_on(self, found: Mapping[int, int], seen: Tensor | None, num_frames: int) -> None:
        """Let all move on by a clip: those `found` (row → place in `seen`) as they were seen, others as they went."""
        for row, motion in enumerate(self.motions):
            way = None if seen is None or row not in found else seen[found[row]]
            self.motions[row] = gone_on(motion, way, num_frames)

    def add(self, summaries: Sequence[Summary], embeddings: Tensor, descriptors: Tensor | None) -> None:
        """New objects."""
        self.summaries += summaries
        self.motions += [None] * len(summaries)
        self.last_seen = np.append(self.last_seen, np.zeros(len(summaries), np.int64))
        self.embeddings = embeddings if not len(self.embeddings) else torch.cat([self.embeddings, embeddings])
        if descriptors is not None:
            known = self.descriptors
            self.descriptors = descriptors if known is None else torch.cat([known, descriptors])

    def forget(self, before: int) -> None:
        """Let go of what was last seen before that time."""
        stays = self.last_seen >= before
        if not stays.all():
            self.summaries = [summary for summary, stay in zip(self.summaries, stays, strict=True) if stay]
            self.motions = [motion for motion, stay in zip(self.motions, stays, strict=True) if stay]
            self.last_seen, rows = self.last_seen[stays], torch.from_numpy(stays)
            self.embeddings = self.embeddings[rows]
            self.descriptors = None if self.descriptors is None or not stays.any() else self.descriptors[rows]


def return_threshold(settings: TrackSettings, cues: Cues) -> float:
    """How alike an object that was out of sight must be to what it was."""
    if settings.return_threshold is not None:
        return settings.return_threshold
    return 0.7 if cues.projection is None else 0.4


def motion_weight(settings: TrackSettings, cues: Cues) -> float:
    """What being where a steady way would lead counts beside being alike."""
    if settings.motion_weight is not None:
        return settings.motion_weight
    return 0.0 if cues.projection is None else 0.3


class SpaTracker:
    """Names things by shape, position and appearance, and stuff by its class."""

    def __init__(
        self,
        settings: TrackSettings,
        cues: Cues,
        *,
        stuff: Collection[int] = frozenset(),
        classes: Collection[int] | None = None,
    ) -> None:
        """
        Args:
            settings: thresholds and memory.
            cues: how queries are compared.
            stuff: classes that are their own identity; their id is class id + 1, and no object gets it.
            classes: what an object may be; anything but stuff by default.
        """
        self._settings = settings
        self._cues = cues
        self._return_threshold = return_threshold(settings, cues)
        self._motion_weight = motion_weight(settings, cues)
        self._stuff = frozenset(stuff)
        self._classes = classes
        self._clock = 0  # frames so far
        self._last_id = 0
        self._living = _Memories()
        self._summaries: dict[int, Summary] = {}

    @property
    def tracks(self) -> Sequence[Track]:
        """Everything that was named so far, by ascending id."""
        return tuple(self._summaries[track_id].track() for track_id in sorted(self._summaries))

    def update(self, proposals: Proposals, clip: Clip) -> Iterator[FrameResult]:
        """Name what was proposed; every frame of the clip leaves exactly once, in order."""
        length = len(clip.frames)
        kept = list(zip(proposals.rows, proposals.class_ids, proposals.scores, strict=True))
        things = [(row, score) for row, class_id, score in kept if class_id not in self._stuff]
        named = [(row, *known) for row, known in self._name_things(things, proposals, clip).items()]
        named += [(row, *self._name_stuff(c, s, clip)) for row, c, s in kept if c in self._stuff]
        self._clock += length
        self._living.forget(self._clock - self._settings.memory)

        masks = proposals.render([row for row, _, _ in named])
        order = sorted(range(len(named)), key=lambda i: named[i][1].track_id)
        for t, frame in enumerate(clip.frames):
            segments = []
            for i in order:
                _, summary, score = named[i]
                if (mask := masks[i][t]) is not None:
                    summary.seen(frame.index)
                    segments.append(Segment(summary.track_id, summary.class_id, score, mask))
            yield FrameResult(frame, tuple(segments))

    def _name_things(
        self, things: Sequence[tuple[int, float]], proposals: Proposals, clip: Clip
    ) -> dict[int, tuple[Summary, float]]:
        """The objects among the queries: row → its summary, and its score in this clip."""
        living, length = self._living, len(clip.frames)
        if not things:
            living.go_on({}, None, length)
            return {}
        rows = [row for row, _ in things]
        seen: Tensor | None = None
        if proposals.places is not None and self._motion_weight:
            seen = proposals.places[[proposals.rows.index(row) for row in rows]]
        embeddings, first, last = proposals.embeddings[rows], None, None
        if self._cues.use_descriptors and proposals.descriptors is not None:
            shapes = proposals.descriptors[rows]
            first, last = first_shown(shapes), last_shown(shapes)
        found: dict[int, int] = {}  # place among `things` → row of the memory
        if len(living):
            alike = self._cues.similarity(living.embeddings, living.descriptors, embeddings, first)
            if seen is not None:
                alike = torch.lerp(alike, nearness(living.motions, seen), self._motion_weight)
            away = torch.from_numpy(living.last_seen < self._clock)
            alike.masked_fill_(away[:, None] & (alike < self._return_threshold), torch.nan)  # no pair at all
            found = {place: row for row, place in assign(alike, self._settings.match_threshold)}
        if found:
            places = list(found)
            living.move(
                list(found.values()),
                embeddings[places],
                None if last is None else last[places],
                self._settings.momentum,
            )
        born = [i for i, (_, score) in enumerate(things) if i not in found and score >= self._settings.birth_score]
        if born:
            found |= self._born(born, things, embeddings, last, clip.frames[0].index)

        living.last_seen[list(found.values())] = self._clock + length
        living.go_on({row: place for place, row in found.items()}, seen, length)
        probs, logits = proposals.class_logits.softmax(-1).numpy(), proposals.class_logits.double().numpy()
        classes = sorted(set(range(probs.shape[1] - 1) if self._classes is None else self._classes) - self._stuff)
        named = {}
        for i, row in enumerate(rows):
            if i in found:
                summary = living.summaries[found[i]]
                summary.judged(length, 0.0, logits[row])
                summary.class_id = summary.best_class(classes)
                named[row] = summary, float(probs[row, summary.class_id])
        return named

    def _born(
        self,
        born: Sequence[int],
        things: Sequence[tuple[int, float]],
        embeddings: Tensor,
        descriptors: Tensor | None,
        frame_index: int,
    ) -> dict[int, int]:
        """Remember new objects: place among `things` → row of the memory."""
        ids = {i: self._next_id() for i in sorted(born, key=lambda i: -things[i][1])}  # whatever the queries' order
        new = [Summary(ids[i], 0, frame_index) for i in born]
        self._summaries |= {summary.track_id: summary for summary in new}
        start = len(self._living)
        self._living.add(new, embeddings[born], None if descriptors is None else descriptors[born])
        return {i: start + k for k, i in enumerate(born)}

    def _name_stuff(self, class_id: int, score: float, clip: Clip) -> tuple[Summary, float]:
        track_id = class_id + 1
        summary = self._summaries.get(track_id)
        if summary is None:
            summary = self._summaries[track_id] = Summary(track_id, class_id, clip.frames[0].index)
        summary.judged(len(clip.frames), score)
        return summary, score

    def _next_id(self) -> int:
        self._last_id += 1
        while self._last_id - 1 in self._stuff:
            self._last_id += 1
        return self._last_id
