"""An exported graph in the place of a network: the same path, the same task and tracker, the same masks and ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gvseg_core.config import InputSettings
from gvseg_core.engine.devices import arithmetic
from gvseg_core.engine.parts import change_input, make_task
from gvseg_core.errors import UsageError
from gvseg_core.model.exported.running import Graph
from gvseg_core.model.weights.containers import GRAPHS, Kind, kind_of
from gvseg_core.ops.resize import input_size
from gvseg_core.recipes import BUNDLED
from gvseg_core.segmenter import NOT_FINITE, Predicted, Segmenter
from gvseg_core.tasks import Evs
from gvseg_core.tasks.common import LEARNED
from gvseg_core.types import Clip, Prediction, Size, Task, TaskName, Tracker
from gvseg_core.video.windows import Window


class ExportedSegmenter(Segmenter):
    """Frames in, results out; the network is a graph.

    Clips do not overlap, and are computed one by one. A graph for one size sees every picture on a canvas of that
    size: what would be larger is made to fit, and the rest is padding.
    """

    def __init__(self, graph: Graph, task: Task, input_settings: InputSettings, provenance: Mapping[str, Any]) -> None:
        """
        Args:
            graph: for the task.
            task: made of `queries_of` the graph.
            input_settings: the graph's own, or others where it takes any size.
            provenance: where its weights are from.
        """
        self.graph = graph
        self.task = task
        self.input_settings = input_settings
        self.clip_length = graph.contract.settings.clip_length
        self.device = graph.device
        self.provenance = dict(provenance)
        self._side = None

    @property
    def clip_stride(self) -> int:
        """Frames from one clip to the next.

        Raises:
            UsageError: when it is set to less than a clip's length.
        """
        return self.clip_length

    @clip_stride.setter
    def clip_stride(self, stride: int) -> None:
        if stride != self.clip_length:
            raise UsageError(f"--clip-stride {stride}: clips of an exported graph do not overlap; leave it out")

    def prepare(self, windows: Iterable[Window]) -> Iterator[Clip]:
        """As every segmenter, on the graph's canvas."""
        canvas, own = self.graph.contract.size, self.input_settings
        for window in windows:
            if canvas is not None:
                image = window.frames[0].image
                source = int(image.shape[-2]), int(image.shape[-1])
                self.input_settings = fitted(own, source, canvas)
            for clip in super().prepare([window]):
                self.input_settings = own
                yield clip if canvas is None else _padded(clip, canvas)

    @torch.inference_mode()
    def predict(
        self,
        clips: Iterable[Clip],
        tracker: Tracker,
        *,
        batch: int = 1,  # noqa: ARG002 - a graph is for one clip
        notes: list[str] | None = None,  # noqa: ARG002 - there is nothing it could do otherwise
    ) -> Iterator[Predicted]:
        """What the graph says of each clip."""
        for clip in clips:
            if not self.task.wants(clip, tracker):
                yield Predicted(clip, None)
                continue
            prediction = self._answer(clip, tracker)
            is_finite = bool(prediction.class_logits.isfinite().all() and prediction.mask_embeddings.isfinite().all())
            yield Predicted(clip, prediction) if is_finite else Predicted(clip, None, NOT_FINITE)

    def _answer(self, clip: Clip, tracker: Tracker) -> Prediction:
        inputs = {"pixels": clip.pixels, "picture": torch.tensor(clip.input_size)}
        contract = self.graph.contract
        if isinstance(self.task, Evs):
            self.task.meet(clip, tracker)
            if contract.has_state:
                inputs |= self.task.state_before(clip, tracker, contract.settings.pixel_decoder.dim)
        said = self.graph.run(inputs)
        if isinstance(self.task, Evs) and contract.has_state:
            self.task.state_after(tracker, said["pooled_next"], said["features"])
        return Prediction(
            class_logits=said["class_logits"][None].cpu(),
            embeddings=said["embeddings"][None].cpu(),
            mask_embeddings=said["mask_embeddings"][None],
            mask_features=said["mask_features"][None],
            descriptors=said["descriptors"][None].cpu() if "descriptors" in said else None,
        )


def queries_of(graph: Graph) -> nn.ModuleDict:
    """What tells a task where queries come from; the graph itself makes them."""
    return nn.ModuleDict({graph.contract.task or LEARNED: nn.Identity()})


def projection_of(graph: Graph) -> Tensor | None:
    """What projects its descriptors: nothing more, where the graph has done so."""
    settings = graph.contract.settings
    return torch.eye(settings.decoder.dim) if settings.queries.spa else None


def fitted(settings: InputSettings, source: Size, canvas: Size) -> InputSettings:
    """The settings, with a short side that lets pictures of `source` pixels fit on the canvas."""
    height, width = input_size(source, settings)
    shrink = min(canvas[0] / height, canvas[1] / width)
    if shrink >= 1:
        return settings
    return settings.model_copy(update={"short_side": max(int(min(height, width) * shrink), 1)})


def _padded(clip: Clip, canvas: Size) -> Clip:
    height, width = clip.padded_size
    return replace(clip, pixels=F.pad(clip.pixels, (0, canvas[1] - width, 0, canvas[0] - height)))


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
        settings=overrides,
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


def graph_kind(model: str | Path) -> Kind | None:
    """Which kind of exported graph a file is; None where it is none, or no file."""
    path = Path(model)
    kind = kind_of(path) if model != BUNDLED and path.is_file() else None
    return kind if kind in GRAPHS else None
