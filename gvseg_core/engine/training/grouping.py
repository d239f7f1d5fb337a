"""Which clips of a part go through the network together, and the chance that each of them has of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from gvseg_core.config import InputSettings
from gvseg_core.data.training.samples import Sample
from gvseg_core.tasks.teaching import Teaching
from gvseg_core.types import LabelledClip, Size, TaskName

Key = tuple[TaskName, str]
"""A task and the class head it is taught on."""

_WHOLE = 63  # in place of a clip's number: the sample's own chance


@dataclass(frozen=True, slots=True)
class Group:
    """Clips that are decoded together: of one task, one class head and one size."""

    lesson: Key
    samples: list[Sample] = field(default_factory=list)
    clips: list[LabelledClip] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)  # for each clip the place of its video's key clip
    distant: list[bool] = field(default_factory=list)
    chance: list[torch.Generator] = field(default_factory=list)  # each clip's own


def grouped(samples: Sequence[Sample], teachings: Mapping[Key, Teaching], seed: int) -> list[list[Group]]:
    """Groups that are decoded together; those of one size, which are encoded together, in one list.

    Args:
        samples: at least one.
        teachings: of every task and head.
        seed: of the run.
    """
    groups: dict[tuple[object, ...], Group] = {}
    for sample in samples:
        lesson = sample.task, sample.vocabulary
        alone = sample.number if teachings[lesson].one_video else None
        first = sample.clips[0]
        shapes = {tuple(clip.pixels.shape) for clip in sample.clips}
        assert len(shapes) == 1, "clips of one sample are seen alike"
        group = groups.setdefault((lesson, tuple(first.pixels.shape), alone), Group(lesson))
        group.samples.append(sample)
        group.keys.extend([len(group.clips)] * len(sample.clips))
        group.clips.extend(sample.clips)
        group.distant.extend(sample.distant)
        seeds = (seed_of(seed, sample.number, clip) for clip in range(len(sample.clips)))
        group.chance.extend(torch.Generator().manual_seed(one) for one in seeds)
    by_size: dict[tuple[int, ...], list[Group]] = {}
    for group in groups.values():
        by_size.setdefault(tuple(group.clips[0].pixels.shape), []).append(group)
    return list(by_size.values())


def seed_of(seed: int, number: int, clip: int = _WHOLE) -> int:
    """What a clip of the sample of that number, or the sample itself, draws from in a run with this seed."""
    return ((seed * 1_000_003 + number) * 64 + clip) % 2**63


def padded_size(size: Size, settings: InputSettings) -> Size:
    """(H, W) of pictures → what they are padded to."""
    d = settings.divisor
    return -(-size[0] // d) * d, -(-size[1] // d) * d
