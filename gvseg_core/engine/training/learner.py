"""One part of a step: samples in, losses out, and what has to be remembered once the step is done.

Clips of one size are encoded together, those of one task and class head decoded together. Whatever chance a clip needs
(cells of the grid, points of the losses) is its own, made from the run's seed and the sample's number: so neither the
parts of a step nor the number of processes changes what a sample teaches. Which branches a Swin drops is drawn for all
clips that are encoded together, from the seed and the first one's number: that alone does depend on the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gvseg_core.config import InputSettings
from gvseg_core.data.training.collate import collate
from gvseg_core.data.training.samples import Sample
from gvseg_core.engine.training.grouping import Group, Key, grouped, padded_size, seed_of
from gvseg_core.engine.training.processes import Processes
from gvseg_core.losses.contrast import ClassQueues, View, contrast_loss, view_of
from gvseg_core.losses.matching import Matching, MatchProblems, match
from gvseg_core.losses.pixels import PixelClasses
from gvseg_core.losses.points import draw_points
from gvseg_core.losses.propagation import propagation_loss
from gvseg_core.losses.segmentation import Normaliser, amounts, segmentation_losses
from gvseg_core.losses.targets import Targets, class_map, targets_of, true_shapes
from gvseg_core.model.network import Network
from gvseg_core.model.queries import class_means, class_sums
from gvseg_core.recipes import TrainSettings
from gvseg_core.tasks.teaching import Shown, Teaching, teaching_of
from gvseg_core.types import Features, LabelledClip, Prediction, Size, Vocabulary

AMP = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the losses of a step are divided by; parts and processes add up."""

    segmentation: Normaliser = field(default_factory=lambda: Normaliser(0.0, 0.0))
    anchors: float | Tensor = 0.0  # targets of key clips
    classified: float | Tensor = 0.0  # clips whose pixels have classes
    asked: float | Tensor = 0.0  # clips that are not key, of objects that were pointed at

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.segmentation + other.segmentation,
            self.anchors + other.anchors,
            self.classified + other.classified,
            self.asked + other.asked,
        )


@dataclass
class Remembered:
    """What a step leaves behind; parts add to it, `Learner.remember` puts it where it belongs."""

    sums: dict[Key, Tensor] = field(default_factory=dict)  # of features by class
    keys: dict[str, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)  # by head: queries, their classes
    problems: MatchProblems = field(default_factory=MatchProblems)


