"""What each task asks of the network in training: where queries start, who has to answer for what, who is alike.

| task | queries | answer for a target | identity |
|---|---|---|---|
| vis | cells of the grid, drawn at random | whoever fits (Hungarian) | the object |
| vss | means of the classes | the query of its class | the class |
| vps | both | things: whoever fits of the grid; stuff: the query of its class | object, class |
| evs | features under the exemplars | the query of its exemplar | the object |

A network with learnt queries asks nothing of the kind: whoever fits answers, for things and stuff alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gvseg_core.losses.targets import bound
from gvseg_core.model.queries import ClassQueries, exemplar_features
from gvseg_core.tasks.common import LEARNED
from gvseg_core.types import Features, LabelledClip, Queries, TaskName, Vocabulary

_STRIDE = 8  # pixels of a cell of `Features.multi_scale[-1]`


@dataclass(frozen=True, slots=True)
class Shown:
    """What the network sees: clips of one size, those of one video next to each other, its key clip first."""

    features: Features
    clips: Sequence[LabelledClip]
    keys: Sequence[int]  # for each clip the place of its video's key clip
    distant: Sequence[bool]
    frame: tuple[float, float]  # height and width of the picture as shares of the padded one
    chance: Sequence[torch.Generator]  # each clip's own


class Teaching(ABC):
    """One task on one class head.

    Attributes:
        things: the classes that are followed object by object.
        unlabelled: the classes that a pixel without a label may be of, K among them; () where it may be any.
        one_video: its clips must be those of one video, because their number of queries is its own.
        has_classes: its labels say what things are, not only which they are.
    """

    one_video = False
    has_classes = True

    def __init__(self, queries: nn.ModuleDict, vocabulary: Vocabulary) -> None:
        self.queries = queries
        self.vocabulary = vocabulary
        self.things: Collection[int] = vocabulary.thing_ids
        self.unlabelled: Collection[int] = ()

    @property
    def class_source(self) -> ClassQueries | None:
        """The queries that are means of classes, which training moves."""
        return None

    @abstractmethod
    def start(self, shown: Shown) -> Queries:
        """What the decoder starts from, for every clip."""

    def num_free(self) -> int | None:
        """How many of the queries, the first ones, answer for whatever they fit; None is all."""
        return None

    def rows(self, clip: LabelledClip, key: LabelledClip) -> tuple[int, ...] | None:  # noqa: ARG002
        """The query that has to answer for each target, or FREE; None where all are free."""
        return None

    @abstractmethod
    def num_queries(self, key: LabelledClip) -> int:
        """Q, before the network has run."""


class Learnt(Teaching):
    """Learnt queries, whatever the task; which classes are followed object by object is still the task's to say."""

    def __init__(self, queries: nn.ModuleDict, own: Teaching) -> None:
        super().__init__(queries, own.vocabulary)
        self.things, self.unlabelled, self.has_classes = own.things, own.unlabelled, own.has_classes

    def start(self, shown: Shown) -> Queries:
        return self.queries[LEARNED](len(shown.clips))  # type: ignore[no-any-return]

    def num_queries(self, key: LabelledClip) -> int:  # noqa: ARG002
        content = self.queries[LEARNED].content
        assert isinstance(content, Tensor)
        return len(content)


class TeachVis(Teaching):
    """Every thing has a label, so that a pixel without one is of no thing."""

    def __init__(self, queries: nn.ModuleDict, vocabulary: Vocabulary) -> None:
        super().__init__(queries, vocabulary)
        self.unlabelled = [i for i in range(len(vocabulary) + 1) if i not in vocabulary.thing_ids]

    def start(self, shown: Shown) -> Queries:
        return self.queries["vis"](shown.features, shown.frame, shown.chance)  # type: ignore[no-any-return]

    def num_queries(self, key: LabelledClip) -> int:  # noqa: ARG002
        return int(self.queries["vis"].num_queries)  # type: ignore[arg-type]


