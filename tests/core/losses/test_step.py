"""Whole steps of the smallest network on one video: whom the losses reach, and that they fall."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from gvseg_core.losses.contrast import ClassQueues, View, contrast_loss, view_of
from gvseg_core.losses.matching import Matching, match
from gvseg_core.losses.points import draw_points
from gvseg_core.losses.segmentation import amounts, normaliser_of, segmentation_losses
from gvseg_core.losses.targets import Targets, bound, class_map, targets_of, true_shapes
from gvseg_core.model.network import Network
from gvseg_core.model.queries import class_means, class_sums
from gvseg_core.recipes import ContrastSettings, LossSettings, load_preset
from gvseg_core.types import Features, LabelledClip, Prediction, Queries

SIZE = (64, 96)
SETTINGS = LossSettings(num_points=200)
CONTRAST = ContrastSettings()
THINGS, STUFF = [0, 1], [2, 3]
NUM_QUERIES = 12  # of the preset's grid
TASKS = ["vis", "vss", "vps"]


@dataclass
class Lesson:
    """What a task is taught: its targets, how many queries are free, and where its queries come from."""

    task: str
    network: Network
    queues: ClassQueues

    def targets(self) -> tuple[Tensor, list[Targets]]:
        """Two clips of two frames: two squares that move over two kinds of ground, which `vis` does not see."""
        pixels, found, ids = torch.zeros(2, 2, 3, *SIZE), [], torch.arange(2 if self.task == "vis" else 4)
        rows = {"vss": bound(ids, range(4)), "vps": bound(ids, STUFF, first=NUM_QUERIES)}.get(self.task)
        for b in range(2):
            labels = torch.full((2, *SIZE), 3, dtype=torch.int16)
            labels[:, :, 48:] = 4
            for t in range(2):
                labels[t, 8:32, 8 + 8 * t + 16 * b : 36 + 8 * t + 16 * b] = 1
                labels[t, 36:60, 60 - 8 * t : 84 - 8 * t] = 2
                pixels[b, t] = torch.stack([labels[t] == n for n in (1, 2, 3)])
            if self.task == "vis":
                labels[labels > 2] = 0
            clip = LabelledClip(pixels[b], labels, ids, ids + 1, (0, 1))
            found.append(targets_of(clip, SIZE, things=() if self.task == "vss" else THINGS, rows=rows))
        return pixels, found

    def queries(self, features: Features, targets: list[Targets]) -> Queries:
        """The task's own; means of classes move on before they are asked."""
        sources = self.network.queries
        if self.task == "vis":
            return sources["vis"](features)
        labels = torch.stack([class_map(target, (8, 12)) for target in targets])
        known = sources["vss"] if self.task == "vss" else sources["vps"].stuff
        known.update("shapes", *class_means(class_sums(features, labels, 4)))
        return known(2, "shapes") if self.task == "vss" else sources["vps"](features, "shapes", STUFF)

    def step(self) -> tuple[dict[str, Tensor], Prediction]:
        pixels, targets = self.targets()
        features = self.network.encode(pixels)
        queries = self.queries(features, targets)
        prediction = self.network.decode(features, queries, "shapes", descriptors=True, auxiliary=True)
        points = [draw_points(SETTINGS, 2, pixels.device) for _ in targets]
        num_queries = queries.content.shape[1]
        num_free = {"vis": num_queries, "vss": 0, "vps": NUM_QUERIES}[self.task]
        matching = match(prediction, targets, points, SETTINGS, num_free)
        normaliser = normaliser_of(amounts(targets, num_queries, SETTINGS, num_free), pixels.device)
        losses = segmentation_losses(prediction, targets, points, matching, SETTINGS, normaliser)
        views = self.views(prediction, matching, targets)
        losses |= contrast_loss([views], CONTRAST, len(views[0].class_ids), self.queues)
        for view in views:
            stuff = ~view.is_thing
            self.queues.enqueue(view.embeddings[stuff], view.class_ids[stuff])
        return losses, prediction

    def views(self, prediction: Prediction, matching: Matching, targets: list[Targets]) -> list[View]:
        return [
            view_of(prediction.embeddings[b], matching.pairs[b], target, true_shapes(target), distant=b > 0)
            for b, target in enumerate(targets)
        ]


@pytest.fixture
def lesson(request: pytest.FixtureRequest) -> Lesson:
    torch.manual_seed(0)
    network = Network(load_preset("tiny").model, {"shapes": 4}).train()
    for weight in network.parameters():
        if weight.ndim == 2 and weight.eq(0).all():
            torch.nn.init.normal_(weight, std=0.01)  # behind a weight of 0 nothing would get a gradient
    return Lesson(request.param, network, ClassQueues(4, CONTRAST.queue, 32))


@pytest.mark.parametrize("lesson", TASKS, indirect=True)
def test_the_losses_reach_every_part_that_the_task_uses(lesson: Lesson) -> None:
    lesson.step()  # fills the queues
    losses, prediction = lesson.step()
    torch.autograd.backward(sum(losses.values()))
    others = tuple(f"queries.{name}." for name in ("vis", "vss", "vps", "evs") if name != lesson.task)
    starved = {
        name
        for name, weight in lesson.network.named_parameters()
        if not name.startswith(others) and (weight.grad is None or not weight.grad.abs().sum() > 0)
    }
    if lesson.task == "vss":  # classes have neither shape nor place
        starved -= {"decoder.shape_position.weight"}
    assert starved == set()
    assert losses["contrast"] > 0
    assert prediction.descriptors is not None
    assert not prediction.descriptors.requires_grad


@pytest.mark.parametrize("lesson", TASKS, indirect=True)
def test_losses_fall_on_one_video(lesson: Lesson) -> None:
    optimiser = torch.optim.AdamW(lesson.network.parameters(), lr=2e-3)
    totals = []
    for _ in range(16):
        losses, _ = lesson.step()
        total = sum(losses.values())
        assert isinstance(total, Tensor)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert sum(totals[-2:]) < 0.8 * sum(totals[:2])
