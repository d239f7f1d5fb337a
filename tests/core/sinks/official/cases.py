"""Two small videos with known pixels, as each official layout wants them."""

from __future__ import annotations

from pathlib import Path

from gvseg_core.sinks.official import LAYOUTS, VideoFacts
from gvseg_core.types import Answer, FrameResult, TaskName
from tests.core.sinks.scenes import SIZE, VOCABULARY, outcome, results

TASKS: dict[str, TaskName] = {
    "ytvis19": "vis",
    "ytvis21": "vis",
    "ovis": "vis",
    "coco": "vis",
    "vspw": "vss",
    "vipseg": "vps",
    "kitti_step": "vps",
    "davis17": "evs",
    "ytvos18": "evs",
    "burst": "evs",
    "burst_class_guided": "vis",
    "burst_open_world": "vis",
    "synth_vis": "vis",
    "synth_vss": "vss",
    "synth_vps": "vps",
    "synth_evs": "evs",
}
LENGTHS = {"zebra": 4, "ant": 3}  # in the benchmark's order, which is not the alphabet's


def length(name: str, video: str) -> int:
    """Frames of a video; those of COCO are pictures."""
    return 1 if name == "coco" else LENGTHS[video]


def facts(name: str, video: str) -> VideoFacts:
    """What is known of a video; its frames are numbered in fives, as YouTube-VOS does."""
    return VideoFacts(
        f"val-HACS-{video}" if name.startswith("burst") else video,
        SIZE,
        tuple(f"{5 * t:05d}" for t in range(length(name, video))),
        number=10 + LENGTHS[video],
        object_ids=frozenset({3, 7, 9}) if TASKS[name] == "evs" else None,
        details={"sequence": {"dataset": "HACS", "seq_name": video}, "split": "val"}
        if name.startswith("burst")
        else {},
    )


def all_facts(name: str) -> list[VideoFacts]:
    return [facts(name, video) for video in LENGTHS]


def shown(name: str, video: str) -> list[FrameResult]:
    return results(TASKS[name], length(name, video))


def answer(name: str, video: str) -> Answer:
    frames = shown(name, video)
    return Answer(video, iter(frames), outcome(frames).tracks)


def finished(name: str, folder: Path, order: list[str] | None = None) -> Path:
    """A folder of results of both videos."""
    folder.mkdir(exist_ok=True)
    for video in order or list(LENGTHS):
        LAYOUTS[name].write(folder, answer(name, video), facts(name, video), VOCABULARY)
    LAYOUTS[name].assemble(folder, all_facts(name), VOCABULARY)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but those on their way."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".gvseg-eval" not in path.parts
    }
