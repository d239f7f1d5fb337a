"""The one path, frames in and results out, on small networks."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gvseg_core.config import InputSettings, TrackSettings, VisSettings
from gvseg_core.model.network import Network
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.ops import resize, rle
from gvseg_core.segmenter import NOT_FINITE, Segmenter
from gvseg_core.tasks import TASKS, Vis
from gvseg_core.types import Clip, Frame, FrameResult, Prompt, Task, Track
from tests.conftest import shared
from tests.core.predictions import vocabulary
from tests.core.segmenters import make_frames, make_segmenter, square

# --- all tasks, all sources of queries ----------------------------------------------------------------------------


def run(segmenter: Segmenter, frames: Iterator[Frame]) -> tuple[list[FrameResult], tuple[Track, ...]]:
    tracker = segmenter.task.tracker()
    return list(segmenter.run(frames, tracker)), tuple(tracker.tracks)


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("source", ["learned", "task"])
@pytest.mark.parametrize("task", TASKS)
def test_every_frame_leaves_once_in_order_and_holds_what_its_task_promises(task: str, source: str, length: int) -> None:
    segmenter = make_segmenter(task, source=source, spa=source == "task", clip_length=length)
    prompts = {1: (Prompt(2, mask=square(3, 4)), Prompt(7, box=(20, 10, 40, 30)), Prompt(3, point=(50.5, 20.0)))}
    results, tracks = run(segmenter, make_frames(5, prompts=prompts if task == "evs" else None))
    assert [result.frame.index for result in results] == list(range(5))
    assert not any(result.problem for result in results)
    assert [track.track_id for track in tracks] == sorted({track.track_id for track in tracks})
    visible = {track.track_id: 0 for track in tracks}
    for result in results:
        ids = [segment.track_id for segment in result.segments]
        assert ids == sorted(set(ids))
        for segment in result.segments:
            visible[segment.track_id] += 1
            assert segment.track_id >= 1
            assert 0 <= segment.score <= 1
            assert segment.mask.size == (40, 56)
            assert rle.area(segment.mask) > 0
        covered = sum(rle.area(segment.mask) for segment in result.segments)
        if task == "vss":
            assert covered == 40 * 56
            assert all(segment.track_id == segment.class_id + 1 for segment in result.segments)
        if task in {"vps", "evs"}:
            assert covered == (rle.area(rle.merge([s.mask for s in result.segments])) if ids else 0)
    assert any(result.segments for result in results)
    for track in tracks:
        assert track.num_frames == visible[track.track_id]
        assert 0 <= track.score <= 1
    if task == "evs":
        assert not results[0].segments
        assert {track.track_id for track in tracks} == {2, 3, 7}
        given = {segment.track_id: segment.mask for segment in results[1].segments}
        assert given[2] == prompts[1][0].mask


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [(1, 1), (2, 90), (37, 3)])
def test_pictures_of_any_size_go_through(task: str, size: tuple[int, int]) -> None:
    prompts = {0: (Prompt(1, point=(0.5, 0.5)),)} if task == "evs" else None
    results, _ = run(make_segmenter(task, clip_length=2), make_frames(3, size, prompts))
    assert len(results) == 3
    assert all(segment.mask.size == size for result in results for segment in result.segments)


def test_the_size_may_change_in_mid_video() -> None:
    frames = [*make_frames(2, (40, 56)), *(replace(frame, index=frame.index + 2) for frame in make_frames(2, (30, 20)))]
    results, _ = run(make_segmenter("vis"), iter(frames))
    assert [result.segments[0].mask.size for result in results] == [(40, 56), (40, 56), (30, 20), (30, 20)]


def test_before_anything_is_pointed_at_the_network_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = make_segmenter("evs")
    monkeypatch.setattr(segmenter.network, "encode", lambda _: pytest.fail("the network ran"))
    results, tracks = run(segmenter, make_frames(4))
    assert [result.segments for result in results] == [()] * 4
    assert tracks == ()


def test_a_video_leaves_no_trace_in_the_next() -> None:
    for task in TASKS:
        segmenter = make_segmenter(task)
        prompts = {0: (Prompt(4, box=(5, 5, 30, 30)),)} if task == "evs" else None
        first, again = (run(segmenter, make_frames(4, prompts=prompts)) for _ in range(2))
        assert first[1] == again[1]
        assert [r.segments for r in first[0]] == [r.segments for r in again[0]]


def test_memory_holds_one_window_of_frames() -> None:
    segmenter = make_segmenter("vis", clip_length=2)
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    most = []

    def frames() -> Iterator[Frame]:
        for frame in make_frames(20):
            alive.add(frame.image)
            most.append(len(alive))
            yield frame

    for _ in segmenter.run(frames(), segmenter.task.tracker()):
        most.append(len(alive))
    assert max(most) <= 2 + 2  # the window, the one that its result still names, and the one that the source is making


# --- batches, clips that overlap, memory that runs out -------------------------------------------------------------


def segmented(segmenter: Segmenter, frames: Iterator[Frame], **how: Any) -> tuple[list[FrameResult], tuple[Track, ...]]:
    tracker = segmenter.task.tracker()
    predicted = segmenter.predict(segmenter.clips(frames), tracker, **how)
    return list(segmenter.decide(predicted, tracker)), tuple(tracker.tracks)


def assert_same(found: list[FrameResult], wanted: list[FrameResult]) -> None:
    """Masks, ids and classes to the last bit; scores but for the order in which a batch is summed."""
    assert [result.frame.index for result in found] == [result.frame.index for result in wanted]
    for result, other in zip(found, wanted, strict=True):
        assert result.problem == other.problem
        assert [(s.track_id, s.class_id, s.mask) for s in result.segments] == [
            (s.track_id, s.class_id, s.mask) for s in other.segments
        ]
        scores = [[segment.score for segment in r.segments] for r in (result, other)]
        np.testing.assert_allclose(scores[0], scores[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("source", ["learned", "task"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_batch_gives_what_its_clips_give_one_by_one(task: str, source: str, ahead: int) -> None:
    segmenter = make_segmenter(task, source=source, spa=source == "task", clip_length=2)
    segmenter._ahead = ahead  # as on a GPU
    prompts = {1: (Prompt(2, mask=square(3, 4)),)} if task == "evs" else None
    wanted, tracks = run(segmenter, make_frames(11, prompts=prompts))
    found, others = segmented(segmenter, make_frames(11, prompts=prompts), batch=3)
    assert any(result.segments for result in wanted)
    assert_same(found, wanted)
    assert [track.track_id for track in others] == [track.track_id for track in tracks]


def test_a_batch_holds_one_size() -> None:
    def frames() -> Iterator[Frame]:
        yield from make_frames(3, (40, 56))
        yield from (replace(frame, index=frame.index + 3) for frame in make_frames(4, (30, 20)))

    segmenter = make_segmenter("vis", clip_length=1)
    assert_same(segmented(segmenter, frames(), batch=5)[0], run(segmenter, frames())[0])


def without_cache(segmenter: Segmenter, clips: Iterator[Clip]) -> Iterator[Clip]:
    """Clips as if nothing of them had been seen; what leaves with them must be cut by the caller."""
    for clip in clips:
        yield replace(resize.prepare(clip.frames, segmenter.input_settings), num_seen=0)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_features_of_shared_frames_are_made_once_and_are_those_made_again(stride: int, batch: int) -> None:
    segmenter = make_segmenter("vis", clip_length=3)
    segmenter.clip_stride = stride
    encoded = []
    encode = segmenter.network.encode

    def counting(pixels: torch.Tensor) -> Any:
        encoded.append(pixels.shape[0] * pixels.shape[1])
        return encode(pixels)

    segmenter.network.encode = counting  # type: ignore[method-assign]
    clips = list(segmenter.clips(make_frames(9)))
    kept = list(segmenter.predict(clips, segmenter.task.tracker(), batch=batch))
    assert sum(encoded) == 9
    again = list(segmenter.predict(without_cache(segmenter, iter(clips)), segmenter.task.tracker()))
    assert sum(encoded) > 2 * 9
    for clip, mine, other in zip(clips, kept, again, strict=True):
        new = len(clip.frames) - clip.num_seen
        assert mine.clip.frames == clip.frames[clip.num_seen :]
        assert mine.prediction is not None
        assert other.prediction is not None
        torch.testing.assert_close(mine.prediction.class_logits, other.prediction.class_logits, rtol=0, atol=1e-5)
        wanted = other.prediction.mask_logits()[:, :, -new:]
        torch.testing.assert_close(mine.prediction.mask_logits(), wanted, rtol=1e-5, atol=1e-5)
        assert mine.prediction.descriptors is not None
        assert mine.prediction.descriptors.shape[2] == min(new + 1, len(clip.frames))


@pytest.mark.parametrize("task", TASKS)
def test_every_frame_of_clips_that_overlap_leaves_once_in_order(task: str) -> None:
    segmenter = make_segmenter(task, clip_length=3)
    prompts = {4: (Prompt(2, mask=square(3, 4)),)} if task == "evs" else None
    segmenter.clip_stride = 1
    results, tracks = run(segmenter, make_frames(10, prompts=prompts))
    assert [result.frame.index for result in results] == list(range(10))
    assert any(result.segments for result in results[4:])
    assert not any(result.problem for result in results)
    assert tracks


class FullDevice:
    """Stands in for `network.encode`: has no memory for so many frames at once, or at these calls."""

    def __init__(self, segmenter: Segmenter, most: int = 10**9, fails_at: Sequence[int] = ()) -> None:
        self._encode, self._most, self._fails_at = segmenter.network.encode, most, fails_at
        self.calls: list[int] = []
        segmenter.network.encode = self  # type: ignore[assignment]

    def __call__(self, pixels: torch.Tensor) -> Any:
        self.calls.append(pixels.shape[0] * pixels.shape[1])
        if self.calls[-1] > self._most or len(self.calls) - 1 in self._fails_at:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._encode(pixels)


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_batch_too_large_for_the_device_is_computed_one_by_one_and_said(ahead: int) -> None:
    segmenter = make_segmenter("vis", clip_length=2)
    segmenter._ahead = ahead
    wanted, _ = run(segmenter, make_frames(12))
    device, notes = FullDevice(segmenter, most=4), list[str]()
    found, _ = segmented(segmenter, make_frames(12), batch=3, notes=notes)
    assert device.calls == [6, 2, 2, 2, 2, 2, 2]
    assert_same(found, wanted)
    assert notes == ["memory ran out at frame 0: from there on one clip at a time instead of 3 (--batch)"]


def test_a_single_clip_is_tried_once_more_and_then_given_up() -> None:
    segmenter = make_segmenter("vis", clip_length=2)
    wanted, _ = run(segmenter, make_frames(8))
    FullDevice(segmenter, fails_at=[1])
    notes: list[str] = []
    found, _ = segmented(segmenter, make_frames(8), notes=notes)
    assert_same(found, wanted)
    assert "ran out at frame 2" in notes[0]
    segmenter = make_segmenter("vis", clip_length=2)
    FullDevice(segmenter, fails_at=[1, 4])
    tracker = segmenter.task.tracker()
    results = segmenter.run(make_frames(8), tracker)
    assert [next(results).frame.index for _ in range(6)] == list(range(6))
    with pytest.raises(torch.OutOfMemoryError):
        next(results)


# --- numbers that are none ----------------------------------------------------------------------------------------


def test_what_is_not_finite_in_half_precision_is_run_again_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = make_segmenter("vis", dtype=torch.bfloat16)
    decode, seen = segmenter.network.decode, []

    def overflowing(features: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(features.mask_features.dtype)
        prediction = decode(features, *args, **kwargs)
        if features.mask_features.dtype != torch.float32:
            prediction.class_logits[0, 0, 0] = float("nan")
        return prediction

    weights = {name: tensor.clone() for name, tensor in segmenter.network.state_dict().items()}
    monkeypatch.setattr(segmenter.network, "decode", overflowing)
    results, _ = run(segmenter, make_frames(6))
    assert seen == [torch.bfloat16, torch.float32] * 2
    assert all(result.segments and not result.problem for result in results)
    for name, tensor in segmenter.network.state_dict().items():
        assert tensor.dtype == weights[name].dtype
        assert torch.equal(tensor, weights[name])


@pytest.mark.parametrize("part", ["class_logits", "embeddings", "mask_embeddings", "mask_features"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_finite_at_all_gives_an_empty_result_that_says_so(
    part: str, number: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = make_segmenter("vis")
    decode, calls = segmenter.network.decode, []

    def broken(*args: Any, **kwargs: Any) -> Any:
        prediction = decode(*args, **kwargs)
        if not calls:
            getattr(prediction, part)[0, 0] = number
        calls.append(part)
        return prediction

    monkeypatch.setattr(segmenter.network, "decode", broken)
    results, _ = run(segmenter, make_frames(6))
    assert [result.problem for result in results] == [NOT_FINITE] * 3 + [""] * 3
    assert [bool(result.segments) for result in results] == [False] * 3 + [True] * 3


# --- against the official run -------------------------------------------------------------------------------------


def official_segmenter(clip_length: int) -> Segmenter:
    checkpoint = read_checkpoint(shared("parity", "video_tiny", "model_final.pkl"))
    (head, num_classes) = next(iter(checkpoint.heads.items()))
    network = Network(checkpoint.settings.model_copy(update={"clip_length": clip_length}), checkpoint.heads)
    network.load_state_dict(checkpoint.state)
    tracking = TrackSettings(shape_weight=0.0, match_threshold=-1.0, birth_score=0.0, momentum=0.0)
    classes = replace(vocabulary(num_classes), name=head)
    task: Task = Vis(network.queries, classes, VisSettings(conf=0.0, top=None), tracking)
    return Segmenter(network.prepare_for_inference(), task, checkpoint.input)


def official_clips(segmenter: Segmenter, frames: np.ndarray[Any, Any], stats: dict[str, Any]) -> Iterator[Clip]:
    """The stored frames have the network's size already; results are wanted at another."""
    sized = InputSettings(
        short_side=min(stats["input_size"]), mean=segmenter.input_settings.mean, std=segmenter.input_settings.std
    )
    segmenter.input_settings = sized
    images = (torch.from_numpy(frame).permute(2, 0, 1) for frame in frames)
    for clip in segmenter.clips(Frame(i, Fraction(i), image) for i, image in enumerate(images)):
        assert clip.input_size == tuple(stats["input_size"])
        assert clip.padded_size == tuple(stats["padded_size"])
        yield replace(clip, source_size=tuple(stats["output_size"]))


