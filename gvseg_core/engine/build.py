"""Where settings become parts: weights, device, precision and task put together into a `Segmenter`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gvseg_core.engine.devices import arithmetic, choose_device, choose_dtype
from gvseg_core.engine.exported import graph_kind, segmenter_of
from gvseg_core.engine.parts import (
    change_input,
    choose_head,
    make_task,
    name_classes,
    refuse_without_effect,
    untaught,
)
from gvseg_core.engine.truth import TRUTH, TruthSegmenter
from gvseg_core.errors import DeviceError
from gvseg_core.model.blank import blank
from gvseg_core.model.compiled import Compiled
from gvseg_core.model.exported.running import open_graph
from gvseg_core.model.graphs import CudaRecorder, Graphed
from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, read_checkpoint
from gvseg_core.model.weights.hub import PREFIX as HUB
from gvseg_core.ops.allocator import give_back_freed_memory
from gvseg_core.segmenter import Segmenter
from gvseg_core.types import TaskName, Vocabulary


def load_segmenter(
    model: str | Path,
    task: TaskName,
    *,
    device: str = "auto",
    dtype: str = "auto",
    size: int | None = None,
    conf: float | None = None,
    classes: Sequence[str] = (),
    vocabulary: str | None = None,
    wanted: Vocabulary | None = None,
    settings: Mapping[str, Any] | None = None,
    compile: bool = False,  # noqa: A002 - as in torch, and on the command line
    offline: bool = False,
) -> Segmenter:
    """A network ready to segment videos.

    Args:
        model: a file, a Hugging Face folder, `hf://org/name` or `nano`, see `model.weights.read_checkpoint`; an
            exported graph, see `gvseg_core.model.exported`; or `truth`, see `gvseg_core.engine.truth`.
        task: what is asked of it.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "1" (the same) or "mps".
        dtype: "auto", "fp32", "bf16" or "fp16"; see `choose_dtype`.
        size: short side of the network's input in pixels; the model's own by default.
        conf: least score of an object; the task's own by default.
        classes: names or class ids that are looked for; () is all.
        vocabulary: which known set the classes are of, where the file does not tell; or which of its heads answers.
        wanted: the classes that results will be compared with, if that is known; of several heads the one that has most
            of them answers, see `choose_head`.
        settings: `{"input": …, "tracking": …}`: what differs from the model's own settings.
        compile: through `torch.compile`, see `gvseg_core.model.compiled`.
        offline: never use the network to fetch weights.

    Raises:
        UsageError: an option that is wrong, or of no effect on this task.
        ModelError: weights that are missing, damaged, hostile or for something else.
        DeviceError: no such device, or not enough memory on it.
    """
    if model == TRUTH:
        refuse_without_effect(
            {"size": size, "conf": conf, "classes": classes, "set": settings, "compile": compile}, "--model truth"
        )
        return TruthSegmenter(task)
    if (kind := graph_kind(model)) is not None:
        refuse_without_effect({"compile": compile}, "an exported graph")
        graph = open_graph(Path(model), kind, None if device == "auto" else choose_device(device))
        return segmenter_of(
            graph,
            task,
            name=model_name(model),
            dtype=dtype,
            size=size,
            conf=conf,
            classes=classes,
            vocabulary=vocabulary,
            settings=settings,
        )
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    return make_segmenter(
        read_checkpoint(model, offline=offline),
        task,
        name=model_name(model),
        device=place,
        dtype=precision,
        size=size,
        conf=conf,
        classes=classes,
        vocabulary=vocabulary,
        wanted=wanted,
        settings=settings,
        compile=compile,
    )


def make_segmenter(
    checkpoint: Checkpoint,
    task: TaskName,
    *,
    name: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    size: int | None = None,
    conf: float | None = None,
    classes: Sequence[str] = (),
    vocabulary: str | None = None,
    wanted: Vocabulary | None = None,
    settings: Mapping[str, Any] | None = None,
    compile: bool = False,  # noqa: A002
) -> Segmenter:
    """As `load_segmenter`, from weights that have been read; `name` is what results call them."""
    place = torch.device(device)
    checkpoint = name_classes(checkpoint, vocabulary)
    checkpoint.check_task(task)
    head = choose_head(checkpoint, vocabulary, task, wanted)
    overrides = settings or {}
    prepared = change_input(checkpoint.input, overrides.get("input", {}), size)
    network = build_network(checkpoint).prepare_for_inference(dtype)
    try:
        network.to(place)
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{place} has no room for the weights; --device cpu needs none of its memory") from error
    give_back_freed_memory()
    projection = network.decoder.shape_position
    provenance = {
        "model": name,
        "model_format": checkpoint.format,
        "model_sha256": checkpoint.sha256,
        "vocabulary": head.name,
        **arithmetic(place, dtype),
        "compile": compile,
        "notes": [*checkpoint.notes, *untaught(checkpoint, head, task)],
    }
    segmenter = Segmenter(
        network,
        make_task(
            task,
            network.queries,
            head,
            None if projection is None else projection.weight,
            conf=conf,
            classes=classes,
            settings=overrides,
        ),
        prepared,
        device=place,
        provenance=provenance,
    )
    way: Any = network  # what stands in for it does all of a network that a segmenter asks for
    if compile:
        way = Compiled(network, on_failure=lambda: segmenter.provenance.update(compile=False))
    if place.type == "cuda":
        way = Graphed(way, CudaRecorder(place))
    segmenter.network = way
    return segmenter


def model_name(model: str | Path) -> str:
    """What results call a model: its file's name, or where on the hub it is."""
    return str(model) if str(model).startswith(HUB) else Path(model).name


def build_network(checkpoint: Checkpoint) -> Network:
    """The network of a checkpoint, with its weights in float32, on the CPU."""
    with blank():
        network = Network(checkpoint.settings, checkpoint.heads)
    state = {name: tensor.float() for name, tensor in checkpoint.state.items()}
    network.load_state_dict(state, strict=True, assign=True)
    return network
