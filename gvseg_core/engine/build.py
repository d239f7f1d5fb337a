"""Where settings become parts: weights, device, precision and task put together into a `Segmenter`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gvseg_core.config import InputSettings, TrackSettings, parse
from gvseg_core.data.vocabularies import choose_vocabulary, complete_vocabulary
from gvseg_core.engine.exported import ExportedSegmenter, projection_of, queries_of
from gvseg_core.engine.truth import TRUTH, TruthSegmenter
from gvseg_core.errors import DeviceError, ModelError, UsageError
from gvseg_core.model.compiled import Compiled
from gvseg_core.model.exported.running import Graph, open_graph
from gvseg_core.model.graphs import CudaRecorder, Graphed
from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, read_checkpoint
from gvseg_core.model.weights.containers import GRAPHS, Kind, kind_of
from gvseg_core.model.weights.hub import PREFIX as HUB
from gvseg_core.ops.allocator import give_back_freed_memory
from gvseg_core.registry import choose
from gvseg_core.segmenter import Segmenter
from gvseg_core.tasks import TASKS
from gvseg_core.types import Task, TaskName, Vocabulary

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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
    settings: Mapping[str, Any] | None = None,
    compile: bool = False,  # noqa: A002 - as in torch, and on the command line
    offline: bool = False,
) -> Segmenter:
    """A network ready to segment videos.

    Args:
        model: a file, a Hugging Face folder, or `hf://org/name`, see `gvseg_core.model.weights.read_checkpoint`; an
            exported graph, see `gvseg_core.model.exported`; or `truth`, see `gvseg_core.engine.truth`.
        task: what is asked of it.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "1" (the same) or "mps".
        dtype: "auto", "fp32", "bf16" or "fp16"; see `choose_dtype`.
        size: short side of the network's input in pixels; the model's own by default.
        conf: least score of an object; the task's own by default.
        classes: names or class ids that are looked for; () is all.
        vocabulary: which known set the classes are of, where the file does not tell; or which of its heads answers.
        settings: `{"input": …, "tracking": …}`: what differs from the model's own settings.
        compile: through `torch.compile`, see `gvseg_core.model.compiled`.
        offline: never use the network to fetch weights.

    Raises:
        UsageError: an option that is wrong, or of no effect on this task.
        ModelError: weights that are missing, damaged, hostile or for something else.
        DeviceError: no such device, or not enough memory on it.
    """
    if model == TRUTH:
        _refuse_without_effect(
            {"size": size, "conf": conf, "classes": classes, "set": settings, "compile": compile}, "--model truth"
        )
        return TruthSegmenter(task)
    if (kind := graph_kind(model)) is not None:
        _refuse_without_effect({"compile": compile}, "an exported graph")
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
    settings: Mapping[str, Any] | None = None,
    compile: bool = False,  # noqa: A002
) -> Segmenter:
    """As `load_segmenter`, from weights that have been read; `name` is what results call them."""
    place = torch.device(device)
    checkpoint = name_classes(checkpoint, vocabulary)
    checkpoint.check_task(task)
    head = choose_head(checkpoint, vocabulary, task)
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
        "notes": list(checkpoint.notes),
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
            tracking=overrides.get("tracking", {}),
        ),
        prepared,
        device=place,
        provenance=provenance,
    )
    way: Any = network  # what stands in for it does all of a network that a segmenter asks for
    if compile:
        way = Compiled(network, on_failure=lambda: segmenter.provenance.update(compile=False))
    if place.type == "cuda":
        way = Graphed(way, CudaRecorder())
    segmenter.network = way
    return segmenter


def arithmetic(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What the numbers depend on beside the weights: results of two runs in which it differs may differ, a little.

    `tf32` is whether float32 products on a GPU are rounded to 10 bits; PyTorch does so in convolutions unless told
    otherwise.
    """
    on_gpu = device.type == "cuda"
    return {
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "tf32": on_gpu and (torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32),
        **({"cudnn": torch.backends.cudnn.version()} if on_gpu else {}),
    }


