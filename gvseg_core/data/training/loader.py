"""The samples of a run in order, made by worker processes ahead of time.

Sample number k is the same whoever makes it, and samples are handed out by number: their order does not depend on how
many workers or processes there are. Of the samples of a step each process gets a stretch of its own, so that what all
have, one after the other by rank, is what one process alone would have.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count

from gvseg_core.data.training.samples import Sample, SampleMaker
from gvseg_core.data.training.sampling import ClipRules, Order
from gvseg_core.data.training.sources import Source
from gvseg_core.data.training.workers import Workers
from gvseg_core.errors import UsageError
from gvseg_core.recipes import TrainSettings

PATIENCE = 120.0  # seconds; the first samples come after everything has been imported once more
_AHEAD = 2  # samples that each worker makes before they are asked for


class Samples:
    """One process's samples of a run, without end; a context manager, which ends the workers.

    Attributes:
        waited: seconds spent waiting for samples.
        problems: what was left out so far, one line each.
    """

    def __init__(self, made: Iterator[Sample]) -> None:
        self.waited = 0.0
        self.problems: list[str] = []
        self._made = made

    def __iter__(self) -> Iterator[Sample]:
        return self

    def __next__(self) -> Sample:
        """
        Raises:
            DataError: a file cannot be read, a set has nothing to show, or a worker does not answer.
            DeviceError: a worker was ended from outside.
        """
        begun = time.perf_counter()
        sample = next(self._made)
        self.waited += time.perf_counter() - begun
        self.problems += sample.problems
        return sample

    def __enter__(self) -> Samples:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; safe more than once."""
        if isinstance(self._made, Workers):
            self._made.close()


def samples(
    settings: TrainSettings,
    sources: Sequence[Source],
    *,
    clip_length: int,
    start: int = 0,
    rank: int = 0,
    world_size: int = 1,
    workers: int | None = None,
    allow_missing: bool = False,
    patience: float = PATIENCE,
) -> Samples:
    """The samples of a run from one of its steps on, `settings.batch_size` of them a step over all processes.

    Args:
        sources: the run's sets, opened.
        clip_length: T.
        start: the first step, from 0.
        rank, world_size: which process this is, of how many.
        workers: processes that make samples; by default `settings.workers`; with 0 this one makes them.
        allow_missing: leave out videos that cannot be read, instead of failing.
        patience: seconds after which a worker that gives nothing is taken to hang.

    Raises:
        UsageError: the batch cannot be shared equally.
    """
    share, rest = divmod(settings.batch_size, world_size)
    if rest:
        raise UsageError(
            f"train.batch_size: {settings.batch_size} samples cannot be shared equally by {world_size} processes; "
            f"take {(share + 1) * world_size}"
        )
    contrast = settings.contrast
    rules = ClipRules(clip_length, settings.frame_range, settings.clips, contrast.near, contrast.distant)
    order = Order([source.weight for source in sources], [len(source.videos) for source in sources], settings.seed)
    maker = SampleMaker(sources, order, rules, settings.augment, settings.seed, allow_missing=allow_missing)
    make = _Stretch(maker, order, start * settings.batch_size + rank * share, share, settings.batch_size)
    num = settings.workers if workers is None else workers
    return Samples(Workers(make, num, ahead=_AHEAD, patience=patience) if num else map(make, count()))


class _Stretch:
    """What one process makes of a run: of every `batch` samples the first `share`, counted from sample `first`."""

    def __init__(self, maker: SampleMaker, order: Order, first: int, share: int, batch: int) -> None:
        self._maker = maker
        self._order = order
        self._first = first
        self._share = share
        self._batch = batch

    def __call__(self, number: int) -> Sample:
        """The process's own `number`-th sample."""
        step, place = divmod(number, self._share)
        return self._maker(self._order.turn(self._first + step * self._batch + place))