class Learner(nn.Module):
    """The network with everything that training adds to it.

    Args:
        network: made ready by `optimiser.trainable`.
        lessons: the class head of every (task, vocabulary name) that is taught.
        settings: of the run.
        input_settings: how pictures become input.
    """

    def __init__(
        self,
        network: Network,
        lessons: Mapping[Key, Vocabulary],
        settings: TrainSettings,
        input_settings: InputSettings,
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.input_settings = input_settings
        self.teachings: dict[Key, Teaching] = {
            (task, head): teaching_of(task, network.queries, vocabulary) for (task, head), vocabulary in lessons.items()
        }
        dim = network.settings.decoder.dim
        by_class = {
            head: len(vocabulary)
            for (task, head), vocabulary in lessons.items()
            if len(self.teachings[task, head].things) < len(vocabulary)
        }
        self.queues = nn.ModuleDict(
            {head: ClassQueues(num, settings.contrast.queue, dim) for head, num in by_class.items()}
        )
        self.pixels: PixelClasses | None = None
        if settings.loss.pixel_weight:
            classified = {
                head: len(vocabulary)
                for (task, head), vocabulary in lessons.items()
                if self.teachings[task, head].has_classes
            }
            self.pixels = PixelClasses(classified, network.settings.pixel_decoder.dim)

    def amounts(self, samples: Sequence[Sample]) -> Amounts:
        """What samples add to the divisors; the network need not have run."""
        total = Amounts()
        for sample in samples:
            teaching = self.teachings[sample.task, sample.vocabulary]
            key = sample.clips[0]
            targets = [self._targets(teaching, clip, key) for clip in sample.clips]
            counted = amounts(targets, teaching.num_queries(key), self.settings.loss, teaching.num_free())
            classified = float(len(sample.clips)) if teaching.has_classes else 0.0
            asked = float(len(sample.clips) - 1) if teaching.one_video else 0.0
            total += Amounts(counted, float(len(key.class_ids)), classified, asked)
        return total

    def forward(
        self, samples: Sequence[Sample], divisors: Amounts, remembered: Remembered
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses of one part of a step.

        Args:
            samples: at least one.
            divisors: of the whole step, a process's mean share.
            remembered: is added to.

        Returns:
            What is to fall, and its weighted terms without gradient: "class", "mask", "dice" (sums over all outputs),
            "contrast", "pixel", "propagation", and each but these three for the final output alone ("final_class", …).
        """
        losses: dict[str, Tensor] = {}
        for groups in grouped(samples, self.teachings, self.settings.seed):
            for group, features in zip(groups, self._encode(groups), strict=True):
                for name, value in self._learn(group, features, divisors, remembered).items():
                    losses[name] = losses[name] + value if name in losses else value
        total = torch.stack([value.float() for value in losses.values()]).sum()
        return total, _summed(losses)

    @torch.no_grad()
    def remember(self, remembered: Remembered, processes: Processes) -> None:
        """Move class means and queues on, the same in every process; once a step, after the optimiser."""
        for lesson in sorted(self.teachings):
            source = self.teachings[lesson].class_source
            if source is None:
                continue
            sums = remembered.sums.get(lesson)
            if sums is None:  # nothing of it in this process's share
                mean = source.means(lesson[1])
                sums = mean.new_zeros(mean.shape[0], mean.shape[1] + 1, dtype=torch.float32)
            source.update(lesson[1], *class_means(processes.sum(sums)))
        for head in sorted(self.queues):
            queues = self.queues[head]
            assert isinstance(queues, ClassQueues)
            found = remembered.keys.get(head, [])
            embeddings = torch.cat([queues.keys.new_zeros(0, queues.keys.shape[-1]), *(e.float() for e, _ in found)])
            class_ids = torch.cat([queues.written.new_zeros(0), *(ids for _, ids in found)])
            queues.enqueue(embeddings, class_ids, processes.gather)

    # --- one group ----------------------------------------------------------------------------------------------------

    def _encode(self, groups: Sequence[Group]) -> Iterator[Features]:
        """The features of groups of one size, encoded at once."""
        device = next(self.network.parameters()).device
        batch = collate([clip for group in groups for clip in group.clips], self.input_settings, device)
        torch.manual_seed(seed_of(self.settings.seed, groups[0].samples[0].number))
        with self._precision(device):
            features = self.network.encode(batch.pixels)
        lengths = [len(group.clips) for group in groups]
        levels = [level.split(lengths) for level in (*features.multi_scale, features.mask_features)]
        for *multi_scale, mask_features in zip(*levels, strict=True):
            yield Features(tuple(multi_scale), mask_features)

    def _targets(self, teaching: Teaching, clip: LabelledClip, key: LabelledClip) -> Targets:
        size = int(clip.pixels.shape[-2]), int(clip.pixels.shape[-1])
        return targets_of(
            clip, padded_size(size, self.input_settings), things=teaching.things, rows=teaching.rows(clip, key)
        )

    def _learn(self, group: Group, features: Features, divisors: Amounts, remembered: Remembered) -> dict[str, Tensor]:
        teaching = self.teachings[group.lesson]
        device = features.mask_features.device
        num_frames, _, height, width = group.clips[0].pixels.shape
        padded = padded_size((height, width), self.input_settings)
        targets = [
            self._targets(teaching, clip, group.clips[key]).to(device)
            for clip, key in zip(group.clips, group.keys, strict=True)
        ]
        with self._precision(device):
            self._note_classes(group.lesson, features, targets, remembered)
            queries = teaching.start(
                Shown(
                    features,
                    group.clips,
                    group.keys,
                    group.distant,
                    (height / padded[0], width / padded[1]),
                    group.chance,
                )
            )
            prediction = self.network.decode(
                features,
                queries,
                group.lesson[1],
                picture_size=(height, width),
                descriptors=self.network.decoder.shape_position is not None,
                auxiliary=True,
                time_code=self.network.settings.clip_length > 1,
            )
            loss = self.settings.loss
            points = [draw_points(loss, num_frames, device, chance) for chance in group.chance]
            matching = match(prediction, targets, points, loss, teaching.num_free(), queries.places)
            remembered.problems += matching.problems
            losses = segmentation_losses(prediction, targets, points, matching, loss, divisors.segmentation)
            losses |= self._pixels(group.lesson, features, targets, divisors)
            losses |= self._propagation(group, features, targets, divisors)
            if self.settings.contrast.weight:
                losses |= self._contrast(group, prediction, queries.is_thing, targets, matching, divisors, remembered)
        return losses

    def _contrast(
        self,
        group: Group,
        prediction: Prediction,
        is_thing: Tensor | None,
        targets: Sequence[Targets],
        matching: Matching,
        divisors: Amounts,
        remembered: Remembered,
    ) -> dict[str, Tensor]:
        """What is compared is what the tracker compares: q + P·H where there is a projection, for things."""
        identities = prediction.embeddings
        decoder = self.network.decoder
        if prediction.descriptors is not None and decoder.shape_position is not None:
            identities = identities + decoder.code_of_shapes(prediction.descriptors, is_thing).float()
        dim = self.network.settings.decoder.dim
        views = [
            view_of(identities[c], pairs, target, true_shapes(target, dim), distant=far)
            for c, (pairs, target, far) in enumerate(zip(matching.pairs, targets, group.distant, strict=True))
        ]
        samples: dict[int, list[View]] = {}
        for view, key in zip(views, group.keys, strict=True):
            samples.setdefault(key, []).append(view)
        queues = self._queues(group.lesson[1])
        if queues is not None:
            for view in views:
                stuff = ~view.is_thing
                kept = remembered.keys.setdefault(group.lesson[1], [])
                kept.append((view.embeddings[stuff].detach(), view.class_ids[stuff]))
        return contrast_loss(list(samples.values()), self.settings.contrast, divisors.anchors, queues)

    def _pixels(
        self, lesson: Key, features: Features, targets: Sequence[Targets], divisors: Amounts
    ) -> dict[str, Tensor]:
        teaching = self.teachings[lesson]
        if self.pixels is None or not teaching.has_classes:
            return {}
        loss = self.pixels(features, lesson[1], targets, teaching.unlabelled)
        return {"pixel": loss * (self.settings.loss.pixel_weight / divisors.classified)}

    def _propagation(
        self, group: Group, features: Features, targets: Sequence[Targets], divisors: Amounts
    ) -> dict[str, Tensor]:
        weight = self.settings.loss.propagation_weight
        if not weight or not self.teachings[group.lesson].one_video:
            return {}
        loss = propagation_loss(features, targets, group.keys, group.chance)
        return {"propagation": loss * (weight / divisors.asked)}

    def _queues(self, head: str) -> ClassQueues | None:
        if head not in self.queues:
            return None
        queues = self.queues[head]
        assert isinstance(queues, ClassQueues)
        return queues

    def _note_classes(
        self, lesson: Key, features: Features, targets: Sequence[Targets], remembered: Remembered
    ) -> None:
        teaching = self.teachings[lesson]
        if teaching.class_source is None:
            return
        size: Size = tuple(features.multi_scale[-1].shape[-2:])  # type: ignore[assignment]
        labels = torch.stack([class_map(target, size) for target in targets])
        sums = class_sums(features, labels, len(teaching.vocabulary))
        remembered.sums[lesson] = remembered.sums[lesson] + sums if lesson in remembered.sums else sums

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        dtype = AMP[self.settings.amp]
        return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def _summed(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By term over all outputs, and of the final output alone."""
    told: dict[str, Tensor] = {}
    for name, value in losses.items():
        term = name.split("_")[0]
        told[term] = told.get(term, torch.zeros((), device=value.device)) + value.detach()
        if name == term and term not in {"contrast", "pixel", "propagation"}:
            told[f"final_{term}"] = value.detach()
    return told
