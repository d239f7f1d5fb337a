"""Identity in one video: objects by likeness of their queries, stuff by its class.

Follows GvSEG (§3.2) and, with `shape_weight` 0, `momentum` 0, `match_threshold` -1 and `birth_score` 0 on all queries,
is MinVIS to the last index: every query of the first frame is a slot, linked to the next frame through its embedding on
the last. What neither of them says, and we chose:

- an object that is not found is remembered for `memory` frames, and may come back under its old id; but it has to look
  more like itself (`return_threshold`) than one that never was away, or the next newcomer would be taken for it. 0.7
  confuses the fewest by colours and fixed shapes. Where shape and place have been learnt to count, an object that
  returns elsewhere is less like itself: on rendered videos 0.3 to 0.5 gave the best AP (0.42; 0.38 at 0.7);
- what is remembered of an object is the running mean of its embeddings (`momentum`), but the last descriptor that shows
  it: looks change slowly, places do not;
- a new object needs more confidence (`birth_score`) than one that is followed (the task's `conf`);
- an object's class is the likeliest over all of its clips, so that labels do not flicker; its score on a frame is that
  class's score there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gvseg_core.config import TrackSettings
from gvseg_core.ops.assignment import assign
from gvseg_core.track.association import Cues, first_shown, last_shown
from gvseg_core.track.summary import Summary
from gvseg_core.types import Clip, FrameResult, Proposals, Segment, Track


@dataclass(slots=True)
class _Memory:
    """One object that may still come (back)."""

    summary: Summary
    embedding: Tensor  # (C,)
    descriptor: Tensor | None  # (U·V,)
    last_seen: int  # on the tracker's own clock


def return_threshold(settings: TrackSettings, cues: Cues) -> float:
    """How alike an object that was out of sight must be to what it was."""
    if settings.return_threshold is not None:
        return settings.return_threshold
    return 0.7 if cues.projection is None else 0.4


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
        self._stuff = frozenset(stuff)
        self._classes = classes
        self._clock = 0  # frames so far
        self._last_id = 0
        self._living: list[_Memory] = []
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
        self._living = [m for m in self._living if self._clock - m.last_seen <= self._settings.memory]

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
        rows = torch.tensor([row for row, _ in things], dtype=torch.long)
        embeddings, first, last = proposals.embeddings[rows], None, None
        if self._cues.use_descriptors and proposals.descriptors is not None:
            first, last = first_shown(proposals.descriptors[rows]), last_shown(proposals.descriptors[rows])
        matches: dict[int, _Memory] = {}
        moved: dict[int, Tensor] = {}
        if self._living:
            known = torch.stack([memory.embedding for memory in self._living])
            shapes = [m.descriptor for m in self._living if m.descriptor is not None]
            alike = self._cues.similarity(known, torch.stack(shapes) if shapes else None, embeddings, first)
            away = torch.tensor([memory.last_seen < self._clock for memory in self._living])
            alike[away[:, None] & (alike < self._return_threshold)] = torch.nan  # no pair at all
            pairs = assign(alike, self._settings.match_threshold)
            matches = {place: self._living[m] for m, place in pairs}
            now, before = embeddings[[place for _, place in pairs]], known[[m for m, _ in pairs]]
            moved = dict(zip(matches, torch.lerp(now, before, self._settings.momentum), strict=True))

        born = [i for i, (_, score) in enumerate(things) if i not in matches and score >= self._settings.birth_score]
        ids = {i: self._next_id() for i in sorted(born, key=lambda i: -things[i][1])}  # whatever the queries' order
        # One by one, what follows would take longer than the matching: tensors are left behind first.
        probs, logits = proposals.class_logits.softmax(-1).numpy(), proposals.class_logits.double().numpy()
        is_shown = [] if last is None else last.any(1).tolist()
        classes = sorted(set(range(probs.shape[1] - 1) if self._classes is None else self._classes) - self._stuff)
        named = {}
        for i, (row, _) in enumerate(things):
            memory = matches.get(i)
            if memory is not None:
                memory.embedding = moved[i]
                if last is not None and (is_shown[i] or memory.descriptor is None):
                    memory.descriptor = last[i]
            elif i in ids:
                shape = None if last is None else last[i]
                memory = _Memory(Summary(ids[i], 0, clip.frames[0].index), embeddings[i], shape, 0)
                self._living.append(memory)
                self._summaries[ids[i]] = memory.summary
            else:
                continue
            memory.last_seen = self._clock + len(clip.frames)
            summary = memory.summary
            summary.judged(len(clip.frames), 0.0, logits[row])
            summary.class_id = summary.best_class(classes)
            named[row] = summary, float(probs[row, summary.class_id])
        return named

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
