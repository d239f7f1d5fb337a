"""A step: the same in parts and as a whole, with activations kept or made again; one that goes wrong moves nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gvseg_core.config import BACKBONES, ResNetSettings
from gvseg_core.engine.training import learner as learning
from gvseg_core.engine.training.learner import Remembered
from gvseg_core.engine.training.step import Stepper
from gvseg_core.model.layers import FrozenBatchNorm2d
from tests.core.engine.training.runs import (
    MODEL,
    TASKS,
    assert_same,
    batches,
    copy_of,
    recipe,
    sources_of,
    stepper_of,
    steps_of,
)


def backbone(name: str) -> dict[str, Any]:
    """The backbone of that name as its settings have it, a hundredth of its size."""
    settings = BACKBONES[name]
    if isinstance(settings, ResNetSettings):
        depths = tuple(min(depth, 2) for depth in settings.depths)
        small = settings.model_copy(
            update={"stem_channels": 8, "channels": (8, 16, 24, 32), "inner_channels": (8, 8, 8, 8), "depths": depths}
        )
        if settings.block == "basic":
            small = small.model_copy(update={"inner_channels": small.channels})
        return small.model_dump(mode="json")
    depths = tuple(min(depth, 2) for depth in settings.depths)
    return settings.model_copy(update={"embed_dim": 12, "depths": depths, "num_heads": (1, 2, 3, 4)}).model_dump(
        mode="json"
    )


def gradients_of(stepper: Stepper, batch: list[Any]) -> dict[str, Tensor | None]:
    divisors = stepper._divisors(batch)
    total, _ = stepper.learner(batch, divisors, Remembered())
    total.backward()
    return {name: parameter.grad for name, parameter in stepper.learner.network.named_parameters()}


def let_gradients_through(network: nn.Module) -> None:
    """Behind a weight that begins at 0 nothing would get a gradient."""
    torch.manual_seed(0)
    for weight in network.parameters():
        if weight.ndim >= 2 and weight.eq(0).all():
            nn.init.normal_(weight, std=0.01)


@pytest.mark.parametrize("micro", [1, 2, 3])
def test_accumulated_parts_are_the_larger_batch(micro: int) -> None:
    """All that a run keeps, after three steps: weights, class means, queues; and what it says of each step.

    Steps are short because Adam makes of a gradient that is 0 but for rounding a good share of a whole one.
    """
    whole, said = steps_of(recipe("vps", "evs", lr=2.0e-4), 3)
    parts, also_said = steps_of(recipe("vps", "evs", lr=2.0e-4, micro_batch=micro), 3)
    assert_same(copy_of(parts), copy_of(whole), 1e-5)
    for one, other in zip(also_said, said, strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-5)
    queues = [tensor for name, tensor in copy_of(whole).items() if name.startswith("queues.")]
    assert queues
    assert all(tensor.any() for tensor in queues)


def test_what_a_sample_teaches_does_not_depend_on_the_others() -> None:
    preset = recipe(*TASKS, batch_size=8)
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    batch = next(batches(preset, sources))
    assert {sample.task for sample in batch} == set(TASKS)
    divisors = stepper._divisors(batch)
    with torch.no_grad():
        _, together = stepper.learner(batch, divisors, Remembered())
        alone = [stepper.learner([sample], divisors, Remembered())[1] for sample in batch]
    sums = {name: sum(told[name] for told in alone if name in told) for name in together}
    for name, value in together.items():
        torch.testing.assert_close(sums[name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["resnet50", "swin_tiny"])
def test_activations_made_again_change_nothing(kind: str) -> None:
    """Bit for bit, with branches dropped at random (Swin), and batch statistics that learn (ResNet)."""
    model = {**MODEL, "backbone": backbone(kind)}
    kept, said = steps_of(recipe("vis", model=model, freeze_norms=False, batch_size=1), 2)
    again, also_said = steps_of(recipe("vis", model=model, freeze_norms=False, batch_size=1, checkpointing=True), 2)
    assert also_said == said
    assert_same(copy_of(again), copy_of(kept))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_parameter_of_every_backbone_gets_a_gradient(name: str) -> None:
    chosen = backbone(name)
    if chosen["kind"] == "swin":
        chosen["drop_path"] = 0.0
    preset = recipe("vis", model={**MODEL, "backbone": chosen}, batch_size=1, freeze_norms=False)
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    let_gradients_through(stepper.learner.network)
    found = gradients_of(stepper, next(batches(preset, sources)))
    starved = {n for n, g in found.items() if n.startswith("backbone.") and (g is None or not g.any())}
    assert starved == set()


@pytest.mark.parametrize("task", TASKS)
def test_every_parameter_that_a_task_uses_gets_a_gradient(task: str) -> None:
    preset = recipe(task, batch_size=2, freeze_norms=False)
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    let_gradients_through(stepper.learner.network)
    stream = batches(preset, sources)
    stepper.step(0, next(stream))  # fills the queues
    stepper.optimiser.zero_grad(set_to_none=True)
    found = gradients_of(stepper, next(stream))
    others = tuple(f"queries.{name}." for name in TASKS if name != task)
    starved = {n for n, g in found.items() if not n.startswith(others) and (g is None or not g.any())}
    if task == "vss":  # classes have neither shape nor place
        starved -= {"decoder.shape_position.weight"}
    assert starved == set()


@pytest.mark.parametrize("amp", ["fp32", "bf16"])
def test_all_tasks_at_once_give_finite_losses_in_every_precision(amp: str) -> None:
    _, said = steps_of(recipe(*TASKS, amp=amp, batch_size=8), 2)
    for told in said:
        assert {"class", "mask", "dice", "contrast"} <= told.keys()
        assert all(0 <= value < 1000 for value in told.values())


def test_bf16_says_nearly_what_float32_says() -> None:
    (_, exact), (_, rough) = (steps_of(recipe("vps", "evs", amp=amp), 1) for amp in ("fp32", "bf16"))
    # Where two queries would do as well, another one may be matched; only the contrast asks which.
    assert rough[0].pop("contrast") == pytest.approx(exact[0].pop("contrast"), rel=0.1)
    assert rough[0] == pytest.approx(exact[0], rel=0.02)
    assert rough[0] != exact[0]


def test_a_step_whose_loss_is_not_finite_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = recipe("vps", freeze_norms=False)
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    stream = batches(preset, sources)
    assert stepper.step(0, next(stream)).is_finite
    before = copy_of(stepper)
    own = learning.segmentation_losses

    def poisoned(*words: Any) -> dict[str, Tensor]:
        losses = own(*words)
        return {**losses, "mask": losses["mask"] * float("nan")}

    with monkeypatch.context() as patch:
        patch.setattr(learning, "segmentation_losses", poisoned)
        told = stepper.step(1, next(stream))
    assert not told.is_finite
    assert_same(copy_of(stepper), before)
    assert stepper.step(2, next(stream)).is_finite
    moved = copy_of(stepper)
    assert not torch.equal(moved["network.backbone.conv1.weight"], before["network.backbone.conv1.weight"])


def test_a_step_whose_pictures_are_not_finite_leaves_batch_statistics_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = recipe("vis", freeze_norms=False, batch_size=1)
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    norms = [module for module in stepper.learner.modules() if isinstance(module, FrozenBatchNorm2d)]
    own = learning.collate

    def poisoned(*words: Any) -> Any:
        batch = own(*words)
        batch.pixels.fill_(float("inf"))
        return batch

    monkeypatch.setattr(learning, "collate", poisoned)
    before = copy_of(stepper)
    assert not stepper.step(0, next(batches(preset, sources))).is_finite
    assert norms
    assert_same(copy_of(stepper), before)


@pytest.mark.parametrize("task", TASKS)
def test_thirty_steps_on_one_clip_drive_every_loss_down(task: str) -> None:
    preset = recipe(task, batch_size=1, lr=4.0e-3, backbone_lr_scale=1.0, clip_norm=5.0, freeze_norms=False)
    sources = sources_of(preset)
    stepper = stepper_of(preset, sources)
    batch = next(batches(preset, sources))
    said = [stepper.step(i, batch).losses for i in range(30)]
    for name in ("class", "mask", "dice"):
        assert said[-1][name] < 0.75 * said[0][name], name
    assert said[-1]["loss"] < 0.6 * said[0]["loss"]
