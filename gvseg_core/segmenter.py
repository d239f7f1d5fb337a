"""The one path: frames in, results out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from gvseg_core.config import InputSettings
from gvseg_core.model.network import Network
from gvseg_core.ops.allocator import give_back_freed_memory
from gvseg_core.ops.resize import prepare
from gvseg_core.types import Clip, Frame, FrameResult, Prediction, Proposals, Task, Tracker

_HELD = 100 * 2**20  # bytes of freed memory that may lie between clips before they are given back

NOT_FINITE = "the network's answer is not finite, in float32 either"


class Segmenter:
    """One network on one task; videos come and go, each with a tracker of its own (`task.tracker()`)."""

    def __init__(
        self,
        network: Network,
        task: Task,
        input_settings: InputSettings,
        *,
        clip_length: int | None = None,
        device: torch.device | str = "cpu",
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            network: made ready with `prepare_for_inference`, in the precision it is to run in.
            task: what is asked of it.
            input_settings: the size and scale of pictures it was trained on.
            clip_length: frames decoded jointly (T); what it was trained with by default.
            device: where the network is.
            provenance: where its weights are from, for whoever writes results.
        """
        self.network = network
        self.task = task
        self.input_settings = input_settings
        self.clip_length = clip_length or network.settings.clip_length
        self.device = torch.device(device)
        self.provenance = dict(provenance or {})

    def run(self, frames: Iterable[Frame], tracker: Tracker) -> Iterator[FrameResult]:
        """Segment one video; `tracker` is its memory, and sums it up in `tracker.tracks` when the frames end."""
        yield from self.segment(self.clips(frames), tracker)

    def clips(self, frames: Iterable[Frame]) -> Iterator[Clip]:
        """What the network will see, window by window: work that can be done ahead, in another thread."""
        for window in windows(frames, self.clip_length):
            yield prepare(window, self.input_settings)

    def segment(self, clips: Iterable[Clip], tracker: Tracker) -> Iterator[FrameResult]:
        """As `run`, from clips. A clip that the network cannot judge gives empty results that say so."""
        for clip in clips:
            yield from self._results(clip, tracker)
            del clip  # or it would still be there while the next one is made
            give_back_freed_memory(beyond=_HELD)

    def _results(self, clip: Clip, tracker: Tracker) -> Iterator[FrameResult]:
        if not self.task.wants(clip, tracker):
            yield from (FrameResult(frame, ()) for frame in clip.frames)
            return
        proposals = self.propose(clip, tracker)
        if proposals is None:
            yield from (FrameResult(frame, (), NOT_FINITE) for frame in clip.frames)
            return
        yield from tracker.update(proposals, clip)

    def propose(self, clip: Clip, tracker: Tracker) -> Proposals | None:
        """What the task makes of the clip; None where the network's answer is not finite, in float32 either."""
        prediction = self._predict(clip, tracker)
        dtype = prediction.mask_features.dtype
        if not _is_finite(prediction) and dtype != torch.float32:
            self.network.float()
            prediction = self._predict(clip, tracker)
            self.network.prepare_for_inference(dtype)
        with torch.inference_mode():
            return self.task.decode(prediction, clip) if _is_finite(prediction) else None

    @torch.inference_mode()
    def _predict(self, clip: Clip, tracker: Tracker) -> Prediction:
        features = self.network.encode(clip.pixels[None].to(self.device))
        return self.network.decode(
            features,
            self.task.init_queries(features, clip, tracker),
            self.task.head,
            picture_size=clip.input_size,
            descriptors=self.task.needs_descriptors,
            # A clip network keeps its code of time when the last window is but one frame long.
            time_code=self.network.settings.clip_length > 1,
        )


def windows(frames: Iterable[Frame], length: int) -> Iterator[tuple[Frame, ...]]:
    """`length` consecutive frames at a time; fewer at the end, and before an exemplar or a new size."""
    window: list[Frame] = []
    for frame in frames:
        if window and (frame.exemplar is not None or frame.image.shape != window[0].image.shape):
            yield tuple(window)
            window = []
        window.append(frame)
        if len(window) == length:
            yield tuple(window)
            window = []
    if window:
        yield tuple(window)


def _is_finite(prediction: Prediction) -> bool:
    """Sums are enough: NaN and infinity stay in them."""
    parts = (prediction.class_logits, prediction.embeddings, prediction.mask_embeddings, prediction.mask_features)
    return all(bool(part.sum(dtype=torch.float32).isfinite()) for part in parts)
