"""Identity that is given: objects that were pointed at, followed for as long as the video lasts.

Two ways to find them again. A network with exemplar queries (`rows_are_objects`) answers for each object by itself: row
i is object i, and its class score says whether it is there. A network with learnt queries only is asked which of them
fits the exemplar, and from then on which is most like it (`Cues`): no training needed. What we chose:

- what an object is compared with is the mean of two embeddings: what was first pointed at, which is never forgotten,
  and a running mean of what was seen with confidence (`refresh`) since;
- an object is absent from a clip that holds nothing like it, for any length of time, and never given up;
- on the frame it was given on, a mask is its own answer, whatever the network says of it; a later exemplar of the same
  object starts it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gvseg_core.config import EvsSettings, TrackSettings
from gvseg_core.ops import rle
from gvseg_core.ops.assignment import assign
from gvseg_core.track.association import Cues, first_shown, last_shown
from gvseg_core.track.pixel_memory import PixelMemory
from gvseg_core.track.summary import Summary
from gvseg_core.types import Clip, Features, FrameResult, Prompt, Proposals, Rle, Segment, Track

_CLASS_ID = 0  # "object", all there is


@dataclass(slots=True)
class Target:
    """One object that was pointed at."""

    summary: Summary
    pooled: Tensor | None = None  # (C,) features its query starts from, where the network takes such
    place: tuple[float, float] | None = None  # x, y of its centre when last seen, in source pixels
    anchor: Tensor | None = None  # (C,) embedding on the frame it was given on
    recent: Tensor | None = None  # (C,) running mean of confident embeddings
    descriptor: Tensor | None = None  # (U·V,) when last seen
    confident: Rle | None = None  # its mask on the last frame, if it was seen there with confidence


class ExemplarTracker:
    """Follows what it was shown."""

    def __init__(self, settings: EvsSettings, tracking: TrackSettings, cues: Cues, *, rows_are_objects: bool) -> None:
        """`tracking` lends its momentum; births and deaths are not for it to decide here."""
        self._settings = settings
        self._momentum = tracking.momentum
        self._cues = cues
        self._rows_are_objects = rows_are_objects
        self.targets: dict[int, Target] = {}  # by track id, in the order they were given: the order of their rows
        self.cells = PixelMemory(settings.propagation, settings.radius)
        self.looked_at: Features | None = None  # features of the last frame, where `pooled` features are refreshed

    @property
    def tracks(self) -> Sequence[Track]:
        """Every object that was pointed at, by ascending id."""
        return tuple(self.targets[track_id].summary.track() for track_id in sorted(self.targets))

    def meet(self, prompts: Sequence[Prompt], frame_index: int) -> None:
        """Take up what is given on a frame; an object given again keeps its id and is looked at anew."""
        for prompt in prompts:
            known = self.targets.get(prompt.track_id)
            summary = known.summary if known else Summary(prompt.track_id, _CLASS_ID, frame_index)
            self.targets[prompt.track_id] = Target(summary)

    def update(self, proposals: Proposals, clip: Clip) -> Iterator[FrameResult]:
        """Say where each object is; every frame of the clip leaves exactly once, in order."""
        exemplar = clip.frames[0].exemplar
        given = {} if exemplar is None else {prompt.track_id: prompt for prompt in exemplar.prompts}
        found = self._find(proposals, tuple(given))
        present = {i: (row, score) for i, (row, score) in found.items() if i in given or score >= self._settings.conf}
        rendered = dict(zip(present, proposals.render([row for row, _ in present.values()]), strict=True))
        for track_id, target in self.targets.items():
            score = found[track_id][1] if track_id in found else 0.0
            target.summary.judged(len(clip.frames), 1.0 if track_id in given else score)
        for t, frame in enumerate(clip.frames):
            masks = {track_id: masks[t] for track_id, masks in rendered.items()}
            scores = {track_id: score for track_id, (_, score) in present.items()}
            if t == 0:
                masks = _with_given(masks, given)
                scores |= dict.fromkeys(given, 1.0)
            segments = []
            for track_id in sorted(masks):
                if (mask := masks[track_id]) is not None:
                    self.targets[track_id].summary.seen(frame.index)
                    segments.append(Segment(track_id, _CLASS_ID, scores[track_id], mask))
            yield FrameResult(frame, tuple(segments))
        self._remember(proposals, present, given, masks)

    def _find(self, proposals: Proposals, given: Sequence[int]) -> dict[int, tuple[int, float]]:
        """Track id → its query and how sure we are of it, in [0, 1]; for those that have one."""
        scores = dict(zip(proposals.rows, proposals.scores, strict=True))
        if self._rows_are_objects:
            return {track_id: (row, scores[row]) for row, track_id in enumerate(self.targets) if row in scores}
        found = {}
        if given:
            assert proposals.fit is not None, "a clip with an exemplar comes with the fit of its queries"
            found = {given[n]: (row, scores[row]) for n, row in assign(proposals.fit, 0.0)}
        others = [i for i, target in self.targets.items() if i not in given and target.anchor is not None]
        if others:
            alike = self._similarity([self.targets[i] for i in others], proposals)
            alike[:, [row for row, _ in found.values()]] = float("nan")
            for m, row in assign(alike, 0.0):
                found[others[m]] = row, scores[row] * min(float(alike[m, row]), 1.0)
        return found

    def _similarity(self, targets: Sequence[Target], proposals: Proposals) -> Tensor:
        known = torch.stack([_looks(target) for target in targets])
        shapes = [target.descriptor for target in targets if target.descriptor is not None]
        first = None if proposals.descriptors is None else first_shown(proposals.descriptors)
        return self._cues.similarity(known, torch.stack(shapes) if shapes else None, proposals.embeddings, first)

    def _remember(
        self,
        proposals: Proposals,
        present: dict[int, tuple[int, float]],
        given: dict[int, Prompt],
        masks: dict[int, Rle | None],
    ) -> None:
        """Learn from the clip; `masks` are those of its last frame."""
        last = None if proposals.descriptors is None else last_shown(proposals.descriptors)
        for track_id, target in self.targets.items():
            target.confident = None
            if track_id not in present:
                continue
            row, score = present[track_id]
            mask = masks.get(track_id)
            if mask is not None:
                target.place = rle.centroid(mask)
            embedding = proposals.embeddings[row]
            if track_id in given:
                target.anchor = target.recent = embedding
            elif score >= self._settings.refresh and target.recent is not None:
                target.recent = torch.lerp(embedding, target.recent, self._momentum)
                target.confident = mask
            if last is not None and (target.descriptor is None or last[row].any()):
                target.descriptor = last[row]


def _looks(target: Target) -> Tensor:
    """(C,) what the object is compared with."""
    assert target.anchor is not None
    assert target.recent is not None
    return (target.anchor + target.recent) / 2


def _with_given(masks: dict[int, Rle | None], given: dict[int, Prompt]) -> dict[int, Rle | None]:
    """Given masks as they are, the others without the pixels of these."""
    exact = {track_id: prompt.mask for track_id, prompt in given.items() if prompt.mask is not None}
    if not exact:
        return masks
    taken = rle.decode(rle.merge(list(exact.values())))
    left: dict[int, Rle | None] = {}
    for track_id, mask in masks.items():
        if mask is not None and track_id not in exact:
            rest = rle.decode(mask) & ~taken
            mask = rle.encode(rest) if rest.any() else None
        left[track_id] = mask
    return left | exact
