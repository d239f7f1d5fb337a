"""Video panoptic segmentation: every pixel, things with ids and stuff with classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gvseg_core.config import VpsSettings
from gvseg_core.ops.maps import compete
from gvseg_core.ops.rle import encode_labels
from gvseg_core.tasks.common import BaseTask, class_logits_of, grid_of, mask_logits_of, propose, share_of_frame
from gvseg_core.track.tracker import SpaTracker
from gvseg_core.types import Clip, Features, Prediction, Proposals, Queries, Rle, Tracker


@dataclass(frozen=True, slots=True)
class Region:
    """A query that is sure of its class, and the segment made of it."""

    row: int  # where several of a stuff class are merged, the first of them
    class_id: int
    score: float


class Vps(BaseTask[VpsSettings]):
    """Things as in `vis`, stuff as in `vss`, and no pixel twice.

    Rules of DVIS (`inference_video_vps`), over the frames of a clip: a query is kept if its best class is not "no
    object" and scores above `conf`; each pixel goes to the kept query with the largest score × mask probability; a
    query whose pixels, won on all frames together, are fewer than `overlap` of its own mask is dropped, and they stay
    empty; stuff of one class is one segment. How we differ: a class is a thing because the vocabulary says so, not by
    its index; and DVIS decides once over a whole video, here each clip decides for itself.
    """

    name = "vps"
    settings_type = VpsSettings

    @property
    def stuff(self) -> frozenset[int]:
        """Classes that are their own identity."""
        return frozenset(range(len(self.vocabulary))) - self.vocabulary.thing_ids

    def own_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:  # noqa: ARG002
        """A grid of cells for things, and a query for each stuff class."""
        source = self.queries[self.name]
        return source(features, self.head, sorted(self.stuff), share_of_frame(clip))  # type: ignore[no-any-return]

    def decode(self, prediction: Prediction, clip: Clip, tracker: Tracker) -> Proposals:  # noqa: ARG002
        """Share out the pixels among the queries that are sure of their class."""
        class_logits = class_logits_of(prediction)
        scores, class_ids = class_logits.softmax(-1).max(-1)
        sure = (class_ids < class_logits.shape[1] - 1) & (scores > self.settings.conf)
        kept = [Region(row, int(class_ids[row]), float(scores[row])) for row in sure.nonzero()[:, 0].tolist()]
        regions, maps = self._share_out(kept, prediction, clip)
        masks = [encode_labels(labels) for labels in maps]
        labels = {
            region.row: label
            for label, region in enumerate(regions, start=1)
            if self.settings.classes is None or region.class_id in self.settings.classes
        }

        def render(rows: Sequence[int]) -> list[tuple[Rle | None, ...]]:
            return [tuple(found.get(labels[row]) for found in masks) for row in rows]

        shown = [region for region in regions if region.row in labels]
        rows, classes = [region.row for region in shown], [region.class_id for region in shown]
        grid = grid_of(prediction, clip) if self.follows_motion else None
        return propose(prediction, rows, classes, [region.score for region in shown], render, grid=grid)

    def _share_out(
        self, kept: Sequence[Region], prediction: Prediction, clip: Clip
    ) -> tuple[list[Region], list[NDArray[np.int32]]]:
        """The segments, and for each frame a map (H, W) of their places in that list + 1; 0 belongs to nobody."""
        if not kept:
            return [], []
        logits, grid = mask_logits_of(prediction, [region.row for region in kept]), grid_of(prediction, clip)
        contests = [compete(logits[:, t], [region.score for region in kept], grid) for t in range(len(clip.frames))]
        won = np.sum([contest.won for contest in contests], axis=0)
        own = np.sum([contest.own for contest in contests], axis=0)
        both = np.sum([np.bincount(c.labels.ravel(), minlength=len(kept) + 1)[1:] for c in contests], axis=0)
        regions: list[Region] = []
        opened: dict[int, int] = {}  # stuff class → label
        relabel = np.zeros(len(kept) + 1, np.int32)
        for i, region in enumerate(kept):
            if not both[i] or won[i] / own[i] < self.settings.overlap:
                continue
            label = opened.get(region.class_id)
            if label is None:
                regions.append(region)
                label = len(regions)
                if region.class_id in self.stuff:
                    opened[region.class_id] = label
            relabel[i + 1] = label
        return regions, [relabel[contest.labels] for contest in contests]

    def tracker(self) -> Tracker:
        """Things one by one, stuff by its class."""
        return SpaTracker(self.tracking, self.cues, stuff=self.stuff, classes=self.settings.classes)
