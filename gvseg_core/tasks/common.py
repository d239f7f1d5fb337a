"""What the tasks share: the parts they are made of, where queries start, and how a prediction becomes proposals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from gvseg_core.config import Settings, TrackSettings
from gvseg_core.ops.regions import Grid, centres
from gvseg_core.track.association import Cues
from gvseg_core.track.tracker import motion_weight
from gvseg_core.types import Clip, Features, Prediction, Proposals, Queries, Rle, TaskName, Tracker, Vocabulary

LEARNED = "learned"
"""The source of queries of a network that was not made for tasks."""

Render = Callable[[Sequence[int]], list[tuple[Rle | None, ...]]]

S = TypeVar("S", bound=Settings)


class BaseTask(ABC, Generic[S]):
    """A task, put together from its parts."""

    name: TaskName
    settings_type: type[S]

    def __init__(
        self,
        queries: nn.ModuleDict,
        vocabulary: Vocabulary,
        settings: S | None = None,
        tracking: TrackSettings | None = None,
        projection: Tensor | None = None,
    ) -> None:
        """
        Args:
            queries: the network's sources of queries.
            vocabulary: classes of the head that answers, and its name.
            settings: the task's own, defaults by default.
            tracking: identity between clips.
            projection: (C, U·V) of shape–position descriptors, where the network has learnt one.
        """
        self.vocabulary = vocabulary
        self.head = vocabulary.name
        self.queries = queries
        self.settings = settings or self.settings_type()
        self.tracking = tracking or TrackSettings()
        self.cues = Cues(self.tracking.shape_weight, None if projection is None else projection.detach().float().cpu())

    @property
    def needs_descriptors(self) -> bool:
        """Whether its tracker looks at shape and position."""
        return self.cues.use_descriptors

    @property
    def follows_motion(self) -> bool:
        """Whether its tracker looks at where things are and how they move."""
        return motion_weight(self.tracking, self.cues) > 0

    @property
    def looks_back(self) -> bool:
        """Never: every clip is asked the same."""
        return False

    def wants(self, clip: Clip, tracker: Tracker) -> bool:  # noqa: ARG002
        """Always: anything may come into view."""
        return True

    def init_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:
        """Learnt ones from a network that has them, else the task's own."""
        if LEARNED in self.queries:
            return self.queries[LEARNED](features.mask_features.shape[0])  # type: ignore[no-any-return]
        return self.own_queries(features, clip, tracker)

    @abstractmethod
    def own_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:
        """From the source that has the task's name."""

    @abstractmethod
    def decode(self, prediction: Prediction, clip: Clip, tracker: Tracker) -> Proposals:
        """From logits to decisions."""

    @abstractmethod
    def tracker(self) -> Tracker:
        """A memory for one video."""


def share_of_frame(clip: Clip) -> tuple[float, float]:
    """Height and width of the picture as shares of the padded one."""
    return clip.input_size[0] / clip.padded_size[0], clip.input_size[1] / clip.padded_size[1]


def grid_of(prediction: Prediction, clip: Clip) -> Grid:
    """How the stride-4 cells of the masks lie over the clip's pictures."""
    h, w = prediction.mask_features.shape[-2:]
    return Grid((h, w), clip.padded_size, clip.input_size, clip.source_size)


def class_logits_of(prediction: Prediction) -> Tensor:
    """(Q, K + 1) of the only clip, on the CPU, where decisions are taken."""
    return prediction.class_logits[0].detach().float().cpu()


def mask_logits_of(prediction: Prediction, rows: Sequence[int]) -> Tensor:
    """(N, T, h, w) of the only clip, where the prediction is."""
    return prediction.mask_logits(torch.tensor(list(rows), dtype=torch.long, device=prediction.mask_embeddings.device))[
        0
    ]


def propose(
    prediction: Prediction,
    rows: Sequence[int],
    class_ids: Sequence[int],
    scores: Sequence[float],
    render: Render,
    *,
    grid: Grid | None = None,
    fit: Tensor | None = None,
) -> Proposals:
    """Decisions, with all of the prediction that trackers look at, on the CPU; with a `grid`, where masks lie on it."""
    descriptors = prediction.descriptors
    return Proposals(
        class_logits=class_logits_of(prediction),
        embeddings=prediction.embeddings[0].detach().float().cpu(),
        descriptors=None if descriptors is None else descriptors[0].detach().float().cpu(),
        rows=tuple(rows),
        class_ids=tuple(class_ids),
        scores=tuple(scores),
        render=render,
        places=None if grid is None else centres(mask_logits_of(prediction, rows) > 0, grid),
        fit=fit,
    )
