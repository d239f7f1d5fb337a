"""Every preset that trains: built at a hundredth of its size on rendered videos, it takes one real step."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import pytest

from gvseg_core.config import parse
from gvseg_core.data.benchmarks import BENCHMARKS
from gvseg_core.data.training.layouts import OWN
from gvseg_core.recipes import Preset, load_preset, presets
from tests.core.engine.training.runs import batches, copy_of, sources_of, stepper_of

TRAINABLE = [name for name in presets() if load_preset(name).train is not None]


def narrowed(preset: Preset) -> Preset:
    """The same parts in the same order, cut in width and depth; each set's task taught on rendered videos."""
    settings = preset.model_dump(mode="json")
    model, train = settings["model"], settings["train"]
    backbone = model["backbone"]
    backbone["depths"] = [1, 1, 2, 1]
    if backbone["kind"] == "swin":
        backbone |= {"embed_dim": 4 * backbone["num_heads"][0] // 2}
        backbone |= {"num_heads": [heads // 2 for heads in backbone["num_heads"]]}
    else:
        inner = [8, 8, 16, 16]
        backbone |= {"stem_channels": 8, "inner_channels": inner}
        backbone["channels"] = inner if backbone["block"] == "basic" else [4 * n for n in inner]
    model["pixel_decoder"] |= {"dim": 32, "mask_dim": 32, "num_layers": 1, "num_heads": 4, "feedforward": 32}
    model["decoder"] |= {"dim": 32, "num_layers": 1, "num_heads": 4, "feedforward": 32}
    model["queries"]["num_queries"] = 10
    train["data"] = [rendered(source, place, preset) for place, source in enumerate(train["data"])]
    train["loss"]["num_points"] = 50
    train["augment"] |= {"short_sides": [64], "max_side": 96, "crop_short_sides": [64], "crop_range": [48, 64]}
    train |= {"batch_size": 2, "micro_batch": None, "workers": 0, "steps": 1, "validation": None}
    return parse(Preset, settings, "narrowed")


def rendered(source: dict[str, Any], place: int, preset: Preset) -> dict[str, Any]:
    path = f"videos=4,frames=40,size=96x64,seed={10 * place}"
    return {"benchmark": "synth", "task": source["task"] or preset.task, "weight": source["weight"], "path": path}


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_preset_takes_one_real_step(name: str) -> None:
    preset = narrowed(load_preset(name))
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    before = copy_of(stepper)
    (batch,) = islice(batches(preset, sources), 1)
    told = stepper.step(0, batch)
    assert told.is_finite
    assert all(math.isfinite(value) for value in told.losses.values())
    assert {"class", "mask", "dice"} <= told.losses.keys()
    after = copy_of(stepper)
    moved = [key for key in before if not after[key].equal(before[key])]
    assert len(moved) > len(before) // 4
    frames = {clip.pixels.shape[0] for sample in batch for clip in sample.clips}
    assert frames == {preset.model.clip_length}


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_preset_names_sets_that_are_known(name: str) -> None:
    train = load_preset(name).train
    assert train is not None
    for source in (*train.data, *filter(None, [train.validation])):
        assert source.benchmark in {*BENCHMARKS, *OWN, "synth", "auto"}
    assert all(milestone < train.steps for milestone in train.milestones)


def test_all_benchmarks_of_the_paper_have_a_preset_of_both_sizes_and_each_task_is_taught_jointly() -> None:
    for benchmark in ("ytvis19", "ytvis21", "ovis", "vspw", "vipseg", "kitti_step", "burst", "ytvos18"):
        assert {f"{benchmark}_r50", f"{benchmark}_swin_l"} <= set(TRAINABLE)
    for name in ("joint_r50", "synth_tiny"):
        train = load_preset(name).train
        assert train is not None
        assert {source.task for source in train.data} == {"vis", "vss", "vps", "evs"}