def final_logits(mask_logits: torch.Tensor, stats: dict[str, Any]) -> torch.Tensor:
    """(Q, T, h, w) → (Q, T, H, W)."""
    padded = F.interpolate(mask_logits, stats["padded_size"], mode="bilinear", align_corners=False)
    inside = padded[..., : stats["input_size"][0], : stats["input_size"][1]]
    return F.interpolate(inside, stats["output_size"], mode="bilinear", align_corners=False)


def check_official(
    results: list[FrameResult], tracks: tuple[Track, ...], official: list[dict[str, Any]], logits: torch.Tensor
) -> None:
    """Top ten of tracks × classes; masks but for pixels that float32 cannot decide.

    Args:
        logits: (slots, T, H, W) the official run's own, in the order of `query`.
    """
    probs = torch.tensor([track.class_scores for track in tracks])
    values, places = probs.flatten().topk(len(official))
    np.testing.assert_allclose(sorted(values.tolist()), sorted(r["score"] for r in official), rtol=0, atol=1e-5)
    undecided = logits.abs() < 1e-4
    assert undecided.float().mean() < 1e-4
    for value, place in zip(values.tolist(), places.tolist(), strict=True):
        row, label = divmod(place, probs.shape[1])
        (result,) = [r for r in official if r["label"] == label and abs(r["score"] - value) < 1e-5]
        for t, (frame, stored) in enumerate(zip(results, result["segmentations"], strict=True)):
            wanted = rle.decode(rle.from_coco(stored))
            found = {segment.track_id: segment.mask for segment in frame.segments}.get(tracks[row].track_id)
            mask = np.zeros_like(wanted) if found is None else rle.decode(found)
            assert not ((mask != wanted) & ~undecided[result["query"], t].numpy()).any()


