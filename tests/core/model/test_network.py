"""What the network promises whatever its weights are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gvseg_core.config import DecoderSettings, ModelSettings
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.model.network import Network
from gvseg_core.ops.shape_position import shape_position
from gvseg_core.types import Prediction, Queries


def clip(batch: int = 1, frames: int = 1, size: tuple[int, int] = (64, 96), seed: int = 0) -> torch.Tensor:
    """Smooth random pixels (B, T, 3, H, W)."""
    draw = torch.Generator().manual_seed(seed)
    low = torch.randn(batch * frames, 3, 5, 6, generator=draw)
    return F.interpolate(low, size, mode="bicubic").view(batch, frames, 3, *size)


def run(network: Network, pixels: torch.Tensor, **options: object) -> Prediction:
    return network.decode(network.encode(pixels), network.queries["learned"](len(pixels)), "animals", **options)


def same(a: Prediction, b: Prediction, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(a.class_logits, b.class_logits, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(a.mask_logits(), b.mask_logits(), atol=tolerance, rtol=tolerance)


@torch.inference_mode()
def test_shapes_are_those_of_the_contract(build):
    network = build().eval()
    features = network.encode(clip(batch=2, frames=3))
    assert [tuple(level.shape) for level in features.multi_scale] == [
        (2, 3, 32, 2, 3),
        (2, 3, 32, 4, 6),
        (2, 3, 32, 8, 12),
    ]
    assert features.mask_features.shape == (2, 3, 16, 16, 24)
    prediction = network.decode(features, network.queries["learned"](2), "animals", descriptors=True, auxiliary=True)
    assert prediction.class_logits.shape == (2, 6, 4)
    assert prediction.embeddings.shape == (2, 6, 32)
    assert prediction.descriptors.shape == (2, 6, 3, 432)
    assert prediction.mask_logits(torch.tensor([4, 1])).shape == (2, 2, 3, 16, 24)
    assert len(prediction.auxiliary) == 4
    torch.testing.assert_close(prediction.mask_logits(torch.tensor([4, 1])), prediction.mask_logits()[:, [4, 1]])


@torch.inference_mode()
def test_one_frame_with_a_time_code_is_the_image_model(build):
    network = build().eval()
    same(run(network, clip(), time_code=True), run(network, clip(), time_code=False), 1e-5)


@torch.inference_mode()
def test_the_frames_of_a_clip_are_told_apart_by_their_time_code_alone(build):
    network = build().eval()
    pixels = clip(frames=3)
    backwards = run(network, pixels.flip(1), time_code=False)
    plain = run(network, pixels, time_code=False)
    torch.testing.assert_close(backwards.class_logits, plain.class_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(backwards.mask_logits(), plain.mask_logits().flip(2), atol=1e-4, rtol=1e-4)
    coded, backwards = run(network, pixels), run(network, pixels.flip(1))
    assert (coded.class_logits - backwards.class_logits).abs().max() > 1e-3


@torch.inference_mode()
def test_clips_of_a_batch_do_not_see_each_other(build):
    network = build().eval()
    pixels = clip(batch=2, frames=2)
    both = run(network, pixels)
    for i in range(2):
        alone = run(network, pixels[i : i + 1])
        torch.testing.assert_close(both.class_logits[i], alone.class_logits[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(both.mask_logits()[i], alone.mask_logits()[0], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_order_of_queries_is_the_order_of_answers(build):
    network = build().eval()
    features, order = network.encode(clip()), torch.tensor([3, 0, 5, 1, 4, 2])
    queries = network.queries["learned"](1)
    plain = network.decode(features, queries, "animals")
    mixed = network.decode(features, Queries(queries.content[:, order], queries.position[:, order]), "animals")
    torch.testing.assert_close(mixed.class_logits, plain.class_logits[:, order], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixed.mask_logits(), plain.mask_logits()[:, order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 96), (75, 106)])
def test_preparing_for_inference_changes_no_answer(build, size):
    network = build().eval()
    pixels = clip(frames=2, size=size)
    with torch.no_grad():
        before = run(network, pixels, descriptors=True)
        network.prepare_for_inference()
        after = run(network, pixels, descriptors=True)
    same(before, after)
    assert (before.descriptors - after.descriptors).abs().mean() < 1e-3


@pytest.mark.parametrize("dim", [32, 16], ids=["same width", "projected"])
def test_training_reaches_every_parameter(build, dim):
    """But for the bias of the keys, which softmax cancels (a third of each `cross_attn.in_proj_bias`)."""
    network = build(dim=dim, spa=True).train()
    for name, weight in network.named_parameters():  # what starts at zero hides what comes before it
        if name.endswith(("sampling_offsets.weight", "attention_weights.weight", "shape_position.weight")):
            torch.nn.init.normal_(weight, std=0.1)
    prediction = run(network, clip(frames=2), auxiliary=True)
    outputs = [prediction.class_logits, prediction.mask_logits(), *(x for pair in prediction.auxiliary for x in pair)]
    sum((x * torch.randn_like(x)).sum() for x in outputs).backward()
    starved = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert starved == []


def test_what_inference_left_behind_does_not_disturb_training(build):
    network = build()
    with torch.inference_mode():
        run(network.eval(), clip(size=(96, 64)))
    prediction = run(network.train(), clip(size=(96, 64)))
    prediction.mask_logits().mean().backward()


@torch.inference_mode()
def test_mask_features_say_where_they_are_once_that_is_learnt(build):
    plain, placed = build().eval(), build(mask_waves=3).eval()
    placed.load_state_dict(plain.state_dict(), strict=False)
    same(run(placed, clip()), run(plain, clip()), 0)  # so that weights without it may be gone on with
    torch.nn.init.normal_(placed.pixel_decoder.mask_places.weight)
    flat = torch.zeros(1, 1, 3, 64, 96)
    features = placed.encode(flat).mask_features - plain.encode(flat).mask_features
    assert (features[..., :8] - features[..., -8:]).abs().mean() > 0.1


def test_what_a_query_shows_depends_on_where_it_starts_once_that_is_learnt(build):
    """Of queries that are the same but for their place; one that starts nowhere is as if there were no places."""
    plain = build(mask_waves=3, source="task").eval()
    placed = build(mask_waves=3, source="task", placed=True).eval()
    placed.load_state_dict(plain.state_dict(), strict=False)
    places = torch.tensor([[[0.1, 0.2], [0.9, 0.2], [float("nan")] * 2]])
    content = torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(0)).expand(1, 3, 32)
    queries = Queries(content, torch.zeros(1, 3, 32), places=places)

    def shown(network: Network) -> torch.Tensor:
        return network.decode(network.encode(clip()), queries, "animals").mask_logits()

    torch.testing.assert_close(shown(placed), shown(plain))
    shown(placed).square().sum().backward()
    assert placed.decoder.mask_reach.weight.grad.abs().sum() > 0
    torch.nn.init.normal_(placed.decoder.mask_reach.weight)
    shown(placed).square().sum().backward()
    assert placed.decoder.mask_shift.weight.grad.abs().sum() > 0
    assert placed.decoder.mask_shift.weight.grad.isfinite().all()
    here, there, _ = shown(placed)[0]
    assert (here - there).abs().mean() > 0.01
    # Before any of them has met another:
    first = placed.decode(placed.encode(clip()), queries, "animals", auxiliary=True).auxiliary[0][1][0]
    second = plain.decode(plain.encode(clip()), queries, "animals", auxiliary=True).auxiliary[0][1][0]
    torch.testing.assert_close(first[2], second[2])
    assert not torch.allclose(first[0], second[0])


def test_places_in_masks_need_what_they_are_made_of(build):
    with pytest.raises(ModelError, match=r"queries\.placed needs"):
        build(source="task", placed=True)
    assert not hasattr(build(mask_waves=2, placed=True).decoder, "mask_reach")  # learnt queries start nowhere


@torch.inference_mode()
def test_descriptors_are_those_of_the_masks_at_stride_8(build):
    network = build().eval()
    features = network.encode(clip(frames=2))
    queries = network.queries["learned"](1)
    prediction = network.decode(features, queries, "animals", descriptors=True)
    small = F.interpolate(prediction.mask_logits()[0], features.multi_scale[-1].shape[-2:], mode="bilinear")
    torch.testing.assert_close(prediction.descriptors[0], shape_position(small, d_model=32))


@torch.inference_mode()
def test_what_lies_in_the_padding_is_not_described(build):
    network = build().eval()
    features = network.encode(clip())
    queries = network.queries["learned"](1)
    prediction = network.decode(features, queries, "animals", picture_size=(40, 60), descriptors=True)
    small = F.interpolate(prediction.mask_logits()[0], (8, 12), mode="bilinear")
    torch.testing.assert_close(prediction.descriptors[0], shape_position(small[..., :5, :], (5.0, 7.5), d_model=32))


@torch.inference_mode()
def test_shape_and_position_speak_through_their_projection_and_for_things_alone(build):
    plain, matched = build().eval(), build(spa=True).eval()
    matched.load_state_dict(plain.state_dict() | {"decoder.shape_position.weight": torch.zeros(32, 432)})
    features, queries = plain.encode(clip(frames=2)), plain.queries["learned"](1)
    silent = matched.decode(features, queries, "animals")
    same(silent, plain.decode(features, queries, "animals"), 1e-6)

    matched.decoder.shape_position.weight.normal_(std=0.5)
    heard = matched.decode(features, queries, "animals")
    assert (heard.class_logits - silent.class_logits).abs().max() > 1e-3
    stuff = Queries(queries.content, queries.position, is_thing=torch.zeros(6, dtype=torch.bool))
    same(matched.decode(features, stuff, "animals"), silent, 1e-6)


@torch.inference_mode()
def test_one_network_speaks_several_vocabularies(build):
    network = build({"animals": 3, "streets": 7}).eval()
    features, queries = network.encode(clip()), network.queries["learned"](1)
    animals, streets = (network.decode(features, queries, name) for name in ("animals", "streets"))
    assert (animals.class_logits.shape[-1], streets.class_logits.shape[-1]) == (4, 8)
    assert torch.equal(animals.mask_logits(), streets.mask_logits())
    with pytest.raises(UsageError, match="unknown vocabulary 'street'; did you mean 'streets'"):
        network.decode(features, queries, "street")


@pytest.mark.parametrize("source", ["learned", "task"])
def test_the_state_holds_no_buffers_but_statistics_and_class_means(build, source):
    network = build(source=source, spa=True)
    buffers = set(network.state_dict()) - {name for name, _ in network.named_parameters()}
    assert all("running_" in name or name.endswith(".mean") for name in buffers)
    assert {name.split(".")[0] for name in network.state_dict()} == {
        "backbone",
        "pixel_decoder",
        "decoder",
        "queries",
        "class_heads",
    }


def test_widths_that_do_not_fit_are_named_all_at_once():
    settings = ModelSettings(decoder=DecoderSettings(dim=90, num_heads=7))
    with pytest.raises(ModelError, match=r"decoder\.dim 90 is no multiple of 4; decoder\.dim 90 is no multiple of 7"):
        Network(settings, {"animals": 3})
