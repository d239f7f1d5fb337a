"""Export: the same network in another format, kept only once it has answered as the one it was made of.

Whatever is written is first a part, read back as `--model` reads it, and shown the rendered demo side by side with the
original. A difference beyond the bounds of `exporting.comparison` ends the run, and the part is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gvseg_core.engine.exporting.comparison import Comparison
from gvseg_core.engine.exporting.formats import FORMATS, Job, Proof
from gvseg_core.engine.exporting.settings import ExportSettings, picture_size
from gvseg_core.engine.parts import choose_head, name_classes
from gvseg_core.engine.training.provenance import told_by_run
from gvseg_core.engine.training.state import writing_tensors
from gvseg_core.engine.truth import TRUTH
from gvseg_core.errors import ExportError, UsageError
from gvseg_core.files import PartFile, PartFolder, check_target, same_file
from gvseg_core.model.weights import Checkpoint, describe, read_checkpoint
from gvseg_core.model.weights.checkpoint import hash_tensors
from gvseg_core.ops.resize import input_size
from gvseg_core.recipes import BUNDLED, bundled_weights


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how near it is to what it was made of."""

    path: Path
    format: str
    num_bytes: int
    sha256: str  # of the weights, see `checkpoint.hash_tensors`
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        logits, mask_iou = self.comparisons[0].bounds
        return asdict(self) | {"path": str(self.path), "bounds": {"class_logits": logits, "mask_iou": mask_iou}}


class Export:
    """One export in two steps: `plan` refuses what cannot be done, `run` does it."""

    def __init__(self, settings: ExportSettings, say: Callable[[str], None]) -> None:
        """`say` is told each step, in a line."""
        self.settings = settings
        self._say = say
        self._format = FORMATS[settings.format]

    def plan(self) -> str:
        """Read the model and refuse what cannot be exported; says what would be done.

        Raises:
            GvsegError: a target that cannot be written, weights that are no model, or a format that is not for them.
        """
        settings, target = self.settings, self.settings.target
        if settings.model == TRUTH:
            raise UsageError(f"--model {TRUTH} has no network to export")
        if same_file(bundled_weights() if settings.model == BUNDLED else Path(settings.model), target):
            raise UsageError(f"{target} is the model itself; choose another name with -o")
        check_target(target, settings.overwrite, folder=self._format.is_folder)
        checkpoint = name_classes(read_checkpoint(settings.model, offline=settings.offline), settings.vocabulary)
        if settings.run is not None:
            checkpoint = told_by_run(checkpoint, settings.run, settings.init)
        size = picture_size(settings.size, checkpoint.input.short_side)
        if settings.size is None:
            size = input_size(size, checkpoint.input)
        else:
            sides = {"short_side": min(size), "max_side": max(*size, checkpoint.input.max_side)}
            checkpoint = replace(checkpoint, input=checkpoint.input.model_copy(update=sides))
        only = checkpoint.tasks[0] if len(checkpoint.tasks) == 1 else None
        head = choose_head(checkpoint, settings.vocabulary, settings.task or only)
        out, before = _rounded(checkpoint, settings.dtype)
        self._job = Job(out, head, size, settings.dynamic, settings.task, before)
        self._format.refuse(self._job)
        shown = describe(checkpoint.settings, {self._job.head.name: len(self._job.head)})
        return f"{settings.model} ({checkpoint.format}): {shown} -> {target}"

    def run(self) -> Exported:
        """Write, compare, and let it appear.

        Raises:
            ExportError: it does not answer as the original; nothing is left behind.
            OutputError: it cannot be written.
        """
        kind = PartFolder if self._format.is_folder else PartFile
        with kind(self.settings.target, self.settings.overwrite) as part:
            self._say(f"writing {self.settings.target}")
            with writing_tensors(self.settings.target):
                self._format.write(part.path, self._job)
            files = [part.path, *part.path.glob("*")] if self._format.is_folder else [part.path]
            num_bytes = sum(file.stat().st_size for file in files if file.is_file())
            comparisons = tuple(self._compared(self._format.prove(part.path, self._job)))
        return Exported(
            path=self.settings.target,
            format=self.settings.format,
            num_bytes=num_bytes,
            sha256=self._job.checkpoint.sha256,
            comparisons=comparisons,
            notes=self._format.notes(self._job),
        )

    def _compared(self, proof: Proof) -> Iterator[Comparison]:
        """Each comparison as it is made; the first that is out of bounds is the last."""
        for comparison in proof:
            if not comparison.is_close:
                bounds = comparison.bounds
                raise ExportError(
                    f"{self.settings.target} does not answer as {self.settings.model}: {comparison.line()}; wanted "
                    f"class logits within {bounds[0]} and mask IoU from {bounds[1]}; nothing was kept"
                )
            self._say(comparison.line())
            yield comparison


def _rounded(checkpoint: Checkpoint, dtype: str | None) -> tuple[Checkpoint, Checkpoint | None]:
    """The checkpoint in that precision; and, where that rounds its numbers, as it was before.

    Raises:
        ExportError: a number is too large for half precision.
    """
    if dtype is None:
        return checkpoint, None
    wanted = torch.float16 if dtype == "fp16" else torch.float32
    state = {name: tensor.to(wanted) for name, tensor in checkpoint.state.items()}
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ExportError(f"--dtype {dtype}: {name} holds numbers beyond 65504, the largest of half precision")
    is_rounded = any(bool((tensor.double() != checkpoint.state[name].double()).any()) for name, tensor in state.items())
    changed = replace(checkpoint, state=state, sha256=hash_tensors(state))
    return changed, checkpoint if is_rounded else None
