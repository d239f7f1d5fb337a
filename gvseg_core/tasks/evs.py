"""Exemplar-guided segmentation: the objects that were pointed at, by mask, box or point, and followed.

With a network's own exemplar queries each object has one query, pooled from the features under its exemplar, and that
query's class score says whether the object is there. With learnt queries only (public Mask2Former weights) nothing
needs training: the query that fits the exemplar best is the object's, and from then on the query most like it.

Masks are the queries', and, with a network's own exemplar queries, also the pixels': `track.pixel_memory` says where
those have gone that were the object's on the frames before.

How an exemplar grows old: not at all, unless `keep` is below 1. Then a mask that the network is sure of (`refresh`) is
an exemplar too; the features under it are pooled in the same way, and mixed into those the query starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from gvseg_core.config import EvsSettings, TrackSettings
from gvseg_core.model.queries import exemplar_features
from gvseg_core.ops import rle
from gvseg_core.ops.maps import compete
from gvseg_core.ops.propagation import colours, directions
from gvseg_core.ops.regions import Grid, box_weights, mask_weights, point_weights
from gvseg_core.tasks.common import LEARNED, BaseTask, class_logits_of, grid_of, mask_logits_of, propose
from gvseg_core.track.exemplar import ExemplarTracker, Target
from gvseg_core.types import (
    ClassInfo,
    Clip,
    Features,
    Prediction,
    Prompt,
    Proposals,
    Queries,
    Rle,
    Tracker,
    Vocabulary,
)

OBJECT = Vocabulary("object", (ClassInfo("object", (200, 80, 60)),))
"""What every object of `evs` is, whatever the network could call it."""

_STRIDE = 8  # of the features that exemplars are pooled from, in input pixels
_TIE = 1e-3  # weight of the mean probability under an exemplar, where two masks overlap it equally (or not at all)


class Evs(BaseTask[EvsSettings]):
    """Objects are given, and share no pixel.

    The head may speak of any classes: whatever is not "no object" is some object.
    """

    name = "evs"
    settings_type = EvsSettings

    def __init__(
        self,
        queries: nn.ModuleDict,
        vocabulary: Vocabulary,
        settings: EvsSettings | None = None,
        tracking: TrackSettings | None = None,
        projection: Tensor | None = None,
    ) -> None:
        """As every task; `vocabulary` names the head, results speak of `OBJECT` alone."""
        super().__init__(queries, vocabulary, settings, tracking, projection)
        self.vocabulary = OBJECT
        self.rows_are_objects = LEARNED not in queries

    @property
    def needs_descriptors(self) -> bool:
        """Only where objects must be found among the queries."""
        return self.cues.use_descriptors and not self.rows_are_objects

    @property
    def looks_back(self) -> bool:
        """Always: objects are met by the clip that shows them, and queries start from where they were last seen."""
        return True

    def wants(self, clip: Clip, tracker: Tracker) -> bool:
        """Once something has been pointed at."""
        return clip.frames[0].exemplar is not None or bool(_own(tracker).targets)

    def init_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:
        """Learnt ones, or one for each object that is known by now."""
        self.meet(clip, tracker)
        return super().init_queries(features, clip, tracker)

    def meet(self, clip: Clip, tracker: Tracker) -> None:
        """Take up the objects that are given on the clip."""
        _own(tracker).meet(_prompts(clip), clip.frames[0].index)

    def own_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:
        """Features under what was given, or seen with confidence since."""
        memory = _own(tracker)
        h, w = features.multi_scale[-1].shape[-2:]
        grid = Grid((h, w), clip.padded_size, clip.input_size, clip.source_size)
        for track_id, weights in self._begin(memory, clip, grid).items():
            seen = exemplar_features(features, weights[None].to(features.mask_features.device))
            memory.targets[track_id].pooled = seen[0].float()
        # Stride 8 of the last frame is all that refreshing will look at.
        last = features.multi_scale[-1][:, -1:].clone()
        memory.looked_at = Features((last,), last)
        targets = list(memory.targets.values())
        pooled = torch.stack([target.pooled for target in targets if target.pooled is not None]).to(last)
        places = _places(targets, grid).to(last.device)
        return self.queries[self.name](pooled[None], places[None], (h, w))  # type: ignore[no-any-return]

    def state_before(self, clip: Clip, tracker: Tracker, width: int) -> dict[str, Tensor]:
        """What an exported graph (`gvseg_core.model.exported`) starts from, once the clip's objects have been met;
        `width`: channels of its features."""
        memory = _own(tracker)
        cells = (clip.padded_size[0] // _STRIDE, clip.padded_size[1] // _STRIDE)
        grid = Grid(cells, clip.padded_size, clip.input_size, clip.source_size)
        new = self._begin(memory, clip, grid)
        targets = memory.targets
        nothing = torch.zeros(width)
        return {
            "regions": torch.stack([new.get(track_id, torch.zeros(cells)) for track_id in targets]).float(),
            "pooled": torch.stack([nothing if t.pooled is None else t.pooled.cpu() for t in targets.values()]),
            "places": _places(list(targets.values()), grid),
        }

    def state_after(self, tracker: Tracker, pooled: Tensor, last: Tensor) -> None:
        """Keep what it answered: (N, C) features under the exemplars, and (C, h, w) at stride 8 of the last frame."""
        memory = _own(tracker)
        for target, seen in zip(memory.targets.values(), pooled, strict=True):
            target.pooled = seen.float()
        memory.looked_at = Features((last[None, None],), last[None, None])

    def _begin(self, memory: ExemplarTracker, clip: Clip, grid: Grid) -> dict[int, Tensor]:
        """Where objects that are given on this clip are: track id → (h, w) share of each cell; the others refreshed."""
        self._refresh(memory, grid)
        for prompt in _prompts(clip):
            memory.targets[prompt.track_id].place = _centre(prompt)
        return {prompt.track_id: _weights(prompt, grid) for prompt in _prompts(clip)}

    def _refresh(self, memory: ExemplarTracker, grid: Grid) -> None:
        """Let what was seen with confidence at the end of the last clip count as an exemplar, too."""
        if self.settings.keep == 1:
            return
        for target in memory.targets.values():
            mask, target.confident = target.confident, None
            if mask is None or memory.looked_at is None or target.pooled is None or mask.size != grid.source_size:
                continue
            weights = mask_weights(torch.from_numpy(rle.decode(mask)), grid)
            seen = exemplar_features(memory.looked_at, weights[None].to(target.pooled.device))[0].float()
            target.pooled = torch.lerp(seen, target.pooled, self.settings.keep)

    def decode(self, prediction: Prediction, clip: Clip, tracker: Tracker) -> Proposals:
        """Every query is proposed; which of them are objects, the tracker knows."""
        presence = 1 - class_logits_of(prediction).softmax(-1)[:, -1]
        grid = grid_of(prediction, clip)
        if self.rows_are_objects and self.settings.propagation:
            prediction = self._carried_on(prediction, clip, _own(tracker), grid)
        fit, scores = None, presence
        if not self.rows_are_objects:
            # What a head of other classes says of an object is no measure of whether it is there.
            scores = torch.ones_like(presence)
            if prompts := _prompts(clip):
                first = prediction.mask_logits()[0, :, 0].cpu()
                fit = torch.stack([_fit(prompt, first, presence, grid) for prompt in prompts])

        def render(rows: Sequence[int]) -> list[tuple[Rle | None, ...]]:
            logits, weights = mask_logits_of(prediction, rows), scores[list(rows)].tolist()
            contests = [compete(logits[:, t], weights, grid) for t in range(len(clip.frames))]
            frames = [rle.encode_labels(contest.labels) for contest in contests]
            return [tuple(masks.get(n) for masks in frames) for n, _ in enumerate(rows, start=1)]

        num = len(scores)
        return propose(prediction, range(num), [0] * num, scores.tolist(), render, fit=fit)

    def _carried_on(self, prediction: Prediction, clip: Clip, memory: ExemplarTracker, grid: Grid) -> Prediction:
        """The same with masks that also say where the pixels of the frames before have gone.

        A mask is a product of an embedding and features; here the features are the masks, and the embeddings choose.
        """
        rows = {track_id: row for row, track_id in enumerate(memory.targets)}
        given = [rows[prompt.track_id] for prompt in _prompts(clip)]
        covers = {
            rows[prompt.track_id]: _cover(prompt.mask, grid) for prompt in _prompts(clip) if prompt.mask is not None
        }
        masks = [
            memory.cells.follow(_looks(features, frame.image, clip), logits, () if t else given, {} if t else covers)
            for t, (frame, features, logits) in enumerate(
                zip(clip.frames, prediction.mask_features[0], prediction.mask_logits()[0].unbind(1), strict=True)
            )
        ]
        chosen = torch.eye(len(masks[0]), device=masks[0].device)
        return replace(prediction, mask_embeddings=chosen[None], mask_features=torch.stack(masks)[None])

    def tracker(self) -> Tracker:
        """Only what is given."""
        return ExemplarTracker(self.settings, self.tracking, self.cues, rows_are_objects=self.rows_are_objects)


def _own(tracker: Tracker) -> ExemplarTracker:
    assert isinstance(tracker, ExemplarTracker), "evs works with the tracker it made"
    return tracker


def _prompts(clip: Clip) -> tuple[Prompt, ...]:
    exemplar = clip.frames[0].exemplar
    return () if exemplar is None else exemplar.prompts


def _weights(prompt: Prompt, grid: Grid) -> Tensor:
    """(h, w) share of each cell in what the prompt covers."""
    if prompt.mask is not None:
        return mask_weights(torch.from_numpy(rle.decode(prompt.mask)), grid)
    if prompt.box is not None:
        return box_weights(prompt.box, grid)
    assert prompt.point is not None, "a prompt is a mask, a box or a point"
    return point_weights(prompt.point, grid)


def _looks(features: Tensor, picture: Tensor, clip: Clip) -> Tensor:
    """What pixels are told by: mask features and the colours of the source."""
    seen = colours(picture, clip.input_size, (int(features.shape[-2]), int(features.shape[-1])))
    return torch.cat([directions(features), seen.to(features.device)])


def _cover(mask: Rle, grid: Grid) -> Tensor:
    """(h, w) share of each cell that a mask covers."""
    pixels_per_cell = float(grid.edges(0)[1] * grid.edges(1)[1])
    weights = mask_weights(torch.from_numpy(rle.decode(mask)), grid)
    return (weights * (rle.area(mask) / pixels_per_cell)).clamp(max=1)


def _centre(prompt: Prompt) -> tuple[float, float]:
    """x, y in source pixels."""
    if prompt.mask is not None:
        return rle.centroid(prompt.mask)
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box
        return (x0 + x1) / 2, (y0 + y1) / 2
    assert prompt.point is not None, "a prompt is a mask, a box or a point"
    return prompt.point


def _places(targets: Sequence[Target], grid: Grid) -> Tensor:
    """(N, 2) x, y in cells; NaN where an object has no place yet. The centre of the first cell is 0, 0."""
    cell = torch.tensor([float(grid.edges(1)[1]), float(grid.edges(0)[1])])
    unknown = (float("nan"), float("nan"))
    return torch.tensor([target.place or unknown for target in targets]) / cell - 0.5


def _fit(prompt: Prompt, logits: Tensor, presence: Tensor, grid: Grid) -> Tensor:
    """(Q,) how well the masks (Q, h, w) agree with a prompt: IoU of masks or boxes, or confidence at a point."""
    weights = _weights(prompt, grid)
    under = (logits.sigmoid() * weights).flatten(1).sum(1)
    if prompt.point is not None:
        return under * presence + _TIE * under
    masks = logits > 0
    if prompt.mask is not None:
        covered = _cover(prompt.mask, grid)
        both = (masks * covered).flatten(1).sum(1)
        either = masks.flatten(1).sum(1) + covered.sum() - both
    else:
        assert prompt.box is not None
        boxes = torch.stack([_box_of(mask, grid) for mask in masks])
        box = torch.tensor(prompt.box)
        sides = (torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])).clamp(min=0)
        both = sides.prod(1)
        either = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - both
    return both / either.clamp(min=1e-6) + _TIE * under


def _box_of(mask: Tensor, grid: Grid) -> Tensor:
    """(4,) x0, y0, x1, y1 in source pixels of the cells inside; zeros where there is none."""
    y, x = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    if not len(y):
        return torch.zeros(4)
    rows, columns = grid.edges(0), grid.edges(1)
    return torch.stack([columns[x[0]], rows[y[0]], columns[x[-1] + 1], rows[y[-1] + 1]]).float()