@pytest.mark.parametrize("case", ["even", "odd"])
def test_a_clip_from_frames_to_masks_is_that_of_mask2former_vis(case: str) -> None:
    stored = np.load(shared("parity", "video_tiny", "reference.npz"))
    stats = json.loads(str(stored["meta"]))["stats"][case]
    official = json.loads(shared("parity", "video_tiny", "results.json").read_text())[case]
    segmenter = official_segmenter(stats["num_frames"])
    assert segmenter.clip_length > 1
    tracker = segmenter.task.tracker()
    results = list(segmenter.segment(official_clips(segmenter, stored[f"{case}.frames"], stats), tracker))
    logits = final_logits(torch.from_numpy(stored[f"{case}.mask_logits"])[0], stats)
    check_official(results, tuple(tracker.tracks), official, logits)


@pytest.mark.parametrize("case", ["even", "odd"])
def test_a_video_from_frames_to_masks_is_that_of_minvis(case: str) -> None:
    stored = np.load(shared("parity", "video_tiny", "minvis.npz"))
    stats = json.loads(str(stored["meta"]))["stats"][case]
    official = json.loads(shared("parity", "video_tiny", "minvis.json").read_text())[case]
    segmenter = official_segmenter(1)
    tracker = segmenter.task.tracker()
    results = list(segmenter.segment(official_clips(segmenter, stored[f"{case}.frames"], stats), tracker))
    frames = final_logits(torch.from_numpy(stored[f"{case}.mask_logits"])[0], stats)
    linked = torch.from_numpy(stored[f"{case}.matched.indices"])
    logits = torch.stack([frames[linked[:, slot], torch.arange(len(linked))] for slot in range(len(frames))])
    check_official(results, tuple(tracker.tracks), official, logits)
    slots = torch.from_numpy(stored[f"{case}.matched.logits"]).softmax(-1)[:, :-1]
    probs = torch.tensor([track.class_scores for track in tracker.tracks])
    assert sorted(torch.cdist(slots, probs).argmin(1).tolist()) == list(range(len(slots)))
    assert torch.cdist(slots, probs).amin(1).max() < 1e-5
