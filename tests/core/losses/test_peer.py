"""One step of Hugging Face's own Mask2Former loss, on the same weights, targets and points: the same in every part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from gvseg_core.losses.matching import match
from gvseg_core.losses.points import Points, draw_points
from gvseg_core.losses.segmentation import amounts, normaliser_of, segmentation_losses
from gvseg_core.losses.targets import FREE, Targets
from gvseg_core.model.network import Network
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.recipes import LossSettings
from gvseg_core.types import Features
from tests.conftest import shared

SIZE = (64, 96)
NAMES = {"class": "loss_cross_entropy", "mask": "loss_mask", "dice": "loss_dice"}
CPU = torch.device("cpu")


@dataclass
class Step:
    """What both say of one batch."""

    ours: dict[str, Tensor]
    theirs: dict[str, Tensor]
    total: Tensor  # theirs
    network: Network
    peer: Any


def batch_of_two() -> tuple[Tensor, list[Targets]]:
    """Noise, and on it three rectangles on one picture and two on the other."""
    labels = torch.zeros(2, 1, *SIZE, dtype=torch.int16)
    labels[0, 0, 5:40, 10:50] = 1
    labels[0, 0, 20:60, 60:90] = 2
    labels[0, 0, 45:60, 5:30] = 3
    labels[1, 0, :30, :40] = 1
    labels[1, 0, 33:60, 20:90] = 2
    targets = [
        Targets(torch.tensor(classes), torch.arange(n), labels[b], torch.ones(n).bool(), (FREE,) * n, SIZE, False)
        for b, (n, classes) in enumerate([(3, [0, 1, 0]), (2, [2, 1])])
    ]
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0)), targets


def share(monkeypatch: pytest.MonkeyPatch, points: Points) -> None:
    """Let the peer draw our points: every mask the same, as ours do."""
    modeling = pytest.importorskip("transformers.models.mask2former.modeling_mask2former")
    own = [points.shared[None], points.candidates, points.uniform]

    class Torch:
        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

        @staticmethod
        def rand(rows: int, num: int, _: int, **__: object) -> Tensor:
            (drawn,) = (known for known in own if known.shape[1] == num and (known is not own[0] or rows == 1))
            return drawn.repeat(rows, 1, 1)

    monkeypatch.setattr(modeling, "torch", Torch())


@pytest.fixture
def step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Step:
    transformers = pytest.importorskip("transformers")
    folder = shared("parity", request.param)
    checkpoint = read_checkpoint(folder)
    network = Network(checkpoint.settings, checkpoint.heads).eval()
    network.load_state_dict(checkpoint.state)
    peer = transformers.Mask2FormerForUniversalSegmentation.from_pretrained(folder).eval()
    config = peer.config
    settings = LossSettings(
        class_weight=config.class_weight,
        mask_weight=config.mask_weight,
        dice_weight=config.dice_weight,
        no_object=config.no_object_weight,
        num_points=config.train_num_points,
        oversample=config.oversample_ratio,
        importance=config.importance_sample_ratio,
    )
    pixels, targets = batch_of_two()
    points = draw_points(settings, 1, CPU, torch.Generator().manual_seed(0))
    share(monkeypatch, points)
    answer = peer(
        pixel_values=pixels,
        mask_labels=[target.masks[:, 0].float() for target in targets],
        class_labels=[target.class_ids for target in targets],
        output_auxiliary_logits=True,
    )
    theirs = peer.get_loss_dict(
        answer.masks_queries_logits,
        answer.class_queries_logits,
        [target.masks[:, 0].float() for target in targets],
        [target.class_ids for target in targets],
        answer.auxiliary_logits,
    )
    with torch.no_grad():
        encoded = network.encode(pixels[:, None])
    features = Features(encoded.multi_scale, encoded.mask_features)
    vocabulary = next(iter(checkpoint.heads))
    prediction = network.decode(features, network.queries["learned"](2), vocabulary, auxiliary=True)
    matching = match(prediction, targets, [points] * 2, settings)
    normaliser = normaliser_of(amounts(targets, prediction.class_logits.shape[1], settings), CPU)
    ours = segmentation_losses(prediction, targets, [points] * 2, matching, settings, normaliser)
    return Step(ours, theirs, answer.loss, network, peer)


@pytest.mark.parametrize("step", ["hf_tiny", "hf_tiny_resnet"], indirect=True)
def test_every_loss_is_the_one_of_hugging_face(step: Step) -> None:
    wanted = {}
    for name in step.ours:
        kind, _, layer = name.partition("_")
        wanted[name] = step.theirs[NAMES[kind] + (f"_{layer}" if layer else "")]
    assert len(wanted) == len(step.theirs)
    for name, loss in step.ours.items():
        assert float((loss - wanted[name]).abs().detach()) < 1e-4, name
    total = sum(step.ours.values())
    assert isinstance(total, Tensor)
    assert float((total - step.total).abs().detach()) < 1e-4


@pytest.mark.parametrize("step", ["hf_tiny", "hf_tiny_resnet"], indirect=True)
def test_its_gradients_are_the_ones_of_hugging_face(step: Step) -> None:
    torch.autograd.backward(sum(step.ours.values()))
    torch.autograd.backward(step.total)
    head = next(iter(step.network.class_heads.values()))
    transformer = step.peer.model.transformer_module
    last_layer = dict(transformer.decoder.mask_predictor.mask_embedder.named_modules())["2.0"]
    pairs = [
        (head.weight, step.peer.class_predictor.weight),
        (step.network.decoder.norm.weight, transformer.decoder.layernorm.weight),
        (step.network.decoder.mask_embed[2].weight, last_layer.weight),
        (step.network.queries["learned"].content, transformer.queries_features.weight),
    ]
    for ours, theirs in pairs:
        scale = float(theirs.grad.abs().max())
        assert scale > 0
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4 * scale, rtol=1e-3)
