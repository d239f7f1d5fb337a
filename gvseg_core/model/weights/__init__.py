"""Weights in: any public format of the Mask2Former family read into one `Checkpoint`, and ours written.

What a file is, is told by its bytes, and whose names it has, by the names; file extensions are not asked. Nothing in
a file is ever executed, and nothing is skipped in silence: what is missing, unknown or of another shape is named.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gvseg_core.errors import ModelError
from gvseg_core.model.blank import blank
from gvseg_core.model.network import Network
from gvseg_core.model.weights import detectron2, hub, hugging_face, mmdet, native
from gvseg_core.model.weights.backbones import read_backbone
from gvseg_core.model.weights.checkpoint import Checkpoint, check_numbers, match
from gvseg_core.model.weights.containers import read_container
from gvseg_core.model.weights.native import write_checkpoint
from gvseg_core.model.weights.renaming import some
from gvseg_core.model.weights.shapes import describe
from gvseg_core.recipes import BUNDLED, bundled_weights


def read_checkpoint(source: str | Path, *, allow_partial: bool = False, offline: bool = False) -> Checkpoint:
    """Weights in any format that gvseg knows.

    Args:
        source: a file, a Hugging Face folder, `hf://org/name[@revision]`, or `nano`, the model that comes with gvseg.
        allow_partial: go on with what fits, as fine-tuning may want; `notes` says what did not.
        offline: take hub models from the local cache only.

    Raises:
        UsageError: `source` is no hub name, or the extra `gvseg[hub]` is missing.
        ModelError: not weights, damaged, hostile, or not a network that gvseg has; the message says which.
    """
    where = str(source)
    if where.startswith(hub.PREFIX):
        checkpoint = _read(hub.fetch(where, offline=offline), allow_partial)
        checkpoint = replace(checkpoint, hints=(*checkpoint.hints, where))
    else:
        checkpoint = _read(bundled_weights() if where == BUNDLED else Path(source), allow_partial)
    check_numbers(checkpoint.state, where)
    return _fitted(checkpoint, where, allow_partial)


def _read(path: Path, allow_partial: bool) -> Checkpoint:
    if path.is_dir():
        return hugging_face.read_folder(path, allow_partial=allow_partial)
    container = read_container(path)
    if native.describes(container):
        return native.read(container)
    if detectron2.LAYOUT.describes(container.tensors):
        return detectron2.read(container, allow_partial=allow_partial)
    if mmdet.LAYOUT.describes(container.tensors):
        return mmdet.read(container, allow_partial=allow_partial)
    if hugging_face.LAYOUT.describes(container.tensors):
        return hugging_face.read_folder(path.parent, allow_partial=allow_partial)
    raise ModelError(f"{path}: not a model of the Mask2Former family; found {some(container.tensors)}")


def _fitted(checkpoint: Checkpoint, where: str, allow_partial: bool) -> Checkpoint:
    """The checkpoint, its tensors compared by name and shape with the network that its settings build."""
    with blank():
        network = Network(checkpoint.settings, checkpoint.heads)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    hint = f"the file looks like {describe(checkpoint.settings, checkpoint.heads)}"
    state, problems = match(checkpoint.state, expected, where, allow_partial=allow_partial, hint=hint)
    return replace(checkpoint, state=state, notes=(*checkpoint.notes, *problems))


__all__ = ["Checkpoint", "describe", "match", "read_backbone", "read_checkpoint", "write_checkpoint"]
