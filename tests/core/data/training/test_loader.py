"""The order of samples: the same for any number of workers and processes, and from any step on."""

from __future__ import annotations

from itertools import islice

import pytest

from gvseg_core.data.training.loader import samples
from gvseg_core.data.training.samples import Sample
from gvseg_core.data.training.sources import Source
from gvseg_core.data.training.workers import Workers
from gvseg_core.errors import DataError, UsageError
from gvseg_core.recipes import AugmentSettings, SourceSettings, TrainSettings
from tests.core.data.training.sets import Squares, source
from tests.core.data.training.test_samples import assert_equal

SETTINGS = TrainSettings(
    data=(SourceSettings(benchmark="auto"),),
    steps=100,
    batch_size=4,
    workers=0,
    seed=3,
    augment=AugmentSettings(short_sides=(40, 60), crop=0.5, crop_short_sides=(40,), crop_range=(20, 40)),
)


def sets() -> tuple[Source, ...]:
    return source("vis"), source("evs", Squares(is_still=True), weight=0.5), source("vps", Squares(panoptic=True))


def drawn(num: int, **options: int) -> list[Sample]:
    with samples(SETTINGS, sets(), clip_length=2, **options) as stream:  # type: ignore[arg-type]
        return list(islice(stream, num))


def assert_all_equal(found: list[Sample], wanted: list[Sample]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert_equal(one, other)


def test_samples_are_numbered_from_0() -> None:
    found = drawn(9)
    assert [sample.number for sample in found] == list(range(9))
    assert {sample.task for sample in found} == {"vis", "evs", "vps"}
    assert {len(sample.clips) for sample in found} == {2}
    assert {clip.pixels.shape[0] for sample in found for clip in sample.clips} == {2}


def test_workers_give_the_same_samples_in_the_same_order_and_end_with_the_run() -> None:
    with samples(SETTINGS, sets(), clip_length=2, workers=2) as stream:
        found = list(islice(stream, 9))
        assert isinstance(stream._made, Workers)
        processes = list(stream._made._processes)
    assert_all_equal(found, drawn(9))
    assert not any(process.is_alive() for process in processes)
    stream.close()


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_together_have_what_one_alone_would_have(world_size: int) -> None:
    share = SETTINGS.batch_size // world_size
    ranks = [drawn(3 * share, rank=rank, world_size=world_size) for rank in range(world_size)]
    joined = [sample for step in range(3) for rank in ranks for sample in rank[step * share : (step + 1) * share]]
    assert_all_equal(joined, drawn(12))


def test_a_run_goes_on_from_any_step() -> None:
    assert_all_equal(drawn(4, start=2), drawn(12)[8:])
    assert_all_equal(drawn(2, start=2, rank=1, world_size=2), drawn(12)[10:])


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train.batch_size: 4 samples .* by 3 processes; take 6"):
        drawn(1, world_size=3)


def test_a_bad_file_is_named_or_left_out() -> None:
    damaged = (source("vis", Squares(damaged=[1])),)
    with (
        samples(SETTINGS, damaged, clip_length=2) as stream,
        pytest.raises(DataError, match=r"^vis squares, video1: video1/00000\.jpg: it is empty; mend it"),
    ):
        list(islice(stream, 4))
    with samples(SETTINGS, damaged, clip_length=2, allow_missing=True) as stream:
        assert len(list(islice(stream, 4))) == 4
        assert stream.problems == ["vis squares, video1: video1/00000.jpg: it is empty"]


def test_time_spent_waiting_is_counted() -> None:
    with samples(SETTINGS, sets(), clip_length=2) as stream:
        assert stream.waited == 0
        next(stream)
        first = stream.waited
        next(stream)
        assert 0 < first < stream.waited
