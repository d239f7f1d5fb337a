"""What a run starts from: a new network, or one with weights from any file that `--model` reads, or a backbone's.

Class heads of other classes and sources of queries of another kind start anew, which is what fine-tuning is about, and
it is said. So do the blocks that a ResNet has more in its stages: they add nothing at first, and the network starts as
what it was given. Anything else that does not fit is a mistake until it is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gvseg_core.config import ModelSettings, SwinSettings
from gvseg_core.errors import ModelError
from gvseg_core.model.backbones.resnet import BasicBlock, Bottleneck
from gvseg_core.model.network import Network
from gvseg_core.model.weights import Checkpoint, describe, read_backbone, read_checkpoint
from gvseg_core.model.weights.checkpoint import hash_tensors
from gvseg_core.model.weights.hub import PREFIX as HUB
from gvseg_core.model.weights.renaming import some
from gvseg_core.types import Vocabulary

RENEWED = (
    *("class_heads.", "queries."),
    *("pixel_decoder.mask_places.", "decoder.shape_position."),
    *("decoder.mask_shift.", "decoder.mask_reach.", "decoder.mask_places."),
)
"""Parts that belong to a task or a vocabulary, or add nothing at first: where they do not fit they start anew."""


class Beginning(NamedTuple):
    """What a run starts from."""

    network: Network  # on the CPU
    notes: list[str]  # a line for each thing that `init` did not give
    sha256: str = ""  # of the tensors of `init`; empty without it


def new_network(
    settings: ModelSettings,
    vocabularies: Mapping[str, Vocabulary],
    *,
    init: str | None = None,
    seed: int = 0,
    allow_partial: bool = False,
    offline: bool = False,
) -> Beginning:
    """A network to be trained.

    Args:
        settings: its parts.
        vocabularies: a class head each.
        init: weights to start from: any `--model`, or an ImageNet backbone of torchvision, Swin or timm.
        seed: of what starts at random.
        allow_partial: let every part that does not fit start anew.
        offline: take hub models from the local cache only.

    Raises:
        ModelError: `init` is not weights, or does not fit.
    """
    torch.manual_seed(seed)
    network = Network(settings, {name: len(vocabulary) for name, vocabulary in vocabularies.items()})
    if init is None:
        return Beginning(network, [])
    given, whole = _read(init, settings, allow_partial=allow_partial, offline=offline)
    own = network.state_dict()
    fits = {name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape}
    if whole is not None:
        fits = {name: tensor for name, tensor in fits.items() if not _other_classes(name, whole, vocabularies)}
    missing = [name for name in own if name not in fits and (whole is not None or name.startswith("backbone."))]
    more = _blocks_without(network, given)
    wrong = [name for name in missing if not name.startswith((*RENEWED, "backbone.norm", *more))]
    if wrong and not allow_partial:
        looks = f"; it is {describe(whole.settings, whole.heads)}" if whole is not None else ""
        raise ModelError(
            f"--init {init}: {len(wrong)} tensors of the network are missing in it or of another shape: {some(wrong)}"
            f"{looks}; choose a preset of that size, or --allow-partial to start the rest anew"
        )
    network.load_state_dict({**own, **{name: tensor.float() for name, tensor in fits.items()}})
    for block in more.values():
        block.add_nothing()
    sha256 = hash_tensors(given) if whole is None else whole.sha256
    return Beginning(network, _told(init, missing, given.keys() - fits.keys()), sha256)


def _read(
    init: str, settings: ModelSettings, *, allow_partial: bool, offline: bool
) -> tuple[Mapping[str, Tensor], Checkpoint | None]:
    """The tensors of `init`, and, unless it is a backbone alone, all that is known of it."""
    try:
        checkpoint = read_checkpoint(init, allow_partial=allow_partial, offline=offline)
        return checkpoint.state, checkpoint
    except ModelError as error:
        path = Path(init)
        if init.startswith(HUB) or not path.is_file():
            raise
        window = settings.backbone.window if isinstance(settings.backbone, SwinSettings) else None
        try:
            return read_backbone(path, window)[1], None
        except ModelError:
            raise error from None


def _blocks_without(network: Network, given: Mapping[str, Tensor]) -> dict[str, BasicBlock | Bottleneck]:
    """The ResNet's blocks of which nothing is given though their stage's first is, by the start of their names.

    Only blocks without a projection: what those add is added to their own input.
    """
    blocks = ((f"{name}.", module) for name, module in network.named_modules())
    return {
        name: block
        for name, block in blocks
        if isinstance(block, BasicBlock | Bottleneck)
        and block.downsample is None
        and not any(tensor.startswith(name) for tensor in given)
        and any(tensor.startswith(name.rsplit(".", 2)[0] + ".0.") for tensor in given)
    }


def _other_classes(name: str, whole: Checkpoint, vocabularies: Mapping[str, Vocabulary]) -> bool:
    """Whether a tensor speaks of the classes of a vocabulary that has the same name here, and other classes."""
    for head, vocabulary in vocabularies.items():
        if f".{head}." in f".{name}" and name.startswith(RENEWED):
            known = whole.vocabularies.get(head)
            return known is None or [c.name for c in known.classes] != [c.name for c in vocabulary.classes]
    return False


def _told(init: str, anew: list[str], unused: set[str]) -> list[str]:
    lines = []
    if anew:
        parts = sorted({".".join(name.split(".")[:2]) for name in anew})
        lines.append(f"--init {init}: {len(anew)} tensors start anew: {', '.join(parts)}")
    if unused:
        parts = sorted({".".join(name.split(".")[:2]) for name in unused})
        lines.append(f"--init {init}: {len(unused)} tensors have no place here: {', '.join(parts)}")
    return lines
