"""Every benchmark has data, metrics, a layout, and the numbers it is compared with."""

from __future__ import annotations

import pytest

from gvseg_core.data.benchmarks import BENCHMARKS
from gvseg_core.data.synth import VOCABULARIES
from gvseg_core.engine.benchmarks import SCORINGS, Bench, choose_bench
from gvseg_core.engine.evaluation.scoring import score_video, total
from gvseg_core.errors import UsageError
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.types import Answer

BENCHES = [*BENCHMARKS, *(f"synth_{task}" for task in VOCABULARIES)]


def bench_of(name: str) -> Bench:
    bench, _, task = name.partition("synth_")
    return choose_bench(bench or "synth", task or None)  # type: ignore[arg-type]


class Truth:
    """As much of it as metrics are made of."""

    def __init__(self, bench: Bench) -> None:
        self.vocabulary = bench.benchmark.vocabulary


@pytest.mark.parametrize("name", BENCHES)
def test_every_benchmark_is_whole(name: str) -> None:
    bench = bench_of(name)
    assert bench.benchmark.name == name.partition("_")[0] if name.startswith("synth") else name
    assert bench.layout in LAYOUTS
    metrics = bench.metrics(Truth(bench))  # type: ignore[arg-type]
    names = [metric.name for metric in metrics]
    assert len(set(names)) == len(names) > 0
    assert not any("/" in name for name in names), "arrays are stored as metric/key"


@pytest.mark.parametrize("name", BENCHES)
def test_an_empty_video_is_scored_in_the_keys_that_are_promised(name: str) -> None:
    bench = bench_of(name)
    nothing = Answer("video", (), details={"frames": (), "neg_category_ids": (), "not_exhaustive_category_ids": ()})
    metrics = bench.metrics(Truth(bench))  # type: ignore[arg-type]
    found = total(metrics, [("video", score_video(metrics, nothing, nothing))]).metrics
    assert set(bench.scoring.headline) <= found.keys()
    assert bench.scoring.published.keys() <= set(bench.scoring.headline)


def test_published_numbers_are_in_the_units_of_the_metrics() -> None:
    for name, scoring in SCORINGS.items():
        for key, value in scoring.published.items():
            assert (1 < value < 100) == bench_of(name).in_percent(key), f"{name}: {key} {value}"


def test_only_synth_has_a_choice_of_tasks() -> None:
    assert choose_bench("synth").benchmark.task == "vps"
    assert choose_bench("synth", "evs").benchmark.task == "evs"
    assert choose_bench("ovis", "vis").benchmark.task == "vis"
    with pytest.raises(UsageError, match="--bench ovis is vis, not vps"):
        choose_bench("ovis", "vps")
    with pytest.raises(UsageError, match=r"did you mean 'vspw'.*synth"):
        choose_bench("vspv")
