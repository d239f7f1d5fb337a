"""Every benchmark from the official folder to the official numbers: what is written scores what was said.

The folders are the golden cases' ground truth, to which pictures of noise are added. In place of a network, which would
find nothing in noise, stands the truth, moved by a few pixels and unsure of its classes.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gvseg_core.data.benchmarks import choose_benchmark
from gvseg_core.engine.benchmarks import choose_bench
from gvseg_core.engine.evaluation import model
from gvseg_core.ops import rle
from gvseg_core.segmenter import Predicted, Segmenter
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.types import VOID, Clip, Footage, FrameResult, Track
from gvseg_core.video.windows import Window
from tests.cli.conftest import Done
from tests.conftest import shared

Picture = tuple[str, tuple[int, int]]  # path in the official folder, (H, W)


def beside_maps(maps: str, pictures: str, suffix: str = ".jpg") -> Callable[[Path], Iterator[Picture]]:
    """A picture for every map, whose folder is called something else."""

    def found(gt: Path) -> Iterator[Picture]:
        for path in sorted(gt.glob(maps)):
            with Image.open(path) as image:
                yield pictures.format(video=video_of(path), frame=path.stem) + suffix, (image.height, image.width)

    return found


def video_of(path: Path) -> str:
    return path.parent.parent.name if path.parent.name == "mask" else path.parent.name


def of_youtube_vis(gt: Path) -> Iterator[Picture]:
    for video in json.loads((gt / "instances.json").read_text())["videos"]:
        for name in video["file_names"]:
            yield f"JPEGImages/{name}", (video["height"], video["width"])


def of_burst(gt: Path) -> Iterator[Picture]:
    for sequence in json.loads((gt / "all_classes.json").read_text())["sequences"]:
        for name in sequence["annotated_image_paths"]:
            path = f"frames/val/{sequence['dataset']}/{sequence['seq_name']}/{name}"
            yield path, (sequence["height"], sequence["width"])


SETS: dict[str, tuple[str, Callable[[Path], Iterator[Picture]]]] = {
    "ytvis19": ("ytvis/basic", of_youtube_vis),
    "ytvis21": ("ytvis/basic", of_youtube_vis),
    "ovis": ("ovis/basic", of_youtube_vis),
    "vspw": ("vspw/basic", beside_maps("data/*/mask/*.png", "data/{video}/origin/{frame}")),
    "vipseg": ("vipseg/basic", beside_maps("panomasksRGB/*/*.png", "imgs/{video}/{frame}")),
    "kitti_step": ("kitti_step/basic", beside_maps("panoptic_maps/val/*/*.png", "images/val/{video}/{frame}", ".png")),
    "davis17": ("davis/basic", beside_maps("Annotations/480p/*/*.png", "JPEGImages/480p/{video}/{frame}")),
    "ytvos18": ("youtube_vos/basic", beside_maps("valid/Annotations/*/*.png", "valid/JPEGImages/{video}/{frame}")),
    "burst": ("burst/exemplar_basic", of_burst),
    "burst_class_guided": ("burst/class_guided", of_burst),
    "burst_open_world": ("burst/open_world", of_burst),
}


def test_every_layout_is_walked() -> None:
    elsewhere = {"coco"}  # tests.core.data.test_coco_instances, tests.test_nano
    assert SETS.keys() == {name for name in LAYOUTS if not name.startswith("synth")} - elsewhere


def official_folder(bench: str, folder: Path) -> Path:
    """Ground truth and pictures."""
    case, pictures = SETS[bench]
    gt = shared("golden", *case.split("/"), "gt")
    shutil.copytree(gt, folder)
    rng = np.random.default_rng(0)
    for name, size in pictures(gt):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(folder / name)
    return folder


class MovedTruth(Segmenter):
    """Answers as a network that is nearly right; videos come in the order of the footage."""

    def __init__(self, footage: Footage) -> None:
        assert footage.truth is not None
        self.task: Any = self
        self.device = torch.device("cpu")
        self.clip_length = self.clip_stride = 1
        self.looks_back = False
        self.provenance = {"model": "moved truth"}
        self.vocabulary = footage.vocabulary
        self._answers = iter([footage.truth.answer(video) for video in footage.videos])

    def tracker(self) -> Any:
        """What is said of the next video."""
        answer = next(self._answers)
        tracks = tuple(self._unsure(track) for track in answer.tracks if not track.ignore)
        return SimpleNamespace(results={result.frame.index: result for result in answer.frames}, tracks=tracks)

    def prepare(self, windows: Iterable[Window]) -> Iterator[Clip]:
        """Frame by frame."""
        for (frame,), _ in windows:
            size = int(frame.image.shape[1]), int(frame.image.shape[2])
            yield Clip((frame,), torch.empty(1, 3, 0, 0), input_size=size, source_size=size)

    def predict(self, clips: Iterable[Clip], tracker: Any, **_: Any) -> Iterator[Predicted]:
        """There is no network."""
        for clip in clips:
            yield Predicted(clip, None)

    def decide(self, predicted: Iterable[Predicted], tracker: Any) -> Iterator[FrameResult]:
        """The truth of each frame, rolled to the right; what is void has the first class."""
        for clip, _, _ in predicted:
            (frame,) = clip.frames
            segments = []
            for segment in tracker.results[frame.index].segments if frame.index in tracker.results else ():
                moved = replace(segment, mask=rle.encode(np.roll(rle.decode(segment.mask), 2, 1)), ignore=False)
                segments.append(replace(moved, class_id=0, track_id=1) if moved.class_id == VOID else moved)
            for segment in segments:
                if segment.track_id not in {track.track_id for track in tracker.tracks}:
                    tracker.tracks += (Track(segment.track_id, segment.class_id, segment.score, 0, 0, 1),)
            yield FrameResult(frame, tuple(segments))

    def _unsure(self, track: Track) -> Track:
        """Its class is the likeliest, and all others are likely, too."""
        chance = np.random.default_rng(track.track_id).random(len(self.vocabulary)) * 0.3
        chance[track.class_id] = 0.5 + chance[track.class_id]
        return replace(track, class_scores=tuple(chance.tolist()), score=float(chance[track.class_id]))


@pytest.mark.parametrize("bench", SETS)
def test_what_is_written_scores_what_was_said(
    bench: str, gvseg: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    footage = choose_benchmark(bench).open(official_folder(bench, tmp_path / "set"), "val")
    monkeypatch.setattr(model, "load_segmenter", lambda *_, **__: MovedTruth(footage))
    words = ["eval", "--bench", bench, "--data", "set", "--model", "moved", "--size", "32"]
    done = gvseg(*words, "--save-results", "out", "--submission", "out.zip", "--json", "ran.json")
    assert done.code == 0, done.err
    said = json.loads((tmp_path / "ran.json").read_text())
    key = choose_bench(bench).scoring.headline[0]
    assert 0.1 < said["metrics"][key] / (100 if choose_bench(bench).in_percent(key) else 1) < 1

    score = ["eval", "--bench", bench, "--gt", "set", "--json", "-", "--results"]
    scored = gvseg(*score, "out")
    assert scored.code == 0, scored.err
    found = json.loads(scored.out)
    for part in ("metrics", "details", "variants"):
        assert found[part] == said[part]
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path / "unzipped")
    assert json.loads(gvseg(*score, "unzipped").out)["metrics"] == said["metrics"]
