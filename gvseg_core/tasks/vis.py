"""Video instance segmentation: a mask, class and score for every countable object."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from gvseg_core.config import VisSettings
from gvseg_core.ops.masks import instance_masks
from gvseg_core.tasks.common import BaseTask, class_logits_of, grid_of, mask_logits_of, propose, share_of_frame
from gvseg_core.track.tracker import SpaTracker
from gvseg_core.types import Clip, Features, Prediction, Proposals, Queries, Rle, Tracker


class Vis(BaseTask[VisSettings]):
    """Queries start on a grid of pixels and are followed by shape, position and appearance.

    Class scores are a softmax with "no object" among the classes, as in Mask2Former-VIS. While the video runs a query
    answers for its best class alone; `Track.class_scores` holds the others for whoever ranks pairs of query and class.
    """

    name = "vis"
    settings_type = VisSettings

    @property
    def kept_classes(self) -> Collection[int] | None:
        """What an object may be: the classes asked for, else those that can be counted; None is all."""
        things = self.vocabulary.thing_ids
        countable = things if 0 < len(things) < len(self.vocabulary) else None
        return countable if self.settings.classes is None else self.settings.classes

    def own_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:  # noqa: ARG002
        """Features of cells that are evenly spread over the picture."""
        return self.queries[self.name](features, share_of_frame(clip))  # type: ignore[no-any-return]

    def decode(self, prediction: Prediction, clip: Clip, tracker: Tracker) -> Proposals:  # noqa: ARG002
        """Keep what scores well; masks, which may overlap, are made for what the tracker names."""
        probs = class_logits_of(prediction).softmax(-1)[:, :-1]
        if self.kept_classes is not None:
            others = [class_id for class_id in range(probs.shape[1]) if class_id not in self.kept_classes]
            probs[:, others] = -1.0
        scores, class_ids = probs.max(-1)
        best = scores.argsort(descending=True, stable=True)[: self.settings.top]
        rows = [row for row in best.tolist() if scores[row] >= self.settings.conf]
        if self.name in self.queries:
            rows = self._distinct(prediction, rows, scores[rows])
        rows.sort()
        grid = grid_of(prediction, clip)

        def render(rows: Sequence[int]) -> list[tuple[Rle | None, ...]]:
            logits = mask_logits_of(prediction, rows)
            masks = iter(instance_masks(logits.flatten(0, 1), grid))
            return [tuple(next(masks) for _ in clip.frames) for _ in rows]

        seen = grid if self.follows_motion else None
        return propose(prediction, rows, class_ids[rows].tolist(), scores[rows].tolist(), render, grid=seen)

    def _distinct(self, prediction: Prediction, rows: list[int], scores: Tensor) -> list[int]:
        """`rows` without those that show what better ones show already.

        Several cells of the grid lie on one object, and in training each of their queries answers for it at times;
        learnt queries have places and habits of their own. Better is what is surer of its class and of its pixels, and
        larger: of a part and the whole the whole is wanted, and the part is often the surer one.
        """
        probs = mask_logits_of(prediction, rows).float().sigmoid().flatten(1).cpu()
        masks = probs > 0.5
        area = masks.sum(1)
        sureness = (probs * masks).sum(1) / area.clamp(min=1)
        taken = torch.zeros_like(masks[:1]).any(0)
        kept: list[int] = []
        for place in (scores * sureness * area.sqrt()).argsort(descending=True, stable=True).tolist():
            if area[place] and (masks[place] & taken).sum() <= self.settings.covered * area[place]:
                taken |= masks[place]
                kept.append(rows[place])
        return kept

    def tracker(self) -> Tracker:
        """Every object by itself."""
        return SpaTracker(self.tracking, self.cues, classes=self.kept_classes)
