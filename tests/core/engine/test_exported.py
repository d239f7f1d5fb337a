"""A graph in the place of a network: same masks, classes and ids; pictures fitted to what it was made for.

The graph is the module that is traced, run as it is, so that the path around it is tested without a tracer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from gvseg_core.config import InputSettings, ModelSettings
from gvseg_core.data.demo import DemoSource
from gvseg_core.data.demo_world import DEMO_VOCABULARY
from gvseg_core.engine.build import build_network, make_segmenter
from gvseg_core.engine.exported import fitted, segmenter_of
from gvseg_core.engine.exporting.comparison import compare
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.exported.contract import Contract
from gvseg_core.model.exported.whole import Whole
from gvseg_core.model.weights import Checkpoint
from gvseg_core.ops.resize import input_size
from gvseg_core.recipes import load_preset
from gvseg_core.types import Size, TaskName
from tests.models import make_checkpoint

TASKS = get_args(TaskName)
TINY = load_preset("tiny").model


class PlainGraph:
    """`Whole`, run as it is."""

    device = torch.device("cpu")

    def __init__(self, checkpoint: Checkpoint, task: TaskName | None, size: Size | None = None) -> None:
        self.contract = Contract(checkpoint.settings, checkpoint.input, DEMO_VOCABULARY, "", size, task)
        self.whole = Whole(build_network(checkpoint), self.contract)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with torch.inference_mode():
            answers = self.whole(*(inputs[name] for name in self.contract.inputs))
        return dict(zip(self.contract.outputs, answers, strict=True))


def settings_of(source: str, *, spa: bool, clip_length: int = 3) -> ModelSettings:
    queries = TINY.queries.model_copy(update={"source": source, "spa": spa, "placed": True})
    pixels = TINY.pixel_decoder.model_copy(update={"mask_waves": 2})
    return TINY.model_copy(update={"queries": queries, "pixel_decoder": pixels, "clip_length": clip_length})


def checkpoint_of(settings: ModelSettings) -> Checkpoint:
    """Random weights, those among them that start from 0: of shapes and positions, and of places in masks."""
    checkpoint = make_checkpoint(settings, short_side=64)
    for part, scale in (("shape_position", 1.0), ("mask_reach", 0.1), ("mask_shift", 0.1)):
        name = f"decoder.{part}.weight"
        if name in checkpoint.state:
            chance = torch.Generator().manual_seed(1)
            checkpoint.state[name] = scale * torch.randn(checkpoint.state[name].shape, generator=chance)
    return checkpoint


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("source", "spa", "length"), [("task", True, 3), ("task", False, 1), ("learned", False, 2), ("learned", True, 1)]
)
def test_the_path_around_a_graph_is_that_around_a_network(task: TaskName, source: str, spa: bool, length: int) -> None:
    checkpoint = checkpoint_of(settings_of(source, spa=spa, clip_length=length))
    graph = PlainGraph(checkpoint, None if source == "learned" else task)
    frames = DemoSource((64, 96), num_frames=7, num_objects=3)
    settings = {"conf": 0.02} if task == "vis" else {}
    tracking = {"tracking": {"birth_score": 0.02}}
    found = compare(
        make_segmenter(checkpoint, task, name="", settings=tracking, **settings),
        segmenter_of(graph, task, name="", settings=tracking, **settings),
        frames,
        (64, 96),
    )
    assert found.class_logits < 1e-4
    assert found.mask_iou > 0.999
    assert found.num_different == 0
    if task != "vps":  # where no class of random weights is sure enough
        assert found.num_segments


@pytest.mark.parametrize("source", [(48, 64), (64, 48), (200, 30), (1080, 1920), (7, 5)])
def test_any_picture_fits_on_the_canvas(source: Size) -> None:
    settings = fitted(InputSettings(short_side=96, max_side=160), source, (96, 160))
    height, width = input_size(source, settings)
    assert height <= 96
    assert width <= 160
    pixel = max(source) / min(source) + 1  # of the long side, for one of the short side
    assert height > 96 - pixel or width > 160 - pixel


def test_a_graph_for_one_size_sees_every_picture_on_its_canvas() -> None:
    checkpoint = checkpoint_of(settings_of("learned", spa=False))
    segmenter = segmenter_of(PlainGraph(checkpoint, None, size=(64, 96)), "vss", name="")
    own = segmenter.input_settings
    for size in ((64, 96), (96, 64), (30, 200)):
        clips = list(segmenter.clips(DemoSource(size, num_frames=4, num_objects=1)))
        assert [clip.pixels.shape for clip in clips] == [(3, 3, 64, 96), (1, 3, 64, 96)]
        height, width = clips[0].input_size
        assert clips[0].pixels[..., height:, :].eq(0).all()
        assert clips[0].pixels[..., width:].eq(0).all()
        results = list(segmenter.run(DemoSource(size, num_frames=4, num_objects=1), segmenter.task.tracker()))
        assert all(segment.mask.size == size for result in results for segment in result.segments)
    assert segmenter.input_settings == own


def test_what_a_graph_cannot_follow_is_refused() -> None:
    checkpoint = checkpoint_of(settings_of("task", spa=False))
    graph = PlainGraph(checkpoint, "vis", size=(64, 96))
    with pytest.raises(ModelError, match="exported for vis, not for vss"):
        segmenter_of(graph, "vss", name="")
    with pytest.raises(UsageError, match="computes in fp32"):
        segmenter_of(graph, "vis", name="", dtype="bf16")
    with pytest.raises(UsageError, match="the graph speaks of demo"):
        segmenter_of(graph, "vis", name="", vocabulary="coco")
    with pytest.raises(UsageError, match="exported for 96x64 pixels; export with --dynamic"):
        segmenter_of(graph, "vis", name="", size=128)
    segmenter = segmenter_of(graph, "vis", name="")
    with pytest.raises(UsageError, match="do not overlap"):
        segmenter.clip_stride = 1
    segmenter.clip_stride = 3


def test_an_answer_that_is_not_finite_is_no_answer() -> None:
    checkpoint = checkpoint_of(settings_of("learned", spa=False))
    graph = PlainGraph(checkpoint, None)
    graph.whole.network.class_heads["demo"].bias.fill_(float("nan"))
    segmenter = segmenter_of(graph, "vis", name="")
    results = list(segmenter.run(DemoSource((64, 96), num_frames=2, num_objects=1), segmenter.task.tracker()))
    assert [bool(result.problem) for result in results] == [True, True]


def test_the_size_that_was_asked_for_is_the_size_it_sees() -> None:
    checkpoint = checkpoint_of(settings_of("learned", spa=False))
    segmenter = segmenter_of(PlainGraph(replace(checkpoint), None), "vis", name="", size=96)
    (clip,) = segmenter.clips(DemoSource((64, 96), num_frames=3, num_objects=1))
    assert clip.input_size == (96, 144)