class TeachVss(Teaching):
    def __init__(self, queries: nn.ModuleDict, vocabulary: Vocabulary) -> None:
        super().__init__(queries, vocabulary)
        self.things = ()

    @property
    def class_source(self) -> ClassQueries:
        source = self.queries["vss"]
        assert isinstance(source, ClassQueries)
        return source

    def start(self, shown: Shown) -> Queries:
        return self.class_source(len(shown.clips), self.vocabulary.name)  # type: ignore[no-any-return]

    def num_free(self) -> int:
        return 0

    def rows(self, clip: LabelledClip, key: LabelledClip) -> tuple[int, ...]:  # noqa: ARG002
        return bound(clip.class_ids, range(len(self.vocabulary)))

    def num_queries(self, key: LabelledClip) -> int:  # noqa: ARG002
        return len(self.vocabulary)


class TeachVps(Teaching):
    def __init__(self, queries: nn.ModuleDict, vocabulary: Vocabulary) -> None:
        super().__init__(queries, vocabulary)
        self.stuff = [i for i in range(len(vocabulary)) if i not in vocabulary.thing_ids]

    @property
    def class_source(self) -> ClassQueries:
        source = self.queries["vps"].stuff
        assert isinstance(source, ClassQueries)
        return source

    def start(self, shown: Shown) -> Queries:
        source = self.queries["vps"]
        return source(shown.features, self.vocabulary.name, self.stuff, shown.frame, shown.chance)  # type: ignore[no-any-return]

    def num_free(self) -> int:
        return int(self.queries["vps"].things.num_queries)  # type: ignore[union-attr, arg-type]

    def rows(self, clip: LabelledClip, key: LabelledClip) -> tuple[int, ...]:  # noqa: ARG002
        return bound(clip.class_ids, self.stuff, first=self.num_free())

    def num_queries(self, key: LabelledClip) -> int:  # noqa: ARG002
        return self.num_free() + len(self.stuff)


class TeachEvs(Teaching):
    """The key clip's first frame shows the objects; every clip of the video is asked for them.

    Where an object was last seen is told as at test: in the key clip it is where it is, nearby it is where it was in
    the key clip, and far away nobody knows.
    """

    one_video = True
    has_classes = False

    def start(self, shown: Shown) -> Queries:
        key = shown.clips[shown.keys[0]]
        h, w = shown.features.multi_scale[-1].shape[-2:]
        weights = _shares(key, (h, w)).to(shown.features.mask_features.device)
        picture = shown.keys[0]
        first = Features(
            tuple(level[picture : picture + 1] for level in shown.features.multi_scale),
            shown.features.mask_features[picture : picture + 1],
        )
        pooled = exemplar_features(first, weights)
        places = _centres(weights)
        unknown = torch.full_like(places, float("nan"))
        return self.queries["evs"](  # type: ignore[no-any-return]
            pooled.expand(len(shown.clips), -1, -1),
            torch.stack([unknown if far else places for far in shown.distant]),
            (h, w),
        )

    def num_free(self) -> int:
        return 0

    def rows(self, clip: LabelledClip, key: LabelledClip) -> tuple[int, ...]:
        return bound(clip.track_ids, key.track_ids.tolist())

    def num_queries(self, key: LabelledClip) -> int:
        return len(key.track_ids)


TEACHINGS: dict[TaskName, type[Teaching]] = {"vis": TeachVis, "vss": TeachVss, "vps": TeachVps, "evs": TeachEvs}


def teaching_of(task: TaskName, queries: nn.ModuleDict, vocabulary: Vocabulary) -> Teaching:
    """What a task asks of a network with these sources of queries."""
    own = TEACHINGS[task](queries, vocabulary)
    return Learnt(queries, own) if LEARNED in queries else own


def _shares(clip: LabelledClip, size: tuple[int, int]) -> Tensor:
    """(N, h, w): how much of each object on the clip's first frame lies in each cell; each sums to 1."""
    masks = clip.masks[:, 0].float()
    padded = torch.nn.functional.pad(
        masks, (0, size[1] * _STRIDE - masks.shape[-1], 0, size[0] * _STRIDE - masks.shape[-2])
    )
    cells = torch.nn.functional.avg_pool2d(padded[:, None], _STRIDE)[:, 0]
    return cells / cells.sum((1, 2), keepdim=True).clamp(min=1e-6)


def _centres(shares: Tensor) -> Tensor:
    """(N, 2) x, y in cells; the centre of the first is 0, 0."""
    h, w = shares.shape[-2:]
    x = (shares.sum(1) * torch.arange(w, device=shares.device)).sum(1)
    y = (shares.sum(2) * torch.arange(h, device=shares.device)).sum(1)
    return torch.stack([x, y], dim=1)
