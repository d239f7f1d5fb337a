"""Whether an exported network answers as the one it was made of: clip by clip on the rendered demo, both side by side.

Two bounds decide. Class logits differ by at most `LOGITS`; and all masks of all queries, at the resolution of the
network, have an IoU of at least `MASK_IOU` together. Masked attention decides at each cell whether a logit is above 0,
so that rounding now and then shifts a query a little: bounds on every single number would refuse what is right.
What is found in the end, classes and ids, is compared too, and said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from gvseg_core.data.demo import DemoSource
from gvseg_core.segmenter import Segmenter
from gvseg_core.types import Frame, FrameResult, Prediction, Size

LOGITS = 0.01  # of class logits, whose spread is some tens
MASK_IOU = 0.999
HALF_LOGITS, HALF_MASK_IOU = 2.0, 0.98
"""The same for weights that were rounded to half precision, which are not quite the same weights. Where that shifts
what a query attends to, its logits move with it: up to 0.4 was seen with trained networks, at a mask IoU from 0.997."""

_OBJECTS = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """One video, by the exported network and by the one it was made of."""

    what: str  # the task; or whose program ran what was exported
    size: Size  # of the pictures, in pixels
    num_frames: int
    class_logits: float  # largest difference
    mask_logits: float  # likewise, at stride 4
    mask_iou: float  # of all queries' masks together, at stride 4
    num_segments: int | None = None  # what was found; None where only the network was run
    num_different: int = 0  # of these, with another class or id, or found by one of them only
    is_rounded: bool = False  # the weights were, to half precision

    @property
    def bounds(self) -> tuple[float, float]:
        """The largest difference of class logits, and the least mask IoU, that may be."""
        return (HALF_LOGITS, HALF_MASK_IOU) if self.is_rounded else (LOGITS, MASK_IOU)

    @property
    def is_close(self) -> bool:
        """Whether both bounds are kept."""
        logits, mask_iou = self.bounds
        return self.class_logits <= logits and self.mask_iou >= mask_iou

    def line(self) -> str:
        """For people."""
        height, width = self.size
        found = "" if self.num_segments is None else f", {self.num_segments} segments with the same classes and ids"
        if self.num_different:
            found = f", {self.num_different} of {self.num_segments} segments with another class or id"
        return (
            f"{self.what}: {self.num_frames} frames of {width}x{height}, class logits differ by at most "
            f"{self.class_logits:.1e}, mask logits by {self.mask_logits:.1e}, mask IoU {self.mask_iou:.6f}{found}"
        )


def demo_frames(size: Size, clip_length: int) -> DemoSource:
    """A rendered video that has a second clip and a last one that is cut short, if clips are longer than a frame."""
    return DemoSource(size, num_frames=max(2 * clip_length + 1, 4), num_objects=_OBJECTS)


def compare(original: Segmenter, exported: Segmenter, frames: Iterable[Frame], size: Size) -> Comparison:
    """Show both the same video, each with a memory of its own.

    Args:
        original, exported: for the same task.
        frames: can be iterated twice.
        size: of the frames.
    """
    trackers = original.task.tracker(), exported.task.tracker()
    class_logits = mask_logits = 0.0
    both = either = num_frames = 0
    found: tuple[set[tuple[int, int, int]], ...] = (set(), set())
    for clips in zip(original.clips(frames), exported.clips(frames), strict=True):
        num_frames += len(clips[0].frames)
        predictions: list[Prediction] = []
        for segmenter, clip, tracker, names in zip((original, exported), clips, trackers, found, strict=True):
            (predicted,) = segmenter.predict([clip], tracker)
            if predicted.prediction is not None:
                predictions.append(predicted.prediction)
            for result in segmenter.decide([predicted], tracker):
                names |= _names(result)
        if len(predictions) == 2:
            ours, theirs = predictions
            class_difference, mask_difference, shared, total = differences(
                ours.class_logits, theirs.class_logits, ours.mask_logits(), theirs.mask_logits()
            )
            class_logits, mask_logits = max(class_logits, class_difference), max(mask_logits, mask_difference)
            both, either = both + shared, either + total
    return Comparison(
        what=original.task.name,
        size=size,
        num_frames=num_frames,
        class_logits=class_logits,
        mask_logits=mask_logits,
        mask_iou=both / either if either else 1.0,
        num_segments=len(found[0]),
        num_different=len(found[0] ^ found[1]),
    )


@torch.inference_mode()
def differences(
    class_logits: Tensor, other_class_logits: Tensor, mask_logits: Tensor, other_mask_logits: Tensor
) -> tuple[float, float, int, int]:
    """Largest differences of class and mask logits, and how many cells are in both masks and in either."""
    inside, others = mask_logits > 0, other_mask_logits > 0
    return (
        float((class_logits - other_class_logits).abs().max()),
        float((mask_logits - other_mask_logits).abs().max()),
        int((inside & others).sum()),
        int((inside | others).sum()),
    )


def _names(result: FrameResult) -> set[tuple[int, int, int]]:
    return {(result.frame.index, segment.track_id, segment.class_id) for segment in result.segments}
