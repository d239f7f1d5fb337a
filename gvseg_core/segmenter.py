"""The one path: frames in, results out.

It has four steps, each an iterator over what the last one gives: frames are cut into windows, windows are made ready,
shown to the network, and decided upon. Drawn one from the other they are one loop; the engine puts threads between
them, so that one clip is decided while the network sees the next. Results are the same to the last bit.

Windows may overlap (`clip_stride` below `clip_length`). The rule: of the first window every frame leaves, of each later
one the frames that no window had before. Features are made frame by frame, so those of shared frames are kept and not
made again; only the decoder looks at them once more. Identity is found as between any two clips, but what a query's
shape and position were on the last shared frame is what meets the memory of that frame: one picture, seen twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from gvseg_core.config import InputSettings
from gvseg_core.model.network import Network
from gvseg_core.model.overlap import encode_clips, features_of, newest, prediction_of
from gvseg_core.ops import resize
from gvseg_core.ops.allocator import give_back_freed_memory
from gvseg_core.ops.transfer import Arrival, all_finite
from gvseg_core.types import Clip, Features, Frame, FrameResult, Prediction, Proposals, Task, Tracker
from gvseg_core.video.windows import Batches, Window, windows

_HELD = 100 * 2**20  # bytes of freed memory that may lie between clips before they are given back

NOT_FINITE = "the network's answer is not finite, in float32 either"


class Predicted(NamedTuple):
    """The frames that leave with a clip, as a clip of their own, and what the network says of them."""

    clip: Clip
    prediction: Prediction | None  # B = 1; None where nothing was asked, or nothing can be said
    problem: str = ""  # why nothing can be said


class _Asked(NamedTuple):
    """Clips that the device is computing, or has computed."""

    clips: Sequence[Clip]
    prediction: Prediction
    arrival: Arrival  # of what is decided upon, and (B,) whether all is finite


class Segmenter:
    """One network on one task; videos come and go, each with a tracker of its own (`task.tracker()`)."""

    def __init__(
        self,
        network: Network,
        task: Task,
        input_settings: InputSettings,
        *,
        clip_length: int | None = None,
        clip_stride: int | None = None,
        device: torch.device | str = "cpu",
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            network: made ready with `prepare_for_inference`, in the precision it is to run in. What it returns is read
                while it computes the next clip.
            task: what is asked of it.
            input_settings: the size and scale of pictures it was trained on.
            clip_length: frames decoded jointly (T); what it was trained with by default.
            clip_stride: frames from one window to the next, 1 … T; T by default, so that none overlap.
            device: where the network is.
            provenance: where its weights are from, for whoever writes results.
        """
        self.network = network
        self.task = task
        self.input_settings = input_settings
        self.clip_length = clip_length or network.settings.clip_length
        self.clip_stride = clip_stride or self.clip_length
        self.device = torch.device(device)
        self.provenance = dict(provenance or {})
        # Batches that the device has been given before the answer to the first of them is looked at.
        self._ahead = int(self.device.type == "cuda")
        self._side: torch.cuda.Stream | None = None

    def run(self, frames: Iterable[Frame], tracker: Tracker) -> Iterator[FrameResult]:
        """Segment one video; `tracker` is its memory, and sums it up in `tracker.tracks` when the frames end."""
        yield from self.segment(self.clips(frames), tracker)

    def clips(self, frames: Iterable[Frame]) -> Iterator[Clip]:
        """What the network will see, window by window."""
        yield from self.prepare(self.windows(frames))

    def segment(self, clips: Iterable[Clip], tracker: Tracker) -> Iterator[FrameResult]:
        """As `run`, from clips."""
        yield from self.decide(self.predict(clips, tracker), tracker)

    def propose(self, clip: Clip, tracker: Tracker) -> Proposals | None:
        """What the task makes of one clip; None where the network's answer is not finite, in float32 either."""
        (predicted,) = self.predict([clip], tracker)
        if predicted.prediction is None:
            return None
        with torch.inference_mode():
            return self.task.decode(predicted.prediction, predicted.clip, tracker)

    # --- the four steps -----------------------------------------------------------------------------------------------

    def windows(self, frames: Iterable[Frame]) -> Iterator[Window]:
        """Frames that are decoded jointly."""
        return windows(frames, self.clip_length, self.clip_stride)

    def prepare(self, windows: Iterable[Window]) -> Iterator[Clip]:
        """Pixels as the network wants them, of the frames that it has not seen."""
        for window in windows:
            clip = resize.prepare(window.frames[window.num_seen :], self.input_settings)
            pixels = clip.pixels.pin_memory() if self.device.type == "cuda" else clip.pixels
            clip = replace(clip, frames=window.frames, pixels=pixels, num_seen=window.num_seen)
            del window, pixels
            yield clip
            del clip  # or it would still be there while the next one is made

    def predict(
        self, clips: Iterable[Clip], tracker: Tracker, *, batch: int = 1, notes: list[str] | None = None
    ) -> Iterator[Predicted]:
        """What the network says of each clip.

        Args:
            clips: in order.
            tracker: for a task that looks back, as it is after the clip before.
            batch: clips computed at once, unless the task looks back: they keep a large device busy, and wait for each
                other. Where its memory does not suffice, they and all that follow are computed one by one.
            notes: is told of that, in a line.

        Raises:
            torch.OutOfMemoryError: memory does not suffice for one clip either.
        """
        ahead, limit = (0, 1) if self.task.looks_back else (self._ahead, batch)
        batches, asked = Batches(clips, limit), deque[_Asked]()
        known: Features | None = None  # of the last clip, where the next one shares frames with it
        has_retried = False
        while group := batches.take():
            if not self.task.wants(group[0], tracker):
                yield from (Predicted(_leaving(clip), None) for clip in group)
                continue
            answer = self._ask(group, known, tracker, may_fail=not has_retried)
            if answer is None:
                has_retried = True
                while asked:  # what is computed already leaves first, and makes room
                    yield from self._answers(asked.popleft(), tracker)
                batches.put_back(group)
                _make_room()
                if notes is not None:
                    notes.append(_smaller(group))
                continue
            asked.append(answer[0])
            known = answer[1]
            del group, answer  # or they would still be there while the next ones are made
            while len(asked) > ahead:
                yield from self._answers(asked.popleft(), tracker)
            give_back_freed_memory(beyond=_HELD)
        while asked:
            yield from self._answers(asked.popleft(), tracker)

    def decide(self, predicted: Iterable[Predicted], tracker: Tracker) -> Iterator[FrameResult]:
        """Masks, classes and names. A clip of which nothing can be said gives empty results that say so."""
        for clip, prediction, problem in predicted:
            if prediction is None:
                results = [FrameResult(frame, (), problem) for frame in clip.frames]
            else:
                with torch.inference_mode(), self._beside():
                    results = list(tracker.update(self.task.decode(prediction, clip, tracker), clip))
            del clip, prediction
            yield from results
            del results

    # --- the network --------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def _ask(
        self, clips: Sequence[Clip], known: Features | None, tracker: Tracker, *, may_fail: bool
    ) -> tuple[_Asked, Features | None] | None:
        """Begin to compute clips of one size; also the features that the next ones may share.

        Returns:
            None if memory did not suffice, and it may fail.
        """
        try:
            features = encode_clips(self.network, clips, self.device, known)
            prediction = self._look(features, clips[0], tracker)
        except torch.OutOfMemoryError:
            if not may_fail:
                raise
            return None
        parts = (prediction.class_logits, prediction.embeddings, prediction.mask_embeddings, prediction.mask_features)
        arrival = Arrival((prediction.class_logits, prediction.embeddings, prediction.descriptors, all_finite(parts)))
        shared = features_of(features, len(clips) - 1) if self.clip_stride < self.clip_length else None
        return _Asked(clips, prediction, arrival), shared

    def _look(self, features: Features, clip: Clip, tracker: Tracker) -> Prediction:
        """What the decoder makes of the features of `clip`, and of others like it."""
        return self.network.decode(
            features,
            self.task.init_queries(features, clip, tracker),
            self.task.head,
            picture_size=clip.input_size,
            descriptors=self.task.needs_descriptors,
            # A clip network keeps its code of time when the last window is but one frame long.
            time_code=self.network.settings.clip_length > 1,
        )

    def _answers(self, asked: _Asked, tracker: Tracker) -> Iterator[Predicted]:
        """Clip by clip, once the device is done; what is not finite is computed again in float32."""
        class_logits, embeddings, descriptors, finite = asked.arrival.wait()
        assert class_logits is not None
        assert embeddings is not None
        assert finite is not None
        whole = replace(
            asked.prediction, class_logits=class_logits, embeddings=embeddings, descriptors=descriptors, auxiliary=()
        )
        for b, clip in enumerate(asked.clips):
            prediction = prediction_of(whole, b) if finite[b] else self._again(clip, whole.mask_features.dtype, tracker)
            leaving = _leaving(clip)
            if prediction is None:
                yield Predicted(leaving, None, NOT_FINITE)
            else:
                yield Predicted(leaving, newest(prediction, len(leaving.frames)))
            del prediction, leaving, clip

    @torch.inference_mode()
    def _again(self, clip: Clip, dtype: torch.dtype, tracker: Tracker) -> Prediction | None:
        """The clip in float32, unless that is what failed; None if it is not finite then either."""
        if dtype == torch.float32:
            return None
        self.network.float()
        pixels = resize.prepare(clip.frames, self.input_settings).pixels.to(self.device)
        prediction = self._look(self.network.encode(pixels[None]), clip, tracker)
        self.network.prepare_for_inference(dtype)
        parts = (prediction.class_logits, prediction.embeddings, prediction.mask_embeddings, prediction.mask_features)
        return prediction if bool(all_finite(parts)) else None

    def _beside(self) -> AbstractContextManager[object]:
        """Where a device has several queues, one of its own, so that deciding need not wait for the next clip.

        What is decided upon has been computed by then (`Arrival.wait`), and deciding ends with masks in main memory: no
        tensor is freed while the other queue still uses it.
        """
        if self.device.type != "cuda" or self.task.looks_back:
            return nullcontext()
        self._side = self._side or torch.cuda.Stream(self.device)
        return torch.cuda.stream(self._side)


def _smaller(clips: Sequence[Clip]) -> str:
    """What is done differently where memory did not suffice for `clips`."""
    first = clips[0].frames[0].index
    if len(clips) == 1:
        return f"memory ran out at frame {first}; the clip was computed again after freeing what could be freed"
    return f"memory ran out at frame {first}: from there on one clip at a time instead of {len(clips)} (--batch)"


def _make_room() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _leaving(clip: Clip) -> Clip:
    """The frames whose results are not out yet."""
    return replace(clip, frames=clip.frames[clip.num_seen :], num_seen=0) if clip.num_seen else clip