def graph_kind(model: str | Path) -> Kind | None:
    """Which kind of exported graph a file is; None where it is none, or no file."""
    path = Path(model)
    kind = kind_of(path) if path.is_file() else None
    return kind if kind in GRAPHS else None


def segmenter_of(
    graph: Graph,
    task: TaskName,
    *,
    name: str,
    dtype: str = "auto",
    size: int | None = None,
    conf: float | None = None,
    classes: Sequence[str] = (),
    vocabulary: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Segmenter:
    """As `load_segmenter`, from an exported graph that has been opened.

    Raises:
        UsageError: an option that a graph cannot follow.
        ModelError: the graph is for another task.
    """
    contract, overrides = graph.contract, settings or {}
    contract.check_task(task)
    if dtype not in {"auto", "fp32"}:
        raise UsageError(f"--dtype {dtype}: an exported graph computes in fp32; leave it out")
    if vocabulary not in {None, contract.vocabulary.name}:
        raise UsageError(f"--vocabulary {vocabulary}: the graph speaks of {contract.vocabulary.name}; leave it out")
    if contract.size is not None and (size is not None or overrides.get("input")):
        height, width = contract.size
        raise UsageError(
            f"--size and --set input: the graph was exported for {width}x{height} pixels; export with --dynamic"
        )
    made = make_task(
        task,
        queries_of(graph),
        contract.vocabulary,
        projection_of(graph),
        conf=conf,
        classes=classes,
        tracking=overrides.get("tracking", {}),
    )
    provenance = {
        "model": name,
        "model_format": "graph",
        "model_sha256": contract.sha256,
        "vocabulary": contract.vocabulary.name,
        **arithmetic(graph.device, torch.float32),
        "notes": list(contract.notes),
    }
    return ExportedSegmenter(graph, made, change_input(contract.input, overrides.get("input", {}), size), provenance)


def model_name(model: str | Path) -> str:
    """What results call a model: its file's name, or where on the hub it is."""
    return str(model) if str(model).startswith(HUB) else Path(model).name


def make_task(
    name: TaskName,
    queries: nn.ModuleDict,
    head: Vocabulary,
    projection: Tensor | None,
    *,
    conf: float | None = None,
    classes: Sequence[str] = (),
    tracking: Mapping[str, Any] | None = None,
) -> Task:
    """A task and its settings, from the parts of a network.

    Raises:
        UsageError: a setting that is wrong, or of no effect on this task.
    """
    kind: Any = choose("task", TASKS, name)
    return kind(  # type: ignore[no-any-return]
        queries,
        head,
        _task_settings(kind.settings_type, name, conf, class_ids(head, classes)),
        _changed(TrackSettings(), tracking or {}, "tracking"),
        projection,
    )


def change_input(own: InputSettings, changes: Mapping[str, Any], size: int | None) -> InputSettings:
    """A model's own input settings with what `--set` and `--size` change.

    Raises:
        UsageError: a setting that is wrong.
    """
    changed: InputSettings = _changed(own, changes, "input")
    if size is not None:
        changed = _changed(changed, {"short_side": size, "max_side": max(size, changed.max_side)}, "--size")
    return changed


def build_network(checkpoint: Checkpoint) -> Network:
    """The network of a checkpoint, with its weights in float32, on the CPU."""
    with torch.device("meta"):
        network = Network(checkpoint.settings, checkpoint.heads)
    state = {name: tensor.float() for name, tensor in checkpoint.state.items()}
    network.load_state_dict(state, strict=True, assign=True)
    return network


def name_classes(checkpoint: Checkpoint, vocabulary: str | None = None) -> Checkpoint:
    """The checkpoint with classes for every head: its own, those of the known set `vocabulary`, or the likeliest.

    Raises:
        UsageError: no known set and no head is called `vocabulary`.
        ModelError: it has another number of classes than the head.
    """
    for head, num_classes in checkpoint.heads.items():
        if head in checkpoint.vocabularies:
            continue
        names = checkpoint.class_names.get(head)
        known = (
            choose_vocabulary(vocabulary)
            if vocabulary is not None
            else complete_vocabulary(num_classes, names, checkpoint.hints)
        )
        checkpoint = checkpoint.with_vocabulary(head, known)
    return checkpoint


def class_ids(vocabulary: Vocabulary, wanted: Sequence[str]) -> frozenset[int] | None:
    """The class ids of names (case does not matter) or numbers; None, which is all, where nothing is named.

    Raises:
        UsageError: a class that is not in the vocabulary; the nearest one is named.
    """
    ids = {info.name.lower(): class_id for class_id, info in enumerate(vocabulary.classes)}
    found = set()
    for word in wanted:
        if word.lower() in ids:
            found.add(ids[word.lower()])
        elif word.isdecimal() and int(word) < len(vocabulary):
            found.add(int(word))
        else:
            near = get_close_matches(word.lower(), ids, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(list(ids)[:8])} …"
            raise UsageError(f"--classes: no class {word!r} among the {len(ids)} of {vocabulary.name}; {hint}")
    return frozenset(found) or None


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" takes a GPU where there is one.

    Raises:
        UsageError: not a device's name.
        DeviceError: a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(f"cuda:{name}" if name.isdecimal() else name)
    except RuntimeError:
        raise UsageError(f"--device {name}: wanted auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {name}: {torch.cuda.device_count()} CUDA devices here; --device cpu works anywhere"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps: no Apple GPU here; --device cpu works anywhere")
    if device.type not in {"cpu", "cuda", "mps"}:
        raise UsageError(f"--device {name}: wanted auto, cpu, cuda, cuda:1 or mps")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision called `name`; "auto" is bf16 where the hardware multiplies it natively, else float32.

    Natively means CUDA devices that say so, and CPUs with AMX. AVX-512 alone gains too little for what bf16 costs in
    agreement.

    Raises:
        UsageError: not a precision, or fp16 on a CPU, which has no fast arithmetic for it.
    """
    if name == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device.type == "cuda"
            else device.type == "cpu" and torch.cpu._is_amx_tile_supported()
        )
        return torch.bfloat16 if native else torch.float32
    dtype = choose("dtype", DTYPES, name)
    if dtype == torch.float16 and device.type == "cpu":
        raise UsageError("--dtype fp16 has no fast arithmetic on a CPU; use --dtype bf16 or fp32")
    return dtype


def choose_head(checkpoint: Checkpoint, vocabulary: str | None, task: TaskName | None = None) -> Vocabulary:
    """Whose classes answer: those named, those of the head for `task`, or the first.

    Raises:
        ModelError: there is no class head.
        UsageError: none is called `vocabulary`.
    """
    known = dict(checkpoint.vocabularies)
    if not known:
        raise ModelError("the weights have no class head; they are not a segmenter")
    if vocabulary is not None:
        return choose("vocabulary", known, vocabulary)
    first = next(iter(known))
    return known[first if task is None else checkpoint.answers.get(task, first)]


def _task_settings(kind: Any, task: TaskName, conf: float | None, classes: frozenset[int] | None) -> Any:
    values = {name: value for name, value in (("conf", conf), ("classes", classes)) if value is not None}
    _refuse_without_effect({name: v for name, v in values.items() if name not in kind.model_fields}, f"--task {task}")
    return kind(**values)


def _refuse_without_effect(options: Mapping[str, Any], where: str) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"--{name} has no effect on {where}; leave it out")


def _changed(settings: Any, values: Mapping[str, Any], where: str) -> Any:
    return parse(type(settings), {**settings.model_dump(), **values}, where)
