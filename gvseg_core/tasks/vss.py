"""Video semantic segmentation: one class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence

from gvseg_core.config import VssSettings
from gvseg_core.ops.maps import semantic_map
from gvseg_core.ops.rle import encode_labels
from gvseg_core.tasks.common import BaseTask, grid_of, propose
from gvseg_core.track.tracker import SpaTracker
from gvseg_core.types import Clip, Features, Prediction, Proposals, Queries, Rle, Tracker


class Vss(BaseTask[VssSettings]):
    """Queries start as the mean of their class; the class is the identity.

    Rules of DVIS (`inference_video_vss`): a pixel has the class with the largest sum, over all queries, of class
    probability × mask probability; "no object" has no say, so that every pixel has a class. A class's score on a clip
    is that of its surest query.
    """

    name = "vss"
    settings_type = VssSettings

    @property
    def needs_descriptors(self) -> bool:
        """Never: a class has neither shape nor place."""
        return False

    def own_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:  # noqa: ARG002
        """One for each class."""
        return self.queries[self.name](features.mask_features.shape[0], self.head)  # type: ignore[no-any-return]

    def decode(self, prediction: Prediction, clip: Clip, tracker: Tracker) -> Proposals:  # noqa: ARG002
        """A class for every pixel; what is proposed are classes, not queries."""
        probs = prediction.class_logits[0].detach().float().softmax(-1)[:, :-1]
        logits = prediction.mask_logits()[0]
        grid = grid_of(prediction, clip)
        maps = [encode_labels(semantic_map(logits[:, t], probs, grid) + 1) for t in range(len(clip.frames))]
        seen = {label - 1 for masks in maps for label in masks}
        classes = sorted(seen if self.settings.classes is None else seen & self.settings.classes)

        def render(rows: Sequence[int]) -> list[tuple[Rle | None, ...]]:
            return [tuple(masks.get(row + 1) for masks in maps) for row in rows]

        return propose(prediction, classes, classes, probs.amax(0)[classes].tolist(), render)

    def tracker(self) -> Tracker:
        """Every class by itself, for ever."""
        return SpaTracker(self.tracking, self.cues, stuff=range(len(self.vocabulary)))
