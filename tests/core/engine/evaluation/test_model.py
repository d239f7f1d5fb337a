"""A model under the benchmark's conditions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gvseg_core.data.classes import plain_vocabulary
from gvseg_core.engine.benchmarks import Bench, choose_bench
from gvseg_core.engine.build import load_segmenter
from gvseg_core.engine.evaluation import model as evaluation_model
from gvseg_core.engine.evaluation.model import Runner, load_for
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Nobody
from gvseg_core.errors import ModelError
from gvseg_core.types import TaskName
from tests.models import write_tiny_model

SPEC = Path("videos=2,frames=5,size=64x48,objects=4")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


def load(tiny: Path, task: TaskName, bench: Bench | None = None, **values: Any) -> Any:
    settings = EvalSettings(bench="synth", task=task, model=str(tiny), dtype="fp32", **values)
    return load_for(bench or choose_bench("synth", task), settings, Team(), Nobody())


def test_instances_are_looked_for_with_low_scores_as_ap_wants(tiny: Path) -> None:
    segmenter = load(tiny, "vis")
    assert (segmenter.task.settings.conf, segmenter.task.tracking.birth_score) == (0.05, 0.05)
    segmenter = load(tiny, "vis", conf=0.4)
    assert (segmenter.task.settings.conf, segmenter.task.tracking.birth_score) == (0.4, 0.4)
    segmenter = load(tiny, "vis", overrides={"tracking": {"birth_score": 0.3, "memory": 9}})
    assert (segmenter.task.settings.conf, segmenter.task.tracking.birth_score) == (0.05, 0.3)
    assert segmenter.task.tracking.memory == 9


def test_where_predictions_are_not_ranked_objects_need_their_usual_scores(tiny: Path) -> None:
    bench = choose_bench("synth", "vis")
    counted = replace(bench, scoring=replace(bench.scoring, says="classes"))
    segmenter = load(tiny, "vis", counted)
    assert (segmenter.task.settings.conf, segmenter.task.tracking.birth_score) == (0.3, 0.5)


def test_panoptic_regions_keep_their_own_scores(tiny: Path) -> None:
    segmenter = load(tiny, "vps")
    assert (segmenter.task.settings.conf, segmenter.task.tracking.birth_score) == (0.8, 0.5)


def test_pictures_have_the_size_that_is_usual_for_the_backbone(tiny: Path) -> None:
    own = load_segmenter(tiny, "vps").input_settings
    family = load_segmenter(tiny, "vps").network.settings.backbone.kind
    bench = choose_bench("synth", "vps")
    sides = {family: 96, "other": 33}
    usual = replace(bench, benchmark=replace(bench.benchmark, short_side=sides, max_side=200))
    assert load(tiny, "vps").input_settings == own
    found = load(tiny, "vps", usual).input_settings
    assert (found.short_side, found.max_side) == (96, 200)
    assert load(tiny, "vps", usual, size=64).input_settings.short_side == 64
    assert load(tiny, "vps", usual, overrides={"input": {"short_side": 32}}).input_settings.short_side == 32


def test_pictures_much_larger_than_the_models_own_are_told_of(tiny: Path) -> None:
    class Listener(Nobody):
        def note(self, text: str) -> None:
            heard.append(text)

    heard: list[str] = []
    bench = choose_bench("synth", "vps")
    settings = EvalSettings(bench="synth", task="vps", model=str(tiny), dtype="fp32")
    for side in (70, 96):  # its own is 64
        usual = replace(bench, benchmark=replace(bench.benchmark, short_side={"resnet": side}))
        load_for(usual, settings, Team(), Listener())
    (line,) = heard
    assert line.startswith(
        "pictures have a short side of 96 px, as synth is usually run; the model's own is 64 px: --size"
    )


@pytest.mark.parametrize(
    ("name", "num", "local_rank", "chosen"),
    [("auto", 0, 3, "auto"), ("auto", 4, 3, "cuda:3"), ("cuda", 2, 3, "cuda:1"), ("cpu", 2, 1, "cpu")],
)
def test_each_process_has_a_gpu_of_its_own(
    name: str, num: int, local_rank: int, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num)
    assert evaluation_model._device(name, Team(local_rank, 8, local_rank)) == chosen
    assert evaluation_model._device(name, Team()) == name


def test_a_video_does_not_depend_on_those_before_it(tiny: Path) -> None:
    bench = choose_bench("synth", "vps")
    footage = bench.benchmark.open(SPEC, "val")
    segmenter = load(tiny, "vps", overrides={"tracking": {"birth_score": 0.0}})
    segmenter.task.settings = segmenter.task.settings.model_copy(update={"conf": 0.0, "overlap": 0.0})

    def said(*videos: str) -> Any:
        runner = Runner(segmenter, bench, footage)
        return [list(runner.run(video, Nobody()).answer.frames) for video in videos]

    first, second = footage.videos
    one, other = said(first, second)
    assert [other] == said(second)
    assert [one] == said(first)
    assert any(result.segments for result in one), "a run that finds nothing would show nothing"


def test_facts_name_every_frame_and_the_objects_that_were_given(tiny: Path) -> None:
    for task in ("vps", "evs"):
        bench = choose_bench("synth", task)
        footage = bench.benchmark.open(SPEC, "val")
        found = Runner(load(tiny, task), bench, footage).run("val_001001", Nobody())
        assert (found.facts.name, found.facts.size, found.facts.number) == ("val_001001", (48, 64), 2)
        assert found.facts.frames == ("00000", "00001", "00002", "00003", "00004")
        exemplar = next(iter(footage.open("val_001001"))).exemplar
        assert (exemplar is not None) == (task == "evs")
        given = None if exemplar is None else frozenset(prompt.track_id for prompt in exemplar.prompts)
        assert found.facts.object_ids == given


def test_where_no_class_counts_a_model_of_any_classes_will_do(tiny: Path) -> None:
    bench = choose_bench("synth", "vis")
    footage: Any = bench.benchmark.open(SPEC, "val")
    footage.vocabulary = plain_vocabulary("others", ["axolotl", "unicorn"])
    segmenter = load(tiny, "vis")
    with pytest.raises(ModelError, match="are none of the 2 of others"):
        Runner(segmenter, bench, footage)
    agnostic = replace(bench, scoring=replace(bench.scoring, says="objects"))
    found = Runner(segmenter, agnostic, footage).run("val_001000", Nobody())
    assert {track.class_id for track in found.answer.tracks} == {0}


def test_frames_without_a_name_are_shown_and_not_answered(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = choose_bench("synth", "vss")
    footage = bench.benchmark.open(SPEC, "val")
    names = {1: "one", 3: "three"}
    monkeypatch.setattr(type(footage), "frame_name", lambda *given: names.get(given[2].index, ""))
    found = Runner(load(tiny, "vss"), bench, footage).run("val_001000", Nobody())
    assert found.facts.frames == ("one", "three")
    assert [result.frame.index for result in found.answer.frames] == [1, 3]
