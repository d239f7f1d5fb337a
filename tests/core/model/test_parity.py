"""The network gives the stored outputs of Hugging Face's and the original repositories' own code, part by part."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.model.network import Network
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.types import Prediction
from tests.conftest import shared

TOLERANCE = 1e-4  # float32; the smallest real mistake found makes 1.4e-4 (parity/README.md)
MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


def load(folder: str, file: str = "", prepared: bool = False) -> tuple[Network, str]:
    """The network of a reference, and its one vocabulary."""
    checkpoint = read_checkpoint(shared("parity", folder, file) if file else shared("parity", folder))
    network = Network(checkpoint.settings, checkpoint.heads)
    network.load_state_dict(checkpoint.state)
    return (network.prepare_for_inference() if prepared else network.eval()), next(iter(checkpoint.heads))


def reference(folder: str, file: str = "reference.npz") -> dict[str, Tensor]:
    stored = np.load(shared("parity", folder, file))
    return {name: torch.from_numpy(stored[name]) for name in stored.files if name != "meta"}


def worst(found: dict[str, Tensor], wanted: dict[str, Tensor], case: str) -> dict[str, float]:
    """Largest difference of each output that is over the tolerance."""
    over = {}
    for name, tensor in found.items():
        target = wanted[f"{case}.{name}"]
        assert tensor.shape == target.shape, name
        difference = float((tensor - target).abs().max())
        if not difference < TOLERANCE:
            over[name] = difference
    return over


def auxiliary(prediction: Prediction) -> dict[str, Tensor]:
    """`aux_class.k` and `aux_mask.k` (B, Q, T, h, w) of every layer."""
    found = {}
    for k, (logits, embeddings) in enumerate(prediction.auxiliary):
        found[f"aux_class.{k}"] = logits
        found[f"aux_mask.{k}"] = torch.einsum("bqc,btchw->bqthw", embeddings, prediction.mask_features)
    return found


@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("case", ["even", "odd"])
@pytest.mark.parametrize("folder", ["hf_tiny", "hf_tiny_resnet"])
def test_image_model_equals_hugging_face_in_every_part(folder, case, prepared):
    network, vocabulary = load(folder, prepared=prepared)
    wanted = reference(folder)
    pixels = wanted[f"{case}.pixel_values"]
    with torch.inference_mode():
        found = {f"backbone.{i}": m for i, m in enumerate(network.backbone(pixels))}
        features = network.encode(pixels[:, None])
        prediction = network.decode(features, network.queries["learned"](len(pixels)), vocabulary, auxiliary=True)
    found |= {f"multi_scale.{i}": m[:, 0] for i, m in enumerate(features.multi_scale)}
    found |= {"mask_features": features.mask_features[:, 0], "class_logits": prediction.class_logits}
    found |= {"mask_logits": prediction.mask_logits()[:, :, 0]}
    found |= {name: m[:, :, 0] if "mask" in name else m for name, m in auxiliary(prediction).items()}
    assert worst(found, wanted, case) == {}
    assert set(found) | {"pixel_values"} == {n.removeprefix(f"{case}.") for n in wanted if n.startswith(case)}


@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("case", ["even", "odd"])
def test_clip_model_equals_mask2former_vis_in_every_part(case, prepared):
    network, vocabulary = load("video_tiny", "model_final.pkl", prepared)
    wanted = reference("video_tiny")
    with torch.inference_mode():
        features = network.encode(wanted[f"{case}.pixel_values"][None])
        prediction = network.decode(features, network.queries["learned"](1), vocabulary, auxiliary=True)
    found = {"class_logits": prediction.class_logits, "mask_logits": prediction.mask_logits()}
    found |= {"mask_features": features.mask_features[0]} | auxiliary(prediction)
    if case == "even":
        found |= {f"multi_scale.{i}": m[0] for i, m in enumerate(features.multi_scale)}
    assert worst(found, wanted, case) == {}


@pytest.mark.parametrize("case", ["even", "odd"])
def test_one_frame_at_a_time_is_minvis(case):
    network, vocabulary = load("video_tiny", "model_final.pkl")
    wanted = reference("video_tiny", "minvis.npz")
    frames = wanted[f"{case}.frames"].permute(0, 3, 1, 2)
    pixels = (frames - MEAN[:, None, None]) / STD[:, None, None]
    pixels = F.pad(pixels, (0, -pixels.shape[-1] % 32, 0, -pixels.shape[-2] % 32))
    with torch.inference_mode():
        features = network.encode(pixels[:, None])
        prediction = network.decode(features, network.queries["learned"](len(pixels)), vocabulary)
    found = {
        "class_logits": prediction.class_logits[None],
        "mask_logits": prediction.mask_logits()[:, :, 0].transpose(0, 1)[None],
        "embeddings": prediction.embeddings.permute(2, 0, 1)[None],
    }
    assert worst(found, wanted, case) == {}


def test_some_queries_of_the_references_see_nothing_at_first():
    """Else the rule that such a query looks everywhere would not be tested."""
    for folder in ("hf_tiny", "hf_tiny_resnet", "video_tiny"):
        stats = json.loads(str(np.load(shared("parity", folder, "reference.npz"))["meta"]))["stats"]
        assert any(case["full_rows"] for case in stats.values()), folder


@pytest.mark.parametrize("folder", ["hf_tiny", "hf_tiny_resnet"])
def test_bfloat16_draws_nearly_the_same_masks(folder):
    """Mean mask IoU of correct bfloat16 forwards on these weights: 0.95 to 0.99 (parity/README.md)."""
    network, vocabulary = load(folder)
    network.prepare_for_inference(torch.bfloat16)
    wanted = reference(folder)
    pixels = wanted["even.pixel_values"]
    with torch.inference_mode():
        prediction = network.decode(
            network.encode(pixels[:, None]), network.queries["learned"](len(pixels)), vocabulary, descriptors=True
        )
    for exact in (prediction.class_logits, prediction.embeddings, prediction.descriptors, prediction.mask_logits()):
        assert exact is not None
        assert exact.dtype == torch.float32
    ours, theirs = prediction.mask_logits()[:, :, 0] > 0, wanted["even.mask_logits"] > 0
    union = (ours | theirs).sum((-1, -2)).clamp(min=1)
    assert float(((ours & theirs).sum((-1, -2)) / union).mean()) > 0.93
